package fs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
)

// TestInterruptedListingIsComplete reads a folder as the kernel does, with buffers of all sizes,
// with and without attributes. Requests are interrupted while S3 is asked, and the kernel uses only
// a part of an answer if a signal is pending. Each name comes once all the same.
func TestInterruptedListingIsComplete(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		b := buckettest.New()
		b.PageSize = rapid.IntRange(2, 30).Draw(t, "keys in a page")
		want := []string{".", ".."}
		for i := range rapid.IntRange(0, 150).Draw(t, "files") {
			name := fmt.Sprintf("f%03d%s", i, strings.Repeat("x", i*7%40))
			b.Store("Delivery/"+name, []byte("x"), nil)
			want = append(want, name)
		}
		l := newListed(t, dir, b)
		defer l.cache.Close()
		got := l.list(t)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%d names, want %d\n got: %q\nwant: %q", len(got), len(want), got, want)
		}
	})
}

// listed is a folder that is listed as the kernel does it, without a mount.
type listed struct {
	cache *cache.Cache
	raw   fuse.RawFileSystem
	open  fuse.OpenOut
	node  uint64
	pages chan struct{} // each value lets S3 answer one request for a page
}

func newListed(t *rapid.T, stateDir string, b *buckettest.Bucket) *listed {
	l := &listed{pages: make(chan struct{})}
	slow := buckettest.Wrap(b, func(ctx context.Context, op, _ string, send func() error) error {
		if op == buckettest.List {
			select {
			case <-l.pages:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return send()
	})
	var err error
	l.cache, err = cache.New(slow,
		cache.Config{Folders: []string{"Delivery"}, StateDir: stateDir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{cache: l.cache, inodes: newInodes(1000)}
	l.raw = rawFS{fusefs.NewNodeFS(&dir{node: node{s: s}}, &fusefs.Options{})}
	var entry fuse.EntryOut
	l.answer(func() {
		if st := l.raw.Lookup(nil, &fuse.InHeader{NodeId: fuse.FUSE_ROOT_ID},
			"Delivery", &entry); !st.Ok() {
			t.Fatal("lookup:", st)
		}
		l.node = entry.NodeId
		if st := l.raw.OpenDir(nil,
			&fuse.OpenIn{InHeader: fuse.InHeader{NodeId: l.node}}, &l.open); !st.Ok() {
			t.Fatal("opendir:", st)
		}
	})
	return l
}

// answer has S3 answer while f runs.
func (l *listed) answer(f func()) {
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case l.pages <- struct{}{}:
			case <-done:
				return
			}
		}
	}()
	f()
}

// list reads the folder to its end.
func (l *listed) list(t *rapid.T) (names []string) {
	interrupted := make(chan struct{})
	close(interrupted)
	offset, interruptions := uint64(0), 0
	for range 2000 {
		plus := rapid.Bool().Draw(t, "plus")
		buf := make([]byte, rapid.SampledFrom([]int{256, 400, 1000, 4096, 8192}).Draw(t, "bytes"))
		out := fuse.NewDirEntryList(buf, offset)
		in := &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: l.node}, Fh: l.open.Fh, Offset: offset}
		read := l.raw.ReadDir
		if plus {
			read = l.raw.ReadDirPlus
		}
		var st fuse.Status
		if interruptions < 100 && rapid.Bool().Draw(t, "interrupted") {
			interruptions++
			st = read(interrupted, in, out)
		} else {
			l.answer(func() { st = read(nil, in, out) })
		}
		if st == fuse.Status(syscall.EINTR) {
			continue
		} else if !st.Ok() {
			t.Fatalf("READDIR at %d: %v", offset, st)
		}
		entries := entriesOf(t, out, plus)
		if len(entries) == 0 {
			return names
		}
		if rapid.Bool().Draw(t, "a signal is pending") {
			entries = entries[:rapid.IntRange(1, len(entries)).Draw(t, "entries used")]
		}
		for _, e := range entries {
			names = append(names, e.Name)
			offset = e.Off
		}
	}
	t.Fatalf("no end after %d names", len(names))
	return nil
}

func entriesOf(t *rapid.T, out *fuse.DirEntryList, plus bool) []fuse.DirEntry {
	parse := fuse.ParseDirEntries
	if plus {
		parse = func(buf []byte) ([]fuse.DirEntry, error) {
			entries, _, err := fuse.ParseDirLookupEntries(buf)
			return entries, err
		}
	}
	entries, err := parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
