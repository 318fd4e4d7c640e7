package content

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"
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
		t.Errorf("%d bytes from the disk, %d in memory, %d requests, want %d, 0, 0", s.FromDisk, s.Memory, src.gets.Load(), want)
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
