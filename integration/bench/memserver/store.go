package memserver

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tidwall/btree"
)

// object is one version of one key. It is immutable: changing metadata makes
// another object.
type object struct {
	content
	etag     string // without quotes
	modified time.Time
	header   http.Header // what PUT said and GET says again; see keptHeader
	checksum http.Header // x-amz-checksum-*, as the client computed them
	parts    int         // of the multipart upload, 0 for a plain PUT
}

// upload is a multipart upload from its creation to its end.
type upload struct {
	id, bucket, key string
	header          http.Header
	parts           map[int]part
}

type part struct {
	content
	etag     string
	modified time.Time
}

// store keeps buckets and uploads. Its methods may be called by any goroutine.
type store struct {
	gen generated

	// mu guards the fields below; objects themselves are immutable.
	mu      sync.RWMutex
	buckets map[string]*btree.Map[string, *object]
	uploads map[string]*upload
	serial  uint64        // makes ETags and upload ids
	changed chan struct{} // closed by the next change; nil while nobody waits
}

func newStore(buckets []string) *store {
	// A random start keeps a cache of an earlier server's objects from fitting.
	st := &store{serial: rand.Uint64()}
	st.reset(buckets)
	return st
}

// reset leaves nothing but empty buckets of these names.
func (st *store) reset(buckets []string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.buckets = make(map[string]*btree.Map[string, *object])
	st.uploads = make(map[string]*upload)
	st.tellLocked()
	for _, b := range buckets {
		st.buckets[b] = new(btree.Map[string, *object])
	}
}

func (st *store) create(bucket string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.buckets[bucket] == nil {
		st.buckets[bucket] = new(btree.Map[string, *object])
	}
}

// bucketLocked returns the bucket, or NoSuchBucket.
func (st *store) bucketLocked(name string) (*btree.Map[string, *object], error) {
	b := st.buckets[name]
	if b == nil {
		return nil, errNoSuchBucket
	}
	return b, nil
}

func (st *store) exists(bucket string) error {
	st.mu.RLock()
	defer st.mu.RUnlock()
	_, err := st.bucketLocked(bucket)
	return err
}

func (st *store) get(bucket, key string) (*object, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	o, ok := b.Get(key)
	if !ok {
		return nil, errNoSuchKey
	}
	return o, nil
}

// put makes o the version of key if the conditions in h hold, and gives it its
// ETag and time.
func (st *store) put(bucket, key string, o *object, h http.Header) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.putLocked(bucket, key, o, h)
}

func (st *store) putLocked(bucket, key string, o *object, h http.Header) error {
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	old, _ := b.Get(key)
	if err := writeConditions(h, old); err != nil {
		return err
	}
	o.etag = st.etagLocked(max(o.parts, 1))
	o.modified = now()
	b.Set(key, o)
	st.tellLocked()
	return nil
}

// delete removes key if the conditions in h hold. A key that is not there is no
// error, as in S3.
func (st *store) delete(bucket, key string, h http.Header) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	old, ok := b.Get(key)
	if m := h.Get("If-Match"); m != "" && (!ok || !etagIn(m, old.etag)) {
		if !ok {
			return errNoSuchKey
		}
		return errPreconditionFailed
	}
	b.Delete(key)
	st.tellLocked()
	return nil
}

// etagLocked makes an ETag that nothing else has. The suffix is that of an
// upload of n parts: clients take an ETag without one for the body's MD5.
func (st *store) etagLocked(n int) string {
	st.serial++
	return fmt.Sprintf("%032x-%d", st.serial*0x9e3779b97f4a7c15, n)
}

// now is the time to the second, as far as Last-Modified goes.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// next returns a channel that the next change closes.
func (st *store) next() <-chan struct{} {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.changed == nil {
		st.changed = make(chan struct{})
	}
	return st.changed
}

// tellLocked wakes those who wait for a change.
func (st *store) tellLocked() {
	if st.changed != nil {
		close(st.changed)
		st.changed = nil
	}
}
