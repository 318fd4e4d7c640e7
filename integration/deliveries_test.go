package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const manifestOf = delivery + ".deliveries/%s.json"

// TestDeliveries sends sets of files both ways as one delivery each, and has them verified and
// acknowledged. That the owner may read each object, manifests and receipts among them, is
// asserted when the test ends.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"folders", "article"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, policy).in(t)
			ours, theirs := x.mover(client), x.mover(owner)
			large := randomBytes(20 * mib)
			ours.write("set/large.bin", large)
			ours.write("set/empty", nil)
			for i := range 20 {
				ours.write(fmt.Sprintf("set/photos/%02d", i), []byte(fmt.Sprint("photo ", i)))
			}
			theirs.want(0, []string{"receive"}, "there is nothing to receive in Delivery")
			ours.want(0, []string{"sent"}, "nothing was sent from Delivery")
			ours.want(0, []string{"send", "set", "--name", "2026-q3", "--note",
				"the final version"}, "22 files, 20.0 MiB sent in ", `announced as "2026-q3"`)
			ours.want(0, []string{"send", "set", "--name", "2026-q3"},
				`"2026-q3" was sent already: 22 files, 20.0 MiB`)
			ours.want(0, []string{"sent"},
				`"2026-q3": 22 files, 20.0 MiB, sent on `, "not received yet")
			theirs.want(0, []string{"receive", "--to", "in"},
				`"2026-q3": 22 files, 20.0 MiB, all there and verified; sent by `,
				"note: the final version")
			theirs.wantFile("in/set/large.bin", large)
			theirs.wantFile("in/set/photos/07", []byte("photo 7"))
			theirs.wantFile("in/set/empty", nil)
			theirs.want(0, []string{"receive"}, "there is nothing to receive in Delivery")
			theirs.want(0, []string{"receive", "2026-q3"},
				`"2026-q3" was received already: verified by `)
			theirs.want(1, []string{"receive", "2026-q4"},
				`there is no delivery "2026-q4" in Delivery`)
			ours.want(0, []string{"sent", "2026-q3"}, "received and verified by ")
			for _, args := range [][]string{{"sent", "2026-q4"}, {"sent", "2026-q4", "--json"}} {
				ours.want(1, args, `there is no delivery "2026-q4" in Delivery`)
			}
			ours.write("set/more", []byte("more"))
			ours.want(1, []string{"send", "set", "--name", "2026-q3"},
				"sent already, with other files", "choose another --name")

			theirs.write("brief.txt", []byte("the owner's"))
			theirs.want(0, []string{"send", "brief.txt", "--name", "2026-q3"}, "1 file, ")
			ours.want(0, []string{"receive"}, `"2026-q3": 1 file, 11 B, all there and verified`)
			theirs.want(0, []string{"sent"}, "received and verified by ")
			ours.want(2, []string{"send", "set", "--name", "a/b"},
				"cannot be the name of a delivery: it has a slash")
		})
	}
}

// TestReceiveRefuses: what is missing or another is refused by its name, and not acknowledged.
func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "folders")
	ours, theirs := x.mover(client), x.mover(owner)
	for _, name := range []string{"a", "b", "c"} {
		ours.write("set/"+name, []byte("content of "+name))
	}
	ours.want(0, []string{"send", "set", "--name", "q3"}, "3 files")
	x.put(client, delivery+"set/b", []byte("content of B"), true)
	theirs.want(1, []string{"receive"},
		`cannot receive "set/b" of "q3": it is not the version that was sent: it was replaced since`, "1 delivery not received")
	var out struct {
		State    string
		Receipt  bool
		Problems []struct{ Path, Reason string }
	}
	text, code := theirs.run("receive", "--json")
	line, _, _ := strings.Cut(text, "\n")
	if err := json.Unmarshal([]byte(line), &out); err != nil || code != 1 ||
		out.State != "refused" || out.Receipt || len(out.Problems) != 1 ||
		out.Problems[0].Path != "set/b" {
		t.Errorf("receive --json: exit code %d, error %v, %s", code, err, text)
	}
	x.remove(delivery + "set/c")
	theirs.want(1, []string{"receive", "--to", "in"},
		`cannot receive "set/c" of "q3": it is missing in the bucket`)
	if _, err := os.Stat(filepath.Join(theirs.dir, "in/set/c")); err == nil {
		t.Error("a file of a delivery that is not complete was fetched")
	}
	ours.want(0, []string{"sent"}, "not received yet")

	// A later delivery of the same files.
	x.remove(delivery + "set/b")
	ours.write("set/a", []byte("a once more"))
	ours.want(0, []string{"send", "set", "--name", "q3-again"}, "3 files")
	theirs.want(0, []string{"receive"}, `"q3-again": 3 files`,
		`"q3" is superseded: "q3-again" replaced what it had of 1 file`)
	ours.write("set2/a", []byte("one"))
	ours.want(0, []string{"send", "set2", "--name", "q4"}, "1 file")
	ours.write("set2/a", []byte("two"))
	ours.want(0, []string{"send", "set2", "--name", "q5"}, "1 file")
	theirs.want(0, []string{"receive", "q4"},
		`"q4" is superseded: "q5" replaced what it had of 1 file`)

	// A manifest that leads out of the folder.
	body, err := x.get(owner, fmt.Sprintf(manifestOf, "q3"))
	if err != nil {
		t.Fatal(err)
	}
	evil := strings.Replace(strings.Replace(string(body), `"set/a"`, `"../Submissions/a"`, 1),
		`"q3"`, `"evil"`, 1)
	x.put(client, fmt.Sprintf(manifestOf, "evil"), []byte(evil), true)
	theirs.want(1, []string{"receive", "evil"},
		`cannot receive "evil": the manifest is not valid: "../Submissions/a": its name is not a path within the folder`)
}

// TestDropboxSends: who may only put and list sends, and sees that it was received.
func TestDropboxSends(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "dropbox")
	ours, theirs := x.mover(client), x.mover(owner)
	for i := range 12 {
		ours.write(fmt.Sprint("set/", i), []byte(fmt.Sprint("file ", i)))
	}
	ours.want(0, []string{"send", "set", "--name", "q3"}, "12 files")
	theirs.want(0, []string{"receive"}, `"q3": 12 files`)
	ours.want(0, []string{"sent"}, `"q3"`, "received and verified")
}

// TestSendKilled kills a send of 40 files at requests that are drawn, and runs it again until it
// is done. Whenever there is a manifest, all that it lists is there.
func TestSendKilled(t *testing.T) {
	t.Parallel()
	files, kills := soaking(40, 500), soaking(12, 50)
	direct := newExchange(t, "folders")
	x, g := direct.through(t)
	m := x.mover(client)
	for i := range files {
		m.write(fmt.Sprintf("set/%02d", i), randomBytes(1000+i))
	}
	m.write("set/large", randomBytes(17*mib))
	args := []string{"send", "set", "--name", "q3"}
	complete := func() (announced bool) {
		t.Helper()
		there := direct.list()
		if _, ok := there[fmt.Sprintf(manifestOf, "q3")]; !ok {
			return false
		}
		body, err := direct.get(owner, fmt.Sprintf(manifestOf, "q3"))
		if err != nil {
			t.Fatal(err)
		}
		var manifest struct {
			Files []struct{ Path, ETag string }
		}
		if err := json.Unmarshal(body, &manifest); err != nil || len(manifest.Files) != files+1 {
			t.Fatalf("the manifest has %d files, error %v", len(manifest.Files), err)
		}
		for _, f := range manifest.Files {
			if etag := strings.Trim(there[delivery+f.Path], `"`); etag != f.ETag {
				t.Errorf("%s has the ETag %q, and the manifest %q", f.Path, etag, f.ETag)
			}
		}
		return true
	}
	rnd := rand.New(rand.NewPCG(7, 0))
	var first string
	for range kills {
		op := m.killedAt(g, 1+rnd.IntN(25), rnd.IntN(2) == 1, args)
		etag := direct.list()[fmt.Sprintf(manifestOf, "q3")]
		t.Logf("killed at %s; manifest %q", op, etag)
		complete()
		if first != "" && etag != first {
			t.Errorf("the manifest was put again: %q, and before %q", etag, first)
		}
		first = etag
	}
	m.want(0, args, `"q3"`)
	if !complete() {
		t.Error("there is no manifest")
	}
	if etag := direct.list()[fmt.Sprintf(manifestOf, "q3")]; first != "" && etag != first {
		t.Error("the manifest was put again")
	}
	m.want(0, args, "was sent already")
	x.mover(owner).want(0, []string{"receive"}, fmt.Sprintf(`"q3": %d files`, files+1))
}

// TestSendFromAMount lists files that a mount delivers, with the versions that S3 holds, and
// sends none of them again.
func TestSendFromAMount(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "folders")
	m := x.mount(client)
	if err := os.Mkdir(m.path(delivery+"set"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		m.write(fmt.Sprintf("%sset/%d", delivery, i), randomBytes(5000+i))
	}
	sender := x.mover(client)
	sender.want(0, []string{"send", m.path(delivery + "set"), "--name", "q3"},
		`announced as "q3": 5 files`, "5 were there already")
	for key := range x.list() {
		if strings.Contains(key, "conflict") {
			t.Errorf("%s went beside", key)
		}
	}
	x.mover(owner).want(0, []string{"receive"}, `"q3": 5 files`)
	await(t, "the directory of manifests in the mount",
		func() bool { return slices.Contains(m.names(delivery), ".deliveries") })
	sender.want(0, []string{"send", m.path(delivery), "--name", "all"}, "5 were there already",
		"kept for the manifests")
}
