package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, path string) *Ledger {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keys(all []Entry) string {
	var names []string
	for _, e := range all {
		names = append(names, e.Key)
	}
	return strings.Join(names, " ")
}

func mode(m uint32) *uint32 { return &m }

func ledgerHas(l *Ledger, key string) bool { return l.Dir(key) != Entry{} }

// TestRemembers reads back what was put, also from a file whose last line was cut.
func TestRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	l := open(t, path)
	must(t, l.Put(Entry{Key: "Delivery/b", ETag: "1", Size: 5, Mtime: at, Sent: at}))
	must(t, l.Put(Entry{Key: "Delivery/b", ETag: "2", Size: 6, Mtime: at, Sent: at}))
	must(t, l.Put(Entry{Key: "Delivery/a", ETag: "1", Sent: at}))
	must(t, l.Put(Entry{Key: "Delivery/gone", ETag: "1", Sent: at}))
	must(t, l.SetMode("Delivery/b", "2", 0o750))
	must(t, l.SetMode("Other/mode", "1", 0o700))
	must(t, l.Forget("Delivery/gone"))
	must(t, l.Close())
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(`{"key":"Delivery/cut","et`)
	must(t, err)
	must(t, f.Close())
	for range 2 { // as it was left, and as it is written anew
		l = open(t, path)
		if got := keys(l.Sent("")); got != "Delivery/a Delivery/b" {
			t.Errorf("sent: %s", got)
		}
		if e, ok := l.Get("Delivery/b", "2"); !ok || e.Size != 6 ||
			!e.Mtime.Equal(at) || e.Mode != 0o750 {
			t.Errorf("Get = %+v, %v", e, ok)
		}
		if _, ok := l.Get("Delivery/b", "1"); ok {
			t.Error("a version that was replaced is remembered")
		}
		if e, ok := l.Get("Other/mode", "1"); !ok || e.Mode != 0o700 {
			t.Errorf("Get = %+v, %v", e, ok)
		}
		must(t, l.SetMode("Other/mode", "1", 0o700))
		must(t, l.Close())
	}
}

// TestBounded keeps the file and the entries within their bounds.
func TestBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	l.most = 100
	begun := time.Now()
	for i := range 5000 {
		must(t, l.Put(Entry{Key: fmt.Sprintf("Delivery/%d", i%250), ETag: fmt.Sprint(i),
			Sent: begun.Add(time.Duration(i))}))
	}
	if n := len(l.Sent("")); n > 100 || n < 90 {
		t.Errorf("%d entries are remembered, want 90 to 100", n)
	}
	if e, ok := l.Get("Delivery/249", "4999"); !ok {
		t.Errorf("the last is forgotten: %+v", e)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 300_000 ||
		info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

// TestTimesSetLater remembers times and modes that were set of a version after its
// delivery, moves them with it, and forgets them with another version.
func TestTimesSetLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	at := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sent := Entry{Key: "sent", ETag: "1", Size: 5, Mtime: at.Add(time.Hour),
		Sent: at.Add(time.Hour)}
	for _, err := range []error{
		l.Put(sent),
		l.SetTimes("sent", "1", at, nil),
		l.SetTimes("theirs", "2", at, mode(0o640)),
		l.SetTimes("other", "3", at, mode(0o600)),
		l.SetTimes("other", "4", at.Add(time.Minute), nil),
		l.Moved("theirs", "2", "moved", "5"),
		l.Moved("theirs", "of another version", "copied", "6"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for _, want := range []Entry{
			{Key: "sent", ETag: "1", Size: 5, Mtime: at, Sent: sent.Sent, Touched: true},
			{Key: "theirs", ETag: "2", Mtime: at, Mode: 0o640, HasMode: true, Touched: true},
			{Key: "other", ETag: "4", Mtime: at.Add(time.Minute), Touched: true},
			{Key: "moved", ETag: "5", Mtime: at, Mode: 0o640, HasMode: true, Touched: true, Ours: true},
			{Key: "copied", ETag: "6", Ours: true},
		} {
			if got, ok := l.Get(want.Key, want.ETag); !ok || got != want {
				t.Errorf("%s is remembered as %+v, %t, want %+v", want.Key, got, ok, want)
			}
		}
		for _, is := range []struct {
			key, etag string
			ours      bool
		}{
			{"sent", "1", true}, {"sent", "another", false}, {"theirs", "2", false}, {"moved", "5", true}, {"copied", "6", true},
		} {
			if got := l.IsOurs(is.key, is.etag); got != is.ours {
				t.Errorf("IsOurs(%q, %q) = %t", is.key, is.etag, got)
			}
		}
		if all := l.Sent(""); len(all) != 1 {
			t.Errorf("sent: %+v, want one", all)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = Open(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOtherKeysAndModes remembers keys that are no UTF-8, the mode 0, times beyond the
// year 9999, and what an earlier version has written.
func TestOtherKeysAndModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	must(t,
		os.WriteFile(path,
			[]byte(
				`{"key":"old","etag":"1","mtime":"2001-02-03T04:05:06.7Z","mode":416,"touched":true}`+"\n"), 0o600))
	far := time.Unix(253402300805, 6)
	l := open(t, path)
	must(t, l.SetTimes("caf\xe9", "1", far, mode(0)))
	must(t, l.SetMode("caf\xe8", "1", 0o600))
	must(t, l.SetDir("d\xe9/", nil, mode(0)))
	must(t, l.SetDir("d\xe9/", &far, nil))
	must(t, l.SetDir("d\xe9/below/", nil, mode(0o500)))
	must(t, l.SetTimes("d\xe9/file", "1", far, nil))
	must(t, l.MovedDir("d\xe9/", "e/"))
	for range 3 {
		for _, want := range []Entry{
			{Key: "old", ETag: "1", Mtime: time.Unix(981173106, 7e8), Mode: 0o640, HasMode: true, Touched: true},
			{Key: "caf\xe9", ETag: "1", Mtime: far, HasMode: true, Touched: true},
			{Key: "caf\xe8", ETag: "1", Mode: 0o600, HasMode: true},
			{Key: "e/", Mtime: far, HasMode: true, Touched: true},
			{Key: "e/below/", Mode: 0o500, HasMode: true},
			{Key: "d\xe9/file", ETag: "1", Mtime: far, Touched: true},
		} {
			got, _ := l.Get(want.Key, want.ETag)
			same := got.Mtime.Equal(want.Mtime)
			got.Mtime, want.Mtime = time.Time{}, time.Time{}
			if got != want || !same {
				t.Errorf("%q is remembered as %+v, want %+v", want.Key, got, want)
			}
		}
		if ledgerHas(l, "d\xe9/") || ledgerHas(l, "d\xe9/below/") {
			t.Error("a directory is remembered by its old name too")
		}
		must(t, l.compact())
		must(t, l.Close())
		l = open(t, path)
	}
}

// TestMovedTakesItsAttributesAlong moves a version onto another of any ETag: what was set of the
// one is remembered under its new key, and nothing of the other.
func TestMovedTakesItsAttributesAlong(t *testing.T) {
	at := time.Unix(1e9, 0)
	attributes := []func(l *Ledger, key, etag string) error{
		func(*Ledger, string, string) error { return nil },
		func(l *Ledger, key, etag string) error { return l.SetMode(key, etag, uint32(len(key))) },
		func(l *Ledger, key, etag string) error {
			return l.SetTimes(key, etag, at.Add(time.Duration(len(key))), nil)
		},
		func(l *Ledger, key, etag string) error {
			return l.SetTimes(key, etag, at.Add(time.Duration(len(key))), mode(uint32(len(key))))
		},
	}
	const from, to = "from", "another"
	for i, source := range attributes {
		for j, replaced := range attributes {
			for _, etag := range []string{"e", "other"} {
				path := filepath.Join(t.TempDir(), "ledger")
				l := open(t, path)
				must(t, source(l, from, "e"))
				must(t, replaced(l, to, etag))
				must(t, l.Moved(from, "e", to, "e"))
				for _, l := range []*Ledger{l, open(t, path)} { // and as a later process reads it
					want, _ := l.Get(from, "e")
					got, ok := l.Get(to, "e")
					if !ok {
						got = Entry{}
					}
					if got.Mode != want.Mode || got.HasMode != want.HasMode ||
						got.Touched != want.Touched || !got.Mtime.Equal(want.Mtime) {
						t.Errorf(
							"attributes %d moved onto %d with the ETag %q: %+v, want those of %+v",
							i, j, etag, got, want)
					}
				}
			}
		}
	}
}

// TestWhatWasSentGoesLast drops times and modes before what a folder is listed from.
func TestWhatWasSentGoesLast(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	l.most = 100
	for i := range 50 {
		must(t,
			l.Put(Entry{Key: fmt.Sprintf("sent/%d", i), ETag: "1", Sent: time.Unix(int64(i), 0)}))
	}
	for i := range 1000 {
		must(t, l.SetMode(fmt.Sprint(i), "1", 0o600))
	}
	if n := len(l.Sent("")); n != 50 {
		t.Errorf("%d of 50 are left of what was sent", n)
	}
	if _, ok := l.Get("999", "1"); !ok {
		t.Error("the mode that was set last is forgotten")
	}
}

// TestFullDisk leaves the floor of free space alone. What was removed is forgotten for good
// all the same, and what was not written is once there is room.
func TestFullDisk(t *testing.T) {
	for _, torn := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "ledger")
		l := open(t, path)
		now := time.Now()
		must(t, l.Put(Entry{Key: "Delivery/a", ETag: "1", Sent: now}))
		must(t, l.Put(Entry{Key: "Delivery/b", ETag: "1", Sent: now}))
		full := true
		l.above = func(string, int64) bool { return !full }
		if torn {
			_, err := l.file.WriteString(`{"key":"Deliv`)
			must(t, err)
			l.torn = true
		}
		before := fileSize(t, path)
		for i := range 100 {
			if err := l.Put(Entry{Key: fmt.Sprint("Delivery/n", i),
				ETag: "1", Sent: now}); !errors.Is(err, unix.ENOSPC) {
				t.Fatalf("Put = %v, want ENOSPC", err)
			}
		}
		if after := fileSize(t, path); after != before {
			t.Errorf("the ledger grew from %d to %d bytes", before, after)
		}
		if _, ok := l.Get("Delivery/n7", "1"); !ok {
			t.Error("what was not written is not shown")
		}
		must(t, l.Forget("Delivery/a"))
		again := open(t, path)
		if got := keys(again.Sent("")); got != "Delivery/b" {
			t.Errorf("after a kill there is %q, want Delivery/b", got)
		}
		l.mu.Lock()
		full = false
		l.mu.Unlock()
		must(t, l.Put(Entry{Key: "Delivery/c", ETag: "1", Sent: now}))
		again = open(t, path)
		if got := len(again.Sent("")); got != 102 {
			t.Errorf("after there was room again there are %d entries, want 102", got)
		}
	}
}

// TestRefusedEntriesAreWrittenLater has the disk refuse each of some entries, in a file that is
// there or is not yet. They are written once it takes them, though no other entry is put.
func TestRefusedEntriesAreWrittenLater(t *testing.T) {
	for _, before := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			must(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "ledger")
			l := open(t, path)
			for i := range before {
				must(t, l.SetMode(fmt.Sprint("before", i), "1", 0o600))
			}
			if l.file != nil {
				must(t, l.file.Close()) // it refuses lines
			}
			must(t, os.Rename(dir, dir+".away"))
			for i := range 3 {
				if err := l.SetMode(fmt.Sprint("refused", i), "1", 0o640); err == nil {
					t.Fatal("an entry is written to a disk that is not there")
				}
				time.Sleep(time.Minute)
			}
			must(t, os.Rename(dir+".away", dir))
			time.Sleep(longestRetry + time.Second)
			again := open(t, path)
			for i := range before {
				if _, ok := again.Get(fmt.Sprint("before", i), "1"); !ok {
					t.Errorf("of %d entries, number %d is forgotten", before, i)
				}
			}
			for i := range 3 {
				if e, ok := again.Get(fmt.Sprint("refused", i), "1"); !ok || e.Mode != 0o640 {
					t.Errorf("after %d entries, a refused one is %+v (%t)", before, e, ok)
				}
			}
		})
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}
