package integration

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiskFull fills the disk that the outbox is on while S3 takes nothing: the
// program is told ENOSPC and the free space was told truly before, what it had
// closed arrives, and then there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	state := smallDisk(t)
	m := x.mount(client, "--state-dir", state+"/s3share")
	open := g.holdPuts()
	free := m.free()
	if free > 64*mib {
		t.Errorf("statfs tells %d free bytes, and the disk has 64 MiB", free)
	}
	closed, total := m.fill()
	if total < free/2 || total > free {
		t.Errorf("%d bytes were taken, and statfs told that %d were free", total, free)
	}
	if now := m.free(); now > 4*mib {
		t.Errorf("statfs tells %d free bytes when the disk is full", now)
	}
	open()
	for key, content := range closed {
		m.awaitDelivered(key)
		direct.awaitObject(key, content)
	}
	if all := direct.list(); len(all) != len(closed) {
		t.Errorf("the bucket holds %d objects, want the %d that were closed", len(all), len(closed))
	}
	m.deliver(delivery+"later", []byte("there is room again"))
}

// TestReadingLeavesRoomOnTheDisk reads a file that is larger than the disk of the
// read cache and the outbox: a twentieth of the disk at least stays free, and files can still be
// written.
func TestReadingLeavesRoomOnTheDisk(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	disk := smallDisk(t)
	content := randomBytes(80 * mib)
	const key = submissions + "big"
	x.put(owner, key, content, true)
	m := x.mount(client, "--state-dir", disk+"/state", "--cache-dir", disk+"/cache")
	if got := m.read(key); !bytes.Equal(got, content) {
		t.Fatalf("%d bytes are read, which are not those of the bucket", len(got))
	}
	m.deliver(delivery+"answer", randomBytes(2*mib))
	m.unmount() // after which all blocks are written
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	total, free := int64(st.Blocks)*int64(st.Bsize), int64(st.Bavail)*int64(st.Bsize)
	if free < total/20 {
		t.Errorf("%d bytes of %d are free, want a twentieth", free, total)
	}
}

// TestStageSize fills what --stage-size allows, on a disk that has more.
func TestStageSize(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.mount(client, "--stage-size", "20M")
	open := g.holdPuts()
	free := m.free()
	closed, total := m.fill()
	if total > free || total < free-3*mib {
		t.Errorf("%d bytes were taken in pieces of 3 MiB, and statfs told that %d were free", total,
			free)
	}
	if free < 19e6 || free > 21<<20 {
		t.Errorf("statfs tells %d free bytes, and the stage has 20 MB", free)
	}
	open()
	for key, content := range closed {
		direct.awaitObject(key, content)
	}
	m.deliver(delivery+"later", []byte("there is room again"))
}

// TestJournalOnAFullDisk has no room for a line of the journal: the program is told
// so, what it notes once there is room again is read by the next process, and the file
// is sent as it is only when a person says so.
func TestJournalOnAFullDisk(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	state := smallDisk(t)
	m := x.mount(client, "--state-dir", state+"/s3share")
	g.holdPuts()
	const key, other = delivery + "file", delivery + "other"
	content := randomBytes(1 * mib)
	f, err := os.Create(m.path(key))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	// Another program fills the disk, the daemon's reserve too.
	filler, err := os.Create(state + "/filler")
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	wantErrno(t, "fill the disk", err, unix.ENOSPC)
	err = nil
	for range 1000 { // each notes a line, and the last of them fill its page
		if err = f.Sync(); err != nil {
			break
		}
	}
	wantErrno(t, "fsync when the journal has no room", err, unix.ENOSPC)
	wantErrno(t, "write another when there is no room",
		os.WriteFile(m.path(other), content, 0o644), unix.ENOSPC)
	if err := os.Remove(m.path(other)); err != nil && !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	// Not removed: a child of this process may still hold it.
	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Errorf("fsync when there is room again: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	m.kill()
	g.when(nil)
	m = m.revive(t)
	if left := m.awaitRest(); len(left) != 1 || left[0].Key != key ||
		left[0].State != "interrupted" {
		t.Errorf("in the end there is %v, want the file of which fsync failed", left)
	}
	if direct.head(key) != nil {
		t.Error("the file of which fsync failed was delivered")
	}
	if out, err := m.run("deliver", m.path(key)); err != nil {
		t.Fatalf("deliver: %v\n%s", err, out)
	}
	direct.awaitObject(key, content)
	m.deliver(other, []byte("there is room again"))
}

// smallDisk is a directory on a disk of 64 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "root", "a small tmpfs has to be mounted")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		missing(t, "root", fmt.Sprintf("mount a tmpfs: %v", err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the tmpfs: %v", err)
		}
	})
	return dir
}

// holdPuts lets no small file through until open is called.
func (g *gateway) holdPuts() (open func()) {
	opened := make(chan struct{})
	g.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if op == "PutObject" {
			select {
			case <-opened:
			case <-r.Context().Done():
			}
		}
		return false
	})
	return func() { close(opened) }
}

// fill writes files of 3 MiB until there is no room for another, which it removes.
func (m *mount) fill() (closed map[string][]byte, total int64) {
	m.t.Helper()
	closed = map[string][]byte{}
	var err error
	for n := 0; err == nil; n++ {
		key, content := fmt.Sprintf("%s%d", delivery, n), randomBytes(3*mib)
		if err = os.WriteFile(m.path(key), content, 0o644); err == nil {
			closed[key] = content
			total += int64(len(content))
		} else if rerr := os.Remove(m.path(key)); rerr != nil {
			m.t.Errorf("remove what did not fit: %v", rerr)
		}
		if total > 64*mib {
			m.t.Fatalf("%d bytes were taken", total)
		}
	}
	wantErrno(m.t, "write where there is no room", err, unix.ENOSPC)
	return closed, total
}

// free is what statfs(2) tells a program that it can write, in bytes.
func (m *mount) free() int64 {
	m.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(m.dir, &st); err != nil {
		m.t.Fatal(err)
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
