package content

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// Of package diskcache: the files that small versions share.
const (
	trayFile, listFile = "small.tray", "small.list"
	recordLen          = 72
)

// smalls are objects of one block and less.
func smalls(n int) (objs []s3backend.Object) {
	for i := range n {
		objs = append(objs, object(fmt.Sprintf("s%03d", i), int64(1+i*blockSize/n)))
	}
	return append(objs, object("block", blockSize))
}

// reads reads objs through a new Cache and returns how many requests that took.
func reads(t *testing.T, cfg Config, objs ...s3backend.Object) int64 {
	t.Helper()
	src := new(bucket)
	c := newCache(t, src, cfg)
	for _, obj := range objs {
		r := c.Open(obj)
		checkAll(t, r, blockSize)
		r.Close()
		settle(c) // what is read faster than it is written is not all written
	}
	c.Close()
	return src.gets.Load()
}

// TestFlippedByteOfACachedFileIsFound flips a bit of each byte that the disk cache keeps of a small
// file, and of its record: what is read is what S3 holds, by a request if it has to be.
func TestFlippedByteOfACachedFileIsFound(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	obj := object("k", 50)
	if got := reads(t, cfg, obj); got != 1 {
		t.Fatalf("%d requests, want 1", got)
	}
	for _, file := range []string{trayFile, listFile} {
		path := filepath.Join(cfg.Dir, file)
		intact, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range min(len(intact), int(obj.Size)+recordLen) {
			damaged := bytes.Clone(intact)
			damaged[i] ^= 1 << (i % 8)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := reads(t, cfg, obj); got > 1 ||
				file == trayFile && i < int(obj.Size) && got != 1 {
				t.Errorf("byte %d of %s is flipped: %d requests", i, file, got)
			}
		}
	}
}

// TestSmall: small versions make no files of their own, and are there after a remount,
// with the one that is damaged mended.
func TestSmall(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	objs := smalls(40)
	if got, want := reads(t, cfg, objs...), int64(len(objs)); got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
	if names, _ := filepath.Glob(filepath.Join(cfg.Dir, "*")); len(names) != 3 {
		t.Errorf("in the cache's directory is %q, want the lock, the tray and its list", names)
	}
	if got := reads(t, cfg, objs...); got != 0 {
		t.Errorf("after a remount: %d requests, want none", got)
	}
	for _, damage := range []struct {
		file string
		off  int64
		most int64
	}{{trayFile, 3 * blockSize, 1}, {listFile, 5 * recordLen, 1}, {listFile, 40, 1}} {
		f, err := os.OpenFile(filepath.Join(cfg.Dir, damage.file), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 1)
		f.ReadAt(p, damage.off)
		p[0] ^= 1
		f.WriteAt(p, damage.off)
		f.Close()
		for i, most := range []int64{damage.most, 0} { // the second time, all is mended
			if got := reads(t, cfg, objs...); got != most {
				t.Errorf("%s is damaged, mount %d: %d requests, want %d", damage.file, i, got, most)
			}
		}
	}
	for _, cut := range []string{trayFile, listFile} {
		if err := os.Truncate(filepath.Join(cfg.Dir, cut), 0); err != nil {
			t.Fatal(err)
		}
		reads(t, cfg, objs...)
		if got := reads(t, cfg, objs...); got != 0 {
			t.Errorf("after %s was cut off and mended: %d requests, want none", cut, got)
		}
	}
}

// TestSmallLimit: what was used longest ago gives its place to others, in an earlier
// process too, and the tray does not grow.
func TestSmallLimit(t *testing.T) {
	const places = 16
	cfg := Config{Dir: t.TempDir(), DiskSize: places * blockSize}
	objs := smalls(places + 8)
	reads(t, cfg, objs[:places]...)
	reads(t, cfg, objs[places:places+8]...)
	if got := reads(t, cfg, objs[8:places+8]...); got != 0 {
		t.Errorf("%d requests for what was used last, want none", got)
	}
	if info, err := os.Stat(filepath.Join(cfg.Dir, trayFile)); err != nil ||
		info.Size() > cfg.DiskSize {
		t.Errorf("the tray: %v, %v, want %d bytes at most", info.Size(), err, cfg.DiskSize)
	}
	cfg.DiskSize = 4 * blockSize
	if got := reads(t, cfg, objs[:20]...); got == 0 {
		t.Error("a smaller limit keeps all")
	}
	if got := reads(t, cfg, objs[18:20]...); got != 0 {
		t.Errorf("under a smaller limit: %d requests for what was used last, want none", got)
	}
}

// TestInsert: what is handed over is read without a request, also by who has it open.
func TestInsert(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	src := new(bucket)
	c := newCache(t, src, cfg)
	obj := object("a", 5000)
	open := c.Open(obj)
	p := make([]byte, obj.Size)
	readObject(obj, p, 0)
	c.Insert(obj, p)
	settle(c)
	checkAll(t, open, 1000)
	open.Close()
	c.Insert(obj, p) // again
	c.Forget(obj)
	c.Insert(obj, p)
	for _, wrong := range []s3backend.Object{object("b", 4999), {Key: "c", Size: obj.Size},
		object("d", blockSize+1)} {
		c.Insert(wrong, p)
	}
	settle(c)
	c.Close()
	if got := src.gets.Load() + reads(t, cfg, obj); got != 0 {
		t.Errorf("%d requests, want none", got)
	}
	if got := reads(t, cfg, object("b", 4999)); got != 1 {
		t.Errorf("%d requests for what was not as it was said, want 1", got)
	}
}
