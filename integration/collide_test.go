package integration

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// collisions are what two parties do to one file at once, neither of them knowing of
// the other; f is there before or not. In the end the bucket has all of want.
var collisions = []struct {
	name   string
	before string   // what f holds; none if empty
	do     []string // scripts of the one party and the other, in turn, in the folder $1
	want   []string
}{
	{"append", "before\n", []string{`exec 3>>f; echo one >&3`, `exec 3>>f; echo two >&3`}, []string{"before\none\n", "before\ntwo\n"}},
	{"replace", "before\n", []string{`echo one > f`, `echo two > f`}, []string{"one\n", "two\n"}},
	{"make", "", []string{`echo one > f`, `echo two > f`}, []string{"one\n", "two\n"}},
	// Where the other party's file is seen in time, the second one takes another name.
	{"make with O_EXCL", "", []string{`set -C; echo one > f`, `set -C; echo two > f || echo two > g`}, []string{"one\n", "two\n"}},
	{"rename what is not sent yet over it", "before\n", []string{`echo one > a; mv a f`, `echo two > b; mv b f`}, []string{"one\n", "two\n"}},
	{"replace and rename", "before\n", []string{`mv f g`, `echo two > f`}, []string{"before\n", "two\n"}},
}

// TestCollide has both parties change a file while each knows of the state before
// alone. No byte of either is lost.
func TestCollide(t *testing.T) {
	t.Parallel()
	for _, c := range collisions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "full")
			one, two := x.mount(client), x.mount(owner)
			if c.before != "" {
				one.deliver(delivery+"f", []byte(c.before))
				two.awaitContent(delivery+"f", []byte(c.before))
			}
			for i, m := range []*mount{one, two} {
				shell(t, `cd "$1"; eval "$2"`, m.path(delivery), c.do[i])
			}
			one.drained()
			two.drained()
			x.holdsAll(c.want)
		})
	}
}

// TestCollideRename has both parties give a file of their own, which S3 has already,
// one name: neither knows that the other one has.
func TestCollideRename(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "before"} {
		t.Run("over "+before, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "full")
			one, two := x.mount(client), x.mount(owner)
			one.deliver(delivery+"a", []byte("one"))
			two.deliver(delivery+"b", []byte("two"))
			if before != "" {
				one.deliver(delivery+"f", []byte(before))
				two.awaitContent(delivery+"f", []byte(before))
			} else if _, err := os.Stat(two.path(delivery + "f")); !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if err := os.Rename(one.path(delivery+"a"), one.path(delivery+"f")); err != nil {
				t.Errorf("rename: %v", err)
			}
			if err := os.Rename(two.path(delivery+"b"), two.path(delivery+"f")); err != nil {
				t.Errorf("the other rename: %v", err)
			}
			if out, err := two.run("status", two.dir); err != nil ||
				!strings.Contains(out, "conflict") {
				t.Errorf("status of the second tells no conflict: %v\n%s", err, out)
			}
			one.drained()
			two.drained()
			x.holdsAll([]string{"one", "two"})
		})
	}
}

// holdsAll fails the test unless each of these contents is in the bucket, and
// nothing else but folders.
func (x *exchange) holdsAll(want []string) {
	x.t.Helper()
	got := map[string]string{}
	for key := range x.list() {
		if strings.HasSuffix(key, "/") {
			continue
		}
		b, err := x.get(owner, key)
		if err != nil {
			x.t.Errorf("get %q: %v", key, err)
		}
		got[key] = string(b)
	}
	for _, w := range want {
		found := false
		for _, g := range got {
			found = found || bytes.Equal([]byte(g), []byte(w))
		}
		if !found {
			x.t.Errorf("the bucket holds %q, want %q in it", got, w)
		}
	}
	if len(got) != len(want) {
		x.t.Errorf("the bucket holds %q, want %q", got, want)
	}
}
