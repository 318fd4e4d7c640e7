package recording

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/s3backend"
)

// refusing is a bucket that refuses requests for some keys, and all listings.
type refusing struct {
	*buckettest.Bucket
	refused map[string]error // HEADs of these keys
	unread  error            // of all GETs
	noList  bool
	sum     *s3backend.Sum
}

func (b *refusing) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	if b.noList {
		return s3backend.Page{}, &s3backend.Error{Op: "ListObjectsV2", Kind: s3backend.Denied,
			Err: errors.New("refused")}
	}
	return b.Bucket.List(ctx, in)
}

func (b *refusing) Head(ctx context.Context, key string) (s3backend.Object, error) {
	if err := b.refused[key]; err != nil {
		return s3backend.Object{}, err
	}
	return b.Bucket.Head(ctx, key)
}

func (b *refusing) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (r io.ReadCloser, err error) {
	if b.unread != nil {
		return nil, b.unread
	}
	return b.Bucket.Get(ctx, obj, off, n)
}

func (b *refusing) Sum(ctx context.Context, obj s3backend.Object) (s3backend.Sum, error) {
	if b.sum != nil {
		return *b.sum, nil
	}
	return b.Bucket.Sum(ctx, obj)
}

func put(t *testing.T, b *buckettest.Bucket, key, text string) s3backend.Object {
	t.Helper()
	obj, err := b.Put(t.Context(), key, bytes.NewReader([]byte(text)), int64(len(text)),
		nil, s3backend.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	obj.Key, obj.Size = key, int64(len(text))
	return obj
}

var denied = &s3backend.Error{Op: "HeadObject", Kind: s3backend.Denied, Err: errors.New("refused")}

// TestCompare finds out the state of each version that was recorded: what is not known is never
// told as there.
func TestCompare(t *testing.T) {
	for _, noList := range []bool{false, true} {
		b := &refusing{Bucket: buckettest.New(), refused: map[string]error{}, noList: noList}
		var all []receipts.Entry
		add := func(key, text string, change func(*receipts.Entry)) {
			e := cache.Receipt(receipts.Delivered, put(t, b.Bucket, key, text))
			if change != nil {
				change(&e)
			}
			all = append(all, e)
		}
		add("Delivery/there", "a", nil)
		add("Delivery/size unknown", "b", func(e *receipts.Entry) { e.Size = -1 })
		add("Delivery/another", "c", nil)
		put(t, b.Bucket, "Delivery/another", "another")
		add("Delivery/size", "d", func(e *receipts.Entry) { e.Size = 7 })
		add("Delivery/gone", "e", func(e *receipts.Entry) { e.Key = "Delivery/never" })
		add("Delivery/no etag", "f", func(e *receipts.Entry) { e.ETag = "" })
		want := []State{Present, Present, Changed, Changed, Gone, Unknown}
		if noList { // a HEAD is refused too
			add("Delivery/refused", "g", nil)
			b.refused["Delivery/refused"] = denied
			add("Delivery/customer key", "h", nil)
			b.refused["Delivery/customer key"] = &s3backend.Error{Op: "HeadObject",
				Kind: s3backend.CustomerKey, Err: errors.New("400")}
			want = append(want, Unknown, Unknown)
		}
		found, err := Compare(t.Context(), b, all, false)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range found {
			if f.State != want[i] || f.Bytes != NotRead || (f.State == Unknown) != (f.Err != nil) {
				t.Errorf("without listings %t: %s is %s, %v, want %s", noList, f.Entry.Key,
					f.State, f.Err, want[i])
			}
		}
	}
}

// TestCompareDeep reads the bytes, and compares each checksum that is known.
func TestCompareDeep(t *testing.T) {
	const text = "123456789"
	sha := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	crc := func(s string) string {
		h := s3backend.NewCRC64NVME()
		_, _ = h.Write([]byte(s))
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	kept := func(s string) *s3backend.Sum {
		return &s3backend.Sum{New: s3backend.NewCRC64NVME, Value: crc(s)}
	}
	for name, tt := range map[string]struct {
		change func(*receipts.Entry)
		sum    *s3backend.Sum
		refuse error
		text   string // of the object
		want   Bytes
		state  State
	}{
		"the MD5":                    {want: Same},
		"the SHA-256":                {change: func(e *receipts.Entry) { e.SHA256 = sha(text) }, want: Same},
		"another SHA-256":            {change: func(e *receipts.Entry) { e.SHA256 = sha("x") }, want: Different},
		"the CRC":                    {change: func(e *receipts.Entry) { e.CRC64NVME = "rosUhgp5mIg=" }, want: Same},
		"another CRC":                {change: func(e *receipts.Entry) { e.SHA256, e.CRC64NVME = sha(text), crc("x") }, want: Different},
		"what S3 keeps":              {sum: kept(text), want: Same},
		"what S3 keeps is another":   {sum: kept("x"), want: Different},
		"the recorded comes first":   {change: func(e *receipts.Entry) { e.SHA256 = sha(text) }, sum: kept("x"), want: Same},
		"it may not be read":         {refuse: denied, want: Unsure},
		"it was replaced meanwhile":  {refuse: &s3backend.Error{Op: "GetObject", Kind: s3backend.Stale, Err: errors.New("412")}, want: NotRead, state: Changed},
		"an empty one":               {text: "-", want: Same},
		"an empty one, another hash": {text: "-", change: func(e *receipts.Entry) { e.SHA256 = sha(text) }, want: Different},
	} {
		b := &refusing{Bucket: buckettest.New(), refused: map[string]error{}, sum: tt.sum}
		if b.sum == nil {
			b.sum = &s3backend.Sum{}
		}
		content := text
		if tt.text == "-" {
			content = ""
		}
		e := cache.Receipt(receipts.Delivered, put(t, b.Bucket, "Delivery/a", content))
		if tt.change != nil {
			tt.change(&e)
		}
		b.unread = tt.refuse
		if tt.state == "" {
			tt.state = Present
		}
		found, err := Compare(t.Context(), b, []receipts.Entry{e}, true)
		if err != nil {
			t.Fatal(err)
		}
		if f := found[0]; f.Bytes != tt.want || f.State != tt.state ||
			f.Bytes == Same && (f.How == "" || f.Err != nil) || f.Bytes == Unsure && f.Err == nil {
			t.Errorf("%s: %s, the bytes %q by %s, %v, want %s, %q", name, f.State,
				f.Bytes, f.How, f.Err, tt.state, tt.want)
		}
	}
}

// account is what an account sees of an object.
type account struct {
	owner     bool
	ownerErr  error
	id        string
	object    s3backend.Object
	err       error // of a HEAD and a listing
	shared    bool
	sharedErr error
	asked     int // for ACLs
}

func (a *account) IsOwner(context.Context) (bool, error) { return a.owner, a.ownerErr }

func (a *account) CanonicalID(context.Context) (string, error) {
	if a.id == "" {
		return "", denied
	}
	return a.id, nil
}

func (a *account) Shared(context.Context, s3backend.Object) (bool, error) {
	a.asked++
	return a.shared, a.sharedErr
}

func (a *account) Head(context.Context, string) (s3backend.Object, error) { return a.object, a.err }

func (a *account) List(context.Context, s3backend.ListInput) (s3backend.Page, error) {
	return s3backend.Page{Objects: []s3backend.Object{a.object}}, a.err
}

// TestOwnerIsSeenToRead: what is not known is never told as seen.
func TestOwnerIsSeenToRead(t *testing.T) {
	v := s3backend.Object{Key: "k", ETag: "e"}
	of := func(owner string) s3backend.Object { o := v; o.Owner = owner; return o }
	for name, tt := range map[string]struct {
		account
		want, fails bool
	}{
		"the owner gets it":                       {account{owner: true, object: v}, true, false},
		"the owner gets another version":          {account{owner: true, object: s3backend.Object{Key: "k", ETag: "x"}}, false, false},
		"the owner is refused":                    {account{owner: true, err: denied}, false, false},
		"the owner cannot ask":                    {account{owner: true, err: &s3backend.Error{Kind: s3backend.Other, Err: errors.New("away")}}, false, true},
		"the bucket's owner owns it":              {account{id: "us", object: of("them")}, true, false},
		"another version":                         {account{id: "us", object: s3backend.Object{Key: "k", ETag: "x", Owner: "them"}}, false, false},
		"we own it, and it is shared":             {account{id: "us", object: of("us"), shared: true}, true, false},
		"we own it, and it is not shared":         {account{id: "us", object: of("us")}, false, false},
		"we own it, and the ACL may not be read":  {account{id: "us", object: of("us"), shared: true, sharedErr: denied}, false, false},
		"who we are is not known":                 {account{object: of("them")}, false, false},
		"who we are is not known, and it is ours": {account{object: of("us"), shared: true}, true, false},
		"no owner is listed":                      {account{id: "us", object: v}, false, false},
		"no listing":                              {account{id: "us", err: denied}, false, false},
	} {
		r, err := NewReadable(t.Context(), &tt.account, &tt.account)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := r.See(t.Context(), "k", "e")
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("%s: %t, %v", name, got, err)
			}
		}
		if tt.sharedErr != nil && tt.asked > 1 {
			t.Errorf("%s: asked for %d ACLs that may not be read", name, tt.asked)
		}
	}
	if _, err := NewReadable(t.Context(),
		&account{ownerErr: s3backend.ErrUnknown}, nil); err == nil {
		t.Error("whose the bucket is is not known, and something is told all the same")
	}
}

// slowOwner is the bucket's owner, whose HEADs take a second. It can read the keys that are even in
// length.
type slowOwner struct {
	account
	failing        string // the key whose HEAD fails; "" for none
	busy, max, all atomic.Int64
}

func (s *slowOwner) Head(_ context.Context, key string) (s3backend.Object, error) {
	s.all.Add(1)
	n := s.busy.Add(1)
	defer s.busy.Add(-1)
	for m := s.max.Load(); n > m && !s.max.CompareAndSwap(m, n); m = s.max.Load() {
	}
	time.Sleep(time.Second)
	switch {
	case key == s.failing:
		return s3backend.Object{}, &s3backend.Error{Kind: s3backend.Other, Err: errors.New("away")}
	case len(key)%2 == 1:
		return s3backend.Object{}, denied
	}
	return s3backend.Object{Key: key, ETag: "e"}, nil
}

// TestManyFilesAreSeenAtATime looks at several files at a time, at most comparers, and reports each
// in its place. After a failure, no more are asked for.
func TestManyFilesAreSeenAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var versions []receipts.Entry
		for i := range 1 + 10*comparers {
			versions = append(versions,
				receipts.Entry{Key: jsonbytes.String(strings.Repeat("k", i+1)), ETag: "e"})
		}
		owner := &slowOwner{account: account{owner: true}}
		r, err := NewReadable(t.Context(), owner, owner)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i, seen := range r.SeeAll(t.Context(), versions) {
			if seen != (i%2 == 1) {
				t.Errorf("the file %d is seen: %t", i, seen)
			}
		}
		if took := time.Since(began); took > 12*time.Second || owner.max.Load() != comparers {
			t.Errorf("it takes %s, with %d requests at a time", took, owner.max.Load())
		}
		for _, failing := range []int{0, comparers} {
			owner.all.Store(0)
			owner.failing = string(versions[failing].Key)
			seen := r.SeeAll(t.Context(), versions)
			if n := owner.all.Load(); seen[failing] || seen[len(seen)-1] ||
				n > int64(failing+2*comparers) {
				t.Errorf("when the file %d fails, %d are asked for, and the last one is seen: %t",
					failing, n, seen[len(seen)-1])
			}
		}
	})
}
