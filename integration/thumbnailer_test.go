package integration

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// TestThumbnailersGetAPart has programs read large films: one of the name of a thumbnailer gets
// as much as a thumbnail needs, also from the end, and little more is downloaded; all of what is
// cached; and all where nothing is limited. Other programs get all of it.
func TestThumbnailersGetAPart(t *testing.T) {
	t.Parallel()
	needTools(t, "dd", "tail", "cmp")
	direct := newExchange(t, "full")
	film := make([]byte, 40<<20)
	rand.NewChaCha8([32]byte{1}).Read(film)
	for _, name := range []string{"a.mp4", "b.mp4"} {
		direct.put(owner, submissions+name, film, true)
	}
	x, gateway := direct.through(t)
	var fetched atomic.Int64
	gateway.watch(func(p passed) {
		if p.op == "GetObject" && p.key == submissions+"a.mp4" {
			n, _ := strconv.ParseInt(p.answer.Get("Content-Length"), 10, 64)
			fetched.Add(n)
		}
	})
	m := x.mount(client)
	m.names(submissions)
	top := t.TempDir()
	read := func(m *mount, as, from, name string) (got []byte, err error) {
		t.Helper()
		program, err := exec.LookPath(from)
		if err != nil {
			t.Fatal(err)
		}
		program = copyProgram(t, program, filepath.Join(top, as))
		args := map[string][]string{
			"dd":   {"if=" + m.path(submissions+name), "bs=64k", "status=none"},
			"tail": {"-c", "100000", m.path(submissions + name)},
		}[from]
		return exec.Command(program, args...).Output()
	}
	const most = 8 << 20
	got, err := read(m, "tumblerd", "dd", "a.mp4")
	if err == nil || len(got) != most || !bytes.Equal(got, film[:len(got)]) {
		t.Errorf("a thumbnailer that reads all gets %d bytes, %v", len(got), err)
	}
	if n := fetched.Load(); n > most {
		t.Errorf("%d bytes are downloaded for it", n)
	}
	if got, err = read(m, "evince-thumbnailer", "tail", "a.mp4"); err != nil ||
		!bytes.Equal(got, film[len(film)-100_000:]) {
		t.Errorf("the end of the file: %d bytes, %v", len(got), err)
	}
	if n := fetched.Load(); n > most+1<<20 {
		t.Errorf("%d bytes are downloaded for that and the end", n)
	}
	if got, err = read(m, "viewer", "dd", "a.mp4"); err != nil || !bytes.Equal(got, film) {
		t.Errorf("another program gets %d bytes, %v", len(got), err)
	}
	if got, err = read(m, "tumblerd", "dd", "a.mp4"); err != nil || !bytes.Equal(got, film) {
		t.Errorf("a thumbnailer gets %d bytes of what is cached, %v", len(got), err)
	}
	out, err := m.run("status", "--json", m.dir)
	var st []struct{ Thumbnails struct{ Files, Refused int } }
	if err != nil || json.Unmarshal([]byte(out), &st) != nil ||
		len(st) != 1 || st[0].Thumbnails.Files != 3 || st[0].Thumbnails.Refused != 1 {
		t.Errorf("status says %v\n%s", err, out)
	}
	all := x.mount(client, "-o", "thumbnails=all")
	if got, err = read(all, "tumblerd", "dd", "b.mp4"); err != nil || !bytes.Equal(got, film) {
		t.Errorf("a thumbnailer that is not limited gets %d bytes, %v", len(got), err)
	}
}
