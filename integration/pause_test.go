package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPauseLetsReadsThrough pauses a mount: what is written, removed and renamed waits, what the
// other party has is read, and each command says so at once. It outlives a kill. Then all of it is
// delivered.
func TestPauseLetsReadsThrough(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	m.deliver(delivery+"removed.txt", []byte("removed"))
	m.deliver(delivery+"kept.txt", []byte("kept"))
	if out, err := m.run("pause", m.dir); err != nil || !strings.Contains(out, "paused since") {
		t.Fatalf("pause: %v\n%s", err, out)
	}
	before := x.list()
	x.put(owner, submissions+"theirs.txt", []byte("theirs"), true)
	m.awaitContent(submissions+"theirs.txt", []byte("theirs"))
	m.write(delivery+"new.txt", []byte("new"))
	m.write(delivery+"other.txt", []byte("other"))
	for _, do := range []error{
		os.Mkdir(m.path(delivery+"folder"), 0o755),
		os.Remove(m.path(delivery + "removed.txt")),
		os.Rename(m.path(delivery+"other.txt"), m.path(delivery+"renamed.txt")),
	} {
		if do != nil {
			t.Error(do)
		}
	}
	if err := os.Rename(m.path(delivery+"kept.txt"),
		m.path(delivery+"moved.txt")); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the rename of what S3 holds: %v, want EAGAIN", err)
	}
	said := func() {
		t.Helper()
		await(t, "the state to be paused",
			func() bool { return m.fileState(delivery+"new.txt") == "paused" })
		for _, c := range []struct {
			failed bool
			args   []string
		}{
			{false, []string{"status", m.dir}},
			{false, []string{"why", m.path(delivery + "new.txt")}},
			{true, []string{"wait", m.dir}},
			{true, []string{"wait", m.path(delivery + "new.txt")}},
			{true, []string{"retry", m.dir}},
			{true, []string{"unmount", m.dir}},
		} {
			out, err := m.run(c.args...)
			if (err != nil) != c.failed || !strings.Contains(out, "paused since ") ||
				!strings.Contains(out, "s3share resume "+m.dir) {
				t.Errorf("%s: %v\n%swant since when it is paused, and how it goes on",
					c.args[0], err, out)
			}
		}
	}
	said()
	m.kill()
	m = m.revive(t)
	said()
	now := x.list()
	delete(now, submissions+"theirs.txt")
	if len(now) != len(before) || now[delivery+"removed.txt"] == "" {
		t.Errorf("the bucket has changed while the mount was paused: %v, before %v", now, before)
	}
	if out, err := m.run("resume", m.dir); err != nil || !strings.Contains(out, ": goes on; ") {
		t.Errorf("resume: %v\n%s", err, out)
	}
	x.awaitObject(delivery+"new.txt", []byte("new"))
	x.awaitObject(delivery+"renamed.txt", []byte("other"))
	x.awaitObject(delivery+"kept.txt", []byte("kept"))
	x.awaitGone(delivery + "removed.txt")
	if out, err := m.run("wait", m.dir); err != nil {
		t.Errorf("wait: %v\n%s", err, out)
	}
}

// TestPauseFinishesPartsInFlight pauses a large upload: the parts on their way arrive, and no other
// begins before it goes on.
func TestPauseFinishesPartsInFlight(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client, "--limit-upload", "4M")
	content := bytes.Repeat([]byte("much "), 16<<20) // 80 MiB: five parts
	m.write(delivery+"much.bin", content)
	await(t, "a part to be on its way", func() bool { return m.uploading(t).InFlight > 0 })
	if out, err := m.run("pause", m.dir); err != nil {
		t.Fatalf("pause: %v\n%s", err, out)
	}
	await(t, "the parts in flight to end",
		func() bool { return m.fileState(delivery+"much.bin") == "paused" })
	f := m.uploading(t)
	if f.InFlight != 0 || f.Sent == 0 || f.Sent >= int64(len(content)) {
		t.Errorf("%d bytes are at S3 and %d on their way, want some, and none", f.Sent, f.InFlight)
	}
	for _, args := range [][]string{{"limit", "none", m.dir}, {"resume", m.dir}} {
		if out, err := m.run(args...); err != nil {
			t.Errorf("%s: %v\n%s", args[0], err, out)
		}
	}
	x.awaitObject(delivery+"much.bin", content)
	m.awaitDelivered(delivery + "much.bin")
}

// TestPauseFailsASyncClose: under -o sync a close means delivered, so it fails while nothing is.
func TestPauseFailsASyncClose(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client, "-o", "sync")
	if out, err := m.run("pause", m.dir); err != nil {
		t.Fatalf("pause: %v\n%s", err, out)
	}
	if err := os.WriteFile(m.path(delivery+"a.txt"), []byte("a"),
		0o644); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("a close under -o sync: %v, want EAGAIN", err)
	}
	if out, err := m.run("resume", m.dir); err != nil {
		t.Errorf("resume: %v\n%s", err, out)
	}
	x.awaitObject(delivery+"a.txt", []byte("a"))
}

// TestPausedOutboxIsKept unmounts a paused mount, and has neither recover nor the next mount send
// anything before resume.
func TestPausedOutboxIsKept(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	if out, err := m.run("pause", m.dir); err != nil {
		t.Fatalf("pause: %v\n%s", err, out)
	}
	m.write(delivery+"a.txt", []byte("a"))
	m.abandon()
	<-m.ended
	recover := append([]string{"recover", "--bucket", x.Bucket, "--region", x.Region, "--state-dir",
		m.state}, x.endpoint()...)
	if out, err := m.run(recover...); err == nil || !strings.Contains(out, "paused since") ||
		!strings.Contains(out, "s3share resume ") {
		t.Errorf("recover of what is paused: %v\n%s", err, out)
	}
	if _, err := x.get(owner, delivery+"a.txt"); err == nil {
		t.Error("recover has delivered what is paused")
	}
	if out, err := m.run("resume", m.dir); err != nil ||
		!strings.Contains(out, "not paused any more; 1 file waits; s3share recover ") {
		t.Errorf("resume: %v\n%s", err, out)
	}
	if out, err := m.run(recover...); err != nil {
		t.Errorf("recover: %v\n%s", err, out)
	}
	x.awaitObject(delivery+"a.txt", []byte("a"))
}

// stateJSON is what status --json says of the mount.
func (m *mount) stateJSON(t *testing.T, into any) {
	t.Helper()
	out, err := m.run("status", "--json", m.dir)
	if err == nil {
		err = json.Unmarshal([]byte(strings.TrimSpace(out)), into)
	}
	if err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
}

type progress struct {
	Sent     int64 `json:"sent"`
	InFlight int64 `json:"in_flight"`
}

// uploading is how far the only file has come that waits.
func (m *mount) uploading(t *testing.T) (p progress) {
	t.Helper()
	var all []struct {
		Owed []progress `json:"owed"`
	}
	m.stateJSON(t, &all)
	if len(all) == 1 && len(all[0].Owed) == 1 {
		return all[0].Owed[0]
	}
	return p
}
