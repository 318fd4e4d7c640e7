package statedir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/cache/outbox"
)

// TestReasonsOutlastTheDaemon: what a daemon said of files when it ended is said of what is found
// in the outbox, and of nothing else.
func TestReasonsOutlastTheDaemon(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	said := []outbox.Status{
		{Key: "a", State: outbox.Blocked, Reason: "access denied", Code: "AccessDenied", Hint: "ask"},
		{Key: "b", State: outbox.Sealed, Reason: "nothing answers"},
		{Key: "c", State: outbox.Removing, Reason: "nothing answers"},
		{Key: "d", State: outbox.Blocked, Reason: "cannot be removed"},
		{Key: "e", State: outbox.Sealed},
	}
	if err := WriteReasons(dir, said); err != nil {
		t.Fatal(err)
	}
	read := func() []outbox.Status {
		found := []outbox.Status{
			{Key: "a", State: outbox.Sealed}, {Key: "a", State: outbox.Local}, {Key: "b", State: outbox.Sealed},
			{Key: "c", State: outbox.Removing}, {Key: "c", State: outbox.Sealed}, {Key: "d", State: outbox.Removing},
			{Key: "e", State: outbox.Sealed}, {Key: "b", State: outbox.Interrupted, Reason: "its own"},
		}
		AddReasons(dir, found)
		return found
	}
	want := []outbox.Status{
		said[0], {Key: "a", State: outbox.Local}, said[1], said[2], {Key: "c",
			State: outbox.Sealed}, said[3], said[4],
		{Key: "b", State: outbox.Interrupted, Reason: "its own"},
	}
	for i, got := range read() {
		if got != want[i] {
			t.Errorf("it reads %+v, want %+v", got, want[i])
		}
	}
	if err := WriteReasons(dir, nil); err != nil {
		t.Fatal(err)
	}
	for _, st := range read() {
		if st.Key != "b" && st.Reason != "" {
			t.Errorf("after another daemon began it reads %+v", st)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, reasonsFile)); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}
