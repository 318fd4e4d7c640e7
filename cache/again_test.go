package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// A folder is not empty when what was renamed away has come back to its name.
func TestFolderOfANameUsedAgain(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/folder/f", []byte("one"), nil)
		r.edit("Delivery/folder/f", "O")
		r.rename("Delivery/folder/f", "Delivery/g")
		r.rename("Delivery/g", "Delivery/folder/f")
		r.drain()
		if err := r.Rmdir(r.Context(), "Delivery/folder"); !errors.Is(err, ErrNotEmpty) {
			r.Errorf("Rmdir = %v, want ErrNotEmpty", err)
		}
		r.rename("Delivery/folder", "Delivery/other")
		r.drain()
		r.wantBucket(map[string]string{"Delivery/other/f": "One"})
	})
}

// A new file takes the name of one that was renamed away, whichever S3 has first.
func TestNewFileBeforeTheRenamedOneIsDelivered(t *testing.T) {
	slow := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(_ context.Context, op, key string, send func() error) error {
			if op == buckettest.Put && key == "Delivery/a.bak" {
				time.Sleep(5 * time.Second)
			}
			return send()
		})
	}
	bubble(t, slow, func(r *rig) {
		r.b.Store("Delivery/a", []byte("one"), nil)
		r.edit("Delivery/a", "o")
		r.rename("Delivery/a", "Delivery/a.bak")
		r.create("Delivery/a", "new").Release()
		r.drain()
		r.wantBucket(map[string]string{"Delivery/a": "new", "Delivery/a.bak": "one"})
	})
}

// steps are what a shell does: "write f one", "mv f g", "mkdir d", "rm f", "rmdir d",
// "append f x", "sleep 1s", "drain".
func steps(t *testing.T, script string) (all []treeStep) {
	for line := range strings.SplitSeq(script, "; ") {
		w := strings.Fields(line)
		at := func(i int) string { return "Delivery/" + w[i] }
		switch w[0] {
		case "write", "append":
			all = append(all, treeStep{do: w[0], a: at(1), text: w[2]})
		case "mv":
			all = append(all, treeStep{do: "rename", a: at(1), b: at(2)})
		case "rm":
			all = append(all, treeStep{do: "remove", a: at(1)})
		case "mkdir", "rmdir":
			all = append(all, treeStep{do: w[0], a: at(1)})
		case "drain":
			all = append(all, treeStep{do: "drain"})
		case "sleep":
			d, err := time.ParseDuration(w[1])
			if err != nil {
				t.Fatal(err)
			}
			all[len(all)-1].pause = d
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	return all
}

// TestNamesAreTakenAgain does one thing after another to the same names, while the
// removals that the ones before owe are waiting, on their way, or refused for a while.
func TestNamesAreTakenAgain(t *testing.T) {
	for _, c := range []struct{ name, theirs, script string }{
		{"a file goes and comes back", "f=one", "mv f g; mv g f"},
		{"a file goes and comes back again and again", "f=one", "mv f g; mv g f; mv f g; mv g f; mv f g"},
		{"a file goes round", "f=one", "mv f g; mv g h; mv h f"},
		{"two files are exchanged", "f=one g=two", "mv f h; mv g f; mv h g"},
		{"two equal files are exchanged", "f=one g=one", "mv f h; mv g f; mv h g"},
		{"a log is rotated", "log=one log.1=two log.2=one", "mv log.1 log.2; mv log log.1; write log three; mv log.1 log.2; mv log log.1; write log one; drain; mv log.1 log.2; mv log log.1"},
		{"a directory goes and comes back", "d/1=one d/2=two", "mv d e; mv e d"},
		{"a directory with a marker goes and comes back", "d/= d/1=one d/s/=", "mv d e; mv e d; mv d e"},
		{"a file goes back into a directory of the old name", "d/1=one d/2=one", "mv d e; mkdir d; mv e/1 d/1"},
		{"a directory takes the place of an equal one", "d/1=one d/2=two e/1=one e/2=two", "rm d/1; rm d/2; rmdir d; mv e d"},
		{"a file takes the place of an equal one", "f=one g=one", "rm f; mv g f"},
		{"a removed file is written again as it was", "f=one", "rm f; write f one"},
		{"a removed file is written again, removed, and written", "f=one", "rm f; write f one; rm f; write f two; rm f; write f one"},
		{"a removed file is written again and renamed", "f=one", "rm f; write f one; mv f g; write f two; mv g f"},
		{"an edit goes, and an equal file comes", "f=one h=one", "append f two; mv f g; mv h f"},
		{"an edit goes, and its old state is written", "f=one", "append f two; mv f g; write f one"},
		{"an edit goes and comes back", "f=one", "append f two; mv f g; mv g f"},
		{"a file is set aside and comes back", "f=one", "mv f f~; mv f~ f"},
		{"a file is set aside, and comes back over the new one", "f=one", "mv f f~; write f two; mv f~ f"},
		{"a file is set aside, and an equal one comes", "f=one g=one", "mv f f~; mv g f; rm f~"},
		{"a file is replaced by an equal one", "f=one g=one", "mv f g; write f one; mv f g"},
		{"a directory is made, removed and made", "", "mkdir d; rmdir d; mkdir d"},
		{"a directory is made, removed and made at leisure", "", "mkdir d; drain; rmdir d; sleep 30ms; mkdir d; write d/1 one; rm d/1; rmdir d; mkdir d"},
		{"a tree is removed and made again", "d/1=one d/s/1=one", "rm d/s/1; rmdir d/s; rm d/1; rmdir d; mkdir d; mkdir d/s; write d/s/1 one"},
		{"a tree is removed, and another of its name comes", "d/s/1=one e/1=one", "rm d/s/1; rmdir d/s; rmdir d; mv e d"},
		{"a tree without markers is removed", "d/1=one d/2=two d/s/1=one", "rm d/1; rm d/2; rm d/s/1; rmdir d/s; rmdir d"},
		{"the last directory in a tree without markers is removed", "d/s/1=one", "rm d/s/1; rmdir d/s"},
		{"the last directory in a tree without markers goes elsewhere", "d/s/1=one", "mv d/s e"},
		{"a directory replaces an empty one", "d/1=one", "mkdir e; mv d e; mkdir d; rmdir d"},
		{"a directory with unsent files goes and comes back", "d/1=one", "write d/2 two; append d/1 two; mv d e; write e/3 three; mv e d"},
	} {
		for _, w := range []weather{
			{still: true, deletes: 0},
			{still: true, deletes: 25 * time.Millisecond},
			{still: true, deletes: 300 * time.Millisecond},
			{still: true, deletes: 3 * time.Second},
			{still: true, refuses: 4 * time.Second},
			{still: true, refuses: 4 * time.Second, deletes: 300 * time.Millisecond},
		} {
			for _, sync := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/deletes take %v, refused for %v, sync %v",
					c.name, w.deletes, w.refuses, sync), func(t *testing.T) {
					t.Parallel()
					s := story{texts: map[string]string{},
						steps: steps(t, c.script), weather: w, sync: sync}
					for f := range strings.FieldsSeq(c.theirs) {
						key, text, _ := strings.Cut(f, "=")
						s.theirs = append(s.theirs, "Delivery/"+key)
						s.texts["Delivery/"+key] = text
					}
					if err := s.run(t); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// TestLargeFilesGoAndComeBack is TestNamesAreTakenAgain for files of several parts, of
// which a copy has another ETag.
func TestLargeFilesGoAndComeBack(t *testing.T) {
	large := strings.Repeat("large ", parts.Size/6+1)
	for i, script := range []string{"mv f g; mv g f", "mv f g; mv g h; mv h f",
		"mv d e; mkdir d; mv e/1 d/1; rmdir e"} {
		for j, w := range []weather{{still: true, deletes: 300 * time.Millisecond},
			{still: true, refuses: 4 * time.Second}} {
			if testing.Short() && i%2 != j {
				continue // each script once, each weather at least once
			}
			s := story{steps: steps(t, "mkdir d; write f x; write d/1 x; drain; "+script),
				weather: w}
			for i := range s.steps {
				if s.steps[i].do == "write" {
					s.steps[i].text = large
				}
			}
			if err := s.run(t); err != nil {
				t.Errorf("%s: %v", script, err)
			}
		}
	}
}
