package receipts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func recorded(t *testing.T, l *Ledger) string {
	t.Helper()
	all, r := readAll(t, l)
	if len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
	var words []string
	for _, e := range all {
		switch {
		case e.Event == Gap:
			words = append(words, fmt.Sprintf("gap: %s %d", e.Reason, e.Lost))
		case e.Late:
			words = append(words, "late "+e.ETag)
		default:
			words = append(words, e.ETag)
		}
	}
	return strings.Join(words, ", ")
}

func version(etag string) Entry { return Entry{Event: Delivered, Key: "Delivery/a", ETag: etag} }

// TestRecorderAppendsInOrder records from a hot path, and ends.
func TestRecorderAppendsInOrder(t *testing.T) {
	l := open(t, tempDir(t))
	asked := 0
	r := NewRecorder(l, Config{Bucket: "team", By: "ann@laptop",
		How: "mount", Principal: func(context.Context) string { asked++; return "arn" }})
	for i := range 1000 {
		r.Record(version(fmt.Sprint(i)))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	all, report := readAll(t, l)
	if len(all) != 1000 || len(report.Problems) > 0 || asked != 1 {
		t.Fatalf("%d entries, %+v; the principal was asked for %d times", len(all), report, asked)
	}
	for i, e := range all {
		if e.ETag != fmt.Sprint(i) || e.Bucket != "team" || e.By != "ann@laptop" ||
			e.How != "mount" || e.Principal != "arn" || e.Time.IsZero() {
			t.Fatalf("the entry %d is %+v", i, e)
		}
	}
}

// TestEntriesAreAppendedTogether records many entries one by one: the first is in the ledger at
// once, and the others are appended some at a time.
func TestEntriesAreAppendedTogether(t *testing.T) {
	l := open(t, tempDir(t))
	var appends atomic.Int64
	l.above = func(string, int64) bool { appends.Add(1); return true }
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder(l, Config{})
		r.Record(version("0"))
		synctest.Wait()
		if got := recorded(t, l); got != "0" {
			t.Errorf("%q is recorded at once", got)
		}
		const n = 1000
		for i := range n {
			time.Sleep(time.Millisecond)
			r.Record(version(fmt.Sprint(i + 1)))
		}
		if limit := n*time.Millisecond/appendInterval + 2; time.Duration(appends.Load()) > limit {
			t.Errorf("%d appends of %d entries in %v, more than %d", appends.Load(),
				n, n*time.Millisecond, limit)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if all, _ := readAll(t, l); len(all) != n+1 {
			t.Errorf("%d entries are recorded, not %d", len(all), n+1)
		}
	})
}

// TestNobodyWaitsForTheLedger records while the disk is full: Record returns, what has room in
// memory is written once there is room on the disk, and the rest is a gap.
func TestNobodyWaitsForTheLedger(t *testing.T) {
	l := open(t, tempDir(t))
	var room atomic.Bool
	l.above = func(string, int64) bool { return room.Load() }
	const maxQueue = 100
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder(l, Config{maxQueue: maxQueue})
		for i := range maxQueue + 7 {
			r.Record(version(fmt.Sprint(i)))
		}
		time.Sleep(5 * maxPause)
		synctest.Wait()
		if got := recorded(t, l); got != "" {
			t.Fatalf("recorded while there was no room: %.100s", got)
		}
		room.Store(true)
		time.Sleep(2 * maxPause)
		synctest.Wait()
		all, report := readAll(t, l)
		if n := len(all); n != maxQueue+1 || all[n-1].Event != Gap ||
			all[n-1].Reason != NotWritten || all[n-1].Lost != 7 ||
			all[n-1].From.IsZero() || all[0].ETag != "0" || len(report.Problems) > 0 {
			t.Fatalf("%d entries, the last of which is %+v", n, all[n-1])
		}
		r.Record(version("after"))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if got := recorded(t, l); !strings.HasSuffix(got, "gap: not written 7, after") {
		t.Errorf("at the end: %s", got[len(got)-50:])
	}
}

// TestWhatCouldNotBeRecordedIsTold ends while the disk is full.
func TestWhatCouldNotBeRecordedIsTold(t *testing.T) {
	l := open(t, tempDir(t))
	l.above = func(string, int64) bool { return false }
	r := NewRecorder(l, Config{})
	r.Record(version("1"))
	r.Record(version("2"))
	if err := r.Close(); !errors.Is(err, unix.ENOSPC) ||
		!strings.Contains(err.Error(), "2 entries") {
		t.Errorf("Close = %v", err)
	}
}

// TestPrincipalThatDoesNotAnswer ends although nobody says whose the credentials are.
func TestPrincipalThatDoesNotAnswer(t *testing.T) {
	l := open(t, tempDir(t))
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder(l,
			Config{Principal: func(ctx context.Context) string { <-ctx.Done(); return "" }})
		r.Record(version("1"))
		began := time.Now()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > lastPatience {
			t.Errorf("it took %v", took)
		}
	})
	if got := recorded(t, l); got != "1" {
		t.Errorf("recorded: %q", got)
	}
}

// TestNextRecorderMakesUpForAKill kills a recorder at each state of its file: the next one records
// what is known, once, and that something may be missing.
func TestNextRecorderMakesUpForAKill(t *testing.T) {
	missed := func() []Entry { return []Entry{version("1"), version("2")} }
	run := func(l *Ledger, etag string) {
		t.Helper()
		r := NewRecorder(l, Config{Missed: missed})
		if etag != "" {
			r.Record(version(etag))
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, tempDir(t))
	run(l, "1")
	run(l, "3") // after a clean end nothing is made up for
	if got := recorded(t, l); got != "1, 3" {
		t.Errorf("recorded: %s", got)
	}
	if f, err := l.dir.OpenFile(ledgerName+".recording", unix.O_CREAT|unix.O_RDWR); err != nil {
		t.Fatal(err)
	} else {
		f.Close()
	}
	run(l, "4")
	if got := recorded(t, l); got != "1, 3, late 2, gap: killed 0, 4" {
		t.Errorf("recorded after a kill: %s", got)
	}
	run(l, "")
	if got := recorded(t, l); got != "1, 3, late 2, gap: killed 0, 4" {
		t.Errorf("recorded after a clean end: %s", got)
	}
	// It stays to be made up for while the disk is full.
	l = open(t, tempDir(t))
	l.above = func(string, int64) bool { return false }
	r := NewRecorder(l, Config{Missed: missed})
	r.Record(version("1"))
	if err := r.Close(); err == nil {
		t.Error("nothing is said of what is not recorded")
	}
	l.above = func(string, int64) bool { return true }
	run(l, "")
	if got := recorded(t, l); got != "late 1, late 2, gap: killed 0" {
		t.Errorf("recorded once there was room: %s", got)
	}
}

// TestShortWrite appends to a file that may not grow: nothing of the entries stays.
func TestShortWrite(t *testing.T) {
	l := open(t, tempDir(t))
	appendAll(t, l, entries(3)...)
	before := content(t, l)
	// Less than one entry more is allowed to this process.
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: uint64(len(before)) + 100, Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	err := l.Append(t.Context(), entry(4))
	if rerr := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); rerr != nil {
		t.Fatal(rerr)
	}
	if err == nil {
		t.Fatal("it was appended")
	}
	if !bytes.Equal(content(t, l), before) {
		t.Errorf("%s has changed", filepath.Join(l.dir.Path(), l.name))
	}
	appendAll(t, l, entry(4))
	if all, r := readAll(t, l); len(all) != 4 || len(r.Problems)+r.Torn > 0 {
		t.Errorf("%d entries, %+v", len(all), r)
	}
}
