package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/s3backend"
)

// rig is a bucket in memory, a directory and the notes of a machine.
type rig struct {
	*testing.T
	b     *buckettest.Bucket
	dir   string
	notes string
	told  []Result
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &rig{T: t, b: buckettest.New(), dir: dir, notes: filepath.Join(t.TempDir(), "notes")}
}

func (r *rig) config(b Bucket) (Config, *Notes) {
	r.Helper()
	n, err := OpenNotes(r.notes, "bucket")
	if err != nil {
		r.Fatal(err)
	}
	r.told = nil
	return Config{Bucket: b, Notes: n, Who: "ann",
		Tell: func(res Result) { r.told = append(r.told, res) }}, n
}

func (r *rig) put(b Bucket, paths ...string) Total {
	r.Helper()
	cfg, notes := r.config(b)
	defer notes.Close()
	total, err := Put(r.Context(), cfg, paths, "Delivery")
	if err != nil {
		r.Errorf("Put: %v", err)
	}
	return total
}

func (r *rig) get(b Bucket, source string) Total {
	r.Helper()
	cfg, notes := r.config(b)
	defer notes.Close()
	total, err := Get(r.Context(), cfg, source, r.dir)
	if err != nil {
		r.Errorf("Get: %v", err)
	}
	return total
}

func (r *rig) file(name string, data []byte) string {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		r.Fatal(err)
	}
	return path
}

func (r *rig) wantFile(name string, data []byte) {
	r.Helper()
	got, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil || !buckettest.Equal(got, data) {
		r.Errorf("%s has %d bytes, error %v, want %d bytes", name, len(got), err, len(data))
	}
}

func (r *rig) wantObject(key string, data []byte) {
	r.Helper()
	if got, ok := r.b.Data(key); !ok || !buckettest.Equal(got, data) {
		r.Errorf("%s: there %v, %d bytes, want %d", key, ok, len(got), len(data))
	}
}

func (r *rig) want(what string, got, want Total) {
	r.Helper()
	if got != want {
		r.Errorf("%s: %+v, want %+v; told %+v", what, got, want, r.told)
	}
}

// names is what is in the directory, each with a slash if it is one.
func (r *rig) names() (all []string) {
	r.Helper()
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && path != r.dir {
			name, _ := filepath.Rel(r.dir, path)
			if d.IsDir() {
				name += "/"
			}
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return all
}

func content(n int) []byte {
	b := make([]byte, n)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	_, _ = rand.NewChaCha8(seed).Read(b) // it never fails
	return b
}

// TestPutAgainMovesOnlyWhatIsMissing: a second run moves nothing, one with a changed file
// only that, and a version of ours is replaced.
func TestPutAgainMovesOnlyWhatIsMissing(t *testing.T) {
	r := newRig(t)
	large := content(s3backend.WholePart*2 + 5)
	paths := []string{r.file("large", large)}
	for i := range 20 {
		paths = append(paths,
			r.file(fmt.Sprintf("small%02d", i), []byte(fmt.Sprint("content ", i))))
	}
	paths = append(paths, r.file("empty", nil))
	bytes := int64(len(large)) + 10*9 + 10*10
	r.want("first", r.put(r.b, paths...), Total{Files: 22, Bytes: bytes})
	r.wantObject("Delivery/large", large)
	r.wantObject("Delivery/small03", []byte("content 3"))
	r.b.ForgetLog()
	r.want("again", r.put(r.b, paths...), Total{Present: 22})
	if n := r.b.Moved(); n != 0 {
		t.Errorf("the second run moved %d bytes", n)
	}
	if n := r.b.Count(buckettest.Head); n != 0 {
		t.Errorf("the second run asked for %d objects one by one, want a listing", n)
	}
	r.file("small03", []byte("changed"))
	r.want("changed", r.put(r.b, paths...), Total{Files: 1, Bytes: 7, Present: 21})
	r.wantObject("Delivery/small03", []byte("changed"))
	if n := r.b.Uploads(); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

// TestPutNeverReplacesAnothersVersion: ours goes beside, once, however often Put is run.
func TestPutNeverReplacesAnothersVersion(t *testing.T) {
	for _, n := range []int{5, s3backend.WholePart + 1} {
		for _, notes := range []bool{true, false} {
			r := newRig(t)
			ours := content(n)
			path := r.file("q3.csv", ours)
			r.b.Store("Delivery/q3.csv", []byte("theirs"), nil)
			for run := range 2 {
				got := r.put(r.b, path)
				if got.Conflicts != 1 || got.Failed != 0 {
					t.Fatalf("run %d: %+v", run, got)
				}
				r.wantObject("Delivery/q3.csv", []byte("theirs"))
				r.wantObject(r.told[0].Beside, ours)
				if !notes {
					break
				}
			}
			if keys := r.b.Keys(); len(keys) != 2 {
				t.Errorf("the bucket has %q, want theirs and one of ours", keys)
			}
		}
	}
}

// TestPutMeetsAVersionMeanwhile: the key is taken between the look and the request.
func TestPutMeetsAVersionMeanwhile(t *testing.T) {
	for _, n := range []int{5, s3backend.WholePart + 1} {
		for _, same := range []bool{true, false} {
			r := newRig(t)
			ours := content(n)
			theirs := []byte("theirs")
			if same {
				theirs = ours
			}
			path := r.file("f", ours)
			b := &hooked{Bucket: r.b, before: map[string]func(){}}
			take := func() { r.b.Store("Delivery/f", theirs, nil) }
			b.before[buckettest.Put], b.before[buckettest.Complete] = take, take
			got := r.put(b, path)
			if same && got != (Total{Present: 1}) || !same && got.Conflicts != 1 {
				t.Errorf("%d bytes, same %v: %+v", n, same, got)
			}
			r.wantObject("Delivery/f", theirs)
			if n := r.b.Uploads(); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		}
	}
}

// TestPutGoesOnWithItsParts: an upload that was cut off goes on at the parts that are
// missing, unless the file has changed.
func TestPutGoesOnWithItsParts(t *testing.T) {
	for _, change := range []bool{false, true} {
		r := newRig(t)
		data := content(s3backend.WholePart*4 + 1)
		path := r.file("f", data)
		sent := 0
		down := &hooked{Bucket: r.b, fail: func(op string) error {
			if op == buckettest.UploadPart {
				if sent++; sent > 2 {
					return &s3backend.Error{Op: op, Kind: s3backend.Other,
						Err: errors.New("the network is gone")}
				}
			}
			return nil
		}}
		if got := r.put(down, path); got.Failed != 1 {
			t.Fatalf("%+v", got)
		}
		before := r.b.Count(buckettest.UploadPart)
		if before == 0 || r.b.Uploads() != 1 {
			t.Fatalf("%d parts were sent, %d uploads are kept", before, r.b.Uploads())
		}
		if change {
			data = slices.Clone(data)
			data[3]++ // in the first part
			r.file("f", data)
		}
		r.b.ForgetLog()
		if got := r.put(r.b, path); got.Files != 1 {
			t.Fatalf("%+v, told %+v", got, r.told)
		}
		r.wantObject("Delivery/f", data)
		again := r.b.Count(buckettest.UploadPart)
		if !change && again != 5-before || change && again != 5 {
			t.Errorf("changed %v: %d parts went up after %d, want the rest of 5",
				change, again, before)
		}
		if n := r.b.Uploads(); n != 0 {
			t.Errorf("%d uploads are left", n)
		}
	}
}

// TestPutOfAFileThatChanges: nothing is delivered of a file that is written to meanwhile.
func TestPutOfAFileThatChanges(t *testing.T) {
	for _, n := range []int{100, s3backend.WholePart + 1} {
		for i, to := range []int{n + 1, n - 1, s3backend.WholePart, n} {
			if testing.Short() && n > 100 && i%2 == 0 {
				continue // a shorter file, and one of the same size
			}
			r := newRig(t)
			path := r.file("f", content(n))
			b := &hooked{Bucket: r.b, before: map[string]func(){}}
			change := func() {
				if err := os.WriteFile(path, content(to + 0)[:to], 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b.before[buckettest.Head], b.before[buckettest.CreateUpload] = change, change
			got := r.put(b, path)
			if got.Failed != 1 && got.Files != 1 { // the look comes before the file is read
				t.Errorf("%d to %d bytes: %+v", n, to, got)
			}
			if data, ok := r.b.Data("Delivery/f"); ok &&
				!buckettest.Equal(data, content(to)[:to]) && !buckettest.Equal(data, content(n)) {
				t.Errorf("%d to %d bytes: a mix was delivered", n, to)
			}
			if n := r.b.Uploads(); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		}
	}
}

// TestPutOfAFileThatHidesAChange has a file get other bytes of the same number while its parts
// are sent, and then its old time back.
func TestPutOfAFileThatHidesAChange(t *testing.T) {
	r := newRig(t)
	path := r.file("f", content(2*s3backend.WholePart+1))
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	change := func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte("other"), 0); err != nil {
			t.Error(err)
		}
		if err := os.Chtimes(path, st.ModTime(), st.ModTime()); err != nil {
			t.Error(err)
		}
	}
	b := &hooked{Bucket: r.b, before: map[string]func(){buckettest.CreateUpload: change}}
	if got := r.put(b, path); got.Failed != 1 {
		t.Errorf("put = %+v, want a failure", got)
	}
	if _, ok := r.b.Data("Delivery/f"); ok || r.b.Uploads() != 0 {
		t.Errorf("it was delivered: %t; %d uploads are left", ok, r.b.Uploads())
	}
}

// TestPutOfFilesWithoutASize puts each file of /proc/self that has bytes though its size is 0. It
// is refused: only the bytes up to the size would be delivered, which are none.
func TestPutOfFilesWithoutASize(t *testing.T) {
	entries, err := os.ReadDir("/proc/self")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	tried := 0
	for _, e := range entries {
		path := filepath.Join("/proc/self", e.Name())
		st, err := os.Lstat(path)
		if err != nil || !st.Mode().IsRegular() || st.Size() != 0 {
			continue
		}
		if f, err := os.Open(path); err != nil {
			continue
		} else if n, _ := f.Read(make([]byte, 1)); f.Close() != nil || n == 0 {
			continue
		}
		tried++
		r := newRig(t)
		r.want(path, r.put(r.b, path), Total{Failed: 1})
		if len(r.told) != 1 || !errors.Is(r.told[0].Err, errLonger) {
			t.Errorf("%s: told %+v, want the error %q", path, r.told, errLonger)
		}
		if data, there := r.b.Data("Delivery/" + e.Name()); there {
			t.Errorf("%s: %d bytes were delivered", path, len(data))
		}
	}
	if tried == 0 {
		t.Error("no file of /proc/self has bytes and the size 0")
	}
}

// TestPutADirectory follows no link, sends no private name, and keeps the tree.
func TestPutADirectory(t *testing.T) {
	r := newRig(t)
	r.file("photos/a.jpg", []byte("a"))
	r.file("photos/2026/b.jpg", []byte("b"))
	r.file("photos/.DS_Store", []byte("x"))
	r.file("photos/50␛E2␛90␛9B", []byte("escaped"))
	r.file("secret", []byte("secret"))
	if err := os.Symlink("../secret", filepath.Join(r.dir, "photos/link")); err != nil {
		t.Fatal(err)
	}
	bad := r.file("photos/caf\xe9", []byte("no UTF-8"))
	got := r.put(r.b, filepath.Join(r.dir, "photos"))
	r.want("a directory", got, Total{Files: 3, Bytes: 9, Skipped: 2, Failed: 1})
	if want := []string{"Delivery/photos/2026/b.jpg", "Delivery/photos/50␛",
		"Delivery/photos/a.jpg"}; !slices.Equal(r.b.Keys(), want) {
		t.Errorf("keys %q, want %q", r.b.Keys(), want)
	}
	if i := slices.IndexFunc(r.told, func(res Result) bool { return res.Path == bad }); i < 0 ||
		!errors.Is(r.told[i].Err, cache.ErrNotUTF8) {
		t.Errorf("told %+v", r.told)
	}
}

// TestPutIntoADropbox: where nothing may be read or listed, a second run delivers no second
// copy.
func TestPutIntoADropbox(t *testing.T) {
	r := newRig(t)
	path := r.file("f", []byte("one"))
	blind := &hooked{Bucket: r.b, fail: func(op string) error {
		if op == buckettest.Head || op == buckettest.List {
			return &s3backend.Error{Op: op, Kind: s3backend.Denied}
		}
		return nil
	}}
	r.want("first", r.put(blind, path), Total{Files: 1, Bytes: 3})
	r.want("again", r.put(blind, path), Total{Present: 1})
	r.file("f", []byte("two"))
	r.want("changed", r.put(blind, path), Total{Files: 1, Bytes: 3})
	r.wantObject("Delivery/f", []byte("two"))
	r.b.Store("Delivery/f", []byte("theirs"), nil)
	r.file("f", []byte("three"))
	if got := r.put(blind, path); got.Conflicts != 1 {
		t.Errorf("%+v", got)
	}
	if got := r.put(blind, path); got.Conflicts != 1 || len(r.b.Keys()) != 2 {
		t.Errorf("again %+v, keys %q", got, r.b.Keys())
	}
}

// TestFailedPutIntoADropbox: where nothing may be read or listed, a put that fails leaves what is
// known of the version before: the next one replaces that, and not the other party's.
func TestFailedPutIntoADropbox(t *testing.T) {
	for _, kind := range []s3backend.Kind{
		s3backend.Refused, s3backend.NoBucket, s3backend.BadLogin,
		s3backend.Archived, s3backend.TooLarge,
	} {
		r := newRig(t)
		path := r.file("f", []byte("one"))
		fails := false
		blind := &hooked{Bucket: r.b, fail: func(op string) error {
			switch {
			case op == buckettest.Head || op == buckettest.List:
				return &s3backend.Error{Op: op, Kind: s3backend.Denied}
			case op == buckettest.Put && fails:
				return &s3backend.Error{Op: op, Kind: kind}
			}
			return nil
		}}
		r.want("first", r.put(blind, path), Total{Files: 1, Bytes: 3})
		r.file("f", []byte("two"))
		fails = true
		cfg, notes := r.config(blind)
		if total, err := Put(t.Context(), cfg, []string{path}, "Delivery"); err == nil &&
			total.Failed != 1 {
			t.Errorf("%v: %+v, want it failed", kind, total)
		}
		notes.Close()
		fails = false
		r.want("after the failure", r.put(blind, path), Total{Files: 1, Bytes: 3})
		r.wantObject("Delivery/f", []byte("two"))
		r.b.Store("Delivery/f", []byte("theirs"), nil)
		r.file("f", []byte("three"))
		if got := r.put(blind, path); got.Conflicts != 1 {
			t.Errorf("%v: %+v, want a conflict", kind, got)
		}
		r.wantObject("Delivery/f", []byte("theirs"))
	}
}

// TestPutOfALostReply: the object is there, and the reply was lost. It is ours.
func TestPutOfALostReply(t *testing.T) {
	for _, n := range []int{5, s3backend.WholePart + 1} {
		r := newRig(t)
		path := r.file("f", content(n))
		lost := false
		b := &hooked{Bucket: r.b, after: func(op string, err error) error {
			if (op == buckettest.Put || op == buckettest.Complete) && !lost {
				lost = true
				return &s3backend.Error{Op: op, Kind: s3backend.Other,
					Err: errors.New("connection reset")}
			}
			return err
		}}
		if got := r.put(b, path); got.Files+got.Present != 1 ||
			got.Conflicts != 0 || len(r.b.Keys()) != 1 {
			t.Errorf("%d bytes: %+v, keys %q", n, got, r.b.Keys())
		}
		if n := r.b.Uploads(); n != 0 {
			t.Errorf("%d uploads are left", n)
		}
	}
}

// TestPutEndedBeforeItNotedItsVersion: S3 has the object, and the process ended before it knew.
// The object is ours: what the file holds then, or later, goes in its place.
func TestPutEndedBeforeItNotedItsVersion(t *testing.T) {
	for _, n := range []int{5, s3backend.WholePart + 1} {
		for _, before := range []bool{false, true} { // there is a version that is noted
			for _, changed := range []bool{false, true} { // when it is run again
				// A few files are asked for one by one, more are listed.
				for _, files := range []int{1, fewFiles} {
					if n > 5 && (files > 1 || testing.Short() && before != changed) {
						continue
					}
					r := newRig(t)
					paths := make([]string, files)
					write := func(version int) {
						for i := range paths {
							paths[i] = r.file(fmt.Sprint(i), content(n+version))
						}
					}
					want := func(what string, version int) {
						t.Helper()
						for i := range paths {
							r.wantObject(fmt.Sprint("Delivery/", i), content(n+version))
						}
						if keys := r.b.Keys(); len(keys) != files {
							t.Errorf(
								"%d files of %d bytes, one before %v, changed %v, %s: the keys are %q", files, n, before, changed, what, keys)
						}
					}
					if write(0); before {
						r.put(r.b, paths...)
					}
					write(1)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					b := &hooked{Bucket: r.b, after: func(op string, err error) error {
						if op == buckettest.Put || op == buckettest.Complete {
							cancel()
							return ctx.Err()
						}
						return err
					}}
					cfg, notes := r.config(b)
					if _, err := Put(ctx, cfg, paths, "Delivery"); err == nil {
						t.Error("Put that was ended has no error")
					}
					_ = notes.Close()
					if changed {
						write(2)
						r.put(r.b, paths...)
						want("run again", 2)
					} else {
						r.put(r.b, paths...)
						want("run again", 1)
					}
					write(3)
					r.put(r.b, paths...)
					want("with another version", 3)
				}
			}
		}
	}
}

// TestGetAgainMovesOnlyWhatIsMissing: a second run moves nothing; a new version replaces the
// one that was fetched, if nobody has changed that.
func TestGetAgainMovesOnlyWhatIsMissing(t *testing.T) {
	r := newRig(t)
	large := content(resumable + 5)
	r.b.Store("Submissions/large", large, nil)
	r.b.Store("Submissions/sub/small", []byte("small"), nil)
	r.b.Store("Submissions/sub/", nil, nil)
	r.b.Store("Submissions/empty", nil, nil)
	r.want("first", r.get(r.b, "Submissions/"), Total{Files: 3, Bytes: int64(len(large)) + 5})
	r.wantFile("large", large)
	r.wantFile("sub/small", []byte("small"))
	if want := []string{"empty", "large", "sub/", "sub/small"}; !slices.Equal(r.names(), want) {
		t.Errorf("the directory has %q, want %q", r.names(), want)
	}
	r.b.ForgetLog()
	r.want("again", r.get(r.b, "Submissions/"), Total{Present: 3})
	if n := r.b.Count(buckettest.Get); n != 0 {
		t.Errorf("the second run fetched %d ranges", n)
	}
	r.b.Store("Submissions/sub/small", []byte("newer"), nil)
	r.want("newer", r.get(r.b, "Submissions/"), Total{Files: 1, Bytes: 5, Present: 2})
	r.wantFile("sub/small", []byte("newer"))
	r.file("sub/small", []byte("mine!"))
	r.b.Store("Submissions/sub/small", []byte("third"), nil)
	for range 2 {
		got := r.get(r.b, "Submissions/")
		if got.Conflicts != 1 {
			t.Fatalf("a changed file: %+v", got)
		}
		r.wantFile("sub/small", []byte("mine!"))
		i := slices.IndexFunc(r.told, func(res Result) bool { return res.Outcome == Conflict })
		if data, err := os.ReadFile(r.told[i].Beside); string(data) != "third" {
			t.Errorf("%q, %v", data, err)
		}
	}
	if n := len(r.names()); n != 5 {
		t.Errorf("the directory has %q", r.names())
	}
}

// TestGetOfASwappedObject: an object that is replaced midway is never mixed, neither within a
// run nor by a second one.
func TestGetOfASwappedObject(t *testing.T) {
	for _, n := range []int{1000, resumable * 2} {
		for _, stop := range []bool{false, true} {
			r := newRig(t)
			one, two := content(n), content(n + 1)[:n]
			r.b.Store("Submissions/f", one, nil)
			gets := 0
			b := &hooked{Bucket: r.b, before: map[string]func(){}}
			b.before[buckettest.Get] = func() {
				if gets++; gets == 3 || n < resumable {
					r.b.Store("Submissions/f", two, nil)
				}
			}
			if stop {
				b.fail = func(op string) error {
					if op == buckettest.Get && gets >= 4 {
						return &s3backend.Error{Op: op, Kind: s3backend.Other,
							Err: errors.New("the network is gone")}
					}
					return nil
				}
			}
			got := r.get(b, "Submissions/f")
			if stop && got.Failed == 1 {
				got = r.get(r.b, "Submissions/f")
			}
			if got.Files != 1 {
				t.Errorf("%d bytes: %+v, told %+v", n, got, r.told)
			}
			r.wantFile("f", two)
		}
	}
}

// TestGetGoesOn: a download that was cut off goes on where it stopped.
func TestGetGoesOn(t *testing.T) {
	r := newRig(t)
	data := content(resumable * 3)
	r.b.Store("Submissions/f", data, nil)
	gets := 0
	down := &hooked{Bucket: r.b, fail: func(op string) error {
		if op == buckettest.Get {
			if gets++; gets > 3 {
				return &s3backend.Error{Op: op, Kind: s3backend.Other,
					Err: errors.New("the network is gone")}
			}
		}
		return nil
	}}
	if got := r.get(down, "Submissions/f"); got.Failed != 1 {
		t.Fatalf("%+v", got)
	}
	fetched := func() (n int64) {
		for _, req := range r.b.Log() {
			if req.Op == buckettest.Get && req.Err == nil {
				n += req.Size
			}
		}
		return n
	}
	first := fetched()
	for _, name := range r.names() {
		if st, err := os.Stat(filepath.Join(r.dir, name)); err != nil ||
			st.Mode().Perm() != 0o600 || !strings.HasSuffix(name, ".part") {
			t.Errorf("%s is left with mode %v", name, st.Mode())
		}
	}
	r.b.ForgetLog()
	if got := r.get(r.b, "Submissions/f"); got.Files != 1 {
		t.Fatalf("%+v, told %+v", got, r.told)
	}
	r.wantFile("f", data)
	if first == 0 || first+fetched() != int64(len(data)) {
		t.Errorf("the runs moved %d and %d of %d bytes", first, fetched(), len(data))
	}
	if want := []string{"f"}; !slices.Equal(r.names(), want) {
		t.Errorf("the directory has %q", r.names())
	}
}

// TestGetStaysInside: whatever keys a bucket has, nothing is made outside of the directory,
// and each object has a name of its own.
func TestGetStaysInside(t *testing.T) {
	elems := []string{"a", "..", ".", "", "a\nb", "\x01", "␛", "␛2E", "con", "~",
		"-rf", "a␛", strings.Repeat("x", 300), "caf\xe9", "é"}
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 30 {
		r := newRig(t)
		outside := filepath.Dir(r.dir)
		before := len(list(t, outside))
		want := map[string]bool{}
		for range 40 {
			var parts []string
			for range 1 + rnd.IntN(3) {
				parts = append(parts, elems[rnd.IntN(len(elems))])
			}
			key := "Submissions/" + strings.Join(parts, "/")
			if strings.HasSuffix(key, "/") || want[key] {
				continue
			}
			r.b.Store(key, []byte("of "+key), nil)
			want[key] = true
		}
		r.b.PageSize = 1 + rnd.IntN(7)
		total := r.get(r.b, "Submissions/")
		if total.Files != len(want) || total.Conflicts != 0 {
			t.Errorf("round %d: %+v of %d keys, told %+v", round, total, len(want), r.told)
		}
		got := map[string]bool{}
		for _, name := range r.names() {
			if !strings.HasSuffix(name, "/") {
				data, err := os.ReadFile(filepath.Join(r.dir, name))
				if err != nil {
					t.Fatal(err)
				}
				got[strings.TrimPrefix(string(data), "of ")] = true
			}
		}
		if len(got) != len(want) {
			t.Errorf("round %d: %d objects of %d have a file", round, len(got), len(want))
		}
		if after := len(list(t, outside)); after != before {
			t.Errorf("something was made in %s", outside)
		}
		if again := r.get(r.b, "Submissions/"); again != (Total{Present: len(want)}) {
			t.Errorf("round %d: again %+v", round, again)
		}
	}
}

func list(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// endless lists new directories for ever.
type endless struct {
	Bucket
	pages int
}

func (e *endless) List(_ context.Context, in s3backend.ListInput) (page s3backend.Page, err error) {
	e.pages++
	for i := range 1000 {
		page.Prefixes = append(page.Prefixes,
			fmt.Sprintf("%s%012d%s/", in.Prefix, 1000*e.pages+i, strings.Repeat("x", 900)))
	}
	page.Next = fmt.Sprint(e.pages)
	return page, nil
}

// TestGetOfDirectoriesWithoutAnEnd: a server that lists for ever is left with an error,
// before what it lists takes much memory.
func TestGetOfDirectoriesWithoutAnEnd(t *testing.T) {
	r := newRig(t)
	cfg, notes := r.config(&endless{Bucket: r.b})
	defer notes.Close()
	if _, err := Get(t.Context(), cfg, "Submissions/", r.dir); !errors.Is(err, meta.ErrTooMany) {
		t.Errorf("Get = %v, want %v", err, meta.ErrTooMany)
	}
}

// TestGetFollowsNoLink: a link in the directory is neither followed nor replaced.
func TestGetFollowsNoLink(t *testing.T) {
	r := newRig(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "kept"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"file": filepath.Join(outside, "kept"),
		"dir": outside, "inside": "real", "dangling": filepath.Join(outside, "new")} {
		if err := os.Symlink(to, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file", "dir/x", "inside/x", "dangling"} {
		r.b.Store("Submissions/"+key, []byte("theirs"), nil)
	}
	got := r.get(r.b, "Submissions/")
	r.want("links", got, Total{Files: 2, Bytes: 12, Conflicts: 2, Failed: 2})
	if names := list(t, outside); len(names) != 1 {
		t.Errorf("outside there are %v", names)
	}
	if names := list(t, filepath.Join(r.dir, "real")); len(names) != 0 {
		t.Errorf("through a link %v were made", names)
	}
	if data, _ := os.ReadFile(filepath.Join(outside, "kept")); string(data) != "kept" {
		t.Errorf("%q was written through a link", data)
	}
}

// TestGetTrustsNoTemporaryFile: what another may have put under the name of a temporary file
// is not gone on with.
func TestGetTrustsNoTemporaryFile(t *testing.T) {
	data := content(resumable + 1)
	for name, plant := range map[string]func(path string) error{
		"open to others": func(path string) error {
			if err := os.WriteFile(path, content(len(data) + 1)[:len(data)], 0o600); err != nil {
				return err
			}
			return os.Chmod(path, 0o666)
		},
		"a link": func(path string) error { return os.Symlink("target", path) },
		"a second name": func(path string) error {
			other := filepath.Join(filepath.Dir(path), "target")
			if err := os.WriteFile(other, []byte("precious"), 0o600); err != nil {
				return err
			}
			return os.Link(other, path)
		},
	} {
		r := newRig(t)
		r.b.Store("Submissions/f", data, nil)
		r.file("target", []byte("precious"))
		stem := partialStem(r.b.Object("Submissions/f"))
		notes := fmt.Sprintf(`{"off":0,"n":%d}`, len(data))
		r.file(stem+notesSuffix, []byte(notes))
		if err := plant(filepath.Join(r.dir, stem+partialSuffix)); err != nil {
			t.Fatal(err)
		}
		if got := r.get(r.b, "Submissions/f"); got.Files != 1 {
			t.Errorf("%s: %+v, told %+v", name, got, r.told)
		}
		r.wantFile("f", data)
		r.wantFile("target", []byte("precious"))
	}
}

// TestGetOntoAFullDisk: what the disk refuses is not called a failure of S3.
func TestGetOntoAFullDisk(t *testing.T) {
	r := newRig(t)
	obj := r.b.Store("Submissions/f", content(100), nil)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	p := &partial{obj: obj, file: full, moved: func(int64) {}}
	if err := p.download(t.Context(), r.b); err != unix.ENOSPC {
		t.Errorf("download = %v, want %v alone", err, unix.ENOSPC)
	}
}

// TestGetTwiceAtOnce fetches the same files into one directory by several gets at once: each file
// has its bytes, once, and no get fails.
func TestGetTwiceAtOnce(t *testing.T) {
	const files, gets = 150, 4
	r := newRig(t)
	for i := range files {
		r.b.Store(fmt.Sprintf("Submissions/%d", i), content(1+i), nil)
	}
	var group errgroup.Group
	for range gets {
		group.Go(func() error {
			cfg := Config{Bucket: r.b}
			cfg.Tell = func(res Result) {
				if res.Outcome != Moved && res.Outcome != Present {
					t.Errorf("%s: outcome %d, error %v", res.Key, res.Outcome, res.Err)
				}
			}
			total, err := Get(t.Context(), cfg, "Submissions/", r.dir)
			if total.Files+total.Present != files {
				t.Errorf("%+v", total)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	for i := range files {
		r.wantFile(strconv.Itoa(i), content(1+i))
	}
	if names := r.names(); len(names) != files {
		t.Errorf("the directory has %d names: %q", len(names), names)
	}
}

// TestMatchesETag knows files by the ETags of uploads in parts of every usual size.
func TestMatchesETag(t *testing.T) {
	const mib = 1 << 20
	data := content(33*mib + 17)
	for i, part := range []int{5 * mib, 8 * mib, 7 * mib, 16 * mib, 32 * mib, 64 * mib} {
		if testing.Short() && i%2 == 0 {
			continue
		}
		all, n := md5.New(), 0
		for rest := data; len(rest) > 0; n++ {
			m := min(part, len(rest))
			sum := md5.Sum(rest[:m])
			all.Write(sum[:])
			rest = rest[m:]
		}
		etag := fmt.Sprintf("%x-%d", all.Sum(nil), n)
		if same, err := matchesETag(t.Context(), bytes.NewReader(data), int64(len(data)),
			etag); !same || err != nil {
			t.Errorf("parts of %d MiB: %v, %v", part/mib, same, err)
		}
		other := slices.Clone(data)
		other[20*mib]++
		if same, err := matchesETag(t.Context(), bytes.NewReader(other), int64(len(data)),
			etag); same || err != nil {
			t.Errorf("parts of %d MiB, another file: %v, %v", part/mib, same, err)
		}
	}
	for _, etag := range []string{"", "x", "d41d8cd98f00b204e9800998ecf8427e-0",
		"d41d8cd98f00b204e9800998ecf8427e-99999999", "d41d8cd98f00b204e9800998ecf8427e-x"} {
		if same, err := matchesETag(t.Context(), bytes.NewReader(data), int64(len(data)),
			etag); same || err != nil {
			t.Errorf("ETag %q: %v, %v", etag, same, err)
		}
	}
}

// hooked is a bucket whose requests can be delayed and failed.
type hooked struct {
	*buckettest.Bucket
	before map[string]func()
	fail   func(op string) error
	after  func(op string, err error) error

	mu sync.Mutex // hooks run one at a time
}

func (h *hooked) enter(op string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.before[op]; f != nil {
		f()
	}
	if h.fail != nil {
		return h.fail(op)
	}
	return nil
}

func (h *hooked) leave(op string, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.after != nil {
		return h.after(op, err)
	}
	return err
}

func (h *hooked) Head(ctx context.Context, key string) (s3backend.Object, error) {
	if err := h.enter(buckettest.Head); err != nil {
		return s3backend.Object{}, err
	}
	return h.Bucket.Head(ctx, key)
}

func (h *hooked) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	if err := h.enter(buckettest.List); err != nil {
		return s3backend.Page{}, err
	}
	return h.Bucket.List(ctx, in)
}

func (h *hooked) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (io.ReadCloser, error) {
	if err := h.enter(buckettest.Get); err != nil {
		return nil, err
	}
	return h.Bucket.Get(ctx, obj, off, n)
}

func (h *hooked) Put(ctx context.Context, key string, body io.ReadSeeker, size int64,
	head *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	if err := h.enter(buckettest.Put); err != nil {
		return s3backend.Object{}, err
	}
	obj, err := h.Bucket.Put(ctx, key, body, size, head, cond)
	return obj, h.leave(buckettest.Put, err)
}

func (h *hooked) CreateUpload(ctx context.Context, key string,
	head *s3backend.Header) (s3backend.Upload, error) {
	if err := h.enter(buckettest.CreateUpload); err != nil {
		return s3backend.Upload{}, err
	}
	return h.Bucket.CreateUpload(ctx, key, head)
}

func (h *hooked) UploadPart(ctx context.Context, up s3backend.Upload, n int32, body io.ReadSeeker,
	size int64) (s3backend.Part, error) {
	if err := h.enter(buckettest.UploadPart); err != nil {
		return s3backend.Part{}, err
	}
	return h.Bucket.UploadPart(ctx, up, n, body, size)
}

func (h *hooked) Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, cond s3backend.Condition) (s3backend.Object, error) {
	if err := h.enter(buckettest.Complete); err != nil {
		return s3backend.Object{}, err
	}
	obj, err := h.Bucket.Complete(ctx, up, parts, size, cond)
	return obj, h.leave(buckettest.Complete, err)
}

// TestMemoryIsBounded: whatever the sizes are, the files in flight fit in 320 MiB.
func TestMemoryIsBounded(t *testing.T) {
	const mib = 1 << 20
	for _, size := range []int64{0, 1, slotSize - 1, slotSize, 5 * mib, s3backend.WholePart,
		s3backend.WholePart + 1, 5 << 40} {
		memory := int64(130 * mib) // of parts
		if size <= s3backend.WholePart {
			memory = size * 5 / 2 // how io.ReadAll grows
		}
		if n := workers / slotsFor(size); n < 1 || n*memory > 320*mib {
			t.Errorf("%d files of %d bytes in flight", n, size)
		}
	}
}
