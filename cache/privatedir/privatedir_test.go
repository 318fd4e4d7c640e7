package privatedir

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Two users of the machine, and the group of each.
const (
	user     = 61001
	attacker = 61002
)

// A test that needs several users runs parts of itself as them.
const asUser = "PRIVATEDIR_TEST_AS"

func TestMain(m *testing.M) {
	switch os.Getenv(asUser) {
	case "user":
		judge()
	case "attacker":
		attack()
	default:
		os.Exit(m.Run())
	}
}

// needRoot skips a test that has to act as several users.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can act as several users")
	}
}

// run runs a part of the test as a user, on lines of input.
func run(t *testing.T, part string, uid uint32, lines []string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary lies where only root may look.
	copied := filepath.Join(worldDir(t), part)
	text, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(copied, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied)
	cmd.Env = []string{asUser + "=" + part}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("%v\n%s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// worldDir is a directory that everybody can reach.
func worldDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "privatedir-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func lines() (all []string) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		all = append(all, in.Text())
	}
	return all
}

// judge tells of each path whether Check accepts it.
func judge() {
	for _, path := range lines() {
		err := Check(path)
		var unsafe *UnsafeError
		switch {
		case err == nil:
			fmt.Println("safe")
		case errors.As(err, &unsafe):
			fmt.Println("unsafe: " + err.Error())
		default:
			fmt.Println("error: " + err.Error())
		}
	}
}

// attack tells of each path what this user can do to it.
func attack() {
	for _, path := range lines() {
		fmt.Println(attackOn(path, true))
	}
}

// attackOn tries to put something in the place of the directory at path, or of anything
// on the way to it, and, where that is what it is about, into it.
func attackOn(path string, into bool) string {
	for dir, name := path, ""; ; dir, name = filepath.Dir(dir), filepath.Base(dir) {
		if into && dir == path && os.WriteFile(filepath.Join(dir, "planted"), nil, 0o600) == nil {
			return "can put files into " + dir
		}
		if dir != path {
			moved := filepath.Join(dir, name)
			if os.Rename(moved, moved+".moved") == nil {
				os.Rename(moved+".moved", moved)
				return "can exchange " + moved
			}
			if to, err := os.Readlink(moved); err == nil {
				if !filepath.IsAbs(to) {
					to = filepath.Join(dir, to)
				}
				if what := attackOn(to, into && moved == path); what != "" {
					return what
				}
			}
		}
		if dir == "/" {
			return ""
		}
	}
}

// TestWhatIsAcceptedNobodyElseCanChange makes directories of random owners and modes,
// with links among them, asks as one user which of them are safe, and has another user
// attack those.
func TestWhatIsAcceptedNobodyElseCanChange(t *testing.T) {
	needRoot(t)
	r := rand.New(rand.NewPCG(12, 1))
	top := worldDir(t)
	var paths []string
	for n := range 600 {
		paths = append(paths, randomTree(t, r, filepath.Join(top, fmt.Sprint(n))))
	}
	said := run(t, "user", user, paths)
	var safe []string
	for i, answer := range said {
		if answer == "safe" {
			safe = append(safe, paths[i])
		}
		if strings.HasPrefix(answer, "error") {
			t.Errorf("%s: %s", paths[i], answer)
		}
	}
	if len(safe) < 30 || len(safe) > 570 {
		t.Fatalf("%d of %d are safe: that proves little", len(safe), len(paths))
	}
	for i, what := range run(t, "attacker", attacker, safe) {
		if what != "" {
			t.Errorf("%s is accepted, and another user %s", safe[i], what)
		}
	}
}

// randomTree makes a path of directories, some of them reached by a link, and returns
// it.
func randomTree(t *testing.T, r *rand.Rand, dir string) string {
	t.Helper()
	pick := func(of ...int) int { return of[r.IntN(len(of))] }
	made := func(path string, mode uint32) {
		owner := pick(user, user, user, 0, attacker)
		group := pick(owner, owner, user, attacker, 0)
		if err := errors.Join(os.Lchown(path, owner, group),
			unix.Fchmodat(unix.AT_FDCWD, path, mode, 0)); err != nil {
			t.Fatal(err)
		}
	}
	mode := func() uint32 {
		return uint32(pick(0o755, 0o755, 0o711, 0o775, 0o777, 0o1777, 0o1775, 0o2775))
	}
	for depth := range 1 + r.IntN(3) {
		if depth > 0 {
			dir = filepath.Join(dir, "d")
		}
		if r.IntN(6) == 0 { // reached by a link to a directory beside it
			beside := dir + "-real"
			if err := errors.Join(os.Mkdir(beside, 0o755),
				os.Symlink(pickText(r, beside, filepath.Base(beside)), dir)); err != nil {
				t.Fatal(err)
			}
			made(beside, mode())
			owner := pick(user, 0, attacker)
			if err := os.Lchown(dir, owner, owner); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		made(dir, mode())
	}
	return dir
}

func pickText(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// chown gives a file to a user, where the test can.
func chown(t *testing.T, path string, uid int) {
	t.Helper()
	if err := os.Lchown(path, uid, uid); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryOfAnotherUserIsRefused(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string) string // returns the path to open
		why  string
	}{
		{"it is another's", func(t *testing.T, dir string) string {
			own := mkdir(t, dir, "state", 0o700)
			chown(t, own, attacker)
			return own
		}, "belongs to another user (uid 61002)"},
		{"it lies in another's", func(t *testing.T, dir string) string {
			above := mkdir(t, dir, "above", 0o755)
			own := mkdir(t, above, "state", 0o700)
			chown(t, above, attacker)
			return own
		}, "belongs to another user (uid 61002)"},
		{"it is yet to be made in another's", func(t *testing.T, dir string) string {
			above := mkdir(t, dir, "above", 0o777)
			chown(t, above, attacker)
			return filepath.Join(above, "a", "b")
		}, "belongs to another user (uid 61002)"},
		{"everybody may write to it", func(t *testing.T, dir string) string {
			return mkdir(t, dir, "state", 0o777)
		}, "can be written to by others (mode 0777)"},
		{"a sticky directory that everybody may write to", func(t *testing.T, dir string) string {
			return mkdir(t, dir, "state", 0o1777)
		}, "can be written to by others (mode 1777)"},
		{"a group may write to it", func(t *testing.T, dir string) string {
			own := mkdir(t, dir, "state", 0o700)
			if err := errors.Join(os.Chown(own, 0, attacker), os.Chmod(own, 0o770)); err != nil {
				t.Fatal(err)
			}
			return own
		}, "can be written to by others (mode 0770)"},
		{"everybody may write above it", func(t *testing.T, dir string) string {
			return mkdir(t, mkdir(t, dir, "above", 0o777), "state", 0o700)
		}, "which others can write to (mode 0777)"},
		{"another's link leads to it", func(t *testing.T, dir string) string {
			mkdir(t, dir, "real", 0o700)
			link := filepath.Join(dir, "state")
			if err := os.Symlink("real", link); err != nil {
				t.Fatal(err)
			}
			chown(t, link, attacker)
			return link
		}, "a symbolic link of another user (uid 61002)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.make(t, worldDir(t))
			for name, open := range map[string]func(string) error{
				"Check":        Check,
				"Open":         func(p string) error { _, err := Open(p); return err },
				"OpenOrCreate": func(p string) error { _, err := OpenOrCreate(p); return err },
			} {
				err := open(path)
				if _, there := os.Lstat(path); name == "Open" && there != nil {
					continue
				}
				var unsafe *UnsafeError
				if !errors.As(err, &unsafe) || !strings.Contains(err.Error(), tt.why) {
					t.Errorf("%s(%s) = %v, want that it %s", name, path, err, tt.why)
				}
			}
		})
	}
}

func mkdir(t *testing.T, dir, name string, mode uint32) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.Mkdir(path, 0o700), unix.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMakeTakesReadersAway(t *testing.T) {
	for _, mode := range []uint32{0o755, 0o750, 0o711, 0o775, 0o700} {
		path := mkdir(t, t.TempDir(), "state", mode)
		d, err := OpenOrCreate(path)
		if err != nil {
			t.Fatalf("mode %04o: %v", mode, err)
		}
		defer d.Close()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("mode %04o became %v, %v", mode, info.Mode(), err)
		}
	}
}

func TestMakeMakesWhatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "c")
	d, err := OpenOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for p := path; filepath.Base(p) != "a"; p = filepath.Dir(p) {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, %v", p, info.Mode(), err)
		}
	}
	if _, err := Open(path + "/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of what is not there: %v", err)
	}
}

func TestMakeFollowsALinkOfOurs(t *testing.T) {
	dir := t.TempDir()
	real := mkdir(t, dir, "bigger-disk", 0o700)
	link := filepath.Join(dir, "state")
	if err := os.Symlink("../"+filepath.Base(dir)+"/bigger-disk", link); err != nil {
		t.Fatal(err)
	}
	d, err := OpenOrCreate(link)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.WriteFile("f", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(real, "f")); err != nil || string(got) != "x" {
		t.Errorf("f holds %q, %v", got, err)
	}
}

// TestFilesAreNotOpenedThroughLinks plants what could lead a write or a read elsewhere,
// or keep it waiting.
func TestFilesAreNotOpenedThroughLinks(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	state := mkdir(t, dir, "state", 0o700)
	for name, plant := range map[string]func(string) error{
		"link":      func(p string) error { return os.Symlink(target, p) },
		"dangling":  func(p string) error { return os.Symlink(filepath.Join(dir, "new"), p) },
		"pipe":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"another's": func(p string) error {
			if os.Getuid() != 0 {
				return os.Symlink(target, p)
			}
			return errors.Join(os.WriteFile(p, nil, 0o666), os.Chown(p, attacker, attacker))
		},
	} {
		if err := plant(filepath.Join(state, name)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(state)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, name := range []string{"link", "dangling", "pipe", "directory", "another's"} {
		for _, flag := range []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE,
			os.O_WRONLY | os.O_CREATE | os.O_TRUNC, os.O_WRONLY | os.O_APPEND | os.O_CREATE} {
			if f, err := d.OpenFile(name, flag); err == nil {
				f.Close()
				t.Errorf("%s was opened with flags %#x", name, flag)
			}
		}
		if name == "directory" {
			continue
		}
		if err := d.WriteFile(name, []byte("ours")); err != nil {
			t.Errorf("WriteFile in the place of %s: %v", name, err)
			continue
		}
		if got, err := d.ReadFile(name); err != nil || string(got) != "ours" {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "precious" {
		t.Errorf("what a link led to holds %q, %v", got, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
		t.Error("a file was made where a link led to")
	}
	for _, name := range []string{"../target", "", ".", "..", "a/b", "/etc/passwd"} {
		if f, err := d.OpenFile(name, os.O_RDONLY); err == nil {
			f.Close()
			t.Errorf("%q was opened", name)
		}
	}
}

func TestAppendWritesToNothingOfAnotherUser(t *testing.T) {
	needRoot(t)
	dir := mkdir(t, worldDir(t), "tmp", 0o1777)
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func(string) error{
		"link": func(p string) error { return os.Symlink(precious, p) },
		"file": func(p string) error { return os.WriteFile(p, nil, 0o666) },
		"pipe": func(p string) error { return unix.Mkfifo(p, 0o666) },
	} {
		path := filepath.Join(dir, name)
		if err := plant(path); err != nil {
			t.Fatal(err)
		}
		chown(t, path, attacker)
		var unsafe *UnsafeError
		if f, err := Append(path); !errors.As(err, &unsafe) {
			t.Errorf("the %s: %v, want it refused", name, err)
			f.Close()
		}
	}
	ours := filepath.Join(dir, "ours")
	if err := os.Symlink(precious, ours); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{ours, filepath.Join(dir, "new"), "/dev/stderr"} {
		f, err := Append(path)
		if err != nil {
			t.Errorf("Append(%s): %v", path, err)
			continue
		}
		f.Close()
	}
}

// TestAPathThroughAnotherUsersPlaceIsRefused looks at files that are there, and at such that
// are yet to be made, alone or with directories above them, below what another user has made.
func TestAPathThroughAnotherUsersPlaceIsRefused(t *testing.T) {
	needRoot(t)
	for name, plant := range map[string]func(t *testing.T, dir, real string) string{
		"directory": func(t *testing.T, dir, _ string) string {
			own := mkdir(t, dir, "theirs", 0o755)
			chown(t, own, attacker)
			return own
		},
		"link": func(t *testing.T, dir, real string) string {
			link := filepath.Join(dir, "theirs")
			if err := os.Symlink(real, link); err != nil {
				t.Fatal(err)
			}
			chown(t, link, attacker)
			return link
		},
		"directory behind a link of ours": func(t *testing.T, dir, _ string) string {
			own := mkdir(t, dir, "behind", 0o755)
			chown(t, own, attacker)
			if err := os.Symlink("behind", filepath.Join(dir, "theirs")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "theirs")
		},
	} {
		for _, below := range []string{"file", "there/file", "missing/file", "missing/too/file"} {
			for _, there := range []bool{false, true} {
				dir := worldDir(t)
				real := mkdir(t, dir, "real", 0o700)
				path := filepath.Join(plant(t, dir, real), below)
				if strings.HasPrefix(below, "there/") || there {
					if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if there {
					if err := os.WriteFile(path, nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				var unsafe *UnsafeError
				if err := CheckFile(path); !errors.As(err, &unsafe) {
					t.Errorf("another's %s, %s, there %t: CheckFile says %v",
						name, below, there, err)
				}
				f, err := Append(path)
				if err == nil {
					f.Close()
				}
				if !errors.As(err, &unsafe) {
					t.Errorf("another's %s, %s, there %t: Append says %v", name, below, there, err)
				}
			}
		}
	}
}

// TestAFileThatIsNoneIsRefused: reading a pipe would wait for its other end.
func TestAFileThatIsNoneIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := CheckFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CheckFile of nothing says %v", err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var unsafe *UnsafeError
	if err := CheckFile(path); !errors.As(err, &unsafe) {
		t.Errorf("CheckFile of a pipe says %v", err)
	}
}
