package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// notes are the annotations of a bucket's versions, by their ETags. From the request failing on,
// counted from 1, failures requests fail.
type notes struct {
	b                 *buckettest.Bucket
	mu                sync.Mutex
	of                map[string]map[string]string
	failing, failures int
	err               error
	requests          int
	puts              int
}

func (n *notes) request() error {
	n.requests++
	if n.failing > 0 && n.requests >= n.failing && n.requests < n.failing+n.failures {
		return n.err
	}
	return nil
}

func (n *notes) Annotations(_ context.Context,
	key string) (list []s3backend.Annotation, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, text := range n.of[n.b.Object(key).ETag] {
		list = append(list, s3backend.Annotation{Name: name, Size: int64(len(text))})
	}
	return list, n.request()
}

func (n *notes) Annotation(_ context.Context, key, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []byte(n.of[n.b.Object(key).ETag][name]), n.request()
}

func (n *notes) Annotate(_ context.Context, obj s3backend.Object, name string, text []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.request(); err != nil {
		return err
	}
	if n.b.Object(obj.Key).ETag != obj.ETag {
		return &s3backend.Error{Op: "PutObjectAnnotation", Key: obj.Key, Kind: s3backend.Stale,
			Err: errors.New("PreconditionFailed")}
	}
	n.puts++
	if n.of[obj.ETag] == nil {
		n.of[obj.ETag] = map[string]string{}
	}
	n.of[obj.ETag][name] = string(text)
	return nil
}

var threeNotes = map[string]string{"a": "1", "b": "two\n", "größe": "ü"}

// wantNotes checks that the version at a key has exactly these annotations, and that none are left
// on the disk.
func (r *rig) wantNotes(n *notes, key string, want map[string]string) {
	r.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := n.of[r.b.Object(key).ETag]; !maps.Equal(got, want) {
		r.Errorf("%s has the annotations %q, want %q", key, got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "*"+annotationsSuffix)); len(left) > 0 {
		r.Errorf("%q are left on the disk", left)
	}
}

// TestEditKeepsAnnotations edits a file, while each of the requests about its annotations fails for
// a while, or for good, or the process is killed then and another goes on.
func TestEditKeepsAnnotations(t *testing.T) {
	away := &s3backend.Error{Op: "ListObjectAnnotations", Kind: s3backend.Other,
		Err: errors.New("no answer")}
	for _, size := range []int{100, parts.Size + 1<<20} {
		for failing := range 8 { // 0: none; 1 lists, 2 to 4 read, 5 to 7 put
			for _, killed := range []bool{false, true} {
				if killed && failing == 0 || size > parts.Size && failing%3 > 0 && testing.Short() {
					continue
				}
				t.Run(fmt.Sprintf("%d bytes, request %d fails, killed %v", size, failing, killed),
					func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							b := buckettest.New()
							n := &notes{b: b, of: map[string]map[string]string{},
								failing: failing, failures: 1, err: away}
							if killed {
								n.failures = 1 << 30
							}
							r := newRig(t, b, t.TempDir(), Config{Annotations: n}, nil)
							r.recover()
							data := random(1, size)
							n.of[b.Store("Delivery/f", data, nil).ETag] = maps.Clone(threeNotes)
							it := r.edit("Delivery/f")
							r.write(it, []byte("changed"), 3)
							copy(data[3:], "changed")
							r.done(it)
							if killed {
								_ = r.Admission.pause(t.Context(), defaultSettle*2)
								synctest.Wait()
								dir := t.TempDir()
								copyDir(t, r.dir, dir)
								r.Close()
								n.failing = 0
								r = newRig(t, b, dir, Config{Annotations: n}, nil)
								r.resume()
							}
							defer r.Close()
							r.drain()
							r.wantHolds("Delivery/f", data)
							r.wantNotes(n, "Delivery/f", threeNotes)
							if failing == 0 && n.requests != 7 {
								t.Errorf("%d requests about three annotations, want 7", n.requests)
							}
						})
					})
			}
		}
	}
}

// TestEditWithoutAnnotations edits files that have none, and files whose annotations the policy
// does not let us list, read or put: they are delivered, which is logged once.
func TestEditWithoutAnnotations(t *testing.T) {
	denied := &s3backend.Error{Op: "ListObjectAnnotations", Kind: s3backend.Denied,
		Err: errors.New("AccessDenied")}
	for failing, why := range map[int]string{
		0: "",
		1: "an edited file loses its annotations, if it has any: they may not be listed (s3:ListObjectAnnotations)",
		2: "an edited file loses its annotations: they may not be read (s3:GetObjectAnnotation)",
		5: "an edited file loses its annotations: they may not be put (s3:PutObjectAnnotation)",
	} {
		synctest.Test(t, func(t *testing.T) {
			b := buckettest.New()
			n := &notes{b: b, of: map[string]map[string]string{}, failures: 1, err: denied}
			r := newRig(t, b, t.TempDir(), Config{Annotations: n}, nil)
			defer r.Close()
			r.recover()
			for _, key := range []string{"Delivery/f", "Delivery/g"} {
				obj := b.Store(key, []byte(key+" as it was"), nil)
				if failing > 0 {
					n.of[obj.ETag] = maps.Clone(threeNotes)
				}
				n.requests, n.failing = 0, failing
				it := r.edit(key)
				r.write(it, []byte("changed"), 0)
				r.done(it)
				r.drain()
				r.wantHolds(key, []byte("changed"+key[7:]+" as it was"))
				r.wantNotes(n, key, nil)
				if failing < 2 && n.requests != 1 {
					t.Errorf("%d requests about annotations, want the list alone", n.requests)
				}
			}
			if why != "" && r.log.count(why) != 1 {
				t.Errorf("it was logged %d times, want once: %s", r.log.count(why), why)
			}
			r.wantNothing()
		})
	}
}
