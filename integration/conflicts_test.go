package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// exitCode is what a command ended with.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := err.(*exec.ExitError)
	if !ok {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

// collide writes a file here that the other party makes meanwhile, and returns the
// path of the conflict copy once it is delivered.
func (m *mount) collide(key string) string {
	m.t.Helper()
	f, err := os.Create(m.path(key))
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := f.WriteString("ours"); err != nil {
		m.t.Fatal(err)
	}
	m.x.put(owner, key, []byte("theirs"), false)
	if err := f.Close(); err != nil {
		m.t.Fatal(err)
	}
	return m.awaitConflictCopy([]byte("ours"))
}

// awaitConflictCopy waits until a conflict copy with this content is delivered, and
// returns its path.
func (m *mount) awaitConflictCopy(content []byte) string {
	m.t.Helper()
	var beside string
	await(m.t, "a conflict copy", func() bool {
		for k := range m.x.list() {
			if strings.Contains(k, " (conflict ") {
				beside = k
			}
		}
		return beside != "" && m.fileState(beside) == "conflict"
	})
	m.x.awaitObject(beside, content)
	return beside
}

// TestConflictIsTold has both parties make one file: wait and unmount name the copy,
// and end with status 1, unless it is resolved before.
func TestConflictIsTold(t *testing.T) {
	t.Parallel()
	const key = delivery + "plan.txt"
	for _, c := range []struct {
		name    string
		resolve func(m *mount, beside string)
		code    int
	}{
		{"left", func(*mount, string) {}, 1},
		{"removed", func(m *mount, beside string) {
			if err := os.Remove(m.path(beside)); err != nil {
				m.t.Fatal(err)
			}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "full")
			m := x.mount(client)
			beside := m.collide(key)
			told := []string{"changed in the bucket too", key,
				beside, "1 file went beside the other party's version"}
			out, err := m.run("wait", m.path(key))
			if code := exitCode(t, err); code != 1 || !containsAll(out, told) {
				t.Errorf("wait ended with %d and says\n%s\nwant 1, and %q", code, out, told)
			}
			c.resolve(m, beside)
			m.done = true
			out, err = m.run("unmount", m.dir)
			code := exitCode(t, err)
			if code != c.code || (c.code == 1) != containsAll(out, told) {
				t.Errorf("unmount ended with %d and says\n%s\nwant %d", code, out, c.code)
			}
			<-m.ended // it is undone in both cases
		})
	}
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}
