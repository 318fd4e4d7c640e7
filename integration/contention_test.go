package integration

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sharedFiles = 20
	sharing     = 4 // writers of each party
)

// TestContention has two parties edit, append to, replace and rename the same
// files as fast as they can. Every version that a program wrote and closed is in
// the bucket in the end, as itself or as a conflict copy, unless somebody replaced
// it who had read it.
//
// Each write has a mark of its own. Programs of one party take turns, as any on one
// machine have to.
func TestContention(t *testing.T) {
	t.Parallel()
	needFuse(t)
	seed := [2]uint64{rand.Uint64(), rand.Uint64()}
	t.Logf("seed %v", seed) // of the operations; their timing is nobody's
	direct := newExchange(t, "full")
	x, g := direct.through(t)
	c := &contention{t: t, written: map[string]bool{}, read: map[string]bool{},
		marks: map[string][]string{}, moved: map[string]movement{}}
	g.when(c.watch)
	mounts := []*mount{x.mount(client), x.mount(owner)}
	end := time.Now().Add(soaking(20*time.Second, 10*time.Minute))
	var writers sync.WaitGroup
	for i := range sharing * len(mounts) {
		w := &rival{contention: c, m: mounts[i%len(mounts)], name: fmt.Sprint(i),
			turns: &c.turns[i%len(mounts)],
			rnd:   rand.New(rand.NewPCG(seed[0], seed[1]+uint64(i)))}
		writers.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				if err := w.step(); err != nil && !errors.Is(err, unix.ENOENT) &&
					!errors.Is(err, unix.ESTALE) {
					t.Errorf("writer %s: %v", w.name, err)
				}
			}
		})
	}
	writers.Wait()
	for _, m := range mounts {
		m.drained()
	}
	c.check(direct)
}

// contention is what was written, and what was replaced by whom.
type contention struct {
	t     *testing.T
	turns [2]sync.Mutex // of each party: its programs take turns

	mu      sync.Mutex
	written map[string]bool     // marks whose write was closed
	read    map[string]bool     // marks that were replaced by who had read them
	marks   map[string][]string // the marks in each version, by its ETag
	blind   int                 // versions that were replaced without a condition
	moved   map[string]movement // what a program has renamed last, by the new key
	history []string            // what was done, to find out about a loss
}

// movedLately is how long a rename may be on its way to S3.
const movedLately = 5 * time.Second

// movement is a file that was renamed: what it begins with, and when that was.
type movement struct {
	mark string
	at   time.Time
}

// toldLocked notes what was done.
func (c *contention) toldLocked(format string, args ...any) {
	c.history = append(c.history, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// mark is what each write leaves in the file: one that begins a content, or a line.
var mark = regexp.MustCompile(`[HL]\d+\.\d+;`)

func marksIn(b []byte) []string { return mark.FindAllString(string(b), -1) }

// watch looks at each request. A rename replaces the version that it names in its
// condition: to know that one is what it takes.
func (c *contention) watch(op string, _ http.ResponseWriter, r *http.Request) bool {
	switch op {
	case "PutObject", "CopyObject":
	case "DeleteObject":
		c.mu.Lock()
		defer c.mu.Unlock()
		c.toldLocked("S3: %s %s if %s", op, r.URL.Path, r.Header.Get("If-Match"))
		// A file that was renamed to here and away again has replaced what was here.
		if _, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"),
			"/"); time.Since(c.moved[key].at) < movedLately {
			c.readLocked(c.marks[strings.Trim(r.Header.Get("If-Match"), `"`)])
		}
		return false
	default:
		return false
	}
	if strings.HasSuffix(r.URL.Path, "/") {
		return false // a folder
	}
	match := strings.Trim(r.Header.Get("If-Match"), `"`)
	var body []byte
	if op == "PutObject" {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.toldLocked("S3: %s %s if %q%s of %s %v", op, r.URL.Path, match, r.Header.Get("If-None-Match"),
		r.Header.Get("X-Amz-Copy-Source"), marksIn(body))
	if op == "PutObject" {
		if match == "" && r.Header.Get("If-None-Match") == "" {
			c.blind++
		}
		c.marks[fmt.Sprintf("%x", md5.Sum(body))] = marksIn(body)
	}
	if op == "CopyObject" || c.renamedLocked(r.URL.Path, marksIn(body)) {
		c.readLocked(c.marks[match])
	}
	return false
}

// renamedLocked tells that a file that was not sent yet goes where it was renamed to.
// The name was taken with the file that it led to then.
func (c *contention) renamedLocked(path string, marks []string) bool {
	_, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	m := c.moved[key]
	return len(marks) > 0 && m.mark == marks[0] && time.Since(m.at) < movedLately
}

// moves notes a rename that is about to be.
func (w *rival) moves(content []byte, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if marks := marksIn(content); len(marks) > 0 {
		w.moved[to] = movement{marks[0], time.Now()}
	}
}

func (c *contention) readLocked(marks []string) {
	for _, m := range marks {
		c.read[m] = true
	}
}

// wrote notes a write to key that was closed, by whoever had read what it replaced.
func (w *rival) wrote(how, key, mark string, replaced []string) {
	c := w.contention
	c.mu.Lock()
	defer c.mu.Unlock()
	c.toldLocked("%s %s: %s in %s over %v", w.name, how, mark, key, replaced)
	c.readLocked(replaced)
	if mark != "" {
		c.written[mark] = true
	}
	// It was written again where it was renamed to.
	if m := c.moved[key]; slices.Contains(replaced, m.mark) {
		c.moved[key] = movement{mark, m.at}
	}
}

// check looks for each mark.
func (c *contention) check(x *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := map[string]bool{}
	beside := 0
	for key := range x.list() {
		b, err := x.get(owner, key)
		if err != nil {
			c.t.Errorf("get %q: %v", key, err)
		}
		for _, m := range marksIn(b) {
			kept[m] = true
		}
		if strings.Contains(key, " (conflict ") {
			beside++
		}
	}
	var lost []string
	for m := range c.written {
		if !kept[m] && !c.read[m] {
			lost = append(lost, m)
		}
	}
	c.t.Logf("%d writes, %d of them replaced by who had read them; %d conflict copies",
		len(c.written), len(c.read), beside)
	if len(lost) > 0 {
		c.t.Errorf("%d writes are lost: %v\n%s", len(lost), lost,
			strings.Join(c.historyOf(lost[0]), "\n"))
	}
	if c.blind > 0 {
		c.t.Errorf("%d objects were put without a condition", c.blind)
	}
}

// historyOf is what was done to the files that the mark was in, from its write on: a
// rename or a copy takes it to another.
func (c *contention) historyOf(mark string) []string {
	const most = 100
	in := map[string]bool{}
	var lines []string
	for _, line := range c.history {
		files := sharedName.FindAllString(line, -1)
		here := strings.Contains(line, mark)
		from := here || slices.ContainsFunc(files, func(f string) bool { return in[f] })
		if !from {
			continue
		}
		if lines = append(lines, line); len(lines) == most {
			break
		}
		if len(files) == 0 {
			continue
		}
		source := files[len(files)-1] // of a copy
		if strings.Contains(line, " > ") {
			source = files[0]
		}
		for _, f := range files {
			in[f] = in[f] || here || in[source]
		}
	}
	return lines
}

var sharedName = regexp.MustCompile(`\d\d\.txt`)

// drained waits until all is delivered, conflict copies too, and undoes the mount.
func (m *mount) drained() {
	m.t.Helper()
	for _, f := range m.awaitRest() {
		if f.State != "conflict" {
			m.t.Errorf("in the end there is %v", f)
		}
	}
	m.leaveAsItIs()
}
