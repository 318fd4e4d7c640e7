package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// versionLine is a version as `s3share versions --json` prints it.
type versionLine struct {
	Version_ID, Short, ETag string
	Current, Removed        bool
	Size                    *int64
}

// versionsOf runs `s3share versions --json`.
func (m *mover) versionsOf(file string) (all []versionLine) {
	m.t.Helper()
	out, code := m.run("versions", "--json", file)
	if code != 0 {
		m.t.Fatalf("versions ends with %d: %s", code, out)
	}
	for line := range strings.Lines(out) {
		var v versionLine
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			m.t.Fatalf("%s: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// wantSays runs a command on the mount's machine, whose output has to contain all of words.
func (m *mount) wantSays(code int, args []string, words ...string) {
	m.t.Helper()
	out, err := m.run(args...)
	for _, w := range words {
		if !strings.Contains(out, w) {
			m.t.Errorf("s3share %q does not say %q:\n%s", args, w, out)
		}
	}
	if got := exitCode(m.t, err); got != code {
		m.t.Errorf("s3share %q ends with %d, want %d:\n%s", args, got, code, out)
	}
}

// TestVersions lists, fetches and restores earlier versions, without and with a mount, for each of
// what the policy may grant.
func TestVersions(t *testing.T) {
	t.Parallel()
	x := newAWSPlace(t)
	x.initFull("--versioning")
	policy := x.policy(t)
	const key = delivery + "q3@home.csv"
	ours, theirs := x.mover(client), x.mover(owner)
	for _, text := range []string{"first", "the second"} {
		ours.write("q3@home.csv", []byte(text))
		ours.want(0, []string{"put", "q3@home.csv", "Delivery"}, "1 file")
	}
	first := theirs.versionsOf(key)[1]
	doctor := func(p party, state, found string) {
		t.Helper()
		if f := x.doctor(t, p, nil).find("versions", ""); f.State != state || f.Found != found {
			t.Errorf("doctor finds of versions %+v, want %s: %s", f, state, found)
		}
	}
	doctor(owner, "ok", "granted")
	doctor(client, "note",
		"s3:ListBucketVersions is not granted, s3:GetObjectVersion is not granted")

	ours.want(1, []string{"versions", key}, "s3:ListBucketVersions", "docs/versions.md")
	ours.want(1, []string{"restore", key}, "s3:ListBucketVersions")
	x.govern(t, append(policy, x.statements(allow{"", []string{"s3:ListBucketVersions"}})...)...)
	ours.want(0, []string{"versions", key}, first.Short, "5 B", "10 B", "current")
	ours.want(1, []string{"get", key + "@" + first.Short, "."}, "s3:GetObjectVersion")
	ours.want(1, []string{"restore", key}, "s3:GetObjectVersion")
	doctor(client, "note", "s3:ListBucketVersions is granted, s3:GetObjectVersion is not granted")
	x.govern(t, append(policy, x.statements(allow{"*", []string{"s3:GetObjectVersion"}})...)...)
	ours.want(0, []string{"get", key + "@" + first.Version_ID, "."}, "1 file")
	if got, err := os.ReadFile(filepath.Join(ours.dir,
		"q3@home (version "+first.Version_ID+").csv")); err != nil || string(got) != "first" {
		t.Errorf("the first version is %q, %v", got, err)
	}

	x.govern(t, append(policy, x.statements(allow{"", []string{"s3:ListBucketVersions"}},
		allow{"*", []string{"s3:GetObjectVersion"}})...)...)
	doctor(client, "ok", "granted")
	ours.want(1, []string{"restore", key + "@nosuch"},
		`has no version "nosuch"`, "s3share versions")
	ours.want(1, []string{"restore", delivery + "none"}, "S3 holds no")
	ours.want(0, []string{"restore", key}, "is the version "+first.Version_ID+" again")
	x.awaitObject(key, []byte("first"))
	if got := logWords(ours.logOf()); !strings.HasSuffix(got, "delivered "+key+" restore") {
		t.Errorf("the log is\n%s", got)
	}
	ours.want(0, []string{"verify"}, "at S3 as")
	x.remove(key)
	ours.want(0, []string{"versions", key}, "removed")
	ours.want(0, []string{"restore", key + "@" + first.Short}, "again")
	x.awaitObject(key, []byte("first"))
	if all := ours.versionsOf(key); len(all) != 5 || !all[0].Current || !all[1].Removed ||
		all[0].ETag != first.ETag {
		t.Errorf("the versions are %+v", all)
	}

	m := x.mount(client)
	path := m.path(key)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(" and more"); err != nil {
		t.Fatal(err)
	}
	m.wantSays(1, []string{"restore", path}, "not delivered yet", "s3share wait")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	x.awaitObject(key, []byte("first and more"))
	m.wantSays(0, []string{"restore", path}, "again")
	await(t, "the restored version in the mount", func() bool {
		got, err := os.ReadFile(path)
		return err == nil && string(got) == "first"
	})
	m.wantSays(0, []string{"versions", path}, "current")
	m.wantSays(0, []string{"get", path + "@" + first.Short, t.TempDir()}, "1 file")
	m.wantSays(0, []string{"get", path, t.TempDir()}, "1 file")
	m.wantSays(2, []string{"get", m.dir, t.TempDir()}, "is the mount itself")
	x.put(owner, delivery+"2026/file", []byte("in a directory"), true)
	for _, command := range []string{"versions", "restore", "receipt"} {
		m.wantSays(2, []string{command, m.path(delivery + "2026")},
			"is a folder: ", "name a file in it")
	}
	m.wantSays(2, []string{"put", path, m.path(delivery + "2026")}, "is a path in a mount",
		"Delivery/2026, with --exchange "+m.dir)
	m.wantSays(2, []string{"send", path, "--into", m.path(delivery + "2026")},
		"is a path in a mount", "Delivery/2026, with --exchange "+m.dir)
	m.unmount()
}

// TestNoVersions: in a bucket that keeps none, versions and restore say so.
func TestNoVersions(t *testing.T) {
	t.Parallel()
	x := newAWSPlace(t)
	x.initFull()
	x.govern(t, append(x.policy(t), x.statements(allow{"", []string{"s3:ListBucketVersions"}},
		allow{"*", []string{"s3:GetObjectVersion"}})...)...)
	x.put(client, delivery+"plain", []byte("plain"), true)
	for p, says := range map[party]string{client: "is not known", owner: "versioning is off"} {
		m := x.mover(p)
		m.want(0, []string{"versions", delivery + "plain"}, "current", "note: ", says)
		m.want(1, []string{"restore", delivery + "plain"},
			"it has no earlier version", says, "--versioning")
	}
}
