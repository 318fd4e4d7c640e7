package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// again is the next life of a mount whose process has ended: the same places, a
// process of its own. Variables are added to its environment.
func (m *mount) again(t *testing.T, program string, variables ...string) (*mount, error) {
	t.Helper()
	n := &mount{
		t: t, x: m.x, dir: m.dir, state: m.state, env: append(slices.Clone(m.env), variables...),
		log: m.log, ended: make(chan struct{}), lifetime: m.lifetime,
	}
	m.log = &output{os.DevNull} // the next life tells what both have said
	n.cmd = exec.Command(program, m.cmd.Args[1:]...)
	base := filepath.Dir(n.dir)
	_ = os.Remove(filepath.Join(base, "ready")) // the socket of the life before
	return n, n.start(base)
}

// revive is again where it must not fail.
func (m *mount) revive(t *testing.T) *mount {
	t.Helper()
	n, err := m.again(t, s3shareBin)
	if err != nil {
		t.Fatalf("mount again: %v\n%s", err, n.log)
	}
	return n
}

// kill ends the process as the kernel does when memory is short, and undoes the
// dead mount.
func (m *mount) kill() {
	_ = m.cmd.Process.Kill()
	m.bury()
}

// bury waits for the end of the process, and undoes the dead mount.
func (m *mount) bury() {
	<-m.ended
	m.done = true
	if err := unix.Unmount(m.dir, unix.MNT_DETACH); err == unix.EPERM {
		_ = exec.Command("fusermount3", "-uzq", m.dir).Run()
	}
}

// dead reports whether the process has ended.
func (m *mount) dead() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// owedFile is what `s3share status` says of one file.
type owedFile struct {
	Key    string `json:"key"`
	State  string `json:"state"`
	Sent   int64  `json:"sent"` // bytes S3 has
	Reason string `json:"reason"`
}

func (f owedFile) String() string { return fmt.Sprintf("%s %s (%s)", f.Key, f.State, f.Reason) }

// owed is what `s3share status` lists.
func (m *mount) owed() ([]owedFile, error) {
	out, err := m.run("status", "--json", m.dir)
	if err != nil {
		return nil, fmt.Errorf("status: %w\n%s", err, out)
	}
	var all []struct {
		Owed []owedFile `json:"owed"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		return nil, fmt.Errorf("status says %q: %v", out, err)
	}
	return all[0].Owed, nil
}

// awaitRest waits until nothing is on its way any more, and returns what is left:
// what is kept here for good, or waits for a person.
func (m *mount) awaitRest() []owedFile {
	m.t.Helper()
	var left []owedFile
	var err error
	defer func() {
		if m.t.Failed() {
			m.t.Logf("owed: %v, %v", left, err)
		}
	}()
	// So that what was set aside is deleted soon.
	_, _ = m.run("wait", "--timeout", patience.String(), m.dir)
	await(m.t, "all that can be delivered", func() bool {
		left, err = m.owed()
		return err == nil && !slices.ContainsFunc(left, func(f owedFile) bool {
			return !slices.Contains([]string{"private", "interrupted", "blocked", "conflict"},
				f.State)
		})
	})
	return left
}
