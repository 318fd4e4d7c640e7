package fs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
)

// TestInodesAreBounded lists a folder of many more files than inodes are kept of.
func TestInodesAreBounded(t *testing.T) {
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		if strings.Contains(os.Getenv("S3SHARE_NEED"), "fuse") {
			t.Fatal(err)
		}
		t.Skip("no FUSE:", err)
	} else {
		f.Close()
	}
	const files, most = 5000, 400
	b := buckettest.New()
	for i := range files {
		b.Store(fmt.Sprintf("Delivery/f%04d", i), []byte("x"), nil)
	}
	c, err := cache.New(b,
		cache.Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dir := t.TempDir()
	s, err := mountAtMost(dir, c, Config{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}, most)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Unmount(); err != nil {
			t.Error(err)
		}
		s.Wait()
	}()
	// Programs of their own, since this one answers them.
	open := exec.Command("sh",
		"-c", "exec 3< "+dir+"/Delivery/f0000; echo open; read line; cat <&3")
	in, err := open.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := open.StdoutPipe()
	if err != nil || open.Start() != nil {
		t.Fatal("cannot run sh")
	}
	said := make([]byte, len("open\n"))
	if _, err := out.Read(said); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ls", dir + "/Delivery"}, {"ls", "-l", dir + "/Delivery"}} {
		names, err := exec.Command(args[0], args[1:]...).Output()
		if n := bytes.Count(names, []byte("f")); err != nil || n != files {
			t.Errorf("%v: %d of %d files, %v", args, n, files, err)
		}
	}
	s.inodes.trims.Wait()
	left := func() int {
		s.inodes.mu.Lock()
		defer s.inodes.mu.Unlock()
		return len(s.inodes.used)
	}
	// The kernel forgets what it has dropped in its own time.
	for deadline := time.Now().Add(20 * time.Second); left() > most*3/2 &&
		time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := left(); n > most*3/2 {
		t.Errorf("%d inodes are kept, of %d", n, most)
	}
	in.Close()
	rest := make([]byte, 1)
	if _, err := out.Read(rest); err != nil || string(rest) != "x" {
		t.Errorf("the file that was open all the while reads %q, %v", rest, err)
	}
	open.Wait()
}
