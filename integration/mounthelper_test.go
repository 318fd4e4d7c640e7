package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMountHelper mounts as mount(8) does for a line of fstab: by the link mount.s3share, with all
// options of the line, those for mount(8) and systemd alone included, and by mount.fuse3.
func TestMountHelper(t *testing.T) {
	t.Parallel()
	needFuse(t)
	uid := strconv.Itoa(os.Getuid())
	for _, c := range []struct {
		name string
		args func(m *mount) []string // the first is the program
	}{
		{"mount.s3share", func(m *mount) []string {
			link := filepath.Join(filepath.Dir(m.dir), "mount.s3share")
			if err := os.Symlink(s3shareBin, link); err != nil {
				t.Fatal(err)
			}
			return []string{link, "team", m.dir, "-o",
				"rw,noexec,nosuid,nodev,_netdev,nofail,x-systemd.automount,x-systemd.idle-timeout=10min,user,uid=" + uid}
		}},
		{"mount.fuse3", func(m *mount) []string {
			return []string{s3shareBin, "team", m.dir, "-o", "rw,nosuid,nodev,noatime,uid=" + uid}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "article")
			m := x.place(t, client)
			base := filepath.Dir(m.dir)
			config := "[exchange.team]\nbucket = \"" + x.Bucket + "\"\nregion = \"" +
				x.Region + "\"\nstate-dir = \"" + m.state + "\"\ncache-size = 0\n"
			if x.AWS == nil {
				config += "endpoint-url = \"" + x.Endpoint + "\"\n"
			}
			// XDG_CONFIG_HOME is base.
			if err := os.MkdirAll(filepath.Join(base, "s3share"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(base, "s3share", "config.toml"),
				[]byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			args := c.args(m)
			helper := func(more ...string) string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), args[0], append(args[1:], more...)...)
				cmd.Env = m.env
				out, err := cmd.CombinedOutput() // the daemon, in the background, holds no pipe
				if err != nil {
					t.Fatalf("%q: %v\n%s", args, err, out)
				}
				return string(out)
			}
			mounted := func() string {
				t.Helper()
				mounts, err := os.ReadFile("/proc/self/mounts")
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(string(mounts)) {
					if strings.Contains(line, " "+m.dir+" ") {
						return line
					}
				}
				return ""
			}
			if c.name == "mount.s3share" {
				helper("-f")
				if line := mounted(); line != "" {
					t.Errorf("mount --fake has mounted %s", line)
				}
			}
			helper()
			t.Cleanup(func() { _ = unix.Unmount(m.dir, unix.MNT_DETACH) }) // where the test failed
			if line := mounted(); !containsAll(line,
				[]string{"s3share:team", "fuse.s3share", "nosuid", "nodev"}) {
				t.Errorf("the kernel shows %q", line)
			}
			const key = delivery + "file"
			m.write(key, []byte("by fstab"))
			x.awaitObject(key, []byte("by fstab"))
			var st unix.Stat_t
			if err := unix.Stat(m.path(key), &st); err != nil || strconv.Itoa(int(st.Uid)) != uid {
				t.Errorf("the owner of the file is %d, %v, want %s", st.Uid, err, uid)
			}
			if out, err := m.run("unmount", m.dir); err != nil {
				t.Errorf("unmount: %v\n%s", err, out)
			}
		})
	}
}
