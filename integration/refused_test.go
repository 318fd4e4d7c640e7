package integration

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRefusedWritersDeliverNothing has programs be told that there is no room for what
// they write over a good older version, or to a new name: S3 keeps what it has, in
// this life of the mount and the next, until somebody writes the file anew.
func TestRefusedWritersDeliverNothing(t *testing.T) {
	t.Parallel()
	big := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(big, randomBytes(40*mib), 0o644); err != nil {
		t.Fatal(err)
	}
	const key = delivery + "file"
	for _, c := range []struct {
		name, tool string
		script     string // $1 is written, $2 is its name in the mount
	}{
		{"cp", "cp", `cp "$1" "$2"`},
		{"dd", "dd", `dd if="$1" of="$2" bs=1M status=none`},
		{"dd over the beginning", "dd", `dd if="$1" of="$2" bs=64k conv=notrunc,fsync status=none`},
		{"cat", "cat", `cat "$1" > "$2"`},
		{"append", "cat", `cat "$1" >> "$2"`},
		{"tar", "tar", `tar -C "$(dirname "$1")" -cf - file | tar -C "$(dirname "$2")" -xf -`},
		{"gio", "gio", `gio copy "$1" "$2"`},
		{"rsync", "rsync", `rsync "$1" "$2"`},
		{"rsync into the file", "rsync", `rsync --inplace "$1" "$2"`},
		{"rsync that keeps what it has", "rsync", `rsync --partial "$1" "$2"`},
		{"mmap", "python3", `python3 -c '
import mmap, sys
data = open(sys.argv[1], "rb").read()
f = open(sys.argv[2], "w+b")
f.truncate(len(data))
m = mmap.mmap(f.fileno(), len(data))
m[:] = data
m.flush()
' "$1" "$2"`},
	} {
		for _, old := range []string{"", "the good older version"} {
			t.Run(c.name+map[bool]string{true: " to a new name"}[old == ""], func(t *testing.T) {
				t.Parallel()
				needTools(t, c.tool)
				x := newExchange(t, "full")
				m := x.mount(client, "--stage-size", "24MiB")
				if old != "" {
					m.deliver(key, []byte(old))
				}
				if out, err := tryShell(t, c.script, big, m.path(key)); err == nil {
					t.Fatalf("there is no room, and it ended with 0\n%s", out)
				}
				m.wantKept(key, old, c.tool)
				m.kill()
				m = m.revive(t)
				m.wantKept(key, old, c.tool)
				m.deliver(key, []byte("all of it"))
				x.awaitObject(key, []byte("all of it"))
			})
		}
	}
}

// wantKept fails the test unless S3 holds old, or nothing for "", when nothing is on its
// way any more, and what else is here is interrupted. by is the program that failed.
func (m *mount) wantKept(key, old, by string) {
	m.t.Helper()
	for _, f := range m.awaitRest() {
		if f.State != "interrupted" && f.State != "private" {
			m.t.Errorf("what is left is %v", f)
		}
		if f.State == "interrupted" && !strings.Contains(f.Reason, unix.ENOSPC.Error()) {
			m.t.Errorf("%v does not say why", f)
		}
	}
	if old == "" && m.x.head(key) != nil {
		m.t.Errorf("%s is in the bucket", key)
	}
	// tar removes the file before it makes it anew. A server other than AWS is asked to at once.
	removed := by == "tar" && m.x.head(key) == nil
	if old != "" && !removed {
		if got, err := m.x.get(owner, key); err != nil || string(got) != old {
			m.t.Errorf("the bucket holds %s, %v, want the older version", brief(got), err)
		}
	}
	if here, err := os.ReadFile(m.path(key)); err == nil && string(here) != old &&
		m.fileState(key) != "interrupted" {
		m.t.Errorf("%s is %s, and holds %s", key, m.fileState(key), brief(here))
	}
}

// TestRefusedByS3InTheMiddle has S3 refuse a file while it is written. What the program
// could write is not delivered once the policy is mended, since it is not all.
func TestRefusedByS3InTheMiddle(t *testing.T) {
	t.Parallel()
	const key = delivery + "file"
	direct := newExchange(t, "full")
	x, g := direct.through(t)
	m := x.mount(client)
	m.deliver(key, []byte("old"))
	var refused atomic.Bool
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		if op != "CreateMultipartUpload" {
			return false
		}
		refused.Store(true)
		return refuse(w, r, 403, "AccessDenied")
	})
	f, err := os.Create(m.path(key))
	if err != nil {
		t.Fatal(err)
	}
	piece := randomBytes(1 * mib)
	await(t, "a write to be refused", func() bool {
		_, err = f.Write(piece)
		return err != nil
	})
	wantErrno(t, "a write that S3 refuses", err, unix.EACCES)
	g.when(nil)
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if out, err := m.run("retry", m.dir); err != nil {
		t.Fatalf("retry: %v\n%s", err, out)
	}
	left := m.awaitRest()
	if len(left) != 1 || left[0].State != "interrupted" ||
		!strings.Contains(left[0].Reason, "access denied (s3:PutObject on ") {
		t.Errorf("what is left is %v", left)
	}
	if got, err := direct.get(owner, key); err != nil || !bytes.Equal(got, []byte("old")) {
		t.Errorf("the bucket holds %s, %v", brief(got), err)
	}
	m.deliver(key, piece)
	direct.awaitObject(key, piece)
}
