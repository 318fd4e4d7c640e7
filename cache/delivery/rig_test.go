package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// toOwner is what a client sends.
var toOwner = Route{From: "Delivery", To: "Submissions"}

// rig is a bucket in memory and a directory of files that are to be sent.
type rig struct {
	*testing.T
	b     *buckettest.Bucket
	dir   string
	notes string
	told  []transfer.Result
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{T: t, b: buckettest.New(), dir: t.TempDir(),
		notes: filepath.Join(t.TempDir(), "notes")}
}

// bucket is a bucket with faults, which keeps the checksums of the one beneath.
type bucket struct {
	buckettest.S3
	b *buckettest.Bucket
}

func (b bucket) Sum(ctx context.Context, obj s3backend.Object) (s3backend.Sum, error) {
	return b.b.Sum(ctx, obj)
}

func (r *rig) with(wrap func(buckettest.S3) buckettest.S3) transfer.Bucket {
	return bucket{wrap(r.b), r.b}
}

func (r *rig) file(name string, data []byte) {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		r.Fatal(err)
	}
}

// failed is what was told of files that were refused.
func (r *rig) failed() (text string) {
	for _, res := range r.told {
		if res.Err != nil {
			text += fmt.Sprintf("; %s: %v", res.Path, res.Err)
		}
	}
	return text
}

// send sends what is in the directory named "set".
func (r *rig) send(ctx context.Context, b transfer.Bucket, name string) (Sent, error) {
	r.Helper()
	notes, err := transfer.OpenNotes(r.notes, "bucket")
	if err != nil {
		r.Fatal(err)
	}
	defer notes.Close()
	r.told = nil
	return Sending{
		Transfer: transfer.Config{Bucket: b, Notes: notes, Who: "ann",
			Tell: func(res transfer.Result) { r.told = append(r.told, res) }},
		Route: toOwner, Name: name, Sender: "ann@host", Note: "as agreed",
	}.Send(ctx,
		[]transfer.Source{{Path: filepath.Join(r.dir, "set"), Prefix: "Delivery/", Name: "set"}})
}

func (r *rig) mustSend(name string) Sent {
	r.Helper()
	sent, err := r.send(r.Context(), r.b, name)
	if err != nil {
		r.Fatalf("Send: %v%s", err, r.failed())
	}
	return sent
}

// read returns the one delivery of this name.
func (r *rig) read(name string) *Delivery {
	r.Helper()
	d, err := Find(r.Context(), r.b, toOwner, name)
	if err == nil {
		err = Read(r.Context(), r.b, toOwner, d)
	}
	if err != nil {
		r.Fatalf("the delivery %q: %v", name, err)
	}
	return d
}

func (r *rig) verify(b transfer.Bucket, m *Manifest) []Problem {
	r.Helper()
	problems, err := Verify(r.Context(), b, toOwner, m, new(transfer.Meter))
	if err != nil {
		r.Fatalf("Verify: %v", err)
	}
	return problems
}

func bytesOf(seed, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

// announced is how often the bucket took the manifest of this name.
func (r *rig) announced(name string) (n int) {
	for _, q := range r.b.Log() {
		if q.Op == buckettest.Put && q.Key == toOwner.manifestKey(name) && q.Err == nil {
			n++
		}
	}
	return n
}

// TestSendInterruptedAnywhere ends a Send of 500 files at 50 requests that are drawn, before or
// after S3 has carried them out. Whenever there is a manifest, all that it lists is there; and
// it is put once.
func TestSendInterruptedAnywhere(t *testing.T) {
	const files, ends = 500, 50
	r := newRig(t)
	for i := range files {
		size := 10 + i
		if i == 257 {
			size = s3backend.WholePart + 100 + i
		}
		r.file(fmt.Sprintf("set/%d/%03d.tif", i%7, i), bytesOf(i, size))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	check := func() {
		t.Helper()
		data, ok := r.b.Data(toOwner.manifestKey("q3"))
		if !ok {
			return
		}
		m, err := Parse(data, "Delivery", "q3")
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Files) != files {
			t.Fatalf("the manifest has %d files, want %d", len(m.Files), files)
		}
		for _, f := range m.Files {
			if obj := r.b.Object("Delivery/" + f.Path); obj.ETag != f.ETag {
				t.Fatalf("the manifest lists %s with the ETag %q, and the bucket has %q",
					f.Path, f.ETag, obj.ETag)
			}
		}
	}
	for range ends {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex // guards left
		left, done := 1+rnd.IntN(40), rnd.IntN(2) == 0
		b := r.with(func(b buckettest.S3) buckettest.S3 {
			return buckettest.Wrap(b,
				func(ctx context.Context, op, key string, send func() error) error {
					mu.Lock()
					left--
					last, after := left == 0, left < 0
					mu.Unlock()
					if after || last && !done {
						cancel()
						return context.Canceled
					}
					err := send()
					if last {
						cancel()
						return context.Canceled
					}
					return err
				})
		})
		_, err := r.send(ctx, b, "q3")
		cancel()
		if err == nil && r.announced("q3") == 0 {
			t.Fatal("Send succeeded without a manifest")
		}
		check()
	}
	if sent := r.mustSend("q3"); len(sent.Manifest.Files) != files {
		t.Errorf("%d files were sent, want %d", len(sent.Manifest.Files), files)
	}
	check()
	if again := r.mustSend("q3"); !again.Already {
		t.Error("the second Send does not say that the delivery was sent already")
	}
	if n := r.announced("q3"); n != 1 {
		t.Errorf("the manifest was put %d times, want once", n)
	}
	if problems := r.verify(r.b, r.read("q3").Manifest); len(problems) > 0 {
		t.Errorf("not as it was sent: %+v", problems)
	}
	if n := r.b.Uploads(); n > 0 {
		t.Errorf("%d uploads are neither complete nor aborted", n)
	}
}

// TestSendLosesAnswers loses the answer to each request once in turn.
func TestSendLosesAnswers(t *testing.T) {
	for n := int64(1); ; n++ {
		r := newRig(t)
		for i := range 3 {
			r.file(fmt.Sprint("set/", i), bytesOf(i, 100))
		}
		b := r.with(func(b buckettest.S3) buckettest.S3 {
			return buckettest.LoseReply(b, buckettest.Put, n)
		})
		if _, err := r.send(t.Context(), b, "q3"); err != nil {
			t.Fatalf("the answer to PutObject %d is lost: %v%s", n, err, r.failed())
		}
		if got := r.announced("q3"); got != 1 {
			t.Errorf("the answer to PutObject %d is lost: the manifest was put %d times", n, got)
		}
		if n > int64(r.b.Count(buckettest.Put)) {
			return
		}
	}
}

// TestSendRefuses: whatever is wrong with one file, there is no manifest.
func TestSendRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *rig) func(buckettest.S3) buckettest.S3
		want string // in an error
		file string // that is named
	}{
		{"changes while it is sent", func(r *rig) func(buckettest.S3) buckettest.S3 {
			r.file("set/large", bytesOf(1, s3backend.WholePart+9))
			return func(b buckettest.S3) buckettest.S3 {
				return buckettest.Wrap(b,
					func(_ context.Context, op, _ string, send func() error) error {
						err := send()
						if op == buckettest.UploadPart {
							f, _ := os.OpenFile(filepath.Join(r.dir, "set/large"), os.O_WRONLY, 0)
							_, _ = f.WriteAt([]byte("changed"), 3)
							f.Close()
						}
						return err
					})
			}
		}, "changed while it was read", "large"},
		{"is refused", func(*rig) func(buckettest.S3) buckettest.S3 {
			return func(b buckettest.S3) buckettest.S3 {
				return buckettest.Deny(b, buckettest.Put, "Delivery/set/b")
			}
		}, "access denied", "b"},
		{"is the other party's", func(r *rig) func(buckettest.S3) buckettest.S3 {
			r.b.Store("Delivery/set/b", []byte("the owner's"), nil)
			return func(b buckettest.S3) buckettest.S3 { return b }
		}, "another version", "b"},
		{"has a control character", func(r *rig) func(buckettest.S3) buckettest.S3 {
			r.file("set/red\x1b[31m", []byte("x"))
			return func(b buckettest.S3) buckettest.S3 { return b }
		}, "control character", "red"},
		{"is replaced before the end", func(r *rig) func(buckettest.S3) buckettest.S3 {
			return func(b buckettest.S3) buckettest.S3 {
				return buckettest.Wrap(b,
					func(_ context.Context, op, key string, send func() error) error {
						err := send()
						if op == buckettest.Put && strings.HasSuffix(key, "/a") {
							r.b.Store(key, []byte("the owner's"), nil)
						}
						return err
					})
			}
		}, "not in the bucket any more as it was put", "set/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			for _, name := range []string{"a", "b", "c"} {
				r.file("set/"+name, []byte(name))
			}
			_, err := r.send(t.Context(), r.with(tt.do(r)), "q3")
			text := fmt.Sprint(err) + r.failed()
			if err == nil || !strings.Contains(text, tt.want) || !strings.Contains(text, tt.file) {
				t.Errorf("Send says %s, want %q of %q", text, tt.want, tt.file)
			}
			if n := r.announced("q3"); n != 0 {
				t.Error("the delivery is announced")
			}
			for _, key := range r.b.Keys() {
				if strings.Contains(key, "conflict") {
					t.Errorf("%s went beside", key)
				}
				if strings.Contains(key, "\x1b") {
					t.Errorf("%q was sent, which no manifest can have", key)
				}
			}
		})
	}
}

// TestTooManyFilesAreRefusedFirst: a delivery of more files than a manifest may list is refused
// before S3 is asked anything.
func TestTooManyFilesAreRefusedFirst(t *testing.T) {
	r := newRig(t)
	r.file("set/first", []byte("one"))
	for i := range maxFiles {
		if err := os.Link(filepath.Join(r.dir, "set/first"),
			filepath.Join(r.dir, fmt.Sprintf("set/%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.send(t.Context(), r.b, "q3"); !errors.Is(err, errTooMany) {
		t.Errorf("Send of %d files: %v", maxFiles+1, err)
	}
	if log := r.b.Log(); len(log) > 0 {
		t.Errorf("S3 was asked %d times, first %v", len(log), log[0])
	}
}

// TestNameIsTakenOnce: what was sent under a name is not sent again with other files, and
// nothing that it lists is replaced.
func TestNameIsTakenOnce(t *testing.T) {
	r := newRig(t)
	r.file("set/a", []byte("one"))
	r.mustSend("q3")
	r.file("set/a", []byte("two"))
	if _, err := r.send(t.Context(), r.b, "q3"); !errors.Is(err, ErrNameTaken) {
		t.Errorf("other bytes under the name: %v", err)
	}
	r.file("set/a", []byte("one"))
	r.file("set/b", []byte("more"))
	if _, err := r.send(t.Context(), r.b, "q3"); !errors.Is(err, ErrNameTaken) {
		t.Errorf("another file under the name: %v", err)
	}
	if data, _ := r.b.Data("Delivery/set/a"); !bytes.Equal(data, []byte("one")) {
		t.Errorf("what was sent is now %q", data)
	}
	if _, ok := r.b.Data("Delivery/set/b"); ok {
		t.Error("a file was sent for a name that is taken")
	}
	if problems := r.verify(r.b, r.read("q3").Manifest); len(problems) > 0 {
		t.Errorf("not as it was sent: %+v", problems)
	}
}

// TestDropboxSends: who may put and list, and read nothing, can send, again too.
func TestDropboxSends(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.file(fmt.Sprint("set/", i), bytesOf(i, 50))
	}
	b := r.with(func(b buckettest.S3) buckettest.S3 {
		return buckettest.Deny(buckettest.Deny(b, buckettest.Head, ""), buckettest.Get, "")
	})
	if _, err := r.send(t.Context(), b, "q3"); err != nil {
		t.Fatalf("Send: %v%s", err, r.failed())
	}
	if _, err := r.send(t.Context(), b, "q3"); !errors.Is(err, ErrNameUnknown) {
		t.Errorf("a second Send, which cannot know what the first one sent: %v", err)
	}
	if problems := r.verify(r.b, r.read("q3").Manifest); len(problems) > 0 {
		t.Errorf("not as it was sent: %+v", problems)
	}
}
