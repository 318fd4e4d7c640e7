package integration

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// serviceManager is a socket on which a mount is heard, as systemd hears it.
type serviceManager struct {
	t    *testing.T
	m    *mount
	said chan string // what it has heard, in order
}

// underServiceManager starts a mount as systemd starts a service.
func underServiceManager(t *testing.T, m *mount, env ...string) *serviceManager {
	t.Helper()
	log, err := os.Create(m.log.path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	path := filepath.Join(filepath.Dir(m.dir), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	lifeline, life, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lifeline.Close()
	m.life = life
	m.cmd.Stdout, m.cmd.Stderr, m.cmd.ExtraFiles = log, log, []*os.File{lifeline}
	m.cmd.Env = append(append(m.env, "NOTIFY_SOCKET="+path, "S3SHARE_LIFELINE_FD=3"), env...)
	begin(t, m.cmd)
	go func() {
		m.err = m.cmd.Wait()
		close(m.ended)
	}()
	t.Cleanup(m.end)
	if err := l.SetReadDeadline(time.Now().Add(testPatience)); err != nil {
		t.Fatal(err)
	}
	s := &serviceManager{t, m, make(chan string, 10000)}
	go func() { // the queue of a socket is short
		defer close(s.said)
		for {
			b := make([]byte, 200)
			n, err := l.Read(b)
			if err != nil {
				return
			}
			s.said <- string(b[:n])
		}
	}()
	return s
}

// hears waits for a message, which has to be of this form. What comes at intervals is passed
// over, unless it is what is waited for.
func (s *serviceManager) hears(form string) {
	s.t.Helper()
	want := regexp.MustCompile("^" + form + "$")
	for {
		said, hears := <-s.said
		if !hears {
			s.t.Fatalf("the service manager hears nothing, want %q\n%s", form, s.m.log)
		}
		if want.MatchString(said) {
			return
		}
		if said != "WATCHDOG=1" {
			s.t.Fatalf("the service manager hears %q, want %q\n%s", said, form, s.m.log)
		}
	}
}

// TestServiceManager listens as systemd does: a mount in the foreground says when it serves, that
// it goes on working, when it reads its settings and credentials again, and when it ends.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	needFuse(t)
	x := newExchange(t, "article")
	m := x.place(t, client, "--config", "my.toml") // relative: the mount finds it again
	base := filepath.Dir(m.dir)
	m.cmd.Dir = base
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(base, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := func(more string) {
		t.Helper()
		write("my.toml", "[exchange.team]\nbucket = \"b\"\nprofile = "+more)
	}
	profile := func(name string, a account) string {
		return fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
			name, a.AccessKeyID, a.SecretAccessKey)
	}
	write("credentials", profile("first", x.Client)+profile("second", x.Owner)+profile("wrong",
		account{AccessKeyID: "none", SecretAccessKey: "none"}))
	config(`"first"`)
	m.env = append(m.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=",
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(base, "credentials"))
	s := underServiceManager(t, m, "WATCHDOG_USEC=200000")
	s.hears("READY=1")
	s.hears("WATCHDOG=1")

	for _, c := range []struct {
		config  string
		profile string
		logs    []string
	}{
		{"\"second\"\nverbose = true\numask = \"027\"\nmemory = \"64MiB\"", "second", []string{"msg=reloaded profile=second", "when it is mounted again\" settings=\"memory, umask\"", "level=DEBUG"}},
		{"\"wrong\"", "second", []string{"S3 has not confirmed them\" profile=wrong"}},
		{"first", "second", []string{"the settings stay as they are", "my.toml:3", "msg=\"the credentials were read again, and nothing else\" profile=second"}},
		{`"first"`, "first", []string{"msg=reloaded profile=first"}},
	} {
		config(c.config)
		if err := m.cmd.Process.Signal(unix.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.hears(`RELOADING=1\nMONOTONIC_USEC=\d+\n`)
		s.hears("READY=1")
		if log := m.log.String(); !containsAll(log, c.logs) {
			t.Errorf("with profile = %s the log lacks one of %q:\n%s", c.config, c.logs, log)
		}
		if out, err := m.run("status", "--json", m.dir); err != nil ||
			!strings.Contains(out, `"profile": "`+c.profile+`"`) {
			t.Errorf("with profile = %s the status is %v\n%s", c.config, err, out)
		}
	}
	if n := strings.Count(m.log.String(), "msg=reloaded"); n != 2 {
		t.Errorf(
			"the log says %d times that it has reloaded, want 2: with the settings that were valid",
			n)
	}
	m.deliver(delivery+"file", []byte("after the reloads"))
	m.unmount()
	s.hears("STATUS=unmounted.*")
	s.hears("STOPPING=1")
	if m.err != nil {
		t.Errorf("the mount ended with %v", m.err)
	}
}

// TestExitStatusForAServiceManager ends mounts with a file that is not delivered. Where a person
// has undone it, the exit status is one that has nothing mount it again.
func TestExitStatusForAServiceManager(t *testing.T) {
	t.Parallel()
	needFuse(t)
	for _, c := range []struct {
		name string
		end  func(m *mount)
		want int
	}{
		{"unmount", func(m *mount) { m.abandon() }, 3},
		{"signal", func(m *mount) {
			m.done = true
			_ = m.cmd.Process.Signal(unix.SIGTERM)
			_ = m.cmd.Process.Signal(unix.SIGINT) // the second signal does not wait for S3
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x, g := newExchange(t, "article").through(t)
			m := x.place(t, client)
			s := underServiceManager(t, m)
			s.hears("READY=1")
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return r.Method == http.MethodPut && refuse(w, r, 403, "AccessDenied")
			})
			m.write(delivery+"file", []byte("stays"))
			c.end(m)
			<-m.ended
			if got := m.cmd.ProcessState.ExitCode(); got != c.want {
				t.Errorf("the exit status is %d, want %d\n%s", got, c.want, m.log)
			}
		})
	}
}
