//go:build unix && !race

package content

import "golang.org/x/sys/unix"

func newArena(slots int) (*arena, error) {
	mem, err := unix.Mmap(-1, 0, slots*blockSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	advise(mem)
	return &arena{mem: mem, slots: slots}, nil
}

// release gives the memory of s, which nobody uses, back to the system. Its
// bytes are lost.
func (a *arena) release(s slot) { _ = unix.Madvise(a.bytes(s), adviceFree) }

func (a *arena) close() error { return unix.Munmap(a.mem) }
