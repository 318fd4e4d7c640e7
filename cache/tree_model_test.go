package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// A tree is what programs see below Delivery: the text of each file by its path, and
// for each directory its own path with a slash. It behaves as a local disk does.
type tree map[string]string

func (m tree) isDir(p string) bool {
	_, ok := m[p+"/"]
	return ok || p == "Delivery"
}

func (m tree) isFile(p string) bool {
	_, ok := m[p]
	return ok
}

func (m tree) empty(dir string) bool {
	for p := range m {
		if p != dir+"/" && strings.HasPrefix(p, dir+"/") {
			return false
		}
	}
	return true
}

// lookup is what a kernel finds out before it asks a file system to change path.
func (m tree) lookup(p string) error {
	if !m.isDir(path.Dir(p)) || !m.isFile(p) && !m.isDir(p) {
		return s3backend.NotExist
	}
	return nil
}

// A treeStep is one thing that a program does.
type treeStep struct {
	do    string
	a, b  string
	text  string
	pause time.Duration // afterwards
}

func (s treeStep) String() string {
	t := s.do + " " + s.a
	if s.b != "" {
		t += " " + s.b
	}
	if s.text != "" {
		t += fmt.Sprintf(" %.12q", s.text)
	}
	return fmt.Sprintf("%s; sleep %v", t, s.pause)
}

// apply does a step to the model. Its error is what the program is told.
func (m tree) apply(s treeStep) error {
	switch s.do {
	case "write", "append", "create":
		switch {
		case m.isDir(s.a):
			return ErrIsDir
		case s.do == "create" && m.isFile(s.a):
			return ErrExist
		case s.do == "append" && !m.isFile(s.a):
			return s3backend.NotExist
		}
		if s.do == "append" {
			m[s.a] += s.text
		} else {
			m[s.a] = s.text
		}
	case "remove":
		if m.isDir(s.a) {
			return ErrIsDir
		}
		delete(m, s.a)
	case "mkdir":
		if m.isDir(s.a) || m.isFile(s.a) {
			return ErrExist
		}
		m[s.a+"/"] = ""
	case "rmdir":
		switch {
		case !m.isDir(s.a):
			return ErrNotDir
		case !m.empty(s.a):
			return ErrNotEmpty
		}
		delete(m, s.a+"/")
	case "rename":
		return m.rename(s.a, s.b)
	}
	return nil
}

func (m tree) rename(a, b string) error {
	switch {
	case a == b:
		return nil
	case m.isFile(a) && m.isDir(b):
		return ErrIsDir
	case m.isFile(a):
		m[b] = m[a]
		delete(m, a)
		return nil
	case strings.HasPrefix(b, a+"/"):
		return ErrInvalid
	case m.isFile(b):
		return ErrNotDir
	case m.isDir(b) && !m.empty(b):
		return ErrNotEmpty
	}
	for p, text := range maps.Clone(m) {
		if strings.HasPrefix(p, a+"/") {
			delete(m, p)
			m[b+strings.TrimPrefix(p, a)] = text
		}
	}
	return nil
}

// errnos are the errors that a program can tell apart.
var errnos = []error{s3backend.NotExist, ErrExist, ErrIsDir, ErrNotDir, ErrNotEmpty, ErrInvalid}

func errnoOf(err error) error {
	for _, e := range errnos {
		if errors.Is(err, e) {
			return e
		}
	}
	return err
}

// cacheUnderTest is a cache whose steps are compared with the model's.
type cacheUnderTest struct {
	c   *Cache
	ctx context.Context
}

// apply carries out a step as a kernel would have it done.
func (m cacheUnderTest) apply(s treeStep) error {
	c, ctx := m.c, m.ctx
	shown := func(p string) ShownVersion {
		a, _ := c.Stat(ctx, p)
		return a.Version()
	}
	switch s.do {
	case "write", "create":
		a, err := c.Stat(ctx, s.a)
		if err == nil && s.do == "write" {
			if a.Dir {
				return ErrIsDir
			}
			h, err := c.Open(ctx, s.a, OpenMode{Write: true, Truncate: true})
			if err != nil {
				return err
			}
			return m.write(h, s.text, 0)
		}
		h, err := c.Create(ctx, s.a, nil, true, OpenMode{})
		if err != nil {
			return err
		}
		return m.write(h, s.text, 0)
	case "append":
		h, err := c.Open(ctx, s.a, OpenMode{Write: true, Append: true})
		if err != nil {
			return err
		}
		return m.write(h, s.text, 0)
	case "remove":
		return c.Remove(ctx, s.a, shown(s.a))
	case "mkdir":
		return c.Mkdir(ctx, s.a, nil)
	case "rmdir":
		return c.Rmdir(ctx, s.a)
	case "rename":
		_, err := c.Rename(ctx, s.a, s.b, shown(s.b))
		return err
	case "drain":
		return c.deliveries.Drain(ctx)
	}
	return nil
}

func (m cacheUnderTest) write(h *Handle, text string, off int64) error {
	defer h.Release()
	if text != "" {
		if _, err := h.WriteAt(m.ctx, []byte(text), off); err != nil {
			return err
		}
	}
	return h.Flush(m.ctx, Closing{Last: true})
}

// seen reads all that is shown.
func (m cacheUnderTest) seen() (tree, error) {
	t := tree{}
	return t, m.seeDir(t, "Delivery")
}

func (m cacheUnderTest) seeDir(t tree, dir string) error {
	d, err := m.c.OpenDir(m.ctx, dir)
	if err != nil {
		return fmt.Errorf("opendir %s: %w", dir, err)
	}
	listed := map[string]bool{}
	for {
		e, _, ok, err := d.Next(m.ctx)
		if err != nil {
			return fmt.Errorf("readdir %s: %w", dir, err)
		}
		if !ok {
			return nil
		}
		p := dir + "/" + e.Name
		if listed[p] {
			return fmt.Errorf("%s is listed twice", p)
		}
		listed[p] = true
		a, err := m.c.Stat(m.ctx, p)
		if err != nil || a.Dir != e.Attr.Dir || a.Size != e.Attr.Size {
			return fmt.Errorf("%s is listed as %+v, and found as %+v, %v", p, e.Attr, a, err)
		}
		if a.Dir {
			t[p+"/"] = ""
			if err := m.seeDir(t, p); err != nil {
				return err
			}
			continue
		}
		if t[p], err = m.read(p); err != nil {
			return err
		}
	}
}

func (m cacheUnderTest) read(p string) (string, error) {
	h, err := m.c.Open(m.ctx, p, OpenMode{})
	if err != nil {
		return "", fmt.Errorf("open %s: %w", p, err)
	}
	defer h.Release()
	buf := make([]byte, h.File().Attr().Size+1)
	n, err := h.ReadAt(m.ctx, buf, 0)
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read %s: %w", p, err)
	}
	return string(buf[:n]), nil
}

// differ tells how two trees differ, "" if they do not.
func differ(got, want tree) string {
	var all []string
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if text, ok := got[p]; !ok {
			all = append(all, "lacks "+p)
		} else if text != want[p] {
			all = append(all, fmt.Sprintf("%s is %.12q, want %.12q", p, text, want[p]))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[p]; !ok {
			all = append(all, fmt.Sprintf("has %s (%.12q)", p, got[p]))
		}
	}
	return strings.Join(all, ", ")
}

// inBucket is the tree that the other party sees.
func inBucket(b *buckettest.Bucket) tree {
	t := tree{}
	for _, key := range b.Keys() {
		data, _ := b.Data(key)
		t[key] = string(data)
		for dir := path.Dir(strings.TrimSuffix(key, "/")); dir != "Delivery"; dir = path.Dir(dir) {
			t[dir+"/"] = ""
		}
	}
	return t
}

// public is what of a tree the other party sees in the end.
func (m tree) public() tree {
	t := tree{}
	for p, text := range m {
		if !strings.HasSuffix(p, "~") {
			t[p] = text
		}
	}
	return t
}

// weather is what S3 is like: how long its answers take, and for how long it refuses to
// delete.
type weather struct {
	seed    uint64
	slow    bool          // answers take up to two seconds
	still   bool          // answers come at once, but to a DELETE
	deletes time.Duration // what a DELETE takes in that case
	refuses time.Duration // DELETE is answered by 503 at first
}

// around is a fault of that weather.
func (w weather) around(b buckettest.S3) buckettest.S3 {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(w.seed, 1))
	begun := time.Now()
	return buckettest.Wrap(b, func(ctx context.Context, op, key string, send func() error) error {
		mu.Lock()
		pauses := []time.Duration{0, 5 * time.Millisecond,
			30 * time.Millisecond, 300 * time.Millisecond}
		if w.slow {
			pauses = append(pauses, 2*time.Second)
		}
		before, after := pauses[rnd.IntN(len(pauses))], pauses[rnd.IntN(len(pauses))]
		mu.Unlock()
		deletes := op == buckettest.Delete || op == buckettest.DeleteAll
		if w.still {
			before, after = 0, 0
			if deletes {
				before = w.deletes
			}
		}
		wait := func(d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return fmt.Errorf("%s %q: %w", op, key, ctx.Err())
			}
		}
		if err := wait(before); err != nil {
			return err
		}
		if deletes && time.Since(begun) < w.refuses {
			return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Busy,
				Err: errors.New("SlowDown")}
		}
		err := send()
		if lost := wait(after); lost != nil {
			return lost
		}
		return err
	})
}

// story is one run: what the other party has put before, and what programs do.
type story struct {
	theirs  []string          // keys
	texts   map[string]string // by key; nil for any
	steps   []treeStep
	weather weather
	sync    bool
}

var (
	treeFiles = []string{"Delivery/f", "Delivery/g", "Delivery/f~", "Delivery/d/1",
		"Delivery/d/2", "Delivery/d/s/1", "Delivery/e/1", "Delivery/e/2", "Delivery/e/s/1"}
	treeDirs = []string{"Delivery/d", "Delivery/e", "Delivery/d/s", "Delivery/e/s"}
	// few texts, so that different files often have the same, and the same ETag
	treeTexts = []string{"one", "one", "two", "", "three"}
)

func drawStory(t *rapid.T) story {
	step := rapid.Custom(func(t *rapid.T) treeStep {
		s := treeStep{do: rapid.SampledFrom([]string{"write", "write", "create", "append", "remove",
			"remove", "rename", "rename", "rename", "move dir", "move dir", "mkdir",
			"rmdir", "rmdir", "drain"}).Draw(t, "do")}
		switch s.do {
		case "mkdir", "rmdir":
			s.a = rapid.SampledFrom(treeDirs).Draw(t, "dir")
		case "move dir":
			s.do = "rename"
			s.a = rapid.SampledFrom(treeDirs).Draw(t, "from")
			s.b = rapid.SampledFrom(treeDirs).Draw(t, "to")
		case "rename":
			s.a = rapid.SampledFrom(treeFiles).Draw(t, "from")
			s.b = rapid.SampledFrom(treeFiles).Draw(t, "to")
		case "drain":
		default:
			s.a = rapid.SampledFrom(treeFiles).Draw(t, "file")
			s.text = rapid.SampledFrom(treeTexts).Draw(t, "text")
		}
		s.pause = rapid.SampledFrom([]time.Duration{0, 0, 0, 10 * time.Millisecond,
			240 * time.Millisecond, 260 * time.Millisecond, 600 * time.Millisecond,
			1100 * time.Millisecond, 6 * time.Second}).Draw(t, "pause")
		return s
	})
	return story{
		theirs: rapid.SliceOfNDistinct(
			rapid.SampledFrom(append([]string{"Delivery/d/", "Delivery/e/s/"},
				slices.DeleteFunc(slices.Clone(treeFiles), func(p string) bool {
					return strings.HasSuffix(p, "~")
				})...)), 0, 6, rapid.ID[string]).Draw(t, "theirs"),
		steps: rapid.SliceOfN(step, 1, 25).Draw(t, "steps"),
		weather: weather{
			seed:    rapid.Uint64().Draw(t, "seed"),
			slow:    rapid.Bool().Draw(t, "slow"),
			refuses: rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Second}).Draw(t, "refuses"),
		},
		sync: rapid.Bool().Draw(t, "sync"),
	}
}

// bucket is what the other party has put.
func (s story) bucket() (*buckettest.Bucket, tree) {
	b := buckettest.New()
	for i, key := range s.theirs {
		text, _ := s.texts[key]
		if s.texts == nil {
			text = treeTexts[i%3]
		}
		if strings.HasSuffix(key, "/") {
			text = ""
		}
		b.Store(key, []byte(text), nil)
	}
	return b, inBucket(b)
}

// run runs a story, and returns what went wrong.
func (s story) run(t *testing.T) (wrong error) {
	synctest.Test(t, func(t *testing.T) {
		b, model := s.bucket()
		dir, err := os.MkdirTemp("", "s3share-story-")
		if err != nil {
			wrong = err
			return
		}
		defer os.RemoveAll(dir)
		c, err := New(s.weather.around(b),
			Config{Folders: []string{"Delivery"}, StateDir: dir, Memory: 16 << 20, Sync: s.sync})
		if err != nil {
			wrong = err
			return
		}
		defer c.Close()
		wrong = s.tell(cacheUnderTest{c, t.Context()}, model)
		if wrong == nil {
			wrong = s.end(cacheUnderTest{c, t.Context()}, b, model)
		}
	})
	return wrong
}

// tell does all steps.
func (s story) tell(m cacheUnderTest, model tree) error {
	for i, step := range s.steps {
		if step.a != "" &&
			(!model.isDir(path.Dir(step.a)) || step.b != "" && !model.isDir(path.Dir(step.b))) {
			continue // a kernel would not ask
		}
		var want error
		if step.do == "remove" || step.do == "rmdir" || step.do == "rename" {
			want = model.lookup(step.a)
		}
		if want == nil {
			want = model.apply(step)
		}
		if err := errnoOf(m.apply(step)); err != want {
			return fmt.Errorf("step %d, %v: %v, want %v", i, step, err, want)
		}
		time.Sleep(step.pause)
		got, err := m.seen()
		if err != nil {
			return fmt.Errorf("after step %d, %v: %w", i, step, err)
		}
		if d := differ(got, model); d != "" {
			return fmt.Errorf("after step %d, %v: the mount %s", i, step, d)
		}
	}
	return nil
}

// end waits for S3, and compares what it holds.
func (s story) end(m cacheUnderTest, b *buckettest.Bucket, model tree) error {
	ctx, cancel := context.WithTimeout(m.ctx, time.Hour)
	defer cancel()
	if err := m.c.deliveries.Drain(ctx); err != nil {
		return fmt.Errorf("drain: %w; %+v", err, m.c.deliveries.Status())
	}
	time.Sleep(time.Minute) // what was set aside goes
	if err := m.c.deliveries.Drain(ctx); err != nil {
		return fmt.Errorf("drain: %w; %+v", err, m.c.deliveries.Status())
	}
	if d := differ(inBucket(b), model.public()); d != "" {
		return fmt.Errorf("in the end the bucket %s", d)
	}
	got, err := m.seen()
	if err != nil {
		return fmt.Errorf("in the end: %w", err)
	}
	if d := differ(got, model); d != "" {
		return fmt.Errorf("in the end the mount %s", d)
	}
	if all := m.c.deliveries.Unresolved(""); len(all) > 0 {
		return fmt.Errorf("unresolved %+v", all)
	}
	return nil
}

// TestATreeBehavesAsOnALocalDisk does at random what programs do to a few names, while
// S3 takes its time: after each step the mount shows what a local disk would, and in
// the end the bucket holds it.
func TestATreeBehavesAsOnALocalDisk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawStory(rt)
		if err := s.run(t); err != nil {
			rt.Fatalf("%v\n%+v", err, s)
		}
	})
}
