package content

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/content/diskcache"
	"github.com/s3share/s3share/s3backend"
)

// logs is what a Cache logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// fillDisk has the disk cache in dir hold all of objs.
func fillDisk(t *testing.T, dir string, objs ...s3backend.Object) {
	t.Helper()
	c, err := New(new(bucket), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range objs {
		r := c.Open(obj)
		checkAll(t, r, 1<<20)
		r.Close()
	}
	settle(c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// settle waits until c's disk cache has nothing to do.
func settle(c *Cache) {
	for more := true; more; {
		done := make(chan struct{})
		c.disk.AddJob(func() {
			c.mu.Lock()
			more = len(c.writer.queue) > 0 || c.disk.Pending()
			c.mu.Unlock()
			close(done)
		})
		<-done
	}
}

func files(t *testing.T, dir, ext string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+ext))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDiskRemount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	a, b := object("a", 6<<20+17), object("b", 100)
	fillDisk(t, dir, a, b)
	for _, f := range append(files(t, dir, ".data"), files(t, dir, ".index")...) {
		if i, err := os.Stat(f); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v, want 0600", f, i.Mode(), err)
		}
	}
	if i, err := os.Stat(dir); err != nil || i.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory: %v, %v, want 0700", i.Mode(), err)
	}

	src := new(bucket)
	c := newCache(t, src, Config{Dir: dir, Memory: 2 << 20})
	for _, obj := range []s3backend.Object{a, b} {
		r := c.Open(obj)
		checkAll(t, r, 300_000)
		r.Close()
	}
	if got := src.gets.Load(); got != 0 {
		t.Errorf("%d requests, want none", got)
	}
	other := a
	other.ETag = "another"
	r := c.Open(other)
	check(t, r, 0, 10)
	r.Close()
	if src.gets.Load() == 0 {
		t.Error("another version was read from the first one's blocks")
	}
}

func TestDiskDamage(t *testing.T) {
	obj := object("a", 4<<20)
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		most   int64 // requests to mend it
	}{
		{"a byte", func(t *testing.T, dir string) {
			f, err := os.OpenFile(files(t, dir, ".data")[0], os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			p := make([]byte, 1)
			if _, err := f.ReadAt(p, 3*blockSize+5); err != nil {
				t.Fatal(err)
			}
			p[0] ^= 1
			if _, err := f.WriteAt(p, 3*blockSize+5); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"cut off", func(t *testing.T, dir string) {
			if err := os.Truncate(files(t, dir, ".data")[0], 2<<20+5); err != nil {
				t.Fatal(err)
			}
		}, 4},
		{"no data", func(t *testing.T, dir string) { os.Remove(files(t, dir, ".data")[0]) }, 4},
		{"no index", func(t *testing.T, dir string) { os.Remove(files(t, dir, ".index")[0]) }, 4},
		{"index cut off", func(t *testing.T, dir string) {
			if err := os.Truncate(files(t, dir, ".index")[0], 40); err != nil {
				t.Fatal(err)
			}
		}, 4},
		{"index emptied", func(t *testing.T, dir string) {
			if err := os.Truncate(files(t, dir, ".index")[0], 0); err != nil {
				t.Fatal(err)
			}
		}, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			fillDisk(t, dir, obj)
			tt.damage(t, dir)
			for i, most := range []int64{tt.most, 0} { // the second time, all is mended
				src := new(bucket)
				c := newCache(t, src, Config{Dir: dir})
				r := c.Open(obj)
				checkAll(t, r, blockSize)
				r.Close()
				settle(c)
				c.Close()
				if got := src.gets.Load(); got > most || got == 0 && most > 0 {
					t.Errorf("mount %d: %d requests, want %d at most", i, got, most)
				}
			}
		})
	}
}

// fullFile is a file on a full file system.
type fullFile struct{ diskcache.DataFile }

func (fullFile) WriteAt([]byte, int64) (int, error) { return 0, unix.ENOSPC }

func TestDiskFull(t *testing.T) {
	var out logs
	src := new(bucket)
	c := newCache(t, src, Config{Dir: t.TempDir(), Memory: 2 << 20, Logger: out.logger()})
	settle(c)
	var full atomic.Bool
	full.Store(true)
	openFile := c.disk.OpenFile
	c.disk.OpenFile = func(path string, flag int) (diskcache.DataFile, error) {
		f, err := openFile(path, flag)
		if err == nil && full.Load() {
			return fullFile{f}, nil
		}
		return f, err
	}
	r := c.Open(object("a", 10<<20))
	defer r.Close()
	checkAll(t, r, 1<<20)
	settle(c)
	checkAll(t, r, 1<<20)
	if !strings.Contains(out.String(), "no space left") {
		t.Errorf("the log does not say that the disk is full: %s", out.String())
	}
	if s := c.Stats(); s.ToDisk != 0 || s.Disk != 0 {
		t.Errorf("%d bytes written, %d kept, want 0", s.ToDisk, s.Disk)
	}
}

func TestDiskLimit(t *testing.T) {
	dir := t.TempDir()
	src := new(bucket)
	c := newCache(t, src, Config{Dir: dir, DiskSize: 10 << 20})
	read := func(key string, size int64) {
		r := c.Open(object(key, size))
		checkAll(t, r, 1<<20)
		r.Close()
		settle(c)
	}
	read("a", 4<<20)
	read("b", 4<<20)
	c.Open(object("a", 4<<20)).Close() // used after b
	read("c", 4<<20)                   // b has to go
	if got := c.Stats().Disk; got > 10<<20 {
		t.Errorf("%d bytes on disk, want at most %d", got, 10<<20)
	}
	c.Close()

	c = newCache(t, src, Config{Dir: dir, DiskSize: 10 << 20})
	settle(c)
	if got := c.Stats().Disk; got == 0 || got > 10<<20 {
		t.Errorf("%d bytes found on disk, want some, and at most %d", got, 10<<20)
	}
	for _, tt := range []struct {
		key  string
		gets bool
	}{{"a", false}, {"c", false}, {"b", true}} {
		src.gets.Store(0)
		read(tt.key, 4<<20)
		if got := src.gets.Load(); got > 0 != tt.gets {
			t.Errorf("%s: %d requests, want some: %v", tt.key, got, tt.gets)
		}
	}
	c.Close()
	if got, want := len(files(t, dir, ".data")), len(files(t, dir, ".index")); got != want ||
		got != 2 {
		t.Errorf("%d data files and %d indexes, want 2", got, want)
	}
}

// A file larger than the whole disk cache does not drive out its own beginning.
func TestDiskLimitOneFile(t *testing.T) {
	c := newCache(t, new(bucket), Config{Dir: t.TempDir(), DiskSize: 4 << 20})
	r := c.Open(object("a", 16<<20))
	defer r.Close()
	checkAll(t, r, 1<<20)
	settle(c)
	if got := c.Stats().Disk; got == 0 || got > 4<<20 {
		t.Errorf("%d bytes on disk, want some, and at most %d", got, 4<<20)
	}
}

func TestDiskMinFree(t *testing.T) {
	c := newCache(t, new(bucket), Config{Dir: t.TempDir(), MinFree: 1 << 60})
	r := c.Open(object("a", 4<<20))
	defer r.Close()
	checkAll(t, r, 1<<20)
	settle(c)
	if got := c.Stats().Disk; got != 0 {
		t.Errorf("%d bytes on disk, want none", got)
	}
}

func TestDiskIsOneCaches(t *testing.T) {
	dir := t.TempDir()
	var out logs
	first := newCache(t, new(bucket), Config{Dir: dir})
	second := newCache(t, new(bucket), Config{Dir: dir, Logger: out.logger()})
	if second.disk != nil || !strings.Contains(out.String(), "another process uses its directory") {
		t.Errorf("the second has a disk cache (%v) or does not say why not: %s",
			second.disk, out.String())
	}
	r := second.Open(object("a", 100))
	checkAll(t, r, 100)
	r.Close()
	if err := second.Adopt(object("b", 3), filepath.Join(dir, "none")); err == nil {
		t.Error("adopted a file that is not there")
	}
	first.Close()
	if third := newCache(t, new(bucket), Config{Dir: dir}); third.disk == nil {
		t.Error("no disk cache after the first was closed")
	}
}

func TestDiskScan(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "somebody's")
	for _, f := range []string{kept, filepath.Join(dir, "1-2.temp"), filepath.Join(dir, "3-4.data"),
		filepath.Join(dir, "5-6.index")} {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newCache(t, new(bucket), Config{Dir: dir})
	settle(c)
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 4 { // and the lock, and the tray with its list
		t.Errorf("after the scan there is %q, want the lock, the tray and %q", names, kept)
	}
}

// A process that is killed leaves the directory as it is.
func TestDiskKilled(t *testing.T) {
	dir, left := t.TempDir(), t.TempDir()
	obj := object("a", 4<<20)
	fillDisk(t, dir, object("b", 1<<20))
	c := newCache(t, new(bucket), Config{Dir: dir})
	r := c.Open(obj)
	defer r.Close()
	for off := int64(0); off < obj.Size; off += 1 << 20 {
		check(t, r, off, 1<<20)
		if off == 2<<20 {
			flushed := make(chan struct{})
			settle(c)
			c.disk.AddJob(func() { c.disk.Flush(func(f func()) { f() }); close(flushed) })
			<-flushed
		}
	}
	if err := os.CopyFS(filepath.Join(left, "copy"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	src := new(bucket)
	c = newCache(t, src, Config{Dir: filepath.Join(left, "copy")})
	for _, obj := range []s3backend.Object{obj, object("b", 1<<20)} {
		r := c.Open(obj)
		checkAll(t, r, 1<<20)
		r.Close()
	}
	if got := src.bytes.Load(); got > 2<<20 {
		t.Errorf("%d bytes fetched, want what was not in the index only", got)
	}
}

// A smaller limit than the last mount's holds at once.
func TestDiskLimitLowered(t *testing.T) {
	dir := t.TempDir()
	fillDisk(t, dir, object("a", 4<<20), object("b", 4<<20))
	c := newCache(t, new(bucket), Config{Dir: dir, DiskSize: 5 << 20})
	settle(c)
	if got := c.Stats().Disk; got == 0 || got > 5<<20 {
		t.Errorf("%d bytes on disk, want some, and at most %d", got, 5<<20)
	}
}

func TestForget(t *testing.T) {
	dir := t.TempDir()
	src := new(bucket)
	c := newCache(t, src, Config{Dir: dir})
	obj := object("a", 1<<20)
	for _, forget := range []s3backend.Object{obj, {Key: "a"}} {
		r := c.Open(obj)
		checkAll(t, r, 1<<20)
		settle(c)
		c.Forget(forget)
		checkAll(t, r, 1<<20) // the Reader goes on
		r.Close()
		settle(c)
		if s := c.Stats(); s.Memory != 0 || s.Disk != 0 || len(files(t, dir, ".data")) != 0 {
			t.Errorf("after Forget(%v): %+v, files %q", forget, s, files(t, dir, ".data"))
		}
	}
	if got := src.gets.Load(); got != 4 {
		t.Errorf("%d requests, want 4", got)
	}
}

func TestAdopt(t *testing.T) {
	obj := object("a", 6<<20+5)
	stage := func(t *testing.T, obj s3backend.Object) string {
		p := make([]byte, obj.Size)
		readObject(obj, p, 0)
		path := filepath.Join(t.TempDir(), "staged")
		if err := os.WriteFile(path, p, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name   string
		cfg    Config
		before func(t *testing.T, c *Cache)
		etag   string
		kept   bool
	}{
		{"new", Config{Dir: "cache"}, nil, "e", true},
		{"read before", Config{Dir: "cache"}, func(t *testing.T, c *Cache) {
			r := c.Open(obj)
			defer r.Close()
			check(t, r, 3<<20, 1<<20)
		}, obj.ETag, true},
		{"too large", Config{Dir: "cache", DiskSize: 1 << 20}, nil, "e", false},
		{"no disk cache", Config{}, nil, "e", false},
		{"no etag", Config{Dir: "cache"}, nil, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.cfg.Dir != "" {
				tt.cfg.Dir = t.TempDir()
			}
			src := new(bucket)
			c := newCache(t, src, tt.cfg)
			if tt.before != nil {
				tt.before(t, c)
			}
			obj := obj
			obj.ETag = tt.etag
			open := c.Open(obj)
			path := stage(t, obj)
			if err := c.Adopt(obj, path); err != nil {
				t.Fatalf("Adopt: %v", err)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("the file is still there: %v", err)
			}
			src.gets.Store(0)
			checkAll(t, open, 1<<20)
			open.Close()
			if got := src.gets.Load(); got == 0 != tt.kept {
				t.Errorf("%d requests, want none: %v", got, tt.kept)
			}
			if !tt.kept {
				return
			}
			settle(c)
			c.Close()
			c = newCache(t, src, tt.cfg)
			r := c.Open(obj)
			checkAll(t, r, 1<<20)
			r.Close()
			if got := src.gets.Load(); got != 0 {
				t.Errorf("after a remount: %d requests, want none", got)
			}
		})
	}
	t.Run("wrong size", func(t *testing.T) {
		c := newCache(t, new(bucket), Config{Dir: t.TempDir()})
		path := stage(t, object("a", 100))
		if err := c.Adopt(obj, path); err == nil {
			t.Error("adopted a file of the wrong size")
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the file is still there: %v", err)
		}
	})
}
