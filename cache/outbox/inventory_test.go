package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// TestAnyNameOfTheDirectory recovers from outboxes in directories with names that are
// patterns, escapes, or no text.
func TestAnyNameOfTheDirectory(t *testing.T) {
	for _, name := range []string{
		"plain", "[brackets]", "[", "[^a]", "a]b", `back\slash`, `\`, "*", "?", "**/*", "{a,b}", "~", "$HOME", "%s",
		"with space", " ", "new\nline", "tab\t", "caf\xe9", "\xff", "-f", "ends.log", "1-1", "link",
	} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				top := t.TempDir()
				dir := filepath.Join(top, filepath.FromSlash(name), "stage")
				if name == "link" {
					if err := errors.Join(os.MkdirAll(filepath.Join(top, "to", "stage"), 0o700),
						os.Symlink("to", filepath.Join(top, name))); err != nil {
						t.Fatal(err)
					}
				}
				r := newRig(t, buckettest.New(), dir, Config{Settle: 1 << 40}, nil)
				r.recover()
				small, large := random(1, 100), random(2, 2*stage.SlotPayload)
				r.done(r.create("Delivery/small", small))
				r.done(r.create("Delivery/large", large))
				folder, err := r.CreateFolder("Delivery/folder/")
				if err != nil {
					t.Fatal(err)
				}
				folder.Release()
				r.b.Store("Delivery/removed", small, nil)
				gone := r.b.Object("Delivery/removed")
				if err := journal.Append(r.removals.journalPath,
					journal.Record{Op: journal.OpRemove, Key: gone.Key,
						Over: journal.VersionOf(gone)}); err != nil {
					t.Fatal(err)
				}
				r.Close()
				if owes, err := Owes(dir); !owes || err != nil {
					t.Errorf("Owes = %v, %v", owes, err)
				}
				r = newRig(t, r.b, dir, Config{}, nil)
				defer r.Close()
				r.resume()
				r.drain()
				r.wantHolds("Delivery/small", small)
				r.wantHolds("Delivery/large", large)
				r.wantKeys("Delivery/folder/", "Delivery/large", "Delivery/small")
				r.wantNothing()
			})
		})
	}
}

// TestEndCutShort ends the process between the steps by which an item ends: it is owed
// no more, and nothing is left of it.
func TestEndCutShort(t *testing.T) {
	for _, left := range []string{"done-1-1 1-1.log", "done-1-1", "done-1-1 spare-1",
		"1-1.log", "spare-1", "1-1 1-1.log", "1-1"} {
		t.Run(left, func(t *testing.T) {
			r := newRig(t, buckettest.New(), t.TempDir(), Config{}, nil)
			r.recover()
			defer func() { r.Close() }()
			for _, name := range strings.Fields(left) {
				data := "data"
				if strings.Contains(left, "1-1") && !strings.Contains(left, "done") {
					data = "" // it was being made
				}
				if err := os.WriteFile(filepath.Join(r.dir, name),
					[]byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := newRig(t, r.b, r.dir, Config{}, nil)
			defer o.Close()
			o.recover()
			if owed := o.Status(); len(owed) > 0 {
				t.Errorf("owed: %+v", owed)
			}
			files, err := os.ReadDir(r.dir)
			files = slices.DeleteFunc(files, func(f os.DirEntry) bool {
				return f.Name() == stage.SlotFileName || f.Name() == bootName
			})
			if err != nil || len(files) > 0 {
				t.Errorf("left: %v, %v", files, err)
			}
		})
	}
}

// TestEmptyJournalIsListed: where the machine was off meanwhile, a journal without a line
// may have been a file's.
func TestEmptyJournalIsListed(t *testing.T) {
	for _, c := range []struct{ name, staged, tells string }{
		{"alone", "", "none of its bytes are here"},
		{"beside bytes", "data", "its bytes are kept in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, data string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(bootName, "another run of the machine")
			write("1-1.log", "")
			if c.staged != "" {
				write("1-1", c.staged)
			}
			for range 2 {
				r := newRig(t, buckettest.New(), dir, Config{}, nil)
				r.recover()
				owed := r.Status()
				if len(owed) != 1 || owed[0].State != Blocked ||
					owed[0].Size != int64(len(c.staged)) ||
					!strings.Contains(owed[0].Reason, c.tells) {
					t.Errorf("told: %+v, want %q", owed, c.tells)
				}
				if owes, err := Owes(dir); !owes || err != nil {
					t.Errorf("Owes = %v, %v", owes, err)
				}
				r.Close()
			}
			r := newRig(t, buckettest.New(), dir, Config{}, nil)
			defer r.Close()
			r.recover()
			for _, name := range []string{"1-1.log.damaged", "1-1"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil &&
					!errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			}
			if owed := r.Status(); len(owed) > 0 {
				t.Errorf("when a person has removed its files it is told: %+v", owed)
			}
		})
	}
}

// TestNothingIsDeletedUnread spoils a random part of what a killed process left: all
// bytes that were staged are delivered, or still here and told.
func TestNothingIsDeletedUnread(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) { spoilAndRecover(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func spoilAndRecover(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	r := newRig(t, buckettest.New(), t.TempDir(), Config{Settle: 1 << 40}, nil)
	r.recover()
	contents := map[string][]byte{} // by key
	for n := range 1 + rnd.IntN(6) {
		key, size := fmt.Sprintf("Delivery/%d", n), 32+rnd.IntN(3000)
		if rnd.IntN(2) == 0 {
			size += stage.SlotPayload
		}
		contents[key] = random(seed*100+uint64(n), size)
		it := r.create(key, contents[key])
		if rnd.IntN(4) == 0 {
			if err := it.Rename(key+"-renamed", s3backend.Object{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if rnd.IntN(3) > 0 {
			r.done(it)
		}
	}
	synctest.Wait()
	dir := t.TempDir()
	copyDir(t, r.dir, dir)
	r.Close()
	log := damageSome(t, rnd, dir)
	for range 1 + rnd.IntN(2) {
		next := newRig(t, r.b, dir, Config{}, nil)
		next.resume()
		var left *LeftError
		if err := next.Drain(t.Context()); err != nil && !errors.As(err, &left) {
			t.Fatalf("seed %d: Drain: %v", seed, err)
		}
		var told []Status
		if left != nil {
			told = left.Left
		}
		next.Close()
		for key, content := range contents {
			kept := bytesIn(t, dir, content)
			if data, ok := r.b.Data(key); ok && buckettest.Equal(data, content) {
				continue
			}
			if data, ok := r.b.Data(key + "-renamed"); ok && buckettest.Equal(data, content) {
				continue
			}
			switch {
			case kept == "":
				t.Errorf("seed %d: the bytes of %q are gone, after %s", seed, key, log)
			case !slices.ContainsFunc(told, func(st Status) bool {
				return strings.TrimSuffix(st.Key, "-renamed") == key ||
					strings.Contains(st.Reason, kept)
			}):
				t.Errorf("seed %d: %q is kept in %s, and told is %+v, after %s",
					seed, key, kept, told, log)
			}
		}
	}
}

// bytesIn is the file in dir that has the first bytes of content, "" for none.
func bytesIn(t *testing.T, dir string, content []byte) string {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, content[:32]) {
			return filepath.Join(dir, f.Name())
		}
	}
	return ""
}

// damageSome changes some of what is not staged bytes in an outbox's directory, and returns
// what it did.
func damageSome(t *testing.T, rnd *rand.Rand, dir string) (log string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		what := rnd.IntN(8)
		switch {
		case f.Name() == bootName && what < 4:
			what, data = 1, []byte("another run of the machine")
		case f.Name() == stage.SlotFileName:
			// A page in it is a journal.
			data = append(data, make([]byte, stage.SlotSize)...)
			page := data[rnd.IntN(len(data)/stage.SlotSize)*stage.SlotSize:][:stage.SlotLogSize]
			end := bytes.IndexByte(page, 0)
			if end <= 0 || what > 4 {
				continue
			}
			page[rnd.IntN(end)] ^= 0x80 // no zero comes of it, which would be the journal's end
		case strings.HasSuffix(f.Name(), journal.Suffix):
			switch what {
			case 0:
				err = os.Remove(path)
				log += fmt.Sprintf("remove %s; ", f.Name())
				if err != nil {
					t.Fatal(err)
				}
				continue
			case 1:
				data = nil
			case 2:
				data = data[:rnd.IntN(len(data))]
			case 3:
				data[rnd.IntN(len(data))] ^= byte(1 + rnd.IntN(255))
			case 4:
				data = append(data, make([]byte, rnd.IntN(5000))...)
			default:
				continue
			}
		default:
			continue
		}
		log += fmt.Sprintf("%s (%d); ", f.Name(), what)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return log
}
