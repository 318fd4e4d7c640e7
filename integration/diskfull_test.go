package integration

import (
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
	if os.Getuid() != 0 {
		missing(t, "root", "a small tmpfs has to be mounted")
	}
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	state := t.TempDir()
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=64m"); err != nil {
		missing(t, "root", fmt.Sprintf("mount a tmpfs: %v", err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(state, 0); err != nil {
			t.Errorf("unmount the tmpfs: %v", err)
		}
	})
	m := x.mount(client, "--state-dir", state+"/s3share")
	opened := make(chan struct{}) // the way to S3
	g.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if op == "PutObject" {
			select {
			case <-opened:
			case <-r.Context().Done():
			}
		}
		return false
	})
	free := m.free()
	if free > 64*mib {
		t.Errorf("statfs tells %d free bytes, and the disk has 64 MiB", free)
	}
	closed := map[string][]byte{}
	total := int64(0)
	var err error
	for n := 0; err == nil; n++ {
		key, content := fmt.Sprintf("%s%d", delivery, n), randomBytes(3*mib)
		if err = os.WriteFile(m.path(key), content, 0o644); err == nil {
			closed[key] = content
			total += int64(len(content))
		} else if rerr := os.Remove(m.path(key)); rerr != nil {
			t.Errorf("remove what did not fit: %v", rerr)
		}
		if total > 64*mib {
			t.Fatalf("%d bytes were taken", total)
		}
	}
	wantErrno(t, "write to a full disk", err, unix.ENOSPC)
	if total < free/2 || total > free {
		t.Errorf("%d bytes were taken, and statfs told that %d were free", total, free)
	}
	if now := m.free(); now > 4*mib {
		t.Errorf("statfs tells %d free bytes when the disk is full", now)
	}
	close(opened)
	for key, content := range closed {
		m.awaitDelivered(key)
		direct.awaitObject(key, content)
	}
	if all := direct.list(); len(all) != len(closed) {
		t.Errorf("the bucket holds %d objects, want the %d that were closed", len(all), len(closed))
	}
	m.deliver(delivery+"later", []byte("there is room again"))
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
