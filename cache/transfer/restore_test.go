package transfer

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// versionBucket is the bucket as Restore sees it, with what a test has changed of it.
type versionBucket struct {
	*buckettest.Bucket
	copies bool
	around func(op string, send func() (s3backend.Object, error)) (s3backend.Object, error)
}

func (b *versionBucket) CopiesVersions(context.Context) bool { return b.copies }

func (b *versionBucket) Copy(ctx context.Context, src s3backend.Object, key string,
	h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	return b.around(buckettest.Copy,
		func() (s3backend.Object, error) { return b.Bucket.Copy(ctx, src, key, h, cond) })
}

func (b *versionBucket) Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, cond s3backend.Condition) (s3backend.Object, error) {
	return b.around(buckettest.Complete,
		func() (s3backend.Object, error) { return b.Bucket.Complete(ctx, up, parts, size, cond) })
}

// TestRestore brings back each of a file's versions, by a copy and by get and put, of each size,
// over a version and over nothing. The other party changes the file meanwhile, or the answer is
// lost.
func TestRestore(t *testing.T) {
	const key = "Delivery/q3.csv"
	rapid.Check(t, func(rt *rapid.T) {
		bucket := buckettest.New()
		bucket.Versioned = true
		contents := [][]byte{[]byte("one"), {}, []byte("middle"), []byte("two"), []byte("one")}
		if rapid.IntRange(0, 11).Draw(rt, "one in twelve is large") == 0 {
			contents[2] = bytes.Repeat([]byte{'x'}, s3backend.WholePart+1)
		}
		n := rapid.IntRange(1, len(contents)).Draw(rt, "versions")
		header := &s3backend.Header{ContentType: "text/csv", CacheControl: "no-cache",
			User: map[string]string{"s3share-commit": "first", "theirs": "kept"}}
		for _, data := range contents[:n] {
			bucket.Store(key, data, header)
		}
		removed := rapid.Bool().Draw(rt, "removed")
		now := bucket.Object(key)
		if removed {
			bucket.Discard(key)
			now = s3backend.Object{}
		}
		all, err := bucket.Versions(t.Context(), key)
		if err != nil {
			rt.Fatal(err)
		}
		var old s3backend.Object
		for i := len(all) - 1 - rapid.IntRange(0, n-1).Draw(rt, "which"); old.Key == ""; i-- {
			if !all[i].Removed {
				old = all[i].Object
			}
		}
		want := rapid.SampledFrom([]string{"done", "changed", "lost", "lost, not done",
			"lost, then changed"}).Draw(rt, "what happens")
		b := &versionBucket{Bucket: bucket, copies: rapid.Bool().Draw(rt, "copies")}
		lost := &s3backend.Error{Op: "X", Kind: s3backend.Other, Lost: true}
		b.around = func(_ string, send func() (s3backend.Object, error)) (s3backend.Object, error) {
			switch want {
			case "changed":
				bucket.Store(key, []byte("theirs"), nil)
			case "lost, not done":
				return s3backend.Object{}, lost
			case "lost", "lost, then changed":
				if _, err := send(); err != nil {
					rt.Errorf("the request fails: %v", err)
				}
				if want != "lost" {
					bucket.Store(key, []byte("theirs"), nil)
				}
				return s3backend.Object{}, lost
			}
			return send()
		}
		if !b.copies && old.Size <= s3backend.WholePart {
			want = "done" // Put is not wrapped
		}
		dir := t.TempDir()
		r := &rig{T: t, b: bucket, notes: dir + "/notes"}
		cfg, notes := r.config(b)
		defer notes.Close()
		data, _ := bucket.Get(t.Context(), old, 0, old.Size)
		wanted := new(bytes.Buffer)
		wanted.ReadFrom(data)
		before, _ := bucket.Versions(t.Context(), key)
		got, err := Restore(t.Context(), cfg, b, old, now, dir)
		held, _ := bucket.Data(key)
		after, _ := bucket.Versions(t.Context(), key)
		switch want {
		case "done", "lost":
			obj := bucket.Object(key)
			if err != nil || !bytes.Equal(held, wanted.Bytes()) || got.ETag != obj.ETag ||
				got.Size != old.Size || got.Key != key {
				rt.Fatalf("Restore of %d bytes = %+v, %v; the key holds %d bytes, %+v",
					old.Size, got, err, len(held), obj)
			}
			commit := obj.Header.User["s3share-commit"]
			user := maps.Clone(header.User)
			user["s3share-commit"] = commit
			if commit == "first" || commit == "" || !maps.Equal(obj.Header.User, user) ||
				obj.Header.ContentType != "text/csv" || obj.Header.CacheControl != "no-cache" {
				rt.Errorf("it has the header %+v", obj.Header)
			}
			if !notes.Made(got) {
				rt.Error("put would take it for the other party's")
			}
		case "changed":
			if !errors.Is(err, s3backend.Stale) || string(held) != "theirs" {
				rt.Errorf("Restore of what the other party has changed: %v, and the key holds %q",
					err, held)
			}
		case "lost, not done":
			if err == nil || errors.Is(err, ErrNotKnown) || len(after) != len(before) {
				rt.Errorf("Restore that was not carried out: %v", err)
			}
		default:
			if !errors.Is(err, ErrNotKnown) || string(held) != "theirs" {
				rt.Errorf(
					"Restore whose answer was lost and that was replaced: %v, and the key holds %q",
					err, held)
			}
		}
		if bucket.Uploads() != 0 && want != "lost, not done" {
			rt.Errorf("%d uploads are left", bucket.Uploads())
		}
		for i, v := range before { // nothing of the history is lost
			if now := after[len(after)-len(before)+i]; now.Version != v.Version {
				rt.Errorf("version %d was %+v, and is %+v", i, v, now)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			rt.Errorf("it leaves %v", left)
		}
	})
}

// TestGetOfAnEarlierVersion fetches a version that is replaced, to a file that is read-only; the
// second time it is there already.
func TestGetOfAnEarlierVersion(t *testing.T) {
	r := newRig(t)
	r.b.Versioned = true
	old := r.b.Store("Delivery/q3.csv", []byte("the first"), nil)
	r.b.Store("Delivery/q3.csv", []byte("the second"), nil)
	old.ByVersion = true
	name := VersionFileName("q3.csv", old.Version)
	for i, want := range []Total{{Files: 1, Bytes: 9}, {Present: 1}} {
		cfg, notes := r.config(r.b)
		total, err := GetVersions(t.Context(), cfg, []Wanted{{Object: old, Path: name}}, r.dir)
		notes.Close()
		if err != nil || total != want {
			t.Errorf("GetVersions %d: %+v, %v; told %+v", i, total, err, r.told)
		}
	}
	r.wantFile("q3 (version "+old.Version+").csv", []byte("the first"))
	if st, err := os.Stat(path.Join(r.dir, name)); err != nil || st.Mode()&0o222 != 0 {
		t.Errorf("it can be written: %v, %v", st.Mode(), err)
	}
}

// TestVersionFileName: the name is a file's, has the ID, and the suffix where there is one.
func TestVersionFileName(t *testing.T) {
	for name, want := range map[string]string{
		"q3.csv": "q3 (version 12).csv", "q3": "q3 (version 12)", ".profile": ".profile (version 12)", "a.tar.gz": "a.tar (version 12).gz",
	} {
		if got := VersionFileName(name, "12"); got != want {
			t.Errorf("VersionFileName(%q) = %q, want %q", name, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[aü.]{1,300}`).Draw(rt, "name")
		got := VersionFileName(name, "3sL4kqtJ")
		if len(got) > unix.NAME_MAX || !strings.Contains(got, "(version 3sL4kqtJ)") ||
			!utf8.ValidString(got) {
			rt.Errorf("VersionFileName(%q) = %q", name, got)
		}
	})
}
