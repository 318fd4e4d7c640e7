package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRandom does random things to a file on a mount and to one on a local disk,
// and compares them all the while. The seeds are fixed: what failed fails again.
func TestRandom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seed    uint64
		largest int64 // beyond a part, or within one
		ops     int
	}{
		{1, 300_000, 1500}, {2, 300_000, 1500}, {3, 20 * mib, 400}, {4, 20 * mib, 400},
	} {
		t.Run(fmt.Sprint("seed ", c.seed), func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "full")
			m := x.mount(client, "--memory", "16MiB")
			r := &random{t: t, m: m, x: x,
				rnd: rand.New(rand.NewPCG(c.seed, 0)), largest: c.largest}
			var err error
			if r.model, err = os.Create(t.TempDir() + "/model"); err != nil {
				t.Fatal(err)
			}
			defer r.model.Close()
			r.open(os.O_CREATE | os.O_EXCL)
			for i := range c.ops {
				r.step(i)
			}
			r.compare()
			if err := r.file.Close(); err != nil {
				t.Fatal(err)
			}
			want := r.content()
			m.unmount()
			if got, err := x.get(owner, randomKey); err != nil || !bytes.Equal(got, want) {
				t.Errorf("S3 holds %s, %v, want %s", brief(got), err, brief(want))
			}
		})
	}
}

const randomKey = delivery + "random"

// random is one run: a file on the mount and its model.
type random struct {
	t           *testing.T
	m           *mount
	x           *exchange
	rnd         *rand.Rand
	largest     int64
	file, model *os.File
	last        string // the operation, for what is found afterwards
}

func (r *random) open(flags int) {
	r.t.Helper()
	var err error
	if r.file, err = os.OpenFile(r.m.path(randomKey), os.O_RDWR|flags, 0o644); err != nil {
		r.t.Fatalf("after %s: %v", r.last, err)
	}
}

func (r *random) size() int64 {
	info, err := r.model.Stat()
	if err != nil {
		r.t.Fatal(err)
	}
	return info.Size()
}

func (r *random) content() []byte {
	b := make([]byte, r.size())
	if _, err := r.model.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		r.t.Fatal(err)
	}
	return b
}

// both does the same to both files, which must have the same outcome.
func (r *random) both(op string, do func(f *os.File) error) {
	r.t.Helper()
	r.last = op
	want, got := do(r.model), do(r.file)
	if (want == nil) != (got == nil) {
		r.t.Fatalf("%s = %v, want %v", op, got, want)
	}
}

// extent is a random piece of the file, or beyond it.
func (r *random) extent() (off, n int64) {
	off = r.rnd.Int64N(r.largest)
	if r.rnd.IntN(3) == 0 {
		off = min(r.size(), r.largest-1)
	}
	if r.rnd.IntN(3) == 0 {
		off &^= 4095
	}
	return off, 1 + r.rnd.Int64N(min(r.largest-off, r.largest/8))
}

func (r *random) step(i int) {
	r.t.Helper()
	off, n := r.extent()
	name := func(op string) string { return fmt.Sprintf("op %d, %s [%d,+%d)", i, op, off, n) }
	switch r.rnd.IntN(20) {
	case 0, 1, 2, 3, 4:
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(r.rnd.Uint32())
		}
		r.both(name("write"), func(f *os.File) error { _, err := f.WriteAt(data, off); return err })
	case 5, 6, 7, 8, 9:
		r.read(name("read"), off, n)
	case 10, 11:
		r.both(name("truncate"), func(f *os.File) error { return f.Truncate(off) })
	case 12:
		r.both(name("punch"), func(f *os.File) error {
			return unix.Fallocate(int(f.Fd()),
				unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		})
	case 13:
		r.both(name("allocate"),
			func(f *os.File) error { return unix.Fallocate(int(f.Fd()), 0, off, n) })
	case 14, 15:
		r.mapped(name("mmap"), off, n)
	case 16:
		r.both(name("fsync"), (*os.File).Sync)
	case 17:
		// The kernel's pages go, so that s3share has to know the bytes.
		if err := unix.Fadvise(int(r.file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			r.t.Fatal(err)
		}
	case 18, 19:
		r.compare()
		if err := r.file.Close(); err != nil {
			r.t.Fatal(err)
		}
		if r.rnd.IntN(4) == 0 {
			r.m.awaitDelivered(randomKey)
		}
		r.last = name("reopen")
		r.open(0)
	}
}

func (r *random) read(op string, off, n int64) {
	r.t.Helper()
	want, got := make([]byte, n), make([]byte, n)
	nw, errw := r.model.ReadAt(want, off)
	ng, errg := r.file.ReadAt(got, off)
	if nw != ng || !errors.Is(errg, errw) {
		r.t.Fatalf("%s (after %s) = %d, %v, want %d, %v", op, r.last, ng, errg, nw, errw)
	}
	r.equal(op, off, got[:ng], want[:nw])
}

func (r *random) equal(op string, off int64, got, want []byte) {
	r.t.Helper()
	for i := range got {
		if got[i] != want[i] {
			end := i
			for end < len(got) && got[end] != want[end] {
				end++
			}
			r.t.Fatalf("%s (after %s): the bytes from %d to %d differ: %s, want %s", op, r.last,
				off+int64(i), off+int64(end), brief(got[i:end]), brief(want[i:end]))
		}
	}
}

// mapped writes through a mapping of the pages that hold the extent.
func (r *random) mapped(op string, off, n int64) {
	r.t.Helper()
	end := min(off+n, r.size())
	if off >= end {
		return
	}
	start := off &^ 4095
	fill := byte(r.rnd.Uint32())
	r.both(op, func(f *os.File) error {
		b, err := unix.Mmap(int(f.Fd()), start, int(end-start),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		err = touch(b[off-start:], fill)
		if err == nil && fill%2 == 0 {
			err = unix.Msync(b, unix.MS_SYNC)
		}
		return errors.Join(err, unix.Munmap(b))
	})
}

// touch writes to mapped memory. Where the file cannot be read it returns an error,
// for which a program gets SIGBUS.
func touch(b []byte, fill byte) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("SIGBUS: %v", fault)
		}
	}()
	for i := range b {
		b[i] = fill + byte(i)
	}
	return nil
}

// compare reads all.
func (r *random) compare() {
	r.t.Helper()
	info, err := r.file.Stat()
	if err != nil {
		r.t.Fatal(err)
	}
	if got, want := info.Size(), r.size(); got != want {
		r.t.Fatalf("after %s the size is %d, want %d", r.last, got, want)
	}
	if r.size() > 0 {
		r.read("comparison", 0, r.size())
	}
}
