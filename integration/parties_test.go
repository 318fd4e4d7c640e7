package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A way is one way in which a file comes to hold what it holds.
type way struct {
	name   string
	get    bool // it needs to read at S3
	delete bool // it needs to delete there
	// do writes through the mount and returns the key of the file and its content,
	// which is to be delivered; err is what a program was told.
	do func(m *mount, folder string) (key string, content []byte, err error)
}

const mib = 1 << 20

var ways = []way{
	{name: "put", do: func(m *mount, folder string) (string, []byte, error) {
		return written(m, folder+"put.bin", randomBytes(100_000))
	}},
	{name: "empty", do: func(m *mount, folder string) (string, []byte, error) {
		return written(m, folder+"empty", nil)
	}},
	{name: "multipart", do: func(m *mount, folder string) (string, []byte, error) {
		return written(m, folder+"multipart.bin", randomBytes(20*mib))
	}},
	{name: "named late", do: func(m *mount, folder string) (string, []byte, error) {
		key, content := folder+"named-late.bin", randomBytes(50_000)
		m.write(folder+"named-late.bin.part", content)
		return key, content, os.Rename(m.path(folder+"named-late.bin.part"), m.path(key))
	}},
	{name: "overwrite", do: func(m *mount, folder string) (string, []byte, error) {
		m.deliver(folder+"overwritten.bin", randomBytes(70_000))
		return written(m, folder+"overwritten.bin", randomBytes(30_000))
	}},
	{name: "replace by rename", do: func(m *mount, folder string) (string, []byte, error) {
		key, content := folder+"replaced.bin", randomBytes(60_000)
		m.deliver(key, randomBytes(70_000))
		m.write(folder+"replaced.bin.part", content)
		return key, content, os.Rename(m.path(folder+"replaced.bin.part"), m.path(key))
	}},
	{name: "edit small", get: true, do: func(m *mount, folder string) (string, []byte, error) {
		return edited(m, folder+"edited.txt", 10_000, 5_000)
	}},
	{name: "edit large", get: true, do: func(m *mount, folder string) (string, []byte, error) {
		return edited(m, folder+"edited.bin", 20*mib, 9*mib+5)
	}},
	{name: "append", get: true, do: func(m *mount, folder string) (string, []byte, error) {
		key, before, more := folder+"appended.log", []byte("one\n"), []byte("two\n")
		m.deliver(key, before)
		f, err := os.OpenFile(m.path(key), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return key, nil, err
		}
		_, err = f.Write(more)
		return key, slices.Concat(before, more), errors.Join(err, f.Close())
	}},
	{name: "truncate", get: true, do: func(m *mount, folder string) (string, []byte, error) {
		key, before := folder+"truncated.bin", randomBytes(20*mib)
		m.deliver(key, before)
		return key, before[:17*mib], os.Truncate(m.path(key), 17*mib)
	}},
	{name: "rename", get: true, delete: true,
		do: func(m *mount, folder string) (string, []byte, error) {
			before, content := folder+"rename-from.bin", randomBytes(40_000)
			m.deliver(before, content)
			return renamed(m, before, folder+"rename-to.bin", content)
		}},
	{name: "rename large", get: true, delete: true,
		do: func(m *mount, folder string) (string, []byte, error) {
			before, content := folder+"rename-from-large.bin", randomBytes(17*mib)
			m.deliver(before, content)
			return renamed(m, before, folder+"rename-to-large.bin", content)
		}},
	{name: "rename folder", get: true, delete: true,
		do: func(m *mount, folder string) (string, []byte, error) {
			content := randomBytes(3_000)
			if err := os.Mkdir(m.path(folder+"from"), 0o755); err != nil {
				return "", nil, err
			}
			m.deliver(folder+"from/file", content)
			if err := os.Rename(m.path(folder+"from"), m.path(folder+"to")); err != nil {
				return folder + "from/file", content, err
			}
			return folder + "to/file", content, nil
		}},
}

func written(m *mount, key string, content []byte) (string, []byte, error) {
	return key, content, os.WriteFile(m.path(key), content, 0o644)
}

func edited(m *mount, key string, size, off int) (string, []byte, error) {
	content, patch := randomBytes(size), []byte("changed here")
	m.deliver(key, content)
	f, err := os.OpenFile(m.path(key), os.O_RDWR, 0)
	if err != nil {
		return key, nil, err
	}
	_, err = f.WriteAt(patch, int64(off))
	copy(content[off:], patch)
	return key, content, errors.Join(err, f.Close())
}

func renamed(m *mount, before, after string, content []byte) (string, []byte, error) {
	if err := os.Rename(m.path(before), m.path(after)); err != nil {
		return before, content, err
	}
	if _, err := os.Stat(m.path(before)); !errors.Is(err, os.ErrNotExist) {
		return after, content, fmt.Errorf("the old name is still there: %v", err)
	}
	return after, content, nil
}

// rights are what a policy lets the client do in a folder.
type rights struct{ put, get, delete bool }

var granted = map[string]map[string]rights{
	"full":    {delivery: {true, true, true}, submissions: {true, true, true}},
	"article": {delivery: {true, true, false}, submissions: {true, true, false}},
	"folders": {delivery: {true, true, false}, submissions: {false, true, false}},
	"dropbox": {delivery: {true, false, false}, submissions: {true, false, false}},
}

// rightsOf are what the party may do in the folder.
func rightsOf(p party, policy, folder string) rights {
	if p == owner {
		return rights{true, true, true}
	}
	return granted[policy][folder]
}

// TestParties has each party write in every way through its mount, and the other
// one read through its own.
func TestParties(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy string
		writer party
		folder string
	}{
		{"full", owner, submissions},
		{"full", client, delivery},
		{"article", owner, submissions},
		{"article", client, delivery},
		{"folders", owner, submissions},
		{"folders", client, delivery},
		{"dropbox", client, delivery},
	} {
		t.Run(c.policy+" "+string(c.writer), func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, c.policy)
			reader := owner
			if c.writer == owner {
				reader = client
			}
			from, to := x.mount(c.writer), x.mount(reader)
			may := rightsOf(c.writer, c.policy, c.folder)
			mayRead := rightsOf(reader, c.policy, c.folder).get
			for _, w := range ways {
				if w.get && !may.get {
					continue // TestWriteOnly
				}
				// One after the other: they would wait for all other tests, and the mounts with
				// them.
				t.Run(w.name, func(t *testing.T) {
					x, from, to := x.in(t), from.in(t), to.in(t)
					key, content, err := w.do(from, c.folder)
					if w.delete && !may.delete {
						wantErrno(t, w.name, err, unix.EACCES)
					} else if err != nil {
						t.Fatal(err)
					}
					if got, err := os.ReadFile(from.path(key)); may.get &&
						(err != nil || !bytes.Equal(got, content)) {
						t.Errorf("the writer reads %s from %s: %v, want %s", brief(got),
							key, err, brief(content))
					}
					x.awaitObject(key, content)
					if mayRead {
						to.awaitContent(key, content)
					}
					if got, err := x.get(third, key); status(err) != 403 {
						t.Errorf("a third account gets %s, %v, want 403", brief(got), err)
					}
				})
			}
		})
	}
}

// TestRefused has the client do what the policy does not grant: the program is
// told EACCES, and nothing has changed.
func TestRefused(t *testing.T) {
	t.Parallel()
	const policy = "article"
	x := newExchange(t, policy)
	content := []byte("what the client delivered")
	x.put(client, delivery+"file", content, true)
	x.put(client, delivery+"dir/file", content, true)
	before := x.list()
	m := x.mount(client)
	for _, c := range []struct {
		call string
		do   func() error
	}{
		{"unlink", func() error { return os.Remove(m.path(delivery + "file")) }},
		{"unlink again", func() error { return os.Remove(m.path(delivery + "file")) }},
		{"unlink in a folder", func() error { return os.Remove(m.path(delivery + "dir/file")) }},
		{"rename", func() error { return os.Rename(m.path(delivery+"file"), m.path(delivery+"other")) }},
		{"rename into a folder", func() error { return os.Rename(m.path(delivery+"file"), m.path(delivery+"dir/other")) }},
		{"rename over a file", func() error { return os.Rename(m.path(delivery+"file"), m.path(delivery+"dir/file")) }},
		{"rename a folder", func() error { return os.Rename(m.path(delivery+"dir"), m.path(delivery+"dir2")) }},
		{"rename across", func() error { return os.Rename(m.path(delivery+"file"), m.path(submissions+"file")) }},
	} {
		wantErrno(t, c.call, c.do(), unix.EACCES)
		for _, key := range []string{delivery + "file", delivery + "dir/file"} {
			if got := m.read(key); !bytes.Equal(got, content) {
				t.Errorf("after %s, %s holds %s", c.call, key, brief(got))
			}
		}
	}
	m.unmount()
	if after := x.list(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the bucket holds %v, want %v", after, before)
	}
}

// TestWriteOnly has the client of a dropbox write, and the owner read.
func TestWriteOnly(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "dropbox")
	from, to := x.mount(client), x.mount(owner)
	content := randomBytes(50_000)
	from.deliver(delivery+"ours", content)
	to.awaitContent(delivery+"ours", content)
	x.put(owner, delivery+"theirs", content, false)
	from.awaitName(delivery+"theirs", true)
	_, err := os.ReadFile(from.path(delivery + "theirs"))
	wantErrno(t, "read without s3:GetObject", err, unix.EACCES)
}

// TestThird keeps a stranger out.
func TestThird(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	x.put(owner, submissions+"file", []byte("for the client"), true)
	m, err := x.tryMount(t, third)
	if err != nil {
		if said := m.log.String(); !strings.Contains(said, "denied") {
			t.Errorf("refused, but it does not say why: %s", said)
		}
		return
	}
	_, err = os.ReadFile(m.path(submissions + "file"))
	wantErrno(t, "read as a third account", err, unix.EACCES)
	_, err = os.ReadDir(m.path(submissions))
	wantErrno(t, "list as a third account", err, unix.EACCES)
}

// TestWithoutACL has a plain client deliver what the owner of the bucket may not
// read: a program is told EACCES, and the log says why.
func TestWithoutACL(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	x.put(client, delivery+"theirs", []byte("not for the owner"), false)
	m := x.mount(owner)
	_, err := os.ReadFile(m.path(delivery + "theirs"))
	wantErrno(t, "read of an object without the ACL", err, unix.EACCES)
	var line string
	for l := range strings.Lines(m.log.String()) {
		if strings.Contains(l, delivery+"theirs") && strings.Contains(l, "denied") {
			line = l
		}
	}
	if line == "" {
		t.Errorf("the log says nothing of the refusal:\n%s", m.log)
	}
	if want := path.Base(delivery + "theirs"); !slices.Contains(m.names(delivery), want) {
		t.Errorf("%s is not listed", want)
	}
}
