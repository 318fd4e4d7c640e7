package mounts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// TestUsers has one program stand in a directory, another one keep a file of it open, and a third
// one do the same as the helper does that announces arrivals.
func TestUsers(t *testing.T) {
	dir := testhome.Home(t)
	testhome.Write(t, dir, "in/file", "")
	testhome.Write(t, dir, "inside", "")     // begins like the directory, and is not in it
	for _, cwd := range []string{"", "in"} { // nobody writes to it, and cat waits
		if err := unix.Mkfifo(filepath.Join(dir, cwd, "announce-arrivals"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(name string) *os.File {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, tt := range []struct {
		name, cwd, file, want string
		args                  []string
	}{
		{"stands", "in", "inside", "cat (pid PID), which stands in DIR/in", nil},
		{"has open", "", "in/file", "cat (pid PID), which has DIR/in/file open", nil},
		{"elsewhere", "", "inside", "", nil},
		{"announces", "", "in/file", "", []string{"s3share", "announce-arrivals"}},
	} {
		f := open(tt.file)
		cmd := exec.Command("cat", "./announce-arrivals")
		cmd.Dir, cmd.Stdin = filepath.Join(dir, tt.cwd), f
		if tt.args != nil {
			cmd.Args = tt.args
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		got := UsersText(Users(filepath.Join(dir, "in")))
		pid := cmd.Process.Pid
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		want := strings.NewReplacer("PID", strconv.Itoa(pid), "DIR", dir).Replace(tt.want)
		if got != want {
			t.Errorf("%s: users are %q, want %q", tt.name, got, want)
		}
	}
}

func TestUsersText(t *testing.T) {
	h := User{PID: 1, Name: "cat", Path: "/m/a"}
	one := "cat (pid 1), which has /m/a open"
	for n, want := range map[int]string{
		0: "",
		1: one,
		4: strings.Repeat(one+"; ", 3) + one,
		6: strings.Repeat(one+"; ", 4) + "and 2 more",
	} {
		all := make([]User, n)
		for i := range all {
			all[i] = h
		}
		if got := UsersText(all); got != want {
			t.Errorf("UsersText of %d = %q, want %q", n, got, want)
		}
	}
}
