package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// saving is how a program saves a file, under the policy that grants no delete.
type saving struct {
	name  string
	tools []string
	// script works in the folder $1 of the mount, where doc.txt holds $2/old; it is
	// to hold what $2/new does.
	script string
}

var savings = []saving{
	{"shell `>`", nil, `cat "$2/new" > doc.txt`},
	{"cp", nil, `cp "$2/new" doc.txt`},
	{"mv within, of a new file", nil, `cp "$2/new" fresh.txt; mv fresh.txt doc.txt`},
	{"sed -i", []string{"sed"}, `sed -i s/old/new/ doc.txt`},
	{"rsync", []string{"rsync"}, `rsync --ignore-times "$2/new" doc.txt`},
	{"rsync --inplace", []string{"rsync"}, `rsync --inplace --ignore-times "$2/new" doc.txt`},
	{"vim, as it comes", []string{"vim"}, `vim -u DEFAULTS -i NONE -N -es -c '%s/old/new/' -c wq doc.txt`},
	{"vim, backupcopy=no backup", []string{"vim"}, `vim -u NONE -i NONE -N -es -c 'set backup backupcopy=no' -c '%s/old/new/' -c wq doc.txt`},
	{"vim, backupcopy=yes", []string{"vim"}, `vim -u NONE -i NONE -N -es -c 'set nobackup writebackup backupcopy=yes' -c '%s/old/new/' -c wq doc.txt`},
	{"vim, nowritebackup", []string{"vim"}, `vim -u NONE -i NONE -N -es -c 'set nobackup nowritebackup' -c '%s/old/new/' -c wq doc.txt`},
	// nano replaces by ^\: what, by what, all of them; then it saves and ends. It
	// drops what is typed before it asks.
	{"nano", []string{"nano", "script"}, `(for keys in '\034old\r' 'new\r' a '\017\r' '\030'; do sleep 1; printf "$keys"; done) |
		TERM=xterm script -qec 'stty rows 24 cols 80; exec nano doc.txt' /dev/null >/dev/null`},
	// Emacs wants a link for its lock, and lives without; it autosaves before it saves.
	{"as Emacs saves", nil, `ln -s me@host:1 .#doc.txt 2>/dev/null || true; cp "$2/new" '#doc.txt#'; mv doc.txt doc.txt~; cp "$2/new" doc.txt; rm '#doc.txt#'`},
	{"gio copy", []string{"gio"}, `cp "$2/new" "$2/doc.txt"; gio copy "$2/doc.txt" doc.txt`},
	{"gio move", []string{"gio"}, `cp "$2/new" "$2/doc.txt"; gio move "$2/doc.txt" doc.txt`},
	{"gio save", []string{"gio"}, `gio save doc.txt < "$2/new"`},
	// A lock beside, the new file under a name of its own, and a rename.
	{"as LibreOffice saves", nil, `echo me > .~lock.doc.txt#; cp "$2/new" lu12345.tmp; mv lu12345.tmp doc.txt; rm .~lock.doc.txt#`},
	{"as Firefox downloads", nil, `cp "$2/new" doc.txt.part; mv doc.txt.part doc.txt`},
	{"as Chromium downloads", nil, `cp "$2/new" 'Unconfirmed 7.crdownload'; mv 'Unconfirmed 7.crdownload' doc.txt`},
	{"Python, tempfile and os.replace", []string{"python3"}, `python3 -c '
import os, sys, tempfile
fd, name = tempfile.mkstemp(dir=".")
with open(fd, "wb") as f:
    f.write(open(sys.argv[1] + "/new", "rb").read())
    f.flush()
    os.fsync(fd)
os.replace(name, "doc.txt")' "$2"`},
}

// TestSavings has programs save a file, and the other party look at each moment: it
// sees the old file or the new one, whole, under its final name, and nothing else.
// What it costs is what docs/tools.md says.
func TestSavings(t *testing.T) {
	t.Parallel()
	told := savingsTold(t)
	for _, s := range savings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			needTools(t, s.tools...)
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			old, changed := []byte("line 1\nthe old line\nline 3\n"),
				[]byte("line 1\nthe new line\nline 3\n")
			const key = delivery + "work/doc.txt"
			direct.put(client, key, old, true)
			m := x.mount(client)
			m.awaitContent(key, old)
			// The first time that a mount replaces an object on a server that is not AWS, one
			// request more finds out whether the server checks If-None-Match.
			m.deliver(key, old)
			local := t.TempDir()
			for name, content := range map[string][]byte{"old": old, "new": changed} {
				if err := os.WriteFile(filepath.Join(local, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			g.forget()
			done, look := make(chan struct{}), watcher{t: t, x: direct, key: key,
				old: old, changed: changed}
			var other sync.WaitGroup
			other.Go(func() { look.until(done) })
			shell(t, `cd "$1"; eval "$3"`, m.path(delivery+"work"), local, s.script)
			left := m.awaitRest()
			m.leaveAsItIs()
			close(done)
			other.Wait()
			for _, f := range left {
				if f.State != "private" {
					t.Errorf("in the end there is %v", f)
				}
			}
			if all := keysOf(direct.list()); !slices.Equal(all, []string{key}) {
				t.Errorf("S3 has %q, want the one file", all)
			}
			direct.awaitObject(key, changed)
			got := g.changes()
			t.Logf("%s: %s, %d others; the other party looked %d times", s.name,
				got, g.total(), look.times)
			if want, ok := told[s.name]; !ok || got != want {
				t.Errorf("it made %q, and docs/tools.md tells %q", got, want)
			}
		})
	}
}

// watcher is the other party, which looks into the folder all the time.
type watcher struct {
	t            *testing.T
	x            *exchange
	key          string
	old, changed []byte
	times        int
	seen         bool // the new content
}

func (w *watcher) until(done <-chan struct{}) {
	for {
		for key := range w.x.list() {
			if key != w.key {
				w.t.Errorf("the other party sees %q", key)
			}
		}
		got, err := w.x.get(owner, w.key)
		switch {
		case err != nil:
			w.t.Errorf("the other party reads the file: %v", err)
		case bytes.Equal(got, w.changed):
			w.seen = true
		case w.seen || !bytes.Equal(got, w.old):
			w.t.Errorf("the other party reads %s", brief(got))
		}
		w.times++
		select {
		case <-done:
			return
		case <-time.After(5 * time.Millisecond):
		}
		if w.t.Failed() {
			return
		}
	}
}

// savingsTold is the table of docs/tools.md: the requests that change something, by
// the way of saving.
func savingsTold(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../docs/tools.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (.+?) \| (.+?) \|`).
		FindAllStringSubmatch(string(b), -1) {
		told[row[1]] = row[2]
	}
	return told
}

// forget begins to count anew.
func (g *gateway) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.counts)
}

// changing are the requests by which something may change at S3.
func changing(op string) bool {
	return !slices.Contains([]string{"ListObjectsV2", "HeadObject", "GetObject", "HeadBucket"},
		op) && !strings.HasPrefix(op, "GET ")
}

// changes tells the requests that change something, with their number where there
// is more than one.
func (g *gateway) changes() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, op := range keysOf(g.counts) {
		switch n := g.counts[op]; {
		case !changing(op):
		case n == 1:
			all = append(all, op)
		default:
			all = append(all, fmt.Sprintf("%d %s", n, op))
		}
	}
	return strings.Join(all, ", ")
}

// total is the number of the other requests.
func (g *gateway) total() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for op, c := range g.counts {
		if !changing(op) {
			n += c
		}
	}
	return n
}
