package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// nameOrders are steps that take a name again which a step before has given up. Files are
// those named; each directory ends in a slash.
var nameOrders = []struct{ files, steps string }{
	{"f", "mv f g; mv g f"},
	{"f", "mv f g; mv g h; mv h f"},
	{"f g", "mv f g; mv g f"},
	{"f g h", "mv f g; mv h f; mv g h"},
	{"a b", "mv a t; mv b a; mv t b"},
	{"log log.1 log.2", "mv log.1 log.2; mv log log.1; put log"},
	{"f", "mv f g; put f; mv g f"},
	{"f g", "rm f; mv g f; mv f g"},
	{"f", "mv f g; mkdir f/; mv g f/g"},
	{"f g", "mv f f~; mv g f"},
	{"f", "mv f f~; put f; rm f~"},
	{"f", "mv f f~; mv f~ f"},
	{"d/1", "mv d/ e/; mv e/ d/"},
	{"d/1 d/2", "mv d/ e/; mkdir d/; mv e/1 d/1"},
	{"d/1 e/1", "mv d/ t/; mv e/ d/; mv t/ e/"},
	{"d/1 d/2 e/1", "rm d/1; rm d/2; rmdir d/; mv e/ d/"},
	{"d/1 d/s/2", "mv d/s/ s/; mv d/ s/d/; mv s/ d/"},
	{"f", "touch f"},
	{"f", "chmod f; touch f"},
	{"f", "put f; touch f; chmod f"},
	{"f g", "touch f; mv f g; chmod g"},
	{"f g", "chmod f; mv f g; touch g; mv g f"},
	{"d/1 d/2", "chmod d/1; mv d/ e/; touch e/1; mv e/1 e/2"},
	{"f g", "hold f; touch f; mv f g; chmod g; free"},
	{"f", "put f; hold f; chmod f; mv f g; mv g f; touch f; free"},
	{"f", "append f; mv f g; append g"},
	{"f g", "append f; mv f g; put f"},
	{"f", "append f; mv f f~; put f"},
	{"f", "append f; touch f; mv f g; mv g f"},
	{"f", "cut f; append f; mv f g"},
	{"f", "append f; rm f; put f"},
	{"f", "mv f g; append g; mv g f"},
	{"d/1", "append d/1; mv d/ e/; append e/1"},
}

// What touch and chmod set, and what a nameTree adds to a content that has it.
const (
	touchedMode = 0o640
	touched     = " of its time"
	chmodded    = " with its mode"
	more        = " and more"
)

var touchedTime = time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)

// nameStep is one step of these.
type nameStep struct{ op, a, b string }

func nameSteps(s string) (all []nameStep) {
	for text := range strings.SplitSeq(s, "; ") {
		words := append(strings.Fields(text), "", "")
		all = append(all, nameStep{words[0], words[1], words[2]})
	}
	return all
}

// nameTree is what is there: contents by name, with what was set of the attributes, and "" by the
// names of directories, which end in a slash.
type nameTree map[string]string

// add makes a file, and the directories above it.
func (tree nameTree) add(name, data string) {
	for i, c := range name {
		if c == '/' {
			tree[name[:i+1]] = ""
		}
	}
	if !strings.HasSuffix(name, "/") {
		tree[name] = data
	}
}

// after is what is there after a step.
func (tree nameTree) after(s nameStep) nameTree {
	next := maps.Clone(tree)
	switch s.op {
	case "put":
		next[s.a] = "put again"
	case "append":
		next[s.a] = strings.TrimSuffix(next[s.a], touched) + more
	case "cut":
		next[s.a] = next[s.a][:1]
	case "touch":
		text, has := strings.CutSuffix(next[s.a], chmodded)
		next[s.a] = text + touched
		if has {
			next[s.a] += chmodded
		}
	case "chmod":
		next[s.a] += chmodded
	case "mkdir":
		next[s.a] = ""
	case "rm", "rmdir":
		delete(next, s.a)
	case "mv":
		for name := range tree {
			if rest, ok := strings.CutPrefix(name, s.a); ok &&
				(rest == "" || strings.HasSuffix(s.a, "/")) {
				delete(next, name)
			}
		}
		for name, data := range tree {
			if rest, ok := strings.CutPrefix(name, s.a); ok &&
				(rest == "" || strings.HasSuffix(s.a, "/")) {
				next[s.b+rest] = data
			}
		}
	}
	return next
}

func (tree nameTree) String() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		all = append(all, fmt.Sprintf("%s=%q", name, tree[name]))
	}
	return strings.Join(all, " ")
}

// empty reports whether nothing is in a directory that S3 would keep.
func (tree nameTree) empty(dir string) bool {
	for name := range tree {
		if name != dir && strings.HasPrefix(name, dir) && !strings.HasSuffix(name, "~") {
			return false
		}
	}
	return true
}

// namesRig does steps on names.
type namesRig struct {
	*rig
	held *Handle // of a program that has a file open for writing, and does not write
}

const nameFolder = "Delivery/"

func (r *namesRig) path(name string) string { return strings.TrimSuffix(nameFolder+name, "/") }

func (r *namesRig) put(name, data string) error {
	h, err := r.Open(r.Context(), r.path(name), OpenMode{Write: true, Truncate: true})
	if errors.Is(err, s3backend.NotExist) {
		h, err = r.Create(r.Context(), r.path(name), nil, true, OpenMode{})
	}
	if err != nil {
		return err
	}
	defer h.Release()
	if _, err = h.WriteAt(r.Context(), []byte(data), 0); err != nil {
		return err
	}
	return h.Flush(r.Context(), Closing{Last: true})
}

// change appends to a file, or leaves one byte of it.
func (r *namesRig) change(name string, cut bool) error {
	h, err := r.Open(r.Context(), r.path(name), OpenMode{Write: true})
	if err != nil {
		return err
	}
	defer h.Release()
	if cut {
		err = h.Truncate(r.Context(), 1)
	} else {
		var a Attr
		if a, err = r.Stat(r.Context(), r.path(name)); err == nil {
			_, err = h.WriteAt(r.Context(), []byte(more), a.Size)
		}
	}
	return errors.Join(err, h.Flush(r.Context(), Closing{Last: true}))
}

func (r *namesRig) do(s nameStep) error {
	switch s.op {
	case "put":
		return r.put(s.a, "put again")
	case "hold":
		h, err := r.Open(r.Context(), r.path(s.a), OpenMode{Write: true})
		r.held = h
		return err
	case "free":
		defer r.held.Release()
		return r.held.Flush(r.Context(), Closing{Last: true})
	case "append", "cut":
		return r.change(s.a, s.op == "cut")
	case "touch":
		return r.SetMtime(r.Context(), r.path(s.a), touchedTime)
	case "chmod":
		return r.SetMode(r.Context(), r.path(s.a), touchedMode)
	case "mkdir":
		return r.Mkdir(r.Context(), r.path(s.a), nil)
	case "rm":
		return r.Remove(r.Context(), r.path(s.a), r.shown(r.path(s.a)))
	case "rmdir":
		return r.Rmdir(r.Context(), r.path(s.a))
	case "mv":
		_, err := r.Rename(r.Context(), r.path(s.a), r.path(s.b), r.shown(r.path(s.b)))
		return err
	}
	return fmt.Errorf("what is %q?", s.op)
}

// view is what a program finds that reads everything.
func (r *namesRig) view() (nameTree, error) {
	return r.walk(func(name string) (string, error) {
		h, err := r.Open(r.Context(), r.path(name), OpenMode{})
		if err != nil {
			return "", err
		}
		defer h.Release()
		buf := make([]byte, 1000)
		n, err := h.ReadAt(r.Context(), buf, 0)
		if err == io.EOF {
			err = nil
		}
		if err != nil {
			return "", err
		}
		text := string(buf[:n])
		a, err := r.Stat(r.Context(), r.path(name))
		if a.Mtime.Equal(touchedTime) {
			text += touched
		}
		if a.HasMode && a.Mode == touchedMode {
			text += chmodded
		}
		return text, err
	})
}

// look lists everything. It opens nothing, since a bubble's time stands still while anybody
// waits for a mutex, and whoever closes a file may wait for one who holds it for a request.
func (r *namesRig) look() {
	// What it may find in the middle of a step is not specified.
	_, _ = r.walk(func(name string) (string, error) {
		_, err := r.Stat(r.Context(), r.path(name))
		return "", err
	})
}

// walk goes through all directories, and has each file read.
func (r *namesRig) walk(read func(name string) (string, error)) (nameTree, error) {
	tree := nameTree{}
	var walk func(dir string) error
	walk = func(dir string) error {
		d, err := r.OpenDir(r.Context(), r.path(dir))
		if err != nil {
			return fmt.Errorf("reading %q: %w", dir, err)
		}
		for {
			e, _, ok, err := d.Next(r.Context())
			switch {
			case err != nil:
				return fmt.Errorf("reading %q: %w", dir, err)
			case !ok:
				return nil
			case e.Attr.Dir:
				tree[dir+e.Name+"/"] = ""
				if err := walk(dir + e.Name + "/"); err != nil {
					return err
				}
				continue
			}
			data, err := read(dir + e.Name)
			if err != nil {
				return fmt.Errorf("reading %q: %w", dir+e.Name, err)
			}
			tree[dir+e.Name] = data
		}
	}
	return tree, walk("")
}

// inBucket says what is wrong with what S3 holds; "" for nothing.
func (tree nameTree) inBucket(b *buckettest.Bucket) string {
	there := nameTree{}
	for _, key := range b.Keys() {
		data, _ := b.Data(key)
		there[strings.TrimPrefix(key, nameFolder)] = string(data)
	}
	delete(there, "") // the folder itself
	for name, data := range tree {
		data, _, _ = strings.Cut(data, touched)
		data, _, _ = strings.Cut(data, chmodded)
		got, ok := there[name]
		switch {
		case strings.HasSuffix(name, "~"):
			continue
		case strings.HasSuffix(name, "/") && (ok || !tree.empty(name)):
		case !ok || got != data:
			return fmt.Sprintf("S3 holds %v, want %v", there, tree)
		}
		delete(there, name)
	}
	if len(there) > 0 {
		return fmt.Sprintf("S3 holds %v beyond %v", there, tree)
	}
	return ""
}

// nameStart is what S3 and the outbox hold when the steps begin.
type nameStart struct {
	name    string
	deliver bool // all is delivered
	edit    bool // and written again
	same    bool // all contents are equal
	sync    bool // each close waits for S3
}

var nameStarts = []nameStart{
	{name: "delivered", deliver: true},
	{name: "delivered, of equal contents", deliver: true, same: true},
	{name: "pending"},
	{name: "pending edits", deliver: true, edit: true},
	{name: "written under -o sync", sync: true},
}

// begin makes the files.
func (s nameStart) begin(r *namesRig, files string) nameTree {
	r.Helper()
	tree := nameTree{}
	for i, name := range strings.Fields(files) {
		data := fmt.Sprintf("of %d", i)
		if s.same {
			data = "the same"
		}
		tree.add(name, data)
		switch {
		case s.edit:
			r.b.Store(nameFolder+name, []byte("before "+data), nil)
		case s.deliver:
			r.b.Store(nameFolder+name, []byte(data), nil)
		}
	}
	if s.deliver && !s.edit {
		return tree
	}
	for _, name := range slices.Sorted(maps.Keys(tree)) { // directories first
		var err error
		if !strings.HasSuffix(name, "/") {
			err = r.put(name, tree[name])
		} else if !s.deliver {
			err = r.Mkdir(r.Context(), r.path(name), nil)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
	return tree
}

// nameWeather is how S3 answers.
type nameWeather struct {
	name string
	// around wraps the bucket; nil for nothing.
	around func(rnd *rand.Rand) buckettest.Around
	pauses []time.Duration // between steps, one of them
}

// orDone waits for d of the bubble's time.
func orDone(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// delayed has each answer, or each request, take one of these times. What S3 lists is
// thus what it held a while ago.
func delayed(before, after []time.Duration) func(*rand.Rand) buckettest.Around {
	return func(rnd *rand.Rand) buckettest.Around {
		var mu sync.Mutex
		draw := func(from []time.Duration) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return from[rnd.IntN(len(from))]
		}
		return func(ctx context.Context, op, key string, send func() error) error {
			if err := orDone(ctx, draw(before)); err != nil {
				return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Other, Err: err}
			}
			err := send()
			if cut := orDone(ctx, draw(after)); cut != nil && err == nil {
				return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Other, Err: cut}
			}
			return err
		}
	}
}

// away has requests of these kinds fail for a while.
func away(d time.Duration, ops ...string) func(*rand.Rand) buckettest.Around {
	return func(*rand.Rand) buckettest.Around {
		began := time.Now()
		return func(_ context.Context, op, key string, send func() error) error {
			if slices.Contains(ops, op) && time.Since(began) < d {
				return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Busy,
					Err: errors.New("SlowDown")}
			}
			return send()
		}
	}
}

// losing loses the answers of some requests of these kinds that take effect.
func losing(ops ...string) func(*rand.Rand) buckettest.Around {
	return func(rnd *rand.Rand) buckettest.Around {
		var mu sync.Mutex
		return func(ctx context.Context, op, key string, send func() error) error {
			mu.Lock()
			lose := slices.Contains(ops, op) && rnd.IntN(2) == 0
			mu.Unlock()
			if lose {
				return buckettest.LoseAnswer(ctx, op, key, send)
			}
			return send()
		}
	}
}

const ms = time.Millisecond

var nameWeathers = []nameWeather{
	{name: "at once", pauses: []time.Duration{0}},
	{name: "slow answers", around: delayed([]time.Duration{0, 20 * ms}, []time.Duration{0, 50 * ms, 400 * ms}), pauses: []time.Duration{0, 10 * ms, 260 * ms}},
	{name: "slow requests", around: delayed([]time.Duration{0, 60 * ms, 500 * ms}, []time.Duration{0}), pauses: []time.Duration{0, 30 * ms, 1100 * ms}},
	{name: "deletes throttled", around: away(20*time.Second, buckettest.Delete, buckettest.DeleteAll), pauses: []time.Duration{0, 100 * ms}},
	{name: "lost answers", around: losing(buckettest.Delete, buckettest.DeleteAll, buckettest.Copy, buckettest.Put), pauses: []time.Duration{0, 300 * ms}},
}

// TestOrderOfSteps does each list of steps, with answers that are late, lost, or refused for
// a while, and with listings under way all the time. After each step a program finds what
// it has made of the names, and in the end S3 holds the same.
func TestOrderOfSteps(t *testing.T) {
	for _, c := range nameOrders {
		for _, start := range nameStarts {
			for _, weather := range nameWeathers {
				t.Run(c.steps+"/"+start.name+"/"+weather.name, func(t *testing.T) {
					t.Parallel()
					for seed := range uint64(2) {
						synctest.Test(t, func(t *testing.T) {
							orderOfSteps(t, c.files, c.steps, start, weather, seed)
						})
					}
				})
			}
		}
	}
}

func orderOfSteps(t *testing.T, files, steps string, start nameStart,
	weather nameWeather, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	b := buckettest.New()
	var s3 buckettest.S3 = b
	if weather.around != nil {
		s3 = buckettest.Wrap(b, weather.around(rand.New(rand.NewPCG(seed, 6))))
	}
	c, err := New(s3, Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(),
		Memory: 4 << 20, Sync: start.sync})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := &namesRig{rig: &rig{t, c, b}}
	tree := start.begin(r, files)
	ctx, stop := context.WithCancel(t.Context())
	var listing sync.WaitGroup
	defer listing.Wait()
	defer stop()
	for range 2 {
		listing.Go(func() {
			for ctx.Err() == nil {
				r.look()
				time.Sleep(15 * ms)
			}
		})
	}
	for i, s := range nameSteps(steps) {
		if err := r.do(s); err != nil {
			t.Fatalf("seed %d: step %d, %+v: %v", seed, i+1, s, err)
		}
		tree = tree.after(s)
		if got, err := r.view(); err != nil || !maps.Equal(got, tree) {
			t.Fatalf("seed %d: after step %d, %+v, there is %v, %v, want %v",
				seed, i+1, s, got, err, tree)
		}
		time.Sleep(weather.pauses[rnd.IntN(len(weather.pauses))])
	}
	stop()
	listing.Wait()
	r.drain()
	time.Sleep(time.Minute)
	r.drain()
	if got, err := r.view(); err != nil || !maps.Equal(got, tree) {
		t.Errorf("seed %d: in the end there is %v, %v, want %v", seed, got, err, tree)
	}
	if wrong := tree.inBucket(b); wrong != "" {
		t.Errorf("seed %d: in the end %s", seed, wrong)
	}
}
