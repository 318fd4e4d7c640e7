package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
	"github.com/s3share/s3share/s3backend"
)

// fillOutbox leaves in a state directory of the bucket team a file that waits, one that
// was open, and one with a private name, all written some hours ago.
func fillOutbox(t *testing.T, stateDir string) {
	t.Helper()
	if err := config.MakePrivate(stateDir, "state directory", "--state-dir"); err != nil {
		t.Fatal(err)
	}
	if err := statedir.Bind(&config.Settings{StateDir: stateDir, Bucket: "team"}); err != nil {
		t.Fatal(err)
	}
	away := buckettest.Answer(buckettest.New(), buckettest.Put,
		func() error { return s3backend.Other })
	c, err := cache.New(away,
		cache.Config{Folders: []string{"Submissions", "Delivery"}, StateDir: stateDir})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cut", "waits", "draft.part"} {
		h, err := c.Create(t.Context(), "Delivery/"+name, nil, true, cache.OpenMode{})
		if err == nil {
			_, err = h.WriteAt(t.Context(), []byte(name), 0)
		}
		if err == nil && name != "cut" {
			err = h.Flush(context.WithoutCancel(t.Context()), cache.Closing{})
			h.Release()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for path, content := range filesIn(t, stateDir) {
		if content != "" {
			before := time.Now().Add(-210 * time.Minute)
			if err := os.Chtimes(path, before, before); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// filesIn are the files in a directory, with what is in them and when it was written.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		all[path] = fmt.Sprintf("%v %x", info.ModTime(), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestOutboxWithoutDaemon asks every command about a mount for which no daemon answers, in
// each way in which that comes about. None of them changes what lies there.
func TestOutboxWithoutDaemon(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(t *testing.T, stateDir string, of statedir.LockInfo)
	}{
		{"killed", func(t *testing.T, stateDir string, of statedir.LockInfo) {
			sign(t, stateDir, of)
			of.PID, of.Start = os.Getpid(), "before" // another process has its number by now
			resign(t, stateDir, of)
		}},
		{"kept", func(t *testing.T, stateDir string, of statedir.LockInfo) {
			lock := sign(t, stateDir, of)
			if err := statedir.NoteEnd(lock); err != nil {
				t.Fatal(err)
			}
		}},
		{"refused", func(t *testing.T, stateDir string, of statedir.LockInfo) {
			lock := sign(t, stateDir, of)
			if err := statedir.WriteReasons(stateDir, []outbox.Status{{
				Key: "Delivery/waits", State: outbox.Blocked, Code: "AccessDenied",
				Reason: "access denied (s3:PutObject on Delivery/)",
				Hint:   "send the owner the statement that s3share doctor prints",
			}}); err != nil {
				t.Fatal(err)
			}
			if err := statedir.NoteEnd(lock); err != nil {
				t.Fatal(err)
			}
		}},
		{"silent", func(t *testing.T, stateDir string, of statedir.LockInfo) { sign(t, stateDir, of) }},
		{"recovering", func(t *testing.T, stateDir string, of statedir.LockInfo) {
			lock := sign(t, stateDir, of)
			if err := statedir.NoteEnd(lock); err != nil {
				t.Fatal(err)
			}
			lock.Close()
			of.Dir = ""
			sign(t, stateDir, of)
		}},
		{"unsigned", func(*testing.T, string, statedir.LockInfo) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testhome.Home(t)
			stateDir := filepath.Join(dir, ".local/state/s3share/team-1")
			mountpoint := filepath.Join(dir, "mnt")
			if err := os.Mkdir(mountpoint, 0o755); err != nil {
				t.Fatal(err)
			}
			fillOutbox(t, stateDir)
			tt.leave(t, stateDir, statedir.LockInfo{Dir: jsonbytes.String(mountpoint)})
			before := filesIn(t, dir)
			var got strings.Builder
			for _, args := range [][]string{
				{"status", "mnt"}, {"status", "mnt/Delivery/cut"}, {"status", "mnt/Delivery/never"},
				{"wait", "mnt"}, {"wait", "mnt/Delivery/waits"}, {"wait", "mnt/Delivery/never"},
				{"why", "mnt/Delivery"}, {"why", "mnt/Delivery/never"},
				{"retry", "mnt/Delivery/waits"}, {"deliver", "mnt/Delivery/cut"},
				{"login", "mnt"}, {"unmount", "mnt"},
			} {
				out, code := s3share(t, dir, nil, args...)
				fmt.Fprintf(&got, "$ s3share %s\n%sexit status %d\n",
					strings.Join(args, " "), out, code)
			}
			pid := strconv.Itoa(os.Getpid())
			text := strings.NewReplacer("(pid "+pid, "(pid N",
				"kill -9 "+pid, "kill -9 N").Replace(got.String())
			goldenText(t, "outbox-"+tt.name, otherMounts.ReplaceAllString(text, ""))
			if out, _ := s3share(t, dir, nil, "status"); !strings.Contains(out, "Delivery/waits") {
				t.Errorf("status does not list it:\n%s", out)
			}
			if after := filesIn(t, dir); fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("the commands made of %v\n%v", before, after)
			}
		})
	}
}

// sign takes a state directory for this process, until the test ends.
func sign(t *testing.T, stateDir string, of statedir.LockInfo) *os.File {
	t.Helper()
	lock, err := statedir.Lock(stateDir, of)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return lock
}

// resign has another's signature in the lock.
func resign(t *testing.T, stateDir string, of statedir.LockInfo) {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stateDir, "daemon.lock"),
		append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStatusFindsStateDirectories keeps an outbox in each place where one can be, and
// wants it listed.
func TestStatusFindsStateDirectories(t *testing.T) {
	for name, tt := range map[string]struct {
		place string // below home
		know  func(t *testing.T, dir, stateDir string) (env []string)
	}{
		"state root": {".local/state/s3share/x", nil},
		"another state root": {"state/s3share/x", func(_ *testing.T, dir, _ string) []string {
			return []string{"XDG_STATE_HOME=" + filepath.Join(dir, "state")}
		}},
		"environment": {"here", func(_ *testing.T, _, stateDir string) []string { return []string{"S3SHARE_STATE_DIR=" + stateDir} }},
		"config file": {"here", func(t *testing.T, dir, stateDir string) []string {
			testhome.Write(t, dir, ".config/s3share/config.toml",
				fmt.Sprintf("[exchange.team]\nbucket = \"team\"\nstate-dir = %q\n", stateDir))
			return nil
		}},
		"registry": {"here [1]\n\xe9", func(t *testing.T, dir, stateDir string) []string {
			registerIn(t, dir, stateDir)
			return nil
		}},
		"registry beside the sockets": {"here", func(t *testing.T, dir, stateDir string) []string {
			registerIn(t, dir, stateDir)
			if err := os.RemoveAll(filepath.Join(dir, ".local/state/s3share")); err != nil {
				t.Fatal(err)
			}
			return []string{"XDG_RUNTIME_DIR=" + filepath.Join(dir, "run")}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := testhome.Home(t)
			stateDir := filepath.Join(dir, tt.place)
			fillOutbox(t, stateDir)
			// Without this, it counts as removed, for each process that looks.
			sign(t, stateDir, statedir.LockInfo{}).Close()
			var env []string
			if tt.know != nil {
				env = tt.know(t, dir, stateDir)
			}
			out, code := s3share(t, dir, env, "status", "--json")
			if code != hint.ExitOK || !strings.Contains(out, `"Delivery/waits"`) {
				t.Errorf("status --json ended with %d and said\n%s", code, out)
			}
		})
	}
}

// registerIn has a state directory registered as by a process with this home.
func registerIn(t *testing.T, dir, stateDir string) {
	t.Helper()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_STATE_HOME", "")
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	if err := control.Register(stateDir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Unregister(stateDir) })
}

// TestStatusNamesAMissingStateDirectory takes the disk away on which an outbox lies.
func TestStatusNamesAMissingStateDirectory(t *testing.T) {
	dir := testhome.Home(t)
	stateDir := filepath.Join(dir, "here")
	fillOutbox(t, stateDir)
	sign(t, stateDir, statedir.LockInfo{}).Close()
	registerIn(t, dir, stateDir)
	if err := os.RemoveAll(stateDir); err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(os.DirFS(dir), ".local/state/s3share/outboxes/*.json")
	if err != nil || len(files) != 1 {
		t.Fatalf("it is registered as %q, %v", files, err)
	}
	testhome.Write(t,
		dir, files[0], fmt.Sprintf(`{"state_dir": %q, "on": "/media/stick"}`, stateDir))
	out, code := s3share(t, dir, nil, "status")
	if code != hint.ExitFailed ||
		!strings.Contains(out,
			"something may wait in the state directory $HOME/here, which is not there") ||
		!strings.Contains(out, "rm $HOME/.local/state/s3share/outboxes/") {
		t.Errorf("status ended with %d and said\n%s", code, out)
	}
}
