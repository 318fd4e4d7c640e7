package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestServesWhereNobodyListens starts a mount of which nobody wants to know that it
// serves: the kernel has it, so it goes on, and what is closed in it is delivered.
func TestServesWhereNobodyListens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// start begins cmd, and returns when nobody listens to it any more.
		start func(t *testing.T, base string, cmd *exec.Cmd)
		hears bool // of the log
	}{
		{"no such socket of systemd", func(t *testing.T, base string, cmd *exec.Cmd) {
			cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+filepath.Join(base, "none"))
			begin(t, cmd)
		}, true},
		{"a socket of systemd whose owner is gone", func(t *testing.T, base string, cmd *exec.Cmd) {
			path := filepath.Join(base, "dead")
			l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			l.Close() // the file stays
			cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
			begin(t, cmd)
		}, true},
		{"a pipe for the report that is closed", func(t *testing.T, _ string, cmd *exec.Cmd) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			r.Close()
			cmd.Env = append(cmd.Env, "S3SHARE_READY_FD=4")
			cmd.ExtraFiles = append(cmd.ExtraFiles, w)
			begin(t, cmd)
		}, true},
		{"a pipe for the log that is closed", func(t *testing.T, _ string, cmd *exec.Cmd) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			cmd.Stderr = w
			begin(t, cmd)
			r.Close()
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "article")
			m := x.place(t, client)
			log, err := os.Create(m.log.path)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			m.cmd.Stdout, m.cmd.Stderr = log, log
			lifeline, life, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer lifeline.Close()
			m.life = life
			m.cmd.ExtraFiles = []*os.File{lifeline}
			m.cmd.Env = append(m.env, "S3SHARE_LIFELINE_FD=3")
			c.start(t, filepath.Dir(m.dir), m.cmd)
			go func() {
				m.err = m.cmd.Wait()
				close(m.ended)
			}()
			t.Cleanup(m.end)
			await(t, "the mount", func() bool {
				select {
				case <-m.ended:
					t.Fatalf("it ended: %v\n%s", m.err, m.log)
				default:
				}
				mounts, err := os.ReadFile("/proc/self/mounts")
				return err == nil && strings.Contains(string(mounts), " "+m.dir+" ")
			})
			const key = delivery + "file"
			m.write(key, []byte("closed"))
			x.awaitObject(key, []byte("closed"))
			if _, err := os.Stat(m.state); err != nil {
				t.Errorf("the state directory: %v", err)
			}
			if c.hears && m.log.String() == "" {
				t.Error("the log is empty")
			}
		})
	}
}

func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}
