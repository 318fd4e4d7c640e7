package integration

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFileManagerExtension has the extension, in bindings that stand for those of each file
// manager, show files in several states: each has its emblem, and files elsewhere have none.
func TestFileManagerExtension(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	direct := newExchange(t, "article")
	direct.put(owner, submissions+"arrived.txt", []byte("arrived"), true)
	x, gateway := direct.through(t)
	let := make(chan struct{})
	gateway.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if op == "PutObject" && strings.HasSuffix(r.URL.Path, "slow.txt") {
			select {
			case <-let:
			case <-r.Context().Done():
			}
		}
		return false
	})
	m := x.mount(client)
	m.write(delivery+"done.txt", []byte("done"))
	m.awaitDelivered(delivery + "done.txt")
	m.write(delivery+"slow.txt", []byte("slow"))
	await(t, "the upload of slow.txt",
		func() bool { return m.fileState(delivery+"slow.txt") == "uploading" })
	m.write(delivery+"letter.part", []byte("part"))
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	play := func(manager, command string, paths ...string) (string, error) {
		extension, err := filepath.Abs("../packaging/filemanager/s3share.py")
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"testdata/filemanager.py", manager, extension, command}, paths...)
		cmd := exec.CommandContext(t.Context(), "python3", args...)
		cmd.Env = append(slices.Clone(m.env), "S3SHARE="+s3shareBin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	file := func(name string) string { return filepath.Join(m.dir, name) }
	want := map[string]string{
		file(submissions + "arrived.txt"): "emblem-default\tdelivered",
		file(delivery + "done.txt"):       "emblem-default\tdelivered",
		file(delivery + "slow.txt"):       "emblem-synchronizing\tuploading",
		file(delivery + "letter.part"):    "-\tstays on this machine",
		file("Delivery"):                  "-\t-",
		outside:                           "-\t-",
	}
	var paths []string
	for path := range want {
		paths = append(paths, path)
	}
	for _, manager := range []string{"Nautilus", "Nemo", "Caja"} {
		out, err := play(manager, "show", paths...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", manager, err, out)
		}
		for line := range strings.Lines(out) {
			path, shown, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if shown != want[path] {
				t.Errorf("%s: %s has %q, want %q", manager, path, shown, want[path])
			}
		}
		if n := strings.Count(out, "\n"); n != len(want) {
			t.Errorf("%s: %d files, want %d\n%s", manager, n, len(want), out)
		}
	}
	if out, err := play("Nemo", "Why?", file(delivery+"slow.txt")); err != nil ||
		!strings.Contains(out, "slow.txt") {
		t.Errorf("Why? says %v\n%s", err, out)
	}
	if out, err := play("Nautilus", "Retry", outside); err == nil {
		t.Errorf("files elsewhere have an entry of the menu:\n%s", out)
	}
	close(let)
}

// TestTrash: the trash refuses a file, in words, and the file stays.
func TestTrash(t *testing.T) {
	t.Parallel()
	needTools(t, "gio")
	x := newExchange(t, "full")
	m := x.mount(client)
	m.deliver(delivery+"kept.txt", []byte("kept"))
	m.write(delivery+"open.part", []byte("part"))
	for _, name := range []string{"kept.txt", "open.part"} {
		out, err := exec.CommandContext(t.Context(), "gio", "trash",
			m.path(delivery+name)).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "trash directory") {
			t.Errorf("gio trash %s: %v\n%s", name, err, out)
		}
	}
	if got := m.names(delivery); !slices.Equal(got, []string{"kept.txt", "open.part"}) {
		t.Errorf("left are %q", got)
	}
	if got := x.list(); len(got) != 1 {
		t.Errorf("the bucket holds %v", got)
	}
}
