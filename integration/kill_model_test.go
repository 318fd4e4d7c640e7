package integration

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// content is what a key may hold, told by its checksum; none is no object at all.
type content struct {
	there bool
	size  int
	sum   [sha256.Size]byte
}

var none content

func contentOf(b []byte) content { return content{true, len(b), sha256.Sum256(b)} }

func (c content) String() string {
	if !c.there {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes %x", c.size, c.sum[:4])
}

// model is what has to become of the files that a program works on while the
// daemon is killed again and again. A call that returned has happened. One that
// did not has happened wholly or not at all; what was not closed has not.
type model struct {
	mu      sync.Mutex
	now     map[string][]byte    // what is certain and there
	may     map[string][]content // what each key may hold in the end
	was     map[string][]content // what a key has held, and S3 may have got
	private map[string][]byte    // what stays on this machine
	cut     map[string]bool      // whose writer was cut off before its close
	renamed map[string]string    // the earlier name of what was renamed, by its new one
	either  [][2]map[string]content
	beside  []content // what has to be found in a conflict copy
}

func newModel() *model {
	return &model{
		now: map[string][]byte{}, may: map[string][]content{}, was: map[string][]content{},
		private: map[string][]byte{}, cut: map[string]bool{}, renamed: map[string]string{},
	}
}

// is notes that the key holds this, or nothing if b is nil.
func (o *model) is(key string, b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isLocked(key, b)
}

func (o *model) isLocked(key string, b []byte) {
	c := none
	delete(o.now, key)
	if b != nil {
		c, o.now[key] = contentOf(b), b
	}
	if o.was[key] == nil {
		o.was[key] = []content{none}
	}
	o.may[key], o.was[key] = []content{c}, append(o.was[key], c)
	delete(o.cut, key)
}

// cutOff notes that the program could not close the file.
func (o *model) cutOff(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.now, key)
	if o.was[key] == nil {
		o.was[key] = []content{none}
	}
	o.may[key], o.cut[key] = slices.Clone(o.was[key]), true
}

// closing notes that a close did not return: b may have come to be.
func (o *model) closing(key string, b []byte) {
	o.cutOff(key)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.may[key] = append(o.may[key], contentOf(b))
}

// settle notes a call that changed several keys at once, or did not if err is.
func (o *model) settle(err error, before, after map[string][]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		for key, b := range after {
			switch {
			case !privateKey(key):
				o.isLocked(key, b)
			case b == nil:
				delete(o.private, key)
			default:
				o.private[key] = b
			}
		}
		return
	}
	var pair [2]map[string]content
	for i, states := range []map[string][]byte{before, after} {
		pair[i] = map[string]content{}
		for key, b := range states {
			c := none
			if b != nil {
				c = contentOf(b)
			}
			if privateKey(key) {
				delete(o.private, key) // it may be under either name
				continue
			}
			pair[i][key] = c
			delete(o.now, key)
			o.may[key] = append(slices.Clone(o.may[key]), c)
		}
	}
	o.either = append(o.either, pair)
}

func privateKey(key string) bool {
	return strings.HasSuffix(key, "~") || strings.HasSuffix(key, ".part")
}

// file is what the key certainly holds.
func (o *model) file(key string) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if privateKey(key) {
		return o.private[key]
	}
	return o.now[key]
}

// hand does on a mount what programs do, and notes in the model what has to come
// of it. Its errors are those of the calls; the first one ends its work.
//
// Its names are its own: the daemon tells a program's descriptors apart by name.
type hand struct {
	*model
	m      *mount
	prefix string // of its keys
}

// at is the key of a name.
func (h hand) at(name string) string { return h.prefix + name }

func (h hand) put(key string, b []byte) error { return h.write(key, os.O_CREATE|os.O_TRUNC, b, b) }

func (h hand) add(key string, b []byte) error {
	return h.write(key, os.O_APPEND, b, slices.Concat(h.file(key), b))
}

// write opens, writes and closes; whole is what the file holds afterwards.
func (h hand) write(key string, flag int, b, whole []byte) error {
	f, err := os.OpenFile(h.m.path(key), os.O_WRONLY|flag, 0o644)
	if err == nil {
		if _, err = f.Write(b); err != nil {
			f.Close()
		}
	}
	switch {
	case privateKey(key) && err != nil:
		return err
	case err != nil:
		h.cutOff(key)
		return err
	}
	if err = f.Close(); privateKey(key) {
		if err == nil {
			h.mu.Lock()
			h.private[key] = whole
			h.mu.Unlock()
		}
		return err
	}
	if err != nil {
		h.closing(key, whole)
		return err
	}
	h.is(key, whole)
	return nil
}

func (h hand) truncate(key string, size int) error {
	b := h.file(key)
	f, err := os.OpenFile(h.m.path(key), os.O_WRONLY, 0)
	if err == nil {
		if err = f.Truncate(int64(size)); err != nil {
			f.Close()
		}
	}
	if err != nil {
		h.cutOff(key)
		return err
	}
	if err = f.Close(); err != nil {
		h.closing(key, b[:size])
		return err
	}
	h.is(key, b[:size])
	return nil
}

func (h hand) unlink(key string) error {
	before := map[string][]byte{key: h.file(key)}
	err := os.Remove(h.m.path(key))
	h.settle(err, before, map[string][]byte{key: nil})
	return err
}

func (h hand) rename(from, to string) error {
	b := h.file(from)
	before := map[string][]byte{from: b, to: h.file(to)}
	err := os.Rename(h.m.path(from), h.m.path(to))
	h.settle(err, before, map[string][]byte{from: nil, to: b})
	if err == nil {
		h.mu.Lock()
		h.renamed[to] = from
		h.mu.Unlock()
	}
	return err
}

// mayBeKept reports whether S3 may hold what key held before: its file was renamed, and cut off
// when it was written again under the new name before S3 had that.
func (o *model) mayBeKept(key string, c content) bool {
	if !slices.Contains(o.was[key], c) {
		return false
	}
	for to := range o.cut {
		for range len(o.renamed) {
			if to = o.renamed[to]; to == key {
				return true
			}
		}
	}
	return false
}

// setAside renames a file to a private name; S3 may keep it until a new one of
// its name comes.
func (h hand) setAside(key string) error {
	b := h.file(key)
	err := os.Rename(h.m.path(key), h.m.path(key+"~"))
	h.cutOff(key)
	h.mu.Lock()
	if h.private[key+"~"] = b; err != nil {
		delete(h.private, key+"~") // it may have replaced another
	}
	h.may[key] = append(h.may[key], none)
	delete(h.cut, key)
	h.mu.Unlock()
	return err
}

// renameFolder renames a folder with these files in it.
func (h hand) renameFolder(from, to string, names ...string) error {
	before, after := map[string][]byte{}, map[string][]byte{}
	for _, name := range names {
		b := h.file(from + name)
		before[from+name], before[to+name] = b, nil
		after[from+name], after[to+name] = nil, b
	}
	err := os.Rename(h.m.path(strings.TrimSuffix(from, "/")), h.m.path(strings.TrimSuffix(to, "/")))
	h.settle(err, before, after)
	return err
}

// awaitEnd waits until the daemon has been killed, for a call has failed.
func (h hand) awaitEnd(t *testing.T, err error) {
	t.Helper()
	select {
	case <-h.m.ended:
	case <-time.After(patience):
		t.Errorf("the daemon lives, and a call failed: %v", err)
	}
}

// check waits until all is delivered that can be, and compares the bucket and
// what the mount shows with the model.
func (o *model) check(t *testing.T, m *mount) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range m.awaitRest() {
		switch {
		case f.State == "interrupted" && o.cut[f.Key], f.State == "private" && privateKey(f.Key):
		case f.State == "conflict" && len(o.beside) > 0:
		default:
			t.Errorf("in the end there is %v", f)
		}
	}
	got := map[string]content{}
	var beside []content
	for key := range m.x.list() {
		b, err := m.x.get(owner, key)
		switch {
		case err != nil:
			t.Errorf("get %q: %v", key, err)
		case strings.HasSuffix(key, "/"):
		case strings.Contains(key, " (conflict "):
			beside = append(beside, contentOf(b))
		case o.may[key] == nil:
			t.Errorf("nobody wrote %q", key)
		default:
			got[key] = contentOf(b)
		}
	}
	for key, may := range o.may {
		if !slices.Contains(may, got[key]) && !o.mayBeKept(key, got[key]) {
			t.Errorf("%q holds %v, want any of %v", key, got[key], may)
		}
	}
	for _, pair := range o.either {
		if !holds(got, pair[0]) && !holds(got, pair[1]) {
			t.Errorf("a call that was cut off is half done: there is %v, want %v or %v",
				pick(got, pair[0]), pair[0], pair[1])
		}
	}
	for _, c := range o.beside {
		if !slices.Contains(beside, c) {
			t.Errorf("the conflict copies hold %v, want %v among them", beside, c)
		}
	}
	if len(beside) > len(o.beside) {
		t.Errorf("there are conflict copies of %v, want %v", beside, o.beside)
	}
	for key, want := range o.now {
		if b, err := os.ReadFile(m.path(key)); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%q reads %v, %v, want %v", key, contentOf(b), err, contentOf(want))
		}
	}
	for key, want := range o.private {
		if b, err := os.ReadFile(m.path(key)); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%q reads %v, %v, want %v", key, contentOf(b), err, contentOf(want))
		}
	}
	for key, may := range o.may {
		if slices.Equal(may, []content{none}) && !o.cut[key] {
			if _, err := os.Stat(m.path(key)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%q is there, %v, want it gone", key, err)
			}
		}
	}
	if !t.Failed() {
		m.leaveAsItIs()
	}
}

func holds(got, want map[string]content) bool { return maps.Equal(pick(got, want), want) }

// pick is what these keys hold.
func pick(got, keys map[string]content) map[string]content {
	picked := map[string]content{}
	for key := range keys {
		picked[key] = got[key]
	}
	return picked
}
