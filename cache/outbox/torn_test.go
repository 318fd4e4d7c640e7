package outbox

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// tornIn has the test run in a process of its own, since the limit that tears its
// lines holds for all files of a process.
const tornIn = "S3SHARE_TEST_TORN_IN"

// TestLineThatTheDiskTakesHalfIsCutOff writes a journal until the disk takes only a part of a line,
// and goes on when there is room again: every line that was noted is whole, and no other is there.
func TestLineThatTheDiskTakesHalfIsCutOff(t *testing.T) {
	if dir := os.Getenv(tornIn); dir != "" {
		tear(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLineThatTheDiskTakesHalfIsCutOff$", "-test.v")
	cmd.Env = append(os.Environ(), tornIn+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func tear(t *testing.T, dir string) {
	signal.Ignore(unix.SIGXFSZ) // the write fails instead
	log := filepath.Join(dir, "1-1"+journal.Suffix)
	line := journal.Record{Op: journal.OpWrite, Dirty: [][2]int64{{0, 1}}}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE,
			&unix.Rlimit{Cur: n, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
	}
	limit(1010) // no whole number of lines
	noted := 0
	for {
		err := journal.Append(log, line)
		if errors.Is(err, unix.EFBIG) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		noted++
	}
	info, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	if whole := info.Size() / int64(noted); whole*int64(noted) != info.Size() ||
		1010-info.Size() >= whole {
		t.Errorf("the journal has %d bytes after %d lines, want no part of another",
			info.Size(), noted)
	}
	limit(was.Cur)
	for range 2 {
		if err := journal.Append(log, line); err != nil {
			t.Fatal(err)
		}
		noted++
	}
	if recs, err := journal.Read(log); err != nil || len(recs) != noted {
		t.Errorf("the journal has %d lines, %v, want %d", len(recs), err, noted)
	}

	// A file that cannot be noted leaves nothing.
	r := newRig(t, buckettest.New(), filepath.Join(dir, "new"), Config{}, nil)
	defer r.Close()
	limit(1)
	_, err = r.Create("Delivery/new", s3backend.Object{}, s3backend.Object{}, nil, nil)
	_, ferr := r.CreateFolder("Delivery/folder/")
	_, merr := r.Move(t.Context(), r.moves(1), nil)
	limit(was.Cur)
	for _, err := range []error{err, ferr, merr} {
		if !errors.Is(err, unix.EFBIG) {
			t.Errorf("what cannot be noted: %v, want EFBIG", err)
		}
	}
	if left, _ := os.ReadDir(r.dir); len(left) > 1 || left[0].Name() != stage.SlotFileName {
		t.Errorf("it left %v", left)
	}
	if owes, err := Owes(r.dir); owes || err != nil || r.journals.slots.InUse() > 0 {
		t.Errorf("it left %d slots, and owes: %v, %v", r.journals.slots.InUse(), owes, err)
	}
}
