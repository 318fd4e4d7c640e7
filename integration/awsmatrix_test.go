package integration

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awsOperations are what is tried in each cell of the table in docs/access.md of what a
// mount does on AWS, in the order of its columns. Each returns the word for how it ended.
var awsOperations = []struct {
	name string
	do   func(c *awsCell) string
}{
	{"list", func(c *awsCell) string { _, err := os.ReadDir(c.m.path(c.folder)); return cell(err) }},
	{"read", func(c *awsCell) string { _, err := os.ReadFile(c.p("theirs")); return cell(err) }},
	{"put", func(c *awsCell) string { return c.writes("put", randomBytes(10_000)) }},
	{"again", func(c *awsCell) string { return c.writes("put", randomBytes(12_000)) }},
	{"over theirs", func(c *awsCell) string { return c.writes("theirs", randomBytes(11_000)) }},
	{"multipart", func(c *awsCell) string { return c.writes("multipart", randomBytes(20*mib)) }},
	{"edit", func(c *awsCell) string { return c.edits("multipart", os.O_RDWR, 9*mib) }},
	{"append", func(c *awsCell) string { return c.edits("put", os.O_WRONLY|os.O_APPEND, -1) }},
	{"touch", (*awsCell).touches},
	{"rename", func(c *awsCell) string {
		name := c.mine("put")
		err := os.Rename(c.p(name), c.p("renamed"))
		if err == nil {
			c.x.awaitObject(c.folder+"renamed", c.holds[name])
			c.x.awaitGone(c.folder + name)
		}
		return cell(err)
	}},
	{"delete", func(c *awsCell) string {
		name := c.mine("multipart")
		err := os.Remove(c.p(name))
		if err == nil {
			c.x.awaitGone(c.folder + name)
		}
		return cell(err)
	}},
}

// awsCell is one grant under one ownership in one folder, for one party.
type awsCell struct {
	x      *exchange
	m      *mount
	folder string            // with its slash
	holds  map[string][]byte // what S3 holds, by name
}

// mine is a file that we have put, or where we may not, the other party's.
func (c *awsCell) mine(name string) string {
	if c.holds[name] == nil {
		return "theirs"
	}
	return name
}

func (c *awsCell) p(name string) string { return c.m.path(c.folder + name) }

// writes writes a whole file: "ok" when S3 has it, "beside" when it went beside the other
// party's.
func (c *awsCell) writes(name string, content []byte) string {
	if err := os.WriteFile(c.p(name), content, 0o644); err != nil {
		return cell(err)
	}
	return c.arrives(name, content)
}

func (c *awsCell) arrives(name string, content []byte) string {
	word := ""
	await(c.x.t, brief(content)+" at "+name+", or beside it", func() bool {
		if slices.ContainsFunc(c.m.names(c.folder),
			func(n string) bool { return strings.HasPrefix(n, name+" (conflict") }) {
			word = "beside"
			return true
		}
		got, err := c.x.get(owner, c.folder+name)
		if err == nil && bytes.Equal(got, content) {
			word, c.holds[name] = "ok", content
		}
		return word != ""
	})
	if word == "beside" {
		if got, err := c.x.get(owner, c.folder+name); err != nil ||
			!bytes.Equal(got, c.holds[name]) {
			c.x.t.Errorf("the other party's %s holds %s, %v", name, brief(got), err)
		}
	}
	return word
}

// edits changes a part of a file, at off or, where that is negative, behind its end.
func (c *awsCell) edits(name string, flags int, off int64) string {
	f, err := os.OpenFile(c.p(name), flags, 0)
	if errors.Is(err, fs.ErrNotExist) && c.holds[name] == nil {
		return "-"
	}
	if err != nil {
		return cell(err)
	}
	patch := []byte("changed here")
	content := slices.Clone(c.holds[name])
	if off < 0 {
		_, err = f.Write(patch)
		content = append(content, patch...)
	} else {
		_, err = f.WriteAt(patch, off)
		copy(content[off:], patch)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return cell(err)
	}
	return c.arrives(name, content)
}

// touches sets a time: "ok" where S3 has it, "kept" where this machine has it alone.
func (c *awsCell) touches() string {
	if c.holds["put"] == nil {
		return "-"
	}
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(c.p("put"), at, at); err != nil {
		return cell(err)
	}
	c.m.awaitDelivered(c.folder + "put")
	if info, err := os.Stat(c.p("put")); err != nil || !info.ModTime().Equal(at) {
		c.x.t.Errorf("after touch put is of %v, %v", info, err)
	}
	if c.x.head(c.folder + "put").Metadata["mtime"] == "981173106.000000000" {
		return "ok"
	}
	return "kept"
}

// TestAWSMatrix runs each row of the table of what a mount does on AWS: for all grants,
// ownerships, parties and folders, as `s3share init` sets them up. What doctor says is
// what then happens, and nothing is left blocked.
func TestAWSMatrix(t *testing.T) {
	t.Parallel()
	want := tableOf(t, "../docs/access.md", "grant", "ownership", "party", "folder")
	var got []string
	for _, grant := range []string{"dropbox", "folders", "article", "full"} {
		for _, ownership := range []string{"enforced", "preferred", "writer"} {
			t.Run(grant+" "+ownership, func(t *testing.T) {
				x := newAWSExchange(t, "--grant", grant, "--ownership", ownership).in(t)
				for _, p := range []party{client, owner} {
					if p == owner && grant != "article" {
						continue // a client's grant is nothing to the owner
					}
					for _, folder := range []string{submissions, delivery} {
						head := strings.Join([]string{grant, ownership, string(p),
							strings.TrimSuffix(folder, "/")}, " | ")
						row := "| " + head + " | " + awsRow(t, x, p, folder) + " |"
						got = append(got, row)
						if w := want[head]; w != row {
							t.Errorf("the row is\n%s\nand docs/access.md has\n%s", row, w)
						}
					}
				}
			})
		}
	}
	if len(want) != len(got) {
		t.Errorf("docs/access.md has %d rows, want %d:\n%s", len(want), len(got),
			strings.Join(got, "\n"))
	}
}

// awsRow is what comes of all operations in one folder, and what doctor says before.
// Options are flags of both.
func awsRow(t *testing.T, x *exchange, p party, folder string, options ...string) string {
	them := owner
	if p == owner {
		them = client
	}
	c := &awsCell{x: x, folder: folder, holds: map[string][]byte{}}
	c.holds["theirs"] = []byte("the other party's")
	if _, err := x.tryPut(them, folder+"theirs", c.holds["theirs"], true); status(err) == 403 {
		x.put(owner, folder+"theirs", c.holds["theirs"], true) // who may not put there has none
	} else if err != nil {
		t.Fatal(err)
	}
	d := x.doctor(t, p, nil, options...)
	says := map[string]string{}
	var words []string
	for _, check := range []string{"list", "get", "put", "delete"} {
		says[check] = d.find(check, strings.TrimSuffix(folder, "/")).State
		words = append(words, says[check])
	}
	c.m = x.mount(p, options...)
	results := map[string]string{}
	var row []string
	for _, op := range awsOperations {
		results[op.name] = op.do(c)
		row = append(row, results[op.name])
	}
	for check, op := range map[string]string{"list": "list",
		"get": "read", "put": "multipart", "delete": "delete"} {
		if granted := says[check] == "ok"; granted != (results[op] == "ok") && results[op] != "-" &&
			says[check] != "unknown" {
			t.Errorf("%s in %s: doctor says %s of %s, and %s ended with %s", p, folder,
				says[check], check, op, results[op])
		}
	}
	// S3 may have carried out the last removal before the mount knows of that.
	await(t, string(p)+" in "+folder+" to have delivered all", func() bool {
		left, err := c.m.owed()
		return err == nil && len(left) == 0
	})
	c.m.unmount()
	for key := range x.list() { // for the next row
		if strings.HasPrefix(key, folder) && key != folder {
			x.remove(key)
		}
	}
	return strings.Join(append(row, strings.Join(words, " ")), " | ")
}

// tableOf reads the rows of the one table on a page whose first columns have these names,
// by what stands in those.
func tableOf(t *testing.T, page string, columns ...string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "| "+strings.Join(columns, " | ")+" |"):
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside && !strings.HasPrefix(line, "|--"):
			cells := strings.SplitN(strings.Trim(line, "| "), " | ", len(columns)+1)
			rows[strings.Join(cells[:len(columns)], " | ")] = line
		}
	}
	return rows
}

// TestAWSWithoutPutObjectAcl has a policy that grants put and not the ACL: programs are
// told before they copy a byte, doctor says what is missing, and its statement mends it.
func TestAWSWithoutPutObjectAcl(t *testing.T) {
	t.Parallel()
	x := newAWSExchange(t, "--grant", "folders").in(t)
	whole := x.policy(t)
	x.govern(t, slices.DeleteFunc(x.policy(t),
		func(s map[string]any) bool { return s["Action"] == "s3:PutObjectAcl" })...)
	d := x.doctor(t, client, nil)
	if f := d.find("ACL", "Delivery"); f.State != "missing" || d.code != 1 {
		t.Errorf("doctor says of the ACL %+v, and ends with %d", f, d.code)
	}
	if len(d.Statements) != 1 || d.Statements[0]["Action"] != "s3:PutObjectAcl" {
		t.Errorf("doctor asks for %v, want s3:PutObjectAcl", d.Statements)
	}
	m := x.mount(client)
	err := os.WriteFile(m.path(delivery+"new"), []byte("new"), 0o644)
	wantErrno(t, "create", err, unix.EACCES)
	if left, err := m.owed(); err != nil || len(left) > 0 {
		t.Errorf("not delivered: %+v, %v", left, err)
	}
	if said := m.log.String(); !strings.Contains(said, "s3:PutObjectAcl") {
		t.Errorf("the log does not say what is missing:\n%s", said)
	}
	m.unmount()
	x.govern(t, append(whole, d.Statements...)...)
	x.govern(t, append(slices.DeleteFunc(whole, func(s map[string]any) bool {
		return s["Action"] == "s3:PutObjectAcl"
	}), d.Statements...)...)
	m = x.mount(client)
	m.write(delivery+"new", []byte("new"))
	x.awaitObject(delivery+"new", []byte("new"))
}

// TestAWSReadsWhatS3Gives has policies under which a probe of a key that nobody has is
// refused: files are shown as readable, and read.
func TestAWSReadsWhatS3Gives(t *testing.T) {
	t.Parallel()
	clean := func(x *exchange) map[string]any {
		return map[string]any{
			"Effect": "Deny", "Principal": x.principal(x.Client), "Action": "s3:GetObject", "Resource": x.arn(submissions),
			"Condition": map[string]any{"StringNotEquals": map[string]any{"s3:ExistingObjectTag/GuardDutyMalwareScanStatus": "NO_THREATS_FOUND"}},
		}
	}
	for _, tt := range []struct {
		name   string
		policy func(x *exchange) []map[string]any
		tagged bool
	}{
		{"a listing of the folders alone", func(x *exchange) []map[string]any {
			list := x.statements(toList)[0]
			list["Condition"] =
				map[string]any{"StringEquals": map[string]any{"s3:prefix": []string{submissions,
					delivery, ""}}}
			return append(x.statements(allow{submissions, toGet}, allow{delivery, toPut}), list)
		}, false},
		{"a Deny of what is not scanned", func(x *exchange) []map[string]any {
			return append(x.statements(toList, allow{submissions, toGet}, allow{delivery, toPut}),
				clean(x))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newAWSExchange(t, "--grant", "folders").in(t)
			x.put(owner, submissions+"scanned", []byte("readable"), true)
			x.put(owner, submissions+"new", []byte("not yet"), true)
			x.govern(t, tt.policy(x)...)
			if tt.tagged {
				x.tag(submissions+"scanned", "GuardDutyMalwareScanStatus", "NO_THREATS_FOUND")
			}
			m := x.mount(client)
			await(t, "the probes",
				func() bool { return strings.Contains(m.log.String(), "folder=Submissions") })
			for range 2 {
				if info, err := os.Stat(m.path(submissions + "scanned")); err != nil ||
					info.Mode().Perm()&0o444 == 0 {
					t.Errorf("the file is shown as %v, %v", info, err)
				}
				if got, err := os.ReadFile(m.path(submissions + "scanned")); err != nil ||
					string(got) != "readable" {
					t.Errorf("read %q, %v", got, err)
				}
				if tt.tagged {
					_, err := os.ReadFile(m.path(submissions + "new"))
					wantErrno(t, "read of what is not scanned", err, unix.EACCES)
				}
			}
			if f := x.doctor(t, client, nil).find("get", "Submissions"); f.State == "missing" {
				t.Errorf("doctor says that get is missing: %+v", f)
			}
		})
	}
}
