package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sight is what the other party sees of a file: nothing, or its size.
type sight struct {
	listed bool
	size   int64
}

// atServer is what a plain client sees in the listing.
func (x *exchange) atServer(p party, key string) sight {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	out, err := x.api[p].ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &x.Bucket, Prefix: &key})
	if err != nil {
		x.t.Fatal(err)
	}
	for _, o := range out.Contents {
		if *o.Key == key {
			return sight{true, aws.ToInt64(o.Size)}
		}
	}
	return sight{}
}

// sees is what the mount shows.
func (m *mount) sees(key string) sight {
	m.t.Helper()
	info, err := os.Stat(m.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return sight{}
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return sight{true, info.Size()}
}

// TestSlowWriter lets the other party look for a file all the while it is
// written, though its parts are at S3 already: it sees nothing, then all of it.
func TestSlowWriter(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	from, to := x.mount(client), x.mount(owner)
	const key, chunk = delivery + "large.bin", 4 * mib
	content := randomBytes(64 * mib)
	f, err := os.Create(from.path(key))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	look := func() {
		t.Helper()
		if got := x.atServer(owner, key); got.listed {
			t.Fatalf("S3 lists %+v before the close", got)
		}
		if got := to.sees(key); got.listed {
			t.Fatalf("the other party sees %+v before the close", got)
		}
		if slices.Contains(to.names(delivery), "large.bin") {
			t.Fatal("the other party lists it before the close")
		}
	}
	for rest := content; len(rest) > 0; rest = rest[chunk:] {
		if _, err := f.Write(rest[:chunk]); err != nil {
			t.Fatal(err)
		}
		look()
	}
	await(t, "the upload to begin while the file is open", func() bool {
		look()
		return slices.Contains(x.uploads(), key)
	})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the file to be seen", func() bool {
		got := to.sees(key)
		if got.listed && got.size != int64(len(content)) {
			t.Fatalf("the other party sees %d bytes of %d", got.size, len(content))
		}
		return got.listed
	})
	if got := to.read(key); !bytes.Equal(got, content) {
		t.Errorf("the other party reads %s", brief(got))
	}
	if left := x.uploads(); len(left) > 0 {
		t.Errorf("uploads of %q are still open", left)
	}
}

// TestSubshell has a shell open a file once for two writers: it is one delivery.
func TestSubshell(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	const key = delivery + "f"
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if out, err := tryShell(t, `(echo a; sleep 1; echo b) > "$1"`, m.path(key)); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}()
	inPart := func() bool {
		got, err := x.get(owner, key)
		return err == nil && string(got) != "a\nb\n"
	}
	never(t, "a part of the file", inPart, ended)
	x.awaitObject(key, []byte("a\nb\n"))
}

// TestSettle has a program close a file and change its mind at once: there is
// never an object under the name that it had, nor a trace of an upload. The
// policy grants no delete, so that none can be taken back.
func TestSettle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		size int
		then func(m *mount, key string) error
		left string // what is there in the end
	}{
		{"unlink", 1000, func(m *mount, key string) error { return os.Remove(m.path(key)) }, ""},
		{"unlink empty", 0, func(m *mount, key string) error { return os.Remove(m.path(key)) }, ""},
		{"cancel a copy", 64 * mib, func(m *mount, key string) error { return os.Remove(m.path(key)) }, ""},
		{"rename", 1000, func(m *mount, key string) error { return os.Rename(m.path(key), m.path(key+"-to")) }, "-to"},
		{"rename large", 20 * mib, func(m *mount, key string) error { return os.Rename(m.path(key), m.path(key+"-to")) }, "-to"},
		{"rename to private", 20 * mib, func(m *mount, key string) error { return os.Rename(m.path(key), m.path(key+".part")) }, ""},
		{"rename away and back", 1000, func(m *mount, key string) error {
			return errors.Join(os.Rename(m.path(key), m.path(key+"-to")),
				os.Rename(m.path(key+"-to"), m.path(key)),
				os.Rename(m.path(key), m.path(key+"-end")))
		}, "-end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "article")
			m := x.mount(client)
			const key = delivery + "first"
			content := randomBytes(c.size)
			f, err := os.Create(m.path(key))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Write(content); err != nil {
				t.Fatal(err)
			}
			if c.size > 8*mib {
				await(t, "the upload to begin",
					func() bool { return slices.Contains(x.uploads(), key) })
			}
			if err := errors.Join(f.Close(), c.then(m, key)); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				m.unmount()
			}()
			never(t, "an object under the first name",
				func() bool { return x.atServer(owner, key).listed }, ended)
			want := map[string]bool{}
			if c.left != "" {
				want[key+c.left] = true
				if got, err := x.get(owner, key+c.left); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s holds %s, %v", key+c.left, brief(got), err)
				}
			}
			got := map[string]bool{}
			for key := range x.list() {
				got[key] = true
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the bucket holds %v, want %v", got, want)
			}
			// RGW does not let who began an upload end it, as AWS does, without a
			// statement in the policy.
			if left := x.uploads(); len(left) > 0 && !x.onRGW() {
				t.Errorf("uploads of %q are still open", left)
			}
		})
	}
}

// TestPrivate keeps a temporary name from S3 however long it lives.
func TestPrivate(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	for _, name := range []string{".q3.csv.swp", ".~lock.q3.csv#", "q3.csv~", "film.mkv.part",
		"._q3.csv", ".DS_Store"} {
		m.write(delivery+name, []byte("private"))
		if got := m.read(delivery + name); string(got) != "private" {
			t.Errorf("%s holds %q", name, got)
		}
		await(t, name+" to be private",
			func() bool { return m.fileState(delivery+name) == "private" })
	}
	m.deliver(delivery+"public", nil)
	for key := range x.list() {
		if key != delivery+"public" {
			t.Errorf("%q is at S3", key)
		}
	}
}
