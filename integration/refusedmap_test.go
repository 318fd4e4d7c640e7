package integration

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestMapThatTheDiskRefusesIsNotShown changes a delivered file through a memory map, which the disk
// refuses: close returns the error, and the file is what S3 holds, although the kernel has the
// changed pages.
func TestMapThatTheDiskRefusesIsNotShown(t *testing.T) {
	t.Parallel()
	d := newFaultDisk(t)
	x := newExchange(t, "full")
	m := x.mount(client, "--state-dir", d.dir+"/state")
	const key = delivery + "mapped"
	m.deliver(key, []byte("as it was"))
	fd, err := unix.Open(m.path(key), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mapped, err := unix.Mmap(fd, 0, len("as it was"),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	d.set(diskRule{Ops: "create|write|open", Errno: unix.EIO})
	copy(mapped, "changed")
	if err := unix.Munmap(mapped); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, "close", unix.Close(fd), unix.EIO)
	d.set()
	if got := m.read(key); string(got) != "as it was" {
		t.Errorf("the file reads %q after a change that was refused", got)
	}
	if state, err := xattr(m.path(key), "user.s3share.state"); state != "delivered" {
		t.Errorf("its state is %q, %v", state, err)
	}
	m.deliver(key, []byte("as it is"))
	x.awaitObject(key, []byte("as it is"))
}
