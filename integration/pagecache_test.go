package integration

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestSmallReadsFillThePageCache reads single pages of a file that is cached on the disk: after a
// few of a block, the kernel has all of it, and the right bytes. What is written then is what the
// old descriptor reads, and what is delivered.
func TestSmallReadsFillThePageCache(t *testing.T) {
	t.Parallel()
	const size, block, page = 6*mib + 77, 128 << 10, 4096
	x := newExchange(t, "article")
	content := randomBytes(size)
	x.put(owner, delivery+"file", content, true)
	m := x.mount(client)
	f, err := os.Open(m.path(delivery + "file")) // with O_CLOEXEC, as all that os opens
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	compare := func() {
		t.Helper()
		got := make([]byte, len(content))
		if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the file has other bytes than it should, %v", err)
		}
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	resident := func(b int) (n int) {
		in := make([]byte, block/page)
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mapped[b*block])),
			block, uintptr(unsafe.Pointer(&in[0])))
		if errno != 0 {
			t.Fatal("mincore:", errno)
		}
		for _, p := range in {
			n += int(p & 1)
		}
		return n
	}
	compare()
	for _, advice := range []int{unix.FADV_DONTNEED, unix.FADV_RANDOM} {
		if err := unix.Fadvise(int(f.Fd()), 0, 0, advice); err != nil {
			t.Fatal(err)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	p := make([]byte, page)
	for _, b := range rnd.Perm(size / block)[:20] {
		if n := resident(b); n > 0 {
			t.Fatalf("the kernel has %d pages of block %d before it is read", n, b)
		}
		reads := 0
		for _, i := range rnd.Perm(block / page)[:block/page/2] {
			off := int64(b*block + i*page)
			if _, err := f.ReadAt(p, off); err != nil || !bytes.Equal(p, content[off:off+page]) {
				t.Fatalf("read at %d: wrong bytes, or %v", off, err)
			}
			if reads++; reads%2 == 1 {
				continue
			}
			for deadline := time.Now().Add(time.Second); resident(b) < block/page &&
				time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			if resident(b) == block/page {
				break // else it was given another block just then
			}
		}
		if n := resident(b); n < block/page {
			t.Errorf("the kernel has %d pages of block %d after %d were read, want %d",
				n, b, reads, block/page)
		}
	}
	compare()
	if err := unix.Munmap(mapped); err != nil {
		t.Fatal(err)
	}

	w, err := os.OpenFile(m.path(delivery+"file"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		off := rnd.IntN(size - page)
		fresh := randomBytes(rnd.IntN(page) + 1)
		if _, err := w.WriteAt(fresh, int64(off)); err != nil {
			t.Fatal(err)
		}
		content = slices.Concat(content[:off], fresh, content[off+len(fresh):])
	}
	compare()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	compare()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	m.unmount()
	if got, err := x.get(owner, delivery+"file"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("S3 holds %s, %v, want %s", brief(got), err, brief(content))
	}
}
