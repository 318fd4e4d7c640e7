package content

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
)

// TestRandomReadsFromDisk: a random read of what the disk cache holds reads what it asks for, and
// takes no memory from others.
func TestRandomReadsFromDisk(t *testing.T) {
	dir, obj := t.TempDir(), object("a", 20<<20+100)
	fillDisk(t, dir, obj)
	src := new(bucket)
	c := newCache(t, src, Config{Dir: dir})
	r := c.Open(obj)
	defer r.Close()
	var want int64
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(int(obj.Size / blockSize / 4)) {
		off, n := int64(i)*4*blockSize+100, int64(4096)
		if i%8 == 0 {
			n = 3 * blockSize / 2
		}
		check(t, r, off, n)
		want += n
	}
	if s := c.Stats(); s.FromDisk != want || s.Memory != 0 || src.gets.Load() != 0 {
		t.Errorf("%d bytes from the disk, %d in memory, %d requests, want %d, 0, 0",
			s.FromDisk, s.Memory, src.gets.Load(), want)
	}
}

// TestRandomReadsFromADamagedDisk gets the right bytes of what the disk cache has lost or changed.
func TestRandomReadsFromADamagedDisk(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"bytes": func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			for i := range int64(10) {
				if _, err := f.WriteAt([]byte("damaged"), i*5*blockSize+i*1000); err != nil {
					return err
				}
			}
			return nil
		},
		"cut off":   func(path string) error { return os.Truncate(path, 3<<20+5) },
		"no data":   os.Remove,
		"all zeros": func(path string) error { return errors.Join(os.Truncate(path, 0), os.Truncate(path, 8<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, obj := t.TempDir(), object("a", 8<<20)
			fillDisk(t, dir, obj)
			if err := damage(files(t, dir, ".data")[0]); err != nil {
				t.Fatal(err)
			}
			src := new(bucket)
			c := newCache(t, src, Config{Dir: dir})
			r := c.Open(obj)
			defer r.Close()
			for range 3 {
				for _, i := range rand.New(rand.NewPCG(3, 4)).Perm(int(obj.Size / 4096)) {
					check(t, r, int64(i)*4096, 4096)
				}
			}
			if src.gets.Load() == 0 {
				t.Error("nobody noticed")
			}
		})
	}
}

// TestOnlyWhatIsMissingIsFetched: where the disk cache has most of an object, fetching the whole
// for random reads gets the rest, and keeps it.
func TestOnlyWhatIsMissingIsFetched(t *testing.T) {
	dir, obj := t.TempDir(), object("a", 40<<20)
	fillDisk(t, dir, obj)
	src := new(bucket)
	c := newCache(t, src, Config{Dir: dir})
	r := c.Open(obj)
	defer r.Close()
	missing := int64(0)
	for i := int64(17); i < r.v.count(); i += 1 + i*7%90 { // single blocks, near and far
		c.disk.Drop(r.v.disk, i)
		missing++
	}
	c.mu.Lock()
	c.writer.awaited++
	r.v.rent = rent{requests: 10_000}
	c.mu.Unlock()
	c.fetchAll(r.v)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range r.v.count() {
		if r.v.State(i) == prefetch.Missing {
			t.Errorf("block %d is missing still", i)
		}
	}
	if got := src.bytes.Load(); got != missing*blockSize || c.stats.FromDisk != 0 {
		t.Errorf("%d bytes fetched, and %d read from the disk, want %d and 0", got,
			c.stats.FromDisk, missing*blockSize)
	}
}

// TestRandomReadDoesNotWaitBehindALongRequest: a read of a block that is on its way, with megabytes
// before it in the same request, asks for what it needs instead of waiting for all of them.
func TestRandomReadDoesNotWaitBehindALongRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := new(bucket)
		c := newCache(t, slow(src, 20*time.Millisecond, 8<<20), Config{})
		obj := object("a", 256<<20)
		first, other := c.Open(obj), c.Open(obj)
		defer first.Close()
		defer other.Close()
		far := int64(-1)
		for off := int64(0); far < 0 && off < obj.Size; off += blockSize {
			check(t, first, off, blockSize)
			c.mu.Lock()
			for i := range first.v.blocks {
				if i*blockSize > off && first.v.farInFlight(i) {
					far = max(far, i)
				}
			}
			c.mu.Unlock()
		}
		if far < 0 {
			t.Fatal("no request was longer than 1 MiB")
		}
		begun := time.Now()
		check(t, other, far*blockSize+4096, 4096)
		if took := time.Since(begun); took > 50*time.Millisecond {
			t.Errorf("a read of 4 KiB took %v, want one answer of 20ms", took)
		}
	})
}
