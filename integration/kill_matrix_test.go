package integration

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// killing is what programs do while the daemon is killed, and when that is.
type killing struct {
	name    string
	policy  string
	options []string
	before  []string // names that S3 holds
	large   bool     // they have several parts
	do      func(h hand) error
	at      string // the instants, each NAME:N, the nth time it comes there
}

// killings meet each transition of each journal.
var killings = []killing{
	{
		name: "put", policy: "article",
		do: func(h hand) error { return h.put(h.at("a"), randomBytes(10_000)) },
		at: "journal create, journaled create, journal write, journaled write, journal seal, journaled seal, delivered, journal ended",
	},
	{
		name: "overwrite", policy: "article", before: []string{"a"},
		do: func(h hand) error { return h.put(h.at("a"), randomBytes(10_000)) },
		at: "journal create, journaled create, journal seal, journaled seal, delivered",
	},
	{
		name: "write again", policy: "article",
		do: func(h hand) error {
			return errors.Join(h.put(h.at("a"), randomBytes(10_000)),
				h.add(h.at("a"), []byte("more")))
		},
		at: "journal open, journaled open, journal seal:2, journaled seal:2, delivered",
	},
	{
		name: "multipart", policy: "article",
		do: func(h hand) error { return h.put(h.at("a"), randomBytes(36*mib)) },
		at: "staged apart, journaled apart, journal upload, journaled upload, journal part, journaled part, journal part:3, journaled part:3, journaled seal, delivered, bytes done, journal ended",
	},
	{
		name: "multipart over another", policy: "article", before: []string{"a"}, large: true,
		do: func(h hand) error { return h.put(h.at("a"), randomBytes(20*mib)) },
		at: "journaled upload, journal part:2, journal seal, journaled seal, delivered",
	},
	{
		name: "append", policy: "article", before: []string{"a"}, large: true,
		do: func(h hand) error { return h.add(h.at("a"), randomBytes(3_000)) },
		at: "journal create, journaled create, journal write, journaled write, journal seal, journaled seal, " +
			"journal upload, journaled upload, journal part, journaled part:2, delivered, bytes done, journal ended",
	},
	{
		name: "truncate", policy: "article", before: []string{"a"}, large: true,
		do: func(h hand) error { return h.truncate(h.at("a"), 17*mib) },
		at: "journal truncate, journaled truncate, journaled seal, journaled upload, delivered",
	},
	{
		name: "sync", policy: "article", options: []string{"-o", "sync"}, before: []string{"a"},
		do: func(h hand) error { return h.put(h.at("a"), randomBytes(10_000)) },
		at: "journal seal, journaled seal, journal commit, journaled commit, delivered",
	},
	{
		name: "rename of what is owed", policy: "full",
		do: func(h hand) error {
			return errors.Join(h.put(h.at("a"), randomBytes(10_000)),
				h.rename(h.at("a"), h.at("b")))
		},
		at: "journal rename, journaled rename, delivered",
	},
	{
		name: "rename over what is owed", policy: "full", before: []string{"b"},
		do: func(h hand) error {
			return errors.Join(h.put(h.at("b"), randomBytes(10_000)),
				h.put(h.at("a"), randomBytes(10_000)), h.rename(h.at("a"), h.at("b")))
		},
		at: "journaled rename, delivered",
	},
	{
		name: "rename of an edit", policy: "full", before: []string{"a"},
		do: func(h hand) error {
			return errors.Join(h.add(h.at("a"), randomBytes(10_000)),
				h.rename(h.at("a"), h.at("b")))
		},
		at: "journal rename, journaled rename, delivered, removal noted",
	},
	{
		name: "rename while parts go up", policy: "full",
		do: func(h hand) error {
			return errors.Join(h.put(h.at("a"), randomBytes(20*mib)),
				h.rename(h.at("a"), h.at("b")))
		},
		at: "journal rename, journaled rename, delivered",
	},
	{
		name: "rename of a file", policy: "full", before: []string{"a"},
		do: func(h hand) error { return h.rename(h.at("a"), h.at("b")) },
		at: "move begun, move copied, removal noted, move done",
	},
	{
		name: "rename over a file", policy: "full", before: []string{"a", "b"},
		do: func(h hand) error { return h.rename(h.at("a"), h.at("b")) },
		at: "move begun, move copied, removal noted, move done",
	},
	{
		name: "rename of a folder", policy: "full",
		before: []string{"d/1", "d/2", "d/3"},
		do:     func(h hand) error { return h.renameFolder(h.at("d/"), h.at("e/"), "1", "2", "3") },
		at:     "move begun, move copied, move copied:3, removal noted, removal noted:3, move done, removal sent",
	},
	{
		name: "delete", policy: "full", before: []string{"a", "b"},
		do: func(h hand) error { return errors.Join(h.unlink(h.at("a")), h.unlink(h.at("b"))) },
		at: "removal noted, removal noted:2, removal sent",
	},
	{
		name: "delete of what is owed over a file", policy: "full", before: []string{"a"},
		do: func(h hand) error {
			return errors.Join(h.put(h.at("a"), randomBytes(10_000)), h.unlink(h.at("a")))
		},
		at: "removal noted, removal sent",
	},
	{
		name: "set aside", policy: "article", before: []string{"a"},
		do: func(h hand) error {
			return errors.Join(h.setAside(h.at("a")), h.put(h.at("a"), randomBytes(10_000)))
		},
		at: "journal create, journaled create, journal seal, journaled seal, journal create:2, journaled create:2, journal seal:2, journaled seal:2, delivered",
	},
	{
		name: "private name", policy: "article", before: []string{"a"},
		do: func(h hand) error {
			return errors.Join(h.put(h.at("a.part"), randomBytes(10_000)),
				h.rename(h.at("a.part"), h.at("a")))
		},
		at: "journal seal, journaled seal, journal rename, journaled rename, delivered",
	},
	{
		name: "conflict", policy: "article", before: []string{"a"},
		do: func(h hand) error { return h.conflict(h.at("a")) },
		at: "journal rename, journaled rename, delivered",
	},
}

// conflict writes a file that the other party replaces meanwhile: theirs stays,
// ours is found beside it.
func (h hand) conflict(key string) error {
	ours, theirs := randomBytes(10_000), randomBytes(9_000)
	f, err := os.OpenFile(h.m.path(key), os.O_RDWR|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(ours)
	h.m.x.put(owner, key, theirs, true)
	h.settle(nil, nil, map[string][]byte{key: theirs})
	if err = errors.Join(err, f.Close()); err == nil {
		h.beside = append(h.beside, contentOf(ours))
	}
	return err
}

// buildWithFailpoints builds the program that kills itself where
// S3SHARE_FAILPOINT says.
func buildWithFailpoints(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s3share")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "failpoint",
		"-o", path, "./cmd/s3share")
	cmd.Dir, cmd.Env = moduleDir(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building with failpoints: %v\n%s", err, out)
	}
	return path
}

func moduleDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKilledAt kills the daemon at each transition of its journals. The next one
// goes on: what a program has closed arrives, and nothing is seen in part.
func TestKilledAt(t *testing.T) {
	t.Parallel()
	needFuse(t)
	program := buildWithFailpoints(t)
	for _, k := range killings {
		for at := range strings.SplitSeq(k.at, ", ") {
			t.Run(k.name+"/"+at, func(t *testing.T) {
				t.Parallel()
				// A busy machine may take longer between two calls than a file takes to
				// settle: then it went another way.
				for range 5 {
					if k.run(t, program, at) {
						return
					}
				}
				t.Errorf("the daemon never came to %q", at)
			})
		}
	}
}

// run kills the daemon once, and reports whether it came to that instant.
func (k killing) run(t *testing.T, program, at string) bool {
	x := newExchange(t, k.policy)
	h := hand{model: newModel(), prefix: delivery + rand.Text()[:8] + "-"}
	for _, name := range k.before {
		b := randomBytes(5_000)
		if k.large {
			b = randomBytes(34 * mib)
		}
		x.put(client, h.at(name), b, true)
		h.is(h.at(name), b)
	}
	var err error
	if h.m, err = x.place(t, client, k.options...).again(t, program,
		"S3SHARE_FAILPOINT="+at); err != nil {
		t.Fatalf("mount: %v\n%s", err, h.m.log)
	}
	if err := k.do(h); err != nil {
		h.awaitEnd(t, err)
	}
	await(t, "the end of the daemon, or of what it owes", func() bool {
		owed, err := h.m.owed()
		return h.m.dead() || err == nil &&
			!slices.ContainsFunc(owed, func(f owedFile) bool { return f.State != "private" })
	})
	if !h.m.dead() {
		h.m.unmount()
		return false
	}
	h.m.bury()
	h.check(t, h.m.revive(t))
	return true
}
