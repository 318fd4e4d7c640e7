package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// owedFile is what the model knows of one file.
type owedFile struct {
	it      *Item
	key     string
	content []byte
	closed  bool
	baseKey string // where S3 held what it was made from; "" for a new file
	base    []byte
}

// life is one process that makes random changes, and what they ought to lead to.
type life struct {
	*rig
	rnd *rand.Rand

	// mu guards the fields below; a snapshot is taken when it is free.
	mu    sync.Mutex
	files []*owedFile
	next  int
	moved map[string]string // to old keys by new, while a move is under way

	at    int // the request at which the process ends
	seen  int
	after bool // when S3 has carried it out
	snap  *snapshot
}

// snapshot is what the disk and the bucket hold as the process ends.
type snapshot struct {
	dir   string
	b     *buckettest.Bucket
	want  map[string][]byte
	open  []string
	moved map[string]string
}

// TestKilledAtAnyRequest ends a process that makes random changes before or after
// any of its requests: what was closed is delivered by the next one bit for bit,
// what was open replaces nothing, and nothing else appears.
func TestKilledAtAnyRequest(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			l := &life{rnd: rand.New(rand.NewPCG(seed, 11)), moved: map[string]string{}}
			l.at, l.after = l.rnd.IntN(20), l.rnd.IntN(2) == 0
			l.rig = newRig(t, buckettest.New(), t.TempDir(),
				Config{}, func(b buckettest.S3) buckettest.S3 {
					return buckettest.Wrap(b, l.around)
				})
			l.recover()
			for range 30 {
				l.step()
				if l.rnd.IntN(3) == 0 {
					_ = sleep(t.Context(), 2*defaultSettle)
					synctest.Wait()
				}
			}
			synctest.Wait()
			l.mu.Lock()
			if l.snap == nil {
				l.takeLocked()
			}
			s := l.snap
			l.mu.Unlock()
			l.Close()
			s.check(t, seed)
		})
	}
}

func (l *life) around(_ context.Context, _, _ string, send func() error) error {
	before := func() {
		if l.mu.TryLock() { // else in the middle of a step: the next request will do
			defer l.mu.Unlock()
			if l.seen++; l.seen >= l.at && l.snap == nil {
				l.takeLocked()
			}
		}
	}
	if !l.after {
		before()
		return send()
	}
	err := send()
	before()
	return err
}

// takeLocked copies the disk first: what the bucket is told meanwhile is only more.
func (l *life) takeLocked() {
	s := &snapshot{dir: l.TempDir(), want: map[string][]byte{}, moved: maps.Clone(l.moved)}
	copyDir(l.T, l.dir, s.dir)
	s.b = l.b.Clone()
	for _, f := range l.files {
		if f.closed {
			s.want[f.key] = bytes.Clone(f.content)
			continue
		}
		s.open = append(s.open, f.key)
		if f.baseKey != "" {
			s.want[f.baseKey] = f.base
		}
	}
	l.snap = s
}

func (s *snapshot) check(t *testing.T, seed uint64) {
	t.Helper()
	r := newRig(t, s.b, s.dir, Config{}, nil)
	defer r.Close()
	r.resume()
	synctest.Wait()
	var left *LeftError
	err := r.Drain(t.Context())
	if err != nil && !errors.As(err, &left) {
		t.Fatalf("seed %d: Drain: %v", seed, err)
	}
	var open []string
	if left != nil {
		for _, st := range left.Left {
			if st.State != Interrupted {
				t.Errorf("seed %d: %+v is left", seed, st)
			}
			open = append(open, st.Key)
		}
	}
	slices.Sort(open)
	slices.Sort(s.open)
	if !slices.Equal(open, s.open) {
		t.Errorf("seed %d: interrupted %q, want %q", seed, open, s.open)
	}
	_ = sleep(t.Context(), defaultSettle) // a resumed move owes removals late
	if err := r.Drain(t.Context()); err != nil && !errors.As(err, &left) {
		t.Fatal(err)
	}
	for to, from := range s.moved { // a move under way may not have begun
		if data, ok := s.want[from]; ok {
			if _, there := r.b.Data(to); there {
				delete(s.want, from)
				s.want[to] = data
			}
		}
	}
	for key, want := range s.want {
		if got, ok := r.b.Data(key); !ok || !buckettest.Equal(got, want) {
			t.Errorf("seed %d: the bucket holds %d bytes at %q (%v), want %d", seed,
				len(got), key, ok, len(want))
		}
	}
	if got, want := r.b.Keys(), slices.Sorted(maps.Keys(s.want)); !slices.Equal(got, want) {
		t.Errorf("seed %d: the bucket holds %q, want %q", seed, got, want)
	}
	if len(r.conflicted) > 0 {
		t.Errorf("seed %d: conflicts %q", seed, r.conflicted)
	}
}

func (l *life) newKey() string {
	l.next++
	return fmt.Sprintf("Delivery/%03d", l.next)
}

func (l *life) data() []byte {
	n := l.rnd.IntN(1000)
	if l.rnd.IntN(16) == 0 {
		n = parts.Size + l.rnd.IntN(parts.Size)
	}
	return random(l.rnd.Uint64(), n)
}

// step makes one change. It holds mu but while it waits for S3.
func (l *life) step() {
	var f *owedFile
	if len(l.files) > 0 {
		f = l.files[l.rnd.IntN(len(l.files))]
	}
	delivered := false
	if f != nil {
		select {
		case <-f.it.Gone():
			delivered = true
		default:
		}
	}
	op := l.rnd.IntN(8)
	switch {
	case f == nil || op < 2:
		l.mu.Lock()
		defer l.mu.Unlock()
		f = &owedFile{key: l.newKey(), content: l.data()}
		f.it = l.create(f.key, f.content)
		l.files = append(l.files, f)
	case !f.closed && op < 5:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.done(f.it)
		f.closed = true
	case !f.closed && op == 5:
		l.mu.Lock()
		defer l.mu.Unlock()
		data := random(l.rnd.Uint64(), 1+l.rnd.IntN(100))
		l.write(f.it, data, int64(len(f.content)))
		f.content = append(f.content[:len(f.content):len(f.content)], data...)
	case !f.closed:
		l.rename(f)
	case delivered && op < 4:
		l.mu.Lock()
		defer l.mu.Unlock()
		f.baseKey, f.base, f.closed = f.key, f.content, false
		f.it = l.edit(f.key)
		data := []byte{byte(l.rnd.Uint32())}
		l.write(f.it, data, 0)
		f.content = slices.Concat(data, f.content[min(1, len(f.content)):])
	case delivered && op == 4:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.Remove(l.b.Object(f.key))
		l.drop(f)
	case delivered && op == 5:
		l.move(f)
	case !delivered && op < 5: // written again
		if f.it.Hold(l.Context()) != nil || f.it.Open() != nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.write(f.it, []byte("again"), int64(len(f.content)))
		f.content = slices.Concat(f.content, []byte("again"))
		if f.closed = l.rnd.IntN(2) == 0; f.closed {
			l.done(f.it)
		}
	case !delivered:
		if f.it.Hold(l.Context()) != nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		f.it.Drop()
		if f.it.Over().ETag == "" {
			l.drop(f)
			return
		}
		// What it was to replace stays at S3: its removal is another's matter.
		data, _ := l.b.Data(f.it.Over().Key)
		f.key, f.content = f.it.Over().Key, data
	}
}

func (l *life) drop(f *owedFile) {
	l.files = slices.DeleteFunc(l.files, func(g *owedFile) bool { return f == g })
}

func (l *life) rename(f *owedFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := l.newKey()
	if err := f.it.Rename(key, s3backend.Object{}, nil); err != nil {
		l.Fatal(err)
	}
	f.key = key
}

// move has S3 move an object, during which the process may end.
func (l *life) move(f *owedFile) {
	l.mu.Lock()
	to := l.newKey()
	l.moved[to] = f.key
	l.mu.Unlock()
	made, err := l.Move(l.Context(), []Move{{From: l.b.Object(f.key), To: to}}, nil)
	if err != nil || made[0].Key != to {
		l.Fatalf("Move = %+v, %v", made, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.moved, to)
	f.key = to
}
