package outbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/multipart"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// rig is an outbox over a bucket in memory, and what became of what it owed.
type rig struct {
	*testing.T
	*Outbox
	b   *buckettest.Bucket
	dir string
	log logged

	mu         sync.Mutex
	delivered  []s3backend.Object
	conflicted []string
	removed    map[string]error
}

// bubble runs a test in its own time; fault, if not nil, stands between the
// outbox and the bucket.
func bubble(t *testing.T, cfg Config, fault func(buckettest.S3) buckettest.S3, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, buckettest.New(), t.TempDir(), cfg, fault)
		defer r.Close()
		r.recover()
		test(r)
	})
}

func newRig(t *testing.T, b *buckettest.Bucket, dir string, cfg Config,
	fault func(buckettest.S3) buckettest.S3) *rig {
	t.Helper()
	r := &rig{T: t, b: b, dir: dir, removed: map[string]error{}}
	var s3 buckettest.S3 = b
	if fault != nil {
		s3 = fault(b)
	}
	cfg.Dir, cfg.Logger = dir, slog.New(&r.log)
	o, err := New(s3, r, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Outbox = o
	return r
}

// recover opens what an earlier process owed in the rig's directory.
func (r *rig) recover() []*Item {
	r.Helper()
	items, err := r.Recover(func(obj s3backend.Object) Base { return source{r.b, obj} })
	if err != nil {
		r.Fatalf("Recover: %v", err)
	}
	return items
}

// Confirmed implements Events.
func (r *rig) Confirmed(*Item, s3backend.Object) {}

// Delivered implements Events; it takes the staged file, as a cache does.
func (r *rig) Delivered(_ *Item, obj s3backend.Object, path string) {
	if path != "" {
		os.Remove(path)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delivered = append(r.delivered, obj)
}

// Conflicted implements Events.
func (r *rig) Conflicted(_ *Item, beside string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conflicted = append(r.conflicted, beside)
}

// Committed implements Events.
func (r *rig) Committed(*Item, s3backend.Object) {}

// Moved implements Events.
func (r *rig) Moved(_, _ s3backend.Object) {}

// Forgotten implements Events.
func (r *rig) Forgotten(string) {}

// Removed implements Events.
func (r *rig) Removed(key string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed[key] = err
}

// logged counts log lines by their message.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, r.Message)
	return nil
}

func (l *logged) count(message string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line == message {
			n++
		}
	}
	return n
}

// create stages a new file at key; the caller is its writer.
func (r *rig) create(key string, data []byte) *Item {
	r.Helper()
	it, err := r.Create(key, s3backend.Object{}, s3backend.Object{}, nil, nil)
	if err != nil {
		r.Fatalf("Create %q: %v", key, err)
	}
	r.write(it, data, 0)
	return it
}

// edit stages a change of what the bucket holds at key.
func (r *rig) edit(key string) *Item {
	r.Helper()
	obj := r.b.Object(key)
	obj.Header = nil
	it, err := r.Create(key, obj, obj, source{r.b, obj}, nil)
	if err != nil {
		r.Fatalf("Create over %q: %v", key, err)
	}
	return it
}

// source reads a version from the bucket, and keeps nothing.
type source struct {
	b   buckettest.S3
	obj s3backend.Object
}

func (s source) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n := min(int64(len(p)), s.obj.Size-off)
	if n <= 0 {
		return 0, io.EOF
	}
	body, err := s.b.Get(ctx, s.obj, off, n)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.ReadFull(body, p[:n])
}

func (r *rig) write(it *Item, data []byte, off int64) {
	r.Helper()
	if n, err := it.WriteAt(data, off); n != len(data) || err != nil {
		r.Fatalf("WriteAt(%d bytes, %d) of %q = %d, %v", len(data), off, it.Key(), n, err)
	}
}

// done closes a file as its writer does.
func (r *rig) done(it *Item) {
	it.Release()
	it.Close()
}

// hold opens an owed file for writing once more.
func (r *rig) hold(it *Item) {
	r.Helper()
	if err := it.Hold(r.Context()); err != nil {
		r.Fatalf("Hold %q: %v", it.Key(), err)
	}
	if err := it.Open(); err != nil {
		r.Fatalf("Open %q: %v", it.Key(), err)
	}
}

// drain waits until all is delivered.
func (r *rig) drain() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
	defer cancel()
	if err := r.Drain(ctx); err != nil {
		r.Fatalf("Drain: %v; owed: %+v", err, r.Status())
	}
}

// wantHolds fails unless the bucket holds data at key.
func (r *rig) wantHolds(key string, data []byte) {
	r.Helper()
	got, ok := r.b.Data(key)
	if !ok || !buckettest.Equal(got, data) {
		r.Fatalf("the bucket holds %d bytes at %q (%v), want %d: %s; keys %q", len(got),
			key, ok, len(data), difference(got, data), r.b.Keys())
	}
}

// difference tells where two contents part.
func difference(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d differs", i)
		}
	}
	return "one is the other's beginning"
}

func (r *rig) wantKeys(keys ...string) {
	r.Helper()
	if got := r.b.Keys(); !slices.Equal(got, keys) {
		r.Fatalf("the bucket holds %q, want %q", got, keys)
	}
}

// wantNothing fails if anything is left here or was begun at S3.
func (r *rig) wantNothing() {
	r.Helper()
	synctest.Wait()
	if owed := r.Status(); len(owed) > 0 {
		r.Errorf("still owed: %+v", owed)
	}
	time.Sleep(multipart.AbortAfter) // until uploads of which a part was cut off are ended too
	synctest.Wait()
	if n := r.b.Uploads(); n > 0 {
		r.Errorf("%d uploads were left", n)
	}
	files, err := os.ReadDir(r.dir)
	files = slices.DeleteFunc(files, isSpare)
	files = slices.DeleteFunc(files,
		func(f os.DirEntry) bool { return f.Name() == stage.SlotFileName || f.Name() == bootName })
	if err != nil || len(files) > 0 {
		r.Errorf("left in the outbox's directory: %v, %v", files, err)
	}
	if owes, err := stage.HasLogs(r.dir); owes || err != nil || r.journals.slots.InUse() > 0 {
		r.Errorf("left in the slot file: %d slots, journals: %v, %v",
			r.journals.slots.InUse(), owes, err)
	}
	if n := r.quota.staged.Load(); n != 0 {
		r.Errorf("%d bytes count as staged", n)
	}
}

// isSpare tells an ended journal, which says nothing.
func isSpare(f os.DirEntry) bool {
	i, err := f.Info()
	return err == nil && i.Size() == 0 && strings.HasPrefix(f.Name(), journal.RecycledPrefix)
}

func random(seed uint64, n int) []byte {
	var s [32]byte
	s[0], s[1] = byte(seed), byte(seed>>8)
	data := make([]byte, n)
	rand.NewChaCha8(s).Read(data)
	return data
}

func (r *rig) stagedFiles() (names []string) {
	r.Helper()
	all, err := os.ReadDir(r.dir)
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range all {
		if name := e.Name(); !strings.Contains(name, journal.Suffix) &&
			name != stage.SlotFileName && name != bootName {
			names = append(names, filepath.Join(r.dir, name))
		}
	}
	return names
}
