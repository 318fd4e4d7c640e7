package outbox

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/s3share/s3share/cache/privatename"
)

const (
	// maxName is the longest name that the kernel takes, in bytes.
	// Source: linux/limits.h, NAME_MAX.
	maxName = 255
	// maxKey is the longest key that S3 takes, in bytes of UTF-8.
	// Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
	maxKey = 1024
	// maxSuffix is how long an end of a name may be to count as the file's type.
	maxSuffix = 16
	// maxWho is how much of a party's name goes into a file's.
	maxWho = 64
)

// conflictMark is what conflictKey adds to a name.
var conflictMark = regexp.MustCompile(` \(conflict (?:[^()]* )?\d{4}-\d\d-\d\d \d{6}\.\d{3}Z\)$`)

// conflictKey returns the key of a conflict copy of key, as in "name (conflict who 2026-01-31
// 120000.000Z).ext". No other item has it, and the kernel and S3 accept it. If it would be too
// long, the name is shortened, then the mark. If the directory leaves no room at all, the copy goes
// to one above it. A conflict copy of a conflict copy has one mark as well.
func (o *Outbox) conflictKey(key string) string {
	taken := map[string]bool{}
	for _, it := range o.Items() {
		taken[it.Key()] = true
	}
	for at := time.Now().UTC(); ; at = at.Add(time.Millisecond) {
		if k := o.conflictNames.keyAt(key, at); !taken[k] {
			return k
		}
	}
}

// conflictNames is what the names of conflict copies depend on.
type conflictNames struct {
	who     string                   // our party
	private *privatename.Patterns    // names that are never sent
	shown   func(elem string) string // under which an element of a key is shown; nil: itself
}

// keyAt returns the key of a conflict copy of key that is made at a time.
func (c conflictNames) keyAt(key string, at time.Time) string {
	i := strings.LastIndexByte(key, '/') + 1
	dir, name := key[:i], key[i:]
	stem, suffix := cutSuffix(unmarked(name))
	stem = unmarked(stem)
	when := at.Format("2006-01-02 150405.000Z")
	marks := []string{
		" (conflict " + when + ")",
		"-" + strconv.FormatInt(at.UnixMilli(), 36),
	}
	if who := cutAt(whoReplacer.Replace(strings.ToValidUTF8(c.who, "-")), maxWho); who != "" {
		marks = append([]string{" (conflict " + who + " " + when + ")"}, marks...)
	}
	for {
		for _, mark := range marks {
			for _, end := range []string{mark + suffix, mark} {
				if name := c.fitted(dir, stem, end); name != "" && !c.private.Key(dir+name) {
					return dir + name
				}
			}
		}
		above := strings.LastIndexByte(strings.TrimSuffix(dir, "/"), '/') + 1
		if above == 0 { // the exchange's folder has room for the shortest
			return dir + strings.TrimPrefix(marks[len(marks)-1], "-")
		}
		dir = dir[:above]
	}
}

// unmarked takes the marks of earlier conflicts off the end of a name.
func unmarked(name string) string {
	for {
		i := conflictMark.FindStringIndex(name)
		if i == nil || i[0] == 0 {
			return name
		}
		name = name[:i[0]]
	}
}

// cutSuffix splits off the suffix that shows the file's type, ".csv".
func cutSuffix(name string) (stem, suffix string) {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || len(name)-i > maxSuffix || strings.ContainsAny(name[i:], " ()") {
		return name, ""
	}
	return name[:i], name[i:]
}

// whoReplacer removes from a party's name what would end the mark, or cannot be part of a file
// name.
var whoReplacer = strings.NewReplacer("/", "-", "(", "", ")", "", "\n", "-", "\r", "-", "\t", "-",
	"\x00", "-")

// fitted returns the longest name in dir that begins with a prefix of stem and ends with end; "" if
// there is room for nothing of stem.
func (c conflictNames) fitted(dir, stem, end string) string {
	for head := cutAt(stem, maxKey-len(dir)-len(end)); head != ""; head = cutAt(stem, len(head)-1) {
		if c.shownLen(head+end) <= maxName {
			return head + end
		}
	}
	return ""
}

// shownLen returns the length of the name under which an element of a key is shown.
func (c conflictNames) shownLen(elem string) int {
	if c.shown == nil {
		return len(elem)
	}
	return len(c.shown(elem))
}

// cutAt cuts s to at most n bytes, between two characters.
func cutAt(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:max(n, 0)]
}

// ConflictKey returns the key of a conflict copy of key. who is the name of our party, private are
// the names that are never sent, and shown returns the name under which an element of a key is
// shown.
func ConflictKey(key, who string, at time.Time, private *privatename.Patterns,
	shown func(elem string) string) string {
	return conflictNames{who, private, shown}.keyAt(key, at)
}
