package integration

import (
	"os"
	"strings"
	"testing"
)

// TestRsyncOfAnUnchangedTreeSendsNothing copies a tree with modes and times of its own, and
// again, before and after a remount and the end of the process by a signal.
func TestRsyncOfAnUnchangedTreeSendsNothing(t *testing.T) {
	t.Parallel()
	needTools(t, "rsync")
	x := newExchange(t, "full")
	m := x.mount(client)
	src := t.TempDir()
	shell(t, `
		cd "$1"; umask 022
		mkdir -p a/b empty locked; echo 1 > a/1; echo 2 > a/b/2; echo 3 > top; : > nothing; echo 4 > locked/4
		chmod 640 a/1; chmod 755 a/b/2; chmod 400 top; chmod 000 nothing; chmod 750 a/b; chmod 555 locked
		touch -d '1969-12-31 23:59:58.5Z' a/1; touch -d @253402300805 a/b/2; touch -d '2001-02-03 04:05:06.789Z' top
		touch -d '2002-02-03 04:05:06Z' locked a/b empty; touch -d '1960-01-01 00:00:00.25Z' a .`, src)
	copy := func(when string, first bool) {
		t.Helper()
		out := shell(t, `timeout 60 rsync -ai "$1/" "$2/Delivery/tree/"`, src, m.dir)
		if !first && out != "" {
			t.Errorf("%s rsync -a sends\n%s", when, out)
		}
		if first && !strings.Contains(out, "a/b/2") {
			t.Errorf("the first rsync says %q", out)
		}
	}
	copy("at first", true)
	copy("at once", false)
	m.awaitRest()
	copy("once all is delivered", false)
	m.unmount()
	m = m.revive(t)
	copy("after a remount", false)
	m.kill()
	m = m.revive(t)
	copy("after a kill", false)
	shell(t,
		`chmod 711 "$1/Delivery/tree/a" && mv "$1/Delivery/tree" "$1/Delivery/moved" && mv "$1/Delivery/moved" "$1/Delivery/tree"`, m.dir)
	shell(t, `chmod 711 "$1/a"`, src)
	shell(t, `touch -r "$1" "$2/Delivery/tree"`, src, m.dir)
	m.unmount()
	m = m.revive(t)
	copy("after a rename and a remount", false)
}

// TestChmodStays sets permission bits before and after the delivery: an append, a new time,
// a rename and a remount keep them.
func TestChmodStays(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	dir := m.path(delivery)
	want := map[string]os.FileMode{}
	check := func(when string) {
		t.Helper()
		for name, mode := range want {
			info, err := os.Stat(dir + name)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != mode {
				t.Errorf("%s %s has the mode %03o, want %03o", when, name, info.Mode().Perm(), mode)
			}
		}
	}
	set := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(dir+name, mode); err != nil {
			t.Fatal(err)
		}
		want[name] = mode
	}
	for _, name := range []string{"append", "touch", "rename", "zero", "before", "save"} {
		m.write(delivery+name, []byte("x"))
	}
	set("before", 0o640)
	shell(t, `cd "$1"; mkdir dir -m 700; (umask 777; : > created)`, dir)
	want["dir"], want["created"] = 0o700, 0
	check("at once")
	m.awaitRest()
	check("delivered,")
	for _, name := range []string{"append", "touch", "rename", "save"} {
		set(name, 0o600)
	}
	set("zero", 0)
	check("set after the delivery,")
	shell(t,
		`cd "$1"; echo more >> append; echo more >> zero; touch touch; mv rename renamed; sed -i s/x/y/ save`, dir)
	want["renamed"] = want["rename"]
	delete(want, "rename")
	check("changed,")
	set("dir", 0)
	m.awaitRest()
	check("delivered again,")
	m.unmount()
	m = m.revive(t)
	check("after a remount")
	shell(t,
		`cd "$1"; echo more >> append; echo more >> zero; touch touch; mv renamed again; mv dir moved`, dir)
	want["again"], want["moved"] = want["renamed"], want["dir"]
	delete(want, "renamed")
	delete(want, "dir")
	check("changed after a remount,")
	m.kill()
	m = m.revive(t)
	m.awaitRest()
	check("after a kill")
}
