package receipts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/jsonbytes"
)

const ledgerName = "receipts.jsonl"

func open(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir, ledgerName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	l.above = func(string, int64) bool { return true }
	return l
}

func tempDir(t testing.TB) string { return filepath.Join(t.TempDir(), "state") }

func appendAll(t testing.TB, l *Ledger, entries ...Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

func entry(i int) Entry {
	return Entry{
		Event: Delivered, Time: time.UnixMilli(1_800_000_000_000 + int64(i)), Bucket: "team",
		Key: jsonbytes.String(fmt.Sprintf("Delivery/2026/file-%06d.csv", i)), Size: int64(i),
		ETag:      fmt.Sprintf("%032x", i),
		VersionID: "3sL4kqtJlcpXroDTDmJ", Modified: time.Unix(1_800_000_000,
			0), Principal: "arn:aws:iam::111122223333:user/ann", By: "ann@laptop", How: "mount",
	}
}

func entries(n int) (all []Entry) {
	for i := range n {
		all = append(all, entry(i+1))
	}
	return all
}

func readAll(t testing.TB, l *Ledger) (all []Entry, r Report) {
	t.Helper()
	r, err := l.Read(context.Background(),
		nil, func(e *Entry) error { all = append(all, *e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all, r
}

func content(t testing.TB, l *Ledger) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir.Path(), l.name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func setContent(t testing.TB, l *Ledger, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir.Path(), l.name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsAppendedIsReadBack appends entries of any bytes, in calls of any size, and reads them
// with their numbers and sums.
func TestWhatIsAppendedIsReadBack(t *testing.T) {
	l := open(t, tempDir(t))
	want := entries(7)
	want[2].Key, want[3].Key, want[4].Size = "Delivery/caf\xe9", "Delivery/\",\"sum\":\"\n", -1
	want[5] = Entry{Event: Gap, Time: now(), Reason: NotWritten, Lost: 3, From: now()}
	appendAll(t, l, want[:1]...)
	appendAll(t, l)
	appendAll(t, l, want[1:]...)
	got, r := readAll(t, l)
	if len(got) != len(want) || r.Lines != 7 || r.Last != 7 || len(r.Problems) > 0 ||
		r.Torn > 0 || r.Sum != got[6].Sum {
		t.Fatalf("%d entries, %+v", len(got), r)
	}
	for i, e := range got {
		w := want[i]
		w.N, w.Prev, w.Sum, w.Time, w.Modified, w.From = e.N,
			e.Prev, e.Sum, e.Time, e.Modified, e.From
		if e != w || e.N != uint64(i)+1 || !e.Time.Equal(want[i].Time.Truncate(time.Millisecond)) ||
			!e.Modified.Equal(want[i].Modified) || !e.From.Equal(want[i].From) {
			t.Errorf("entry %d is %+v, want %+v", i+1, e, want[i])
		}
	}
	for _, name := range []string{"", ledgerName} {
		st, err := os.Stat(filepath.Join(l.dir.Path(), name))
		if err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q has the mode %v, %v", name, st.Mode(), err)
		}
	}
}

// TestThereIsNoLedger reads one that was never written.
func TestThereIsNoLedger(t *testing.T) {
	got, r := readAll(t, open(t, tempDir(t)))
	if len(got) > 0 || r.Lines > 0 || r.Sum != "" || len(r.Problems) > 0 {
		t.Errorf("%v, %+v", got, r)
	}
}

// TestSumIsOfTheLine checks by hand what the documentation says: the SHA-256 of what is before it.
func TestSumIsOfTheLine(t *testing.T) {
	l := open(t, tempDir(t))
	appendAll(t, l, entries(2)...)
	prev := noSum
	for line := range bytes.Lines(content(t, l)) {
		body, sum, _ := bytes.Cut(line, []byte(`,"sum":"`))
		var got struct{ Prev, Sum string }
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if got.Sum != sumOf(body) || got.Prev != prev || string(sum) != got.Sum+"\"}\n" {
			t.Errorf("the line %s", line)
		}
		prev = got.Sum
	}
}

// TestEveryChangedByteIsFound changes one byte of a ledger anywhere to any other: the check names
// the line. The last line feed alone may also be missing as after a kill.
func TestEveryChangedByteIsFound(t *testing.T) {
	l := open(t, tempDir(t))
	appendAll(t, l, entries(5)...)
	whole := content(t, l)
	check := func(at int, to byte) string {
		data := slices.Clone(whole)
		data[at] = to
		r, err := read(context.Background(), bytes.NewReader(data),
			func([]byte) bool { return false }, nil)
		if err != nil {
			return err.Error()
		}
		line := uint64(bytes.Count(whole[:at], []byte{'\n'})) + 1
		if at == len(whole)-1 && to == 0 {
			return "" // an end that a loss of power has left
		}
		if len(r.Problems) != 1 || r.Problems[0].Fault != Changed || r.Problems[0].From != line ||
			r.Problems[0].To > line+1 {
			return fmt.Sprintf("byte %d, of line %d, changed to %q: %+v", at, line, to, r)
		}
		return ""
	}
	for at := range whole { // each byte, one bit of it
		if e := check(at, whole[at]^(1<<(at%8))); e != "" {
			t.Fatal(e)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(whole)-1).Draw(t, "at")
		to := rapid.Byte().Filter(func(b byte) bool { return b != whole[at] }).Draw(t, "to")
		if e := check(at, to); e != "" {
			t.Fatal(e)
		}
	})
}

// TestLinesThatWereMovedAreFound removes, repeats, swaps and rewrites lines, as somebody does who
// computes their sums anew.
func TestLinesThatWereMovedAreFound(t *testing.T) {
	l := open(t, tempDir(t))
	appendAll(t, l, entries(6)...)
	lines := slices.Collect(bytes.Lines(content(t, l)))
	forged := func(i int) []byte {
		e := entry(i + 1)
		e.Size = 999
		prev := noSum
		if i > 0 {
			l, _ := parseLink(bytes.TrimSuffix(lines[i-1], []byte("\n")))
			prev = l.sum
		}
		e.N, e.Prev = uint64(i)+1, prev
		line, err := encode(&e)
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	with := func(i int, line []byte) [][]byte {
		all := slices.Clone(lines)
		all[i] = line
		return all
	}
	for name, tt := range map[string]struct {
		lines [][]byte
		want  []Problem
	}{
		"whole":                   {lines, nil},
		"the first is missing":    {lines[1:], []Problem{{Missing, 1, 1}}},
		"two are missing":         {slices.Delete(slices.Clone(lines), 2, 4), []Problem{{Missing, 3, 4}}},
		"one is there twice":      {slices.Insert(slices.Clone(lines), 3, lines[2]), []Problem{{OutOf, 3, 3}}},
		"two are swapped":         {[][]byte{lines[0], lines[2], lines[1], lines[3]}, []Problem{{Missing, 2, 2}, {OutOf, 2, 2}, {Missing, 3, 3}}},
		"the first was rewritten": {with(0, forged(0)), []Problem{{Replaced, 1, 1}}},
		"one was rewritten":       {with(3, forged(3)), []Problem{{Replaced, 4, 4}}},
		"one is empty":            {with(3, []byte("\n")), []Problem{{Changed, 4, 4}}},
		"one is cut":              {with(3, append(lines[3][:40:40], '\n')), []Problem{{Changed, 4, 4}}},
		"one is cut, with no end": {with(3, lines[3][:40]), []Problem{{Changed, 4, 5}}},
		"one is very long":        {with(3, append(bytes.Repeat([]byte("x"), 3<<20), '\n')), []Problem{{Changed, 4, 4}}},
		"the last is changed":     {with(5, append(bytes.Repeat([]byte("x"), 3<<20), '\n')), []Problem{{Changed, 6, 6}}},
	} {
		r, err := read(context.Background(), bytes.NewReader(bytes.Join(tt.lines, nil)),
			func([]byte) bool { return false }, nil)
		if err != nil || !slices.Equal(r.Problems, tt.want) || r.Torn > 0 {
			t.Errorf("%s: %+v, %v, want %v", name, r, err, tt.want)
		}
		// Whatever was done to it, it goes on, and what is appended is found whole.
		setContent(t, l, bytes.Join(tt.lines, nil))
		appendAll(t, l, entry(100), entry(101))
		got, r := readAll(t, l)
		if n := len(got); n < 2 || got[n-1].Size != 101 || got[n-2].Size != 100 ||
			!slices.Equal(r.Problems, tt.want) {
			t.Errorf("%s, then two more: %+v, want %v", name, r, tt.want)
		}
	}
}

// TestKilledAtAnyByte cuts the file at each byte of an append: the ledger is whole, says that a
// line was cut short, and goes on.
func TestKilledAtAnyByte(t *testing.T) {
	l := open(t, tempDir(t))
	appendAll(t, l, entries(2)...)
	before := len(content(t, l))
	appendAll(t, l, entry(3), entry(4))
	whole := content(t, l)
	for _, zeros := range []int{0, 7} { // zeros are what a loss of power may leave
		for cut := range len(whole) + 1 {
			if cut > 0 && cut < before {
				continue
			}
			data := append(slices.Clone(whole[:cut]), make([]byte, zeros)...)
			setContent(t, l, data)
			lines := bytes.Count(whole[:cut], []byte{'\n'})
			rest := cut - bytes.LastIndexByte(whole[:cut], '\n') - 1
			if rest > 0 && whole[cut] == '\n' {
				lines, rest = lines+1, 0 // all but the line feed is there
			}
			_, r := readAll(t, l)
			if len(r.Problems) > 0 || int(r.Lines) != lines && zeros == 0 ||
				(r.Torn > 0) != (rest > 0) && zeros == 0 {
				t.Fatalf("cut at %d, with %d zeros: %+v, want %d lines and %d bytes of another",
					cut, zeros, r, lines, rest)
			}
			appendAll(t, l, entry(9))
			got, r := readAll(t, l)
			if len(r.Problems) > 0 || r.Torn > 0 || len(got) == 0 || got[len(got)-1].Size != 9 {
				t.Fatalf("cut at %d, with %d zeros, then one more: %+v", cut, zeros, r)
			}
			gap := len(got) > 1 && got[len(got)-2].Event == Gap && got[len(got)-2].Reason == Torn
			if want := rest > 0 || zeros > 0; gap != want {
				t.Fatalf("cut at %d, with %d zeros: a gap is recorded: %t, want %t",
					cut, zeros, gap, want)
			}
			if n := len(got) - 1; gap && n-1 != lines && zeros == 0 || !gap && n != lines {
				t.Fatalf("cut at %d, with %d zeros: %d entries, want %d and one more",
					cut, zeros, n, lines)
			}
		}
	}
}

// TestProcessesAppendToOneChain has processes append at once, some of which are killed.
func TestProcessesAppendToOneChain(t *testing.T) {
	const writers, each = 8, 60
	dir := tempDir(t)
	l := open(t, dir)
	var cmds []*exec.Cmd
	for i := range writers {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcessesAppendToOneChain$")
		cmd.Env = append(os.Environ(), "RECEIPTS_TEST_DIR="+dir,
			"RECEIPTS_TEST_N="+strconv.Itoa(each), "RECEIPTS_TEST_WRITER="+strconv.Itoa(i))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for { // the first is killed in the middle
		if got, _ := readAll(t, l); len(got) > each {
			break
		}
	}
	_ = cmds[0].Process.Kill()
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil && i > 0 {
			t.Fatal(err)
		}
	}
	got, r := readAll(t, l)
	if len(r.Problems) > 0 || r.Torn > 0 {
		t.Fatalf("%+v", r)
	}
	n := map[string]int{}
	for _, e := range got {
		n[e.By]++
	}
	for i := 1; i < writers; i++ {
		if n[strconv.Itoa(i)] != each {
			t.Errorf("the writer %d has %d entries", i, n[strconv.Itoa(i)])
		}
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("RECEIPTS_TEST_DIR"); dir != "" {
		l, err := Open(dir, ledgerName)
		n, _ := strconv.Atoi(os.Getenv("RECEIPTS_TEST_N"))
		for i := 0; i < n && err == nil; i++ {
			e := entry(i)
			e.By = os.Getenv("RECEIPTS_TEST_WRITER")
			err = l.Append(context.Background(), e)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestLockIsNotWaitedForForever appends while another process has the file locked.
func TestLockIsNotWaitedForForever(t *testing.T) {
	l := open(t, tempDir(t))
	appendAll(t, l, entry(1))
	f, err := l.dir.OpenFile(l.name, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Append(ctx, entry(2)); err == nil {
		t.Error("it was appended although another has the lock")
	}
}

// TestOnceIsOncePerVersion leaves out what is there, by whichever process it was recorded.
func TestOnceIsOncePerVersion(t *testing.T) {
	dir := tempDir(t)
	l, other := open(t, dir), open(t, dir)
	once := func(i int, etag string) Entry {
		e := entry(i)
		e.Once, e.ETag = true, etag
		return e
	}
	appendAll(t, l, once(1, "a"), once(1, "a"), once(1, "b"))
	appendAll(t, other, once(2, "a"), once(1, "b"))
	received := once(1, "a")
	received.Event = Received
	appendAll(t, l, once(2, "a"), received, once(1, "a"))
	appendAll(t, l, entry(1))
	got, r := readAll(t, l)
	if len(got) != 5 || len(r.Problems) > 0 {
		t.Errorf("%d entries, %+v: %+v", len(got), r, got)
	}
}

// TestUnlessLastIsOncePerDelivery leaves out what another process has recorded last of the key, and
// nothing that was delivered again since.
func TestUnlessLastIsOncePerDelivery(t *testing.T) {
	dir := tempDir(t)
	first, next := open(t, dir), open(t, dir)
	version := func(etag, id string, found bool) Entry {
		e := entry(1)
		e.ETag, e.VersionID, e.UnlessLast = etag, id, found
		return e
	}
	late := version("b", "", false)
	late.Once = true
	for i, c := range []struct {
		l    *Ledger
		add  []Entry
		want int // entries in all
	}{
		{first, []Entry{version("a", "", false)}, 1},
		{next, []Entry{version("a", "", true), version("a", "", true)}, 1},
		{next, []Entry{late, version("b", "", true)}, 2},
		{next, []Entry{version("a", "", true)}, 3}, // the content of before
		{first, []Entry{version("a", "1", true)}, 3},
		{first, []Entry{version("a", "1", false)}, 4},
		{next, []Entry{version("a", "2", true)}, 5},
		{next, []Entry{version("a", "2", true)}, 5},
	} {
		appendAll(t, c.l, c.add...)
		if got, r := readAll(t, next); len(got) != c.want || len(r.Problems) > 0 {
			t.Fatalf("step %d: %d entries, want %d; %+v", i, len(got), c.want, r)
		}
	}
}

// BenchmarkRead reads a ledger of 100,000 entries.
func BenchmarkRead(b *testing.B) {
	l := open(b, tempDir(b))
	if err := l.Append(context.Background(), entries(100_000)...); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		if _, err := l.Read(context.Background(),
			nil, func(*Entry) error { n++; return nil }); err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}
