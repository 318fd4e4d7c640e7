package integration

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"
)

// Both parties change the same files: the client and the owner through their mounts, and
// somebody with a plain client of S3. A plain directory cannot tell what is right then.
// What holds is that nothing is lost: each content that a program wrote and closed is
// in the bucket in the end, as itself or as a conflict copy, unless somebody replaced or
// removed it who knew of it. A mount knows of a version once S3 has told it its ETag.
//
// A content begins with a head that has a mark of its own, and each append adds a line
// with one. Contents have one of two lengths and may get one time, so that neither tells
// them apart.

// plainParty is whoever uses S3 without a mount.
const plainParty party = "plain"

// partiesRun is one sequence of them.
type partiesRun struct {
	*tracer
	l       *lane
	prefix  string // of all names
	worlds  map[party]*world
	open    map[int]partyFile         // what the client's slots hold
	made    int                       // marks
	refused map[string]party          // keys that somebody could not write
	edited  map[party]map[string]bool // keys of which a party has not written all

	// mu guards the fields below: the gateways look at them, too.
	mu       sync.Mutex
	versions map[string]map[string][]string // marks by key and ETag
	shown    map[party]map[string]bool      // ETags that S3 has told
	local    map[party]map[string][]string  // marks that a party's programs have at a key
	closed   map[string]string              // marks that must not be lost, and who wrote them where
	excused  map[string]string              // marks that somebody replaced, and who did
	touched  map[string]map[party]bool      // who has changed a key
	broken   []string
}

// partyFile is an open file of the client.
type partyFile struct {
	path string
	mark string // of the line that was written, if any
	gone bool   // the client has removed it, or what was written of it
}

// follow notes what the client has done to a name: its open files are moved to another,
// or gone if there is none. Of a file that was cut off only what is written already is.
func (p *partiesRun) follow(by party, path, to string, cutOff bool) {
	if by != client {
		return
	}
	for slot, f := range p.open {
		if f.path != path || cutOff && f.mark == "" {
			continue
		}
		f.path, f.gone = to, f.gone || to == ""
		if cutOff {
			f.path = path
		}
		p.open[slot] = f
	}
}

func (l *lane) newPartiesRun(name string) *partiesRun {
	p := &partiesRun{
		tracer: newTracer(), l: l, prefix: name + "-",
		worlds: map[party]*world{
			client: newWorld("client", l.m.path(strings.TrimSuffix(delivery, "/"))),
			owner:  newWorld("owner", l.other.path(strings.TrimSuffix(delivery, "/"))),
		},
		open: map[int]partyFile{}, versions: map[string]map[string][]string{},
		shown: map[party]map[string]bool{client: {}, owner: {}},
		local: map[party]map[string][]string{client: {},
			owner: {}}, closed: map[string]string{}, excused: map[string]string{},
		touched: map[string]map[party]bool{}, refused: map[string]party{},
		edited: map[party]map[string]bool{client: {}, owner: {}},
	}
	return p
}

func (p *partiesRun) begin() {
	watch := p.look
	p.l.watch.Store(&watch)
}

func (p *partiesRun) do(s step) { partyOperations[s.op].do(p, s) }

func (p *partiesRun) end() {
	p.l.watch.Store(nil)
	for _, w := range p.worlds {
		w.drop()
	}
	p.l.direct.removeUnder(delivery + p.prefix)
}

// name is that of a file in the folder.
func (p *partiesRun) name(path string) string { return p.prefix + path }

func (p *partiesRun) key(path string) string { return delivery + p.name(path) }

var (
	partyMark = regexp.MustCompile(`[HL]\d{6};`)
	// partyContent is a whole content: a head with its length, that many bytes, and lines.
	partyContent = regexp.MustCompile(`^(?:H\d{6};(\d+);(x*)\n)?(?:L\d{6};\n)*$`)
)

// content is a new content of about n bytes, and its mark.
func (p *partiesRun) content(n int64) (b []byte, mark string) {
	p.made++
	mark = fmt.Sprintf("H%06d;", p.made)
	return fmt.Appendf(nil, "%s%d;%s\n", mark, n, strings.Repeat("x", int(n))), mark
}

func (p *partiesRun) line() (b []byte, mark string) {
	p.made++
	mark = fmt.Sprintf("L%06d;", p.made)
	return []byte(mark + "\n"), mark
}

// wholeContent reports whether nothing of a content is missing.
func wholeContent(b []byte) bool {
	m := partyContent.FindSubmatch(b)
	return m != nil && (len(m[1]) == 0 || fmt.Sprint(len(m[2])) == string(m[1]))
}

func marksOf(b []byte) []string { return partyMark.FindAllString(string(b), -1) }

var (
	// listedETag matches an ETag in a listing.
	listedETag = regexp.MustCompile(`<ETag>(?:&#34;|&quot;|")?([0-9a-f-]+)`)
	// removedKey matches a key in a DeleteObjects.
	removedKey = regexp.MustCompile(`<Key>([^<]*)</Key>`)
)

// look sees each request of a mount.
func (p *partiesRun) look(by party, r passed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.status/100 == 2 {
		if etag := r.etag(); etag != "" {
			p.shown[by][etag] = true
		}
		for _, m := range listedETag.FindAllSubmatch(r.listing, -1) {
			p.shown[by][string(m[1])] = true
		}
	}
	if r.op == "DeleteObjects" {
		// docs/semantics.md, Removing: servers other than AWS remove what they hold.
		for _, m := range removedKey.FindAllSubmatch(r.body, -1) {
			for _, marks := range p.versions[string(m[1])] {
				for _, mark := range marks {
					p.excuseLocked(mark, by, string(m[1]))
				}
			}
		}
	}
	if !r.stored() || !strings.HasPrefix(r.key, delivery+p.prefix) {
		return
	}
	switch r.op {
	case "PutObject":
		etag := fmt.Sprintf("%x", md5.Sum(r.body))
		p.versionLocked(r.key, etag, marksOf(r.body))
		p.shown[by][etag] = true
		if !wholeContent(r.body) {
			p.broken = append(p.broken, fmt.Sprintf("%s of %q: %s", r.op, r.key, brief(r.body)))
		}
	case "CopyObject":
		for etag, marks := range p.versions[r.source] {
			p.versionLocked(r.key, etag, marks)
		}
	}
}

func (p *partiesRun) versionLocked(key, etag string, marks []string) {
	if p.versions[key] == nil {
		p.versions[key] = map[string][]string{}
	}
	p.versions[key][etag] = marks
}

// replacesLocked notes that a party has replaced or removed what is at a key: all that
// it knew to be there.
func (p *partiesRun) replacesLocked(by party, key string) {
	for _, mark := range p.local[by][key] {
		p.excuseLocked(mark, by, key)
	}
	for etag, marks := range p.versions[key] {
		if p.shown[by][etag] {
			for _, mark := range marks {
				p.excuseLocked(mark, by, key)
			}
		}
	}
	delete(p.local[by], key)
	p.touchLocked(by, key)
}

func (p *partiesRun) excuseLocked(mark string, by party, key string) {
	if p.excused[mark] == "" {
		p.excused[mark] = fmt.Sprintf("%s replaced it at %q in step %d", by, key, p.at)
	}
}

func (p *partiesRun) touchLocked(by party, key string) {
	if p.touched[key] == nil {
		p.touched[key] = map[party]bool{}
	}
	p.touched[key][by] = true
}

// call notes a call and what it returned. Programs of two parties may always find a
// name taken, gone, or changed under them; nothing else.
func (p *partiesRun) call(by party, call string, err error) bool {
	p.note("%s %s: %v", by, call, err)
	if err == nil {
		p.does[p.at] = true
		return true
	}
	for _, may := range []error{unix.ENOENT, unix.EEXIST, unix.ESTALE} {
		if errors.Is(err, may) {
			return false
		}
	}
	p.fail("errno "+call, "%s: %s = %v", by, call, err)
	return false
}

// write opens, writes and closes a file.
func (p *partiesRun) write(by party, path string, flags int, b []byte) bool {
	w := p.worlds[by]
	fd, err := w.openFD(p.name(path), unix.O_WRONLY|flags, 0o644)
	if !p.call(by, fmt.Sprintf("open %q %s", path, flagsText(unix.O_WRONLY|flags)), err) {
		return false
	}
	n, err := uninterrupted(func() (int, error) { return unix.Write(fd, b) })
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if !p.call(by, fmt.Sprintf("write of %s", b[:8]), err) {
		p.stale(by, path)
		_ = unix.Close(fd)
		return false
	}
	return p.call(by, "close", unix.Close(fd))
}

// stale notes that a file could not be written, since the version under it is gone:
// what was written of it is kept, and told.
func (p *partiesRun) stale(by party, path string) { p.refused[p.key(path)] = by }

// put replaces what a file holds.
func (p *partiesRun) put(by party, path string, n int64, flags int) bool {
	b, mark := p.content(n)
	if !p.write(by, path, unix.O_CREAT|unix.O_TRUNC|flags, b) {
		return false
	}
	p.wrote(by, path, mark, true)
	return true
}

// wrote notes a write that was closed; anew says that it replaced what was there.
func (p *partiesRun) wrote(by party, path, mark string, anew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := p.key(path)
	if anew {
		p.follow(by, path, "", true)
		p.replacesLocked(by, key)
	}
	p.touchLocked(by, key)
	p.edited[by][key] = !anew
	p.local[by][key] = append(p.local[by][key], mark)
	p.closed[mark] = fmt.Sprintf("%s in %q, step %d", by, path, p.at)
}

func (p *partiesRun) append(by party, path string, flags int) bool {
	b, mark := p.line()
	if !p.write(by, path, unix.O_APPEND|flags, b) {
		return false
	}
	p.wrote(by, path, mark, false)
	return true
}

func (p *partiesRun) rename(by party, from, to string) bool {
	w := p.worlds[by]
	err := uninterruptedly(func() error {
		return unix.Rename(w.path(p.name(from)), w.path(p.name(to)))
	})
	if !p.call(by, fmt.Sprintf("rename %q to %q", from, to), err) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if from == to {
		return true
	}
	p.follow(by, to, "", false)
	p.follow(by, from, to, false)
	p.replacesLocked(by, p.key(to))
	p.local[by][p.key(to)] = p.local[by][p.key(from)]
	delete(p.local[by], p.key(from))
	p.edited[by][p.key(to)] = p.edited[by][p.key(from)]
	for etag, marks := range p.versions[p.key(from)] {
		p.versionLocked(p.key(to), etag, marks)
	}
	for who := range p.touched[p.key(from)] {
		p.touchLocked(who, p.key(to))
	}
	p.touchLocked(by, p.key(from))
	return true
}

func (p *partiesRun) unlink(by party, path string) bool {
	w := p.worlds[by]
	if !p.call(by, fmt.Sprintf("unlink %q", path),
		uninterruptedly(func() error { return unix.Unlink(w.path(p.name(path))) })) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow(by, path, "", false)
	p.replacesLocked(by, p.key(path))
	return true
}

// change replaces or removes an object by a plain client, which knows what it replaces:
// its request has a condition.
func (p *partiesRun) change(path string, b []byte) {
	key := p.key(path)
	for {
		got, etag := p.object(key)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		var err error
		if b == nil && etag == "" {
			cancel()
			return
		} else if b == nil {
			_, err = p.l.direct.api[owner].DeleteObject(ctx,
				&s3.DeleteObjectInput{Bucket: &p.l.direct.Bucket, Key: &key, IfMatch: &etag})
		} else {
			in := &s3.PutObjectInput{Bucket: &p.l.direct.Bucket,
				Key: &key, Body: bytes.NewReader(b)}
			if in.IfMatch = &etag; etag == "" {
				in.IfMatch, in.IfNoneMatch = nil, aws.String("*")
			}
			_, err = p.l.direct.api[owner].PutObject(ctx, in)
		}
		cancel()
		if code := status(err); code == 412 || code == 409 || code == 404 {
			continue
		}
		if err != nil {
			panic(err)
		}
		p.note("plain change of %q over %q", path, marksOf(got))
		p.does[p.at] = true
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, mark := range marksOf(got) {
			p.excuseLocked(mark, plainParty, key)
		}
		p.touchLocked(plainParty, key)
		if b != nil {
			p.versionLocked(key, fmt.Sprintf("%x", md5.Sum(b)), marksOf(b))
			p.l.direct.foreign.put(key, fmt.Sprintf("%x", md5.Sum(b)))
			for _, mark := range marksOf(b) {
				p.closed[mark] = fmt.Sprintf("plain in %q, step %d", path, p.at)
			}
		}
		return
	}
}

// object is what S3 holds at a key; no ETag for nothing.
func (p *partiesRun) object(key string) ([]byte, string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := p.l.direct.api[owner].GetObject(ctx,
		&s3.GetObjectInput{Bucket: &p.l.direct.Bucket, Key: &key})
	if status(err) == 404 {
		return nil, ""
	}
	if err != nil {
		panic(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		panic(err)
	}
	return b, aws.ToString(out.ETag)
}

// finish waits until both mounts have delivered, and looks for each mark.
func (p *partiesRun) finish() {
	for slot := range p.open {
		p.closeSlot(slot)
	}
	mounts := map[party]*mount{client: p.l.m, owner: p.l.other}
	for by, m := range mounts {
		p.quiet(by, m)
	}
	keys, err := p.l.direct.under(delivery + p.prefix)
	if err != nil {
		panic(err)
	}
	kept := map[string]bool{}
	contents := map[string][]byte{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		b, _ := p.object(key)
		contents[strings.TrimPrefix(key, delivery)] = b
		for _, mark := range marksOf(b) {
			kept[mark] = true
		}
		p.note("%q holds %q", key, marksOf(b))
		if !wholeContent(b) {
			p.fail("half", "S3 holds in %q: %s", key, brief(b))
		}
		p.conflictFits(key)
	}
	p.mu.Lock()
	broken := slices.Clone(p.broken)
	p.mu.Unlock()
	if len(broken) > 0 {
		p.fail("half", "S3 had what was not whole: %q", broken)
	}
	private := map[party]map[string][]byte{}
	for by := range mounts {
		private[by] = p.converge(by, contents)
		for _, b := range private[by] {
			for _, mark := range marksOf(b) {
				kept[mark] = true
			}
		}
	}
	for _, mark := range slices.Sorted(maps.Keys(p.closed)) {
		if !kept[mark] && p.excused[mark] == "" {
			p.fail("lost", "%s is lost, which was written by %s; S3 has %q", mark,
				p.closed[mark], slices.Sorted(maps.Keys(kept)))
		}
	}
}

// notDelivered is what commands say of a file that is kept here, and why.
var notDelivered = regexp.MustCompile(`not delivered: "([^"]*)" \([^)]*\): (.*)`)

// quiet waits until a mount has nothing to deliver any more.
func (p *partiesRun) quiet(by party, m *mount) {
	out, err := m.run("wait", "--timeout", patience.String(), m.dir)
	p.note("%s s3share wait: %v %s", by, err, strings.TrimSpace(out))
	told := strings.Contains(out, "beside the other party's version") ||
		strings.Contains(out, "conflict: ")
	var left []string // that nothing explains
	for _, m := range notDelivered.FindAllStringSubmatch(out, -1) {
		key, why := m[1], m[2]
		told = true
		if !strings.HasPrefix(key, delivery+p.prefix) {
			continue // of an earlier sequence, which has judged it
		}
		if strings.HasPrefix(why, "the version that was edited is gone") &&
			p.editedOthers(by, key) {
			p.keptBy(by, key)
		}
		if p.refused[key] != by {
			left = append(left, key)
		}
	}
	if err != nil && !told || len(left) > 0 {
		p.fail("wait", "%s s3share wait: %v\n%s", by, err, out)
	}
}

// editedOthers reports whether a party has changed a part of a file that somebody else
// has changed, too: what was under its edit may be gone, and is nowhere.
func (p *partiesRun) editedOthers(by party, key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edited[by][key] && len(p.touched[key]) > 1
}

// keptBy notes that a mount keeps a file and says that it does.
func (p *partiesRun) keptBy(by party, key string) {
	p.refused[key] = by
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, mark := range p.local[by][key] {
		p.excuseLocked(mark, by, key)
	}
}

// conflictName is the key of a conflict copy: that of the file with a mark before its
// extension.
var conflictName = regexp.MustCompile(`^(.*) \(conflict [^)]*\)(\.[^./]*)?$`)

// conflictFits fails if a conflict copy has no reason.
func (p *partiesRun) conflictFits(key string) {
	m := conflictName.FindStringSubmatch(key)
	if m == nil {
		return
	}
	first := m[1] + m[2]
	if strings.Count(key, "(conflict ") > 1 {
		p.fail("conflict", "%q is a conflict copy of a conflict copy", key)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.touched[first]) < 2 {
		p.fail("conflict", "%q is a conflict copy, though only %v has changed %q",
			key, slices.Collect(maps.Keys(p.touched[first])), first)
	}
}

// converge waits until a mount shows what S3 holds, and returns what else it shows:
// what is private.
func (p *partiesRun) converge(by party, want map[string][]byte) map[string][]byte {
	const freshness = 20 * time.Second // of a listing, and what a loaded machine takes
	w := p.worlds[by]
	var differs string
	for end := time.Now().Add(freshness); time.Now().Before(
		end); time.Sleep(100 * time.Millisecond) {
		differs = ""
		private := map[string][]byte{}
		l := w.list("")
		if l.errno != 0 {
			p.fail("list", "%s: list = %v", by, l.errno)
		}
		names := map[string]bool{}
		for _, name := range l.names {
			if !strings.HasPrefix(name, p.prefix) {
				continue
			}
			names[name] = true
			if p.refused[delivery+name] == by {
				continue
			}
			r := w.readAll(name)
			b, ok := want[name]
			switch {
			case privateFile(name) && r.errno == 0:
				private[name] = r.data
			case !ok:
				differs = fmt.Sprintf("it shows %q, which S3 has not", name)
			case r.errno != 0 || !bytes.Equal(r.data, b):
				differs = fmt.Sprintf("%q reads %v %s, want %s",
					name, r.errno, brief(r.data), brief(b))
			}
		}
		for name := range want {
			if !names[name] {
				differs = fmt.Sprintf("it does not show %q", name)
			}
		}
		if differs == "" {
			return private
		}
	}
	p.fail("freshness", "%s after %s: %s", by, freshness, differs)
	return nil
}
