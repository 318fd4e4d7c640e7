package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestTheOtherPartysModeIsHeldToTheUmask has the other party send each kind of mode with
// its objects: nothing is open to others that our umask closes.
func TestTheOtherPartysModeIsHeldToTheUmask(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	modes := []string{"33279", "33188", "33206", "100777", "0100666", "107777", "37375",
		"33024", "511", "0777", "-1", "99999999999", "words"}
	for i, mode := range modes {
		key := fmt.Sprintf("%s%d", delivery, i)
		_, err := x.api[owner].PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &x.Bucket, Key: &key, Body: bytes.NewReader([]byte("x")),
			ACL:      types.ObjectCannedACLBucketOwnerFullControl,
			Metadata: map[string]string{"mode": mode, "mtime": "99999999999999999"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, umask := range []os.FileMode{0o022, 0o027, 0o077, 0} {
		m := x.mount(client, "-o", fmt.Sprintf("umask=%03o", umask))
		for i := range modes {
			key := fmt.Sprintf("%s%d", delivery, i)
			f, err := os.OpenFile(m.path(key), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString("and more")
			if err := errors.Join(err, f.Close()); err != nil {
				t.Error(err)
			}
		}
		for i, mode := range modes {
			key := fmt.Sprintf("%s%d", delivery, i)
			m.awaitDelivered(key) // with the metadata that it had
			info, err := os.Stat(m.path(key))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got&^0o777 != 0 || got&umask != 0 {
				t.Errorf("under the umask %03o a file with the mode %q is %v", umask, mode, got)
			}
		}
		// What is set here is held to it as well, and files whose metadata are odd can be changed.
		path := m.path(delivery + "0")
		if err := os.Chmod(path, 0o777); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o777&^umask {
			t.Errorf("chmod 777 under the umask %03o: %v, %v", umask, info.Mode(), err)
		}
		m.write(delivery+"0", []byte("more"))
		m.awaitDelivered(delivery + "0")
		m.unmount()
	}
}

// TestAMountThatCannotBeCompletedLeavesNone has the mount fail at each of the steps for
// which a process needs another descriptor, those between the kernel's mount and its
// first answers among them.
func TestAMountThatCannotBeCompletedLeavesNone(t *testing.T) {
	t.Parallel()
	needFuse(t)
	needTools(t, "prlimit")
	x := newExchange(t, "full")
	served := false
	for limit := 8; limit < 80 && !served; limit++ {
		m := x.place(t, client)
		m.cmd.Args = append([]string{"prlimit", fmt.Sprintf("--nofile=%d", limit), m.cmd.Path},
			m.cmd.Args[1:]...)
		path, err := exec.LookPath("prlimit")
		if err != nil {
			t.Fatal(err)
		}
		m.cmd.Path = path
		err = m.start(filepath.Dir(m.dir))
		if err == nil {
			// With the last descriptors in use it may serve, and answer no command.
			_, unable := m.run("status", m.dir)
			if unable == nil {
				_, unable = m.run("unmount", m.dir)
			}
			if unable != nil {
				m.kill()
				continue
			}
			served = true
			<-m.ended
			continue
		}
		select {
		case <-m.ended:
		default:
			// It may also serve without a descriptor for saying so.
			if !strings.Contains(m.log.String(), "msg=mounted") {
				t.Errorf("with %d descriptors it neither serves nor ends:\n%s", limit, m.log)
			}
			m.kill()
			continue
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(mounts), m.dir) {
			t.Errorf("with %d descriptors a dead mount is left:\n%s", limit, m.log)
			_ = exec.Command("fusermount3", "-uz", m.dir).Run()
		}
	}
	if !served {
		t.Error("it never served")
	}
}
