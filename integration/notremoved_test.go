package integration

import (
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// TestNotRemoved takes the right to delete away after rm has succeeded: the file is shown again,
// and every command says so, until it is removed after all.
func TestNotRemoved(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "full")
	x, g := direct.through(t)
	m := x.mount(client)
	var refuses atomic.Bool
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return refuses.Load() && strings.HasPrefix(op, "DeleteObject") &&
			refuse(w, r, 403, "AccessDenied")
	})
	file := delivery + "kept.txt"
	m.deliver(file, []byte("kept"))
	m.deliver(delivery+"first", []byte("first")) // by which the mount learns that it may delete
	if err := os.Remove(m.path(delivery + "first")); err != nil {
		t.Fatal(err)
	}
	if out, err := m.run("wait", m.dir); err != nil {
		t.Fatalf("wait: %v\n%s", err, out)
	}
	refuses.Store(true)
	if err := os.Remove(m.path(file)); err != nil {
		t.Fatal(err)
	}
	const said = `not removed: "Delivery/kept.txt": access denied (s3:DeleteObject on Delivery/)`
	for _, args := range [][]string{{"wait", m.dir}, {"wait", m.path(file)}} {
		if out, err := m.run(args...); exitCode(t, err) != 1 || !strings.Contains(out, said) ||
			!strings.Contains(out, "is delivered, but 1 file was not removed") {
			t.Errorf("%q: %v\n%s\nwant it to say %q", args, err, out, said)
		}
	}
	m.awaitName(file, true)
	m.awaitContent(file, []byte("kept"))
	for _, args := range [][]string{{"status", m.dir}, {"why", m.path(file)}} {
		if out, err := m.run(args...); err != nil || !containsAll(out,
			[]string{"kept.txt", "not removed", "s3:DeleteObject", "then remove it again"}) {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	refuses.Store(false)
	if out, err := m.run("retry", m.dir); err != nil {
		t.Fatalf("retry: %v\n%s", err, out)
	}
	if err := os.Remove(m.path(file)); err != nil {
		t.Fatal(err)
	}
	if out, err := m.run("wait", m.dir); err != nil {
		t.Errorf("wait after it was removed: %v\n%s", err, out)
	}
	if out, err := m.run("status", m.dir); err != nil || strings.Contains(out, "kept.txt") {
		t.Errorf("status after it was removed: %v\n%s", err, out)
	}
	m.unmount()
}
