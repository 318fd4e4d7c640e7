package integration

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tablePolicies are the policies of docs/access.md.
var tablePolicies = map[string][]allow{
	"full":      {toList, {delivery, append([]string{"s3:GetObject", "s3:DeleteObject"}, toPut...)}, {submissions, append([]string{"s3:GetObject", "s3:DeleteObject"}, toPut...)}},
	"article":   {toList, {delivery, append(toGet[:1:1], toPut...)}, {submissions, append(toGet[:1:1], toPut...)}},
	"folders":   {toList, {submissions, toGet}, {delivery, append(toGet[:1:1], toPut...)}},
	"dropbox":   {toList, {submissions, toPut}, {delivery, toPut}},
	"blind":     {{delivery, toPut}},
	"read-only": {toList, {submissions, toGet}, {delivery, toGet}},
	"none":      nil,
}

// TestAccess runs each row of the table in docs/access.md: what the mount does, how
// it shows the folder, and what doctor says of it.
func TestAccess(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(cells) != 13 || strings.HasPrefix(cells[0], "-"):
			continue
		case columns == nil:
			columns = cells
			continue
		}
		rows++
		want := map[string]string{}
		for i, c := range columns {
			want[c] = cells[i]
		}
		t.Run(strings.Join(cells[:3], " "), func(t *testing.T) {
			t.Parallel()
			accessRow(t, want)
		})
	}
	if rows != 15 {
		t.Errorf("%d rows are in the table, want 15", rows)
	}
}

func accessRow(t *testing.T, want map[string]string) {
	me, folder := party(want["party"]), want["folder"]+"/"
	x := newExchange(t, "full").in(t)
	them := owner
	if me == owner {
		them = client
	}
	content := []byte("the other party's")
	for _, name := range []string{"get", "overwrite", "rename", "delete"} {
		x.put(them, folder+name, content, true)
	}
	x.govern(t, x.statements(tablePolicies[want["policy"]]...)...)
	m := x.mount(me)
	p := func(name string) string { return m.path(folder + name) }

	modes := func() string {
		dir, err := os.Stat(m.path(want["folder"]))
		if err != nil {
			return cell(err)
		}
		file, err := os.Stat(p("get"))
		if err != nil {
			return bits(dir) + " " + cell(err)
		}
		return bits(dir) + " " + strings.TrimSuffix(bits(file), "-") + "-"
	}
	got := ""
	defer func() {
		if t.Failed() {
			t.Logf("the modes were %s", got)
		}
	}()
	await(t, "the modes "+want["modes"], func() bool { // they follow the probes
		got = modes()
		return got == want["modes"]
	})

	ours := randomBytes(10_000)
	arrives := func(name string, body []byte) error {
		if err := os.WriteFile(p(name), body, 0o644); err != nil {
			return err
		}
		if want[name] == "ok" {
			x.awaitObject(folder+name, body)
		}
		return nil
	}
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{"list", func() error { _, err := os.ReadDir(m.path(want["folder"])); return err }},
		{"get", func() error { _, err := os.ReadFile(p("get")); return err }},
		{"put", func() error { return arrives("put", ours) }},
		{"multipart", func() error { return arrives("multipart", randomBytes(9*mib)) }},
		{"overwrite", func() error { return arrives("overwrite", ours) }},
		{"rename", func() error { return os.Rename(p("rename"), p("renamed")) }},
		{"delete", func() error { return os.Remove(p("delete")) }},
		{"mkdir", func() error { return os.Mkdir(p("mkdir"), 0o755) }},
	} {
		err := op.do()
		if want[op.name] == "beside" && err == nil {
			await(t, "a conflict copy", func() bool {
				return strings.Contains(strings.Join(m.names(folder), "\n"), op.name+" (conflict")
			})
			x.awaitObject(folder+op.name, content)
			continue
		}
		if got := cell(err); got != want[op.name] {
			t.Errorf("%s is %s (%v), want %s", op.name, got, err, want[op.name])
		}
	}
	d := x.doctor(t, me, nil)
	var says []string
	for _, check := range []string{"list", "get", "put", "delete"} {
		says = append(says, d.find(check, want["folder"]).State)
	}
	if x.onRGW() && says[1] != "ok" && says[3] == "unknown" {
		// Only what doctor reads there reports whether the bucket keeps versions, and where it
		// may keep them delete is not asked.
		says[3] = "note"
	}
	if got := strings.Join(says, " "); got != want["doctor"] {
		t.Errorf("doctor says %s, want %s", got, want["doctor"])
	}
	if want["delete"] == "ok" {
		x.awaitGone(folder + "delete")
		x.awaitGone(folder + "rename")
	}
}

// cell is the word for how a call ended.
func cell(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// bits are the owner's permission bits.
func bits(info os.FileInfo) string { return info.Mode().Perm().String()[1:4] }
