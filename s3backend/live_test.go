package s3backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// liveServer is the line that a test server prints as it listens.
type liveServer struct {
	Kind, Endpoint, Region, Bucket string
	Owner, Client, Third           liveKeys
}

type liveKeys struct {
	ID      string `json:"access_key_id"`
	Secret  string `json:"secret_access_key"`
	Account string `json:"account_id"`
}

// live opens the bucket of the server that S3SHARE_TEST_S3 describes.
func live(t *testing.T, who func(liveServer) liveKeys) (*Client, liveServer) {
	t.Helper()
	line := os.Getenv("S3SHARE_TEST_S3")
	if line == "" {
		if strings.Contains(os.Getenv("S3SHARE_NEED"), "s3") {
			t.Fatal("S3SHARE_TEST_S3 is not set, and S3SHARE_NEED asks for s3")
		}
		t.Skip(
			"no S3 server: S3SHARE_TEST_S3 must hold the JSON line that integration/localbucket prints")
	}
	var s liveServer
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatalf("S3SHARE_TEST_S3: %v", err)
	}
	k := who(s)
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", k.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", k.Secret)
	c, err := Open(context.Background(),
		Config{Bucket: s.Bucket, Region: s.Region, Endpoint: s.Endpoint})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(c.CloseIdle)
	return c, s
}

func asOwner(s liveServer) liveKeys  { return s.Owner }
func asClient(s liveServer) liveKeys { return s.Client }

// fresh is a prefix that no other test uses; what is below it is removed.
func fresh(t *testing.T) string {
	prefix := fmt.Sprintf("test-%x/", rand.Uint64())
	t.Cleanup(func() {
		c, _ := live(t, asOwner)
		if failed, err := c.DeleteAll(context.Background(),
			listAll(t, c, ListInput{Prefix: prefix}).Objects); err != nil || len(failed) > 0 {
			t.Errorf("clean up: %v, %v", failed, err)
		}
	})
	return prefix
}

func listAll(t *testing.T, c *Client, in ListInput) Page {
	t.Helper()
	var all Page
	for {
		p, err := c.List(context.Background(), in)
		if err != nil {
			t.Fatalf("List %+v: %v", in, err)
		}
		all.Objects = append(all.Objects, p.Objects...)
		all.Prefixes = append(all.Prefixes, p.Prefixes...)
		if in.Token = p.Next; in.Token == "" {
			return all
		}
	}
}

func read(t *testing.T, c *Client, obj Object, off, n int64) []byte {
	t.Helper()
	r, err := c.Get(t.Context(), obj, off, n)
	if err != nil {
		t.Fatalf("Get %q: %v", obj.Key, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("Get %q: %v", obj.Key, err)
	}
	return got
}

func TestLivePutGet(t *testing.T) {
	c, _ := live(t, asClient)
	owner, _ := live(t, asOwner)
	key := fresh(t) + "q3 report+ü.csv"
	h := &Header{
		ContentType: "text/csv", ContentEncoding: "identity", ContentDisposition: "inline",
		ContentLanguage: "de", CacheControl: "no-cache", Expires: "Thu, 01 Jan 2032 00:00:00 GMT",
		User: map[string]string{"mtime": "1700000000.5", "Mode": "33188"},
	}
	data := []byte("one,two\nthree,four\n")
	put, err := c.Put(t.Context(), key, bytes.NewReader(data), int64(len(data)),
		h, Condition{IfNoneMatch: true})
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	for who, c := range map[string]*Client{"client": c, "owner": owner} {
		got, err := c.Head(t.Context(), key)
		if err != nil {
			t.Fatalf("Head by the %s: %v", who, err)
		}
		if got.ETag != put.ETag || got.Size != int64(len(data)) || got.Modified.IsZero() {
			t.Errorf("Head by the %s = %+v, want ETag %q, size %d", who, got, put.ETag, len(data))
		}
		want := *h
		want.User = map[string]string{"mtime": "1700000000.5", "mode": "33188"}
		if fmt.Sprint(*got.Header) != fmt.Sprint(want) {
			t.Errorf("Head by the %s: header %+v, want %+v", who, *got.Header, want)
		}
		if b := read(t, c, got, 4, 9); string(b) != "two\nthree" {
			t.Errorf("Get by the %s = %q", who, b)
		}
	}
	if _, err := c.Put(t.Context(), key, bytes.NewReader(data),
		3, nil, Condition{IfNoneMatch: true}); !errors.Is(err, Stale) {
		t.Errorf("Put over an object with IfNoneMatch: %v, want Stale", err)
	}
	empty, err := c.Put(t.Context(), key+".empty", bytes.NewReader(nil), 0, nil, Condition{})
	if err != nil || empty.ETag == "" {
		t.Errorf("Put of nothing = %+v, %v", empty, err)
	}
}

// TestLiveReplace goes through Put's If-Match, on servers that know it and on
// those that do not.
func TestLiveReplace(t *testing.T) {
	c, _ := live(t, asClient)
	key := fresh(t) + "f"
	put := func(data string, cond Condition) (Object, error) {
		return c.Put(t.Context(), key, strings.NewReader(data), int64(len(data)), nil, cond)
	}
	one, err := put("one", Condition{IfNoneMatch: true})
	if err != nil {
		t.Fatal(err)
	}
	two, err := put("two!", Condition{IfMatch: one.ETag})
	if err != nil {
		t.Fatalf("Put with the right If-Match: %v", err)
	}
	if _, err := put("three", Condition{IfMatch: one.ETag}); !errors.Is(err, Stale) {
		t.Errorf("Put with an old If-Match: %v, want Stale", err)
	}
	if _, err := put("three", Condition{IfNoneMatch: true}); !errors.Is(err, Stale) {
		t.Errorf("Put with If-None-Match: %v, want Stale", err)
	}
	if got := read(t, c, two, 0, 4); string(got) != "two!" {
		t.Errorf("object holds %q", got)
	}
	if r, err := c.Get(t.Context(), one, 0, 3); !errors.Is(err, Stale) {
		t.Errorf("Get of the old version: %v, %v, want Stale", r, err)
	}
	if _, err := c.Put(t.Context(), key+"-none", strings.NewReader("x"), 1, nil,
		Condition{IfMatch: one.ETag}); !errors.Is(err, Stale) {
		t.Errorf("Put with If-Match where nothing is: %v, want Stale", err)
	}
	t.Logf("conditions trusted: %v, requests %v", c.Conditional(), c.Counts())
}

func TestLiveMultipart(t *testing.T) {
	c, _ := live(t, asClient)
	owner, _ := live(t, asOwner)
	prefix := fresh(t)
	data := make([]byte, 11<<20+17)
	rand.NewChaCha8([32]byte{1}).Read(data)
	key := prefix + "big"
	base, err := c.Put(t.Context(), prefix+"base", bytes.NewReader(data[:6<<20]),
		6<<20, nil, Condition{})
	if err != nil {
		t.Fatal(err)
	}
	up, err := c.CreateUpload(t.Context(), key, &Header{User: map[string]string{"mode": "33188"}})
	if err != nil {
		t.Fatal(err)
	}
	var parts []Part
	tail := data[6<<20:]
	for _, step := range []func() (Part, error){
		// This part is sent again below.
		func() (Part, error) {
			return c.UploadPart(t.Context(), up, 2, bytes.NewReader(data), 5<<20)
		},
		func() (Part, error) {
			return c.UploadPart(t.Context(), up, 2, bytes.NewReader(tail), int64(len(tail)))
		},
		func() (Part, error) { return c.CopyPart(t.Context(), up, 1, base, 0, 6<<20) },
	} {
		p, err := step()
		if err != nil {
			t.Fatalf("part: %v", err)
		}
		parts = slices.DeleteFunc(parts, func(q Part) bool { return q.Number == p.Number })
		parts = append(parts, p)
	}
	if _, err := c.Complete(t.Context(), up, parts, int64(len(data)),
		Condition{IfMatch: "no such version"}); !errors.Is(err, Stale) {
		t.Errorf("Complete with a wrong If-Match: %v, want Stale", err)
	}
	obj, err := c.Complete(t.Context(), up, parts, int64(len(data)), Condition{IfNoneMatch: true})
	if err != nil {
		t.Fatalf("Complete: %v", err)
	}
	if got := read(t, owner, obj, 0, obj.Size); !bytes.Equal(got, data) {
		t.Errorf("the owner reads other bytes than were sent")
	}
	for _, src := range []Object{obj, base} { // made by parts, and by one Put
		p, err := c.copyAndTail(t, src, prefix+"mixed", 5<<20, data[:100])
		if err != nil {
			t.Errorf("an upload of a copied part and one of ours: %v", err)
		} else if got := read(t, owner, p, 0, p.Size); !bytes.Equal(got,
			append(data[:5<<20:5<<20], data[:100]...)) {
			t.Errorf("an upload of a copied part and one of ours holds other bytes")
		}
	}
	copied, err := c.copyLarge(t.Context(), source{c, obj}, prefix+"copy", nil, Condition{}, 5<<20)
	if err != nil {
		t.Fatalf("copy by parts: %v", err)
	}
	if got := read(t, owner, copied, 0, copied.Size); !bytes.Equal(got, data) {
		t.Errorf("the copy by parts differs")
	}
	if h, err := owner.Head(t.Context(), prefix+"copy"); err != nil ||
		h.Header.User["mode"] != "33188" {
		t.Errorf("the copy by parts has the header %+v, %v", h.Header, err)
	}
	again, err := c.CreateUpload(t.Context(), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Whether the uploader may abort is the policy's; it must not be Other.
	if err := c.Abort(t.Context(), again); err != nil && !errors.Is(err, Denied) {
		t.Errorf("Abort: %v", err)
	}
	if err := owner.Abort(t.Context(), again); err != nil {
		t.Errorf("Abort by the owner: %v", err)
	}
	if _, err := c.UploadPart(t.Context(), Upload{Key: key, ID: "0123456789abcdef"},
		1, strings.NewReader("x"), 1); !errors.Is(err, NotExist) {
		t.Errorf("UploadPart to no upload: %v, want NotExist", err)
	}
}

// copyAndTail makes an object of the first n bytes of src and then tail.
func (c *Client) copyAndTail(t *testing.T, src Object, key string,
	n int64, tail []byte) (Object, error) {
	up, err := c.CreateUpload(t.Context(), key, nil)
	if err != nil {
		return Object{}, err
	}
	one, err := c.CopyPart(t.Context(), up, 1, src, 0, n)
	if err != nil {
		return Object{}, err
	}
	two, err := c.UploadPart(t.Context(), up, 2, bytes.NewReader(tail), int64(len(tail)))
	if err != nil {
		return Object{}, err
	}
	return c.Complete(t.Context(), up, []Part{one, two}, n+int64(len(tail)), Condition{})
}

// TestLiveEarlierUpload completes an upload that was begun without checksums
// and whose parts have them.
func TestLiveEarlierUpload(t *testing.T) {
	c, _ := live(t, asClient)
	key := fresh(t) + "f"
	c.quirks.noChecksum.Store(true)
	up, err := c.CreateUpload(t.Context(), key, nil)
	if err != nil || up.CRC32 {
		t.Fatalf("CreateUpload = %+v, %v", up, err)
	}
	c.quirks.noChecksum.Store(false)
	p, err := c.UploadPart(t.Context(), up, 1, strings.NewReader("hello"), 5)
	if err != nil || p.CRC32 == "" {
		t.Fatalf("UploadPart = %+v, %v", p, err)
	}
	if _, err := c.Complete(t.Context(), up, []Part{p}, 5, Condition{}); err != nil {
		t.Errorf("Complete: %v", err)
	}
}

func TestLiveCopy(t *testing.T) {
	c, _ := live(t, asClient)
	owner, _ := live(t, asOwner)
	prefix := fresh(t)
	src, err := c.Put(t.Context(), prefix+"a b+c%20ü", strings.NewReader("hello"), 5,
		&Header{ContentType: "text/x-a", User: map[string]string{"k": "v"}}, Condition{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := c.Copy(t.Context(), src, prefix+"kept", nil, Condition{IfNoneMatch: true})
	if err != nil {
		t.Fatalf("Copy: %v", err)
	}
	if h, err := owner.Head(t.Context(), kept.Key); err != nil ||
		h.Header.ContentType != "text/x-a" || h.Header.User["k"] != "v" {
		t.Errorf("the owner's Head of the copy = %+v, %v", h.Header, err)
	}
	if _, err := c.Copy(t.Context(), src, prefix+"kept", &Header{ContentType: "text/x-b"},
		Condition{IfMatch: kept.ETag}); err != nil {
		t.Errorf("Copy with a new header: %v", err)
	} else if h, err := owner.Head(t.Context(), kept.Key); err != nil ||
		h.Header.ContentType != "text/x-b" || len(h.Header.User) != 0 {
		t.Errorf("header after Copy = %+v, %v", h.Header, err)
	}
	for name, try := range map[string]func() (Object, error){
		"onto an object with IfNoneMatch": func() (Object, error) {
			return c.Copy(t.Context(), src, prefix+"kept", nil, Condition{IfNoneMatch: true})
		},
		"of a version that is gone": func() (Object, error) {
			old := src
			old.ETag = "0123456789abcdef0123456789abcdef"
			return c.Copy(t.Context(), old, prefix+"new", nil, Condition{})
		},
	} {
		if _, err := try(); !errors.Is(err, Stale) {
			t.Errorf("Copy %s: %v, want Stale", name, err)
		}
	}
	none := Object{Key: prefix + "none", Size: 1, ETag: src.ETag}
	if _, err := c.Copy(t.Context(), none, prefix+"new", nil,
		Condition{}); !errors.Is(err, NotExist) {
		t.Errorf("Copy of nothing: %v, want NotExist", err)
	}
}

func TestLiveListDelete(t *testing.T) {
	c, s := live(t, asOwner)
	prefix := fresh(t)
	names := []string{"a b+c%20ü", "q&<>'\"", "tab\there", "x", "y/1", "y/2", "z"}
	for _, n := range names {
		if _, err := c.Put(t.Context(), prefix+n, strings.NewReader(n), int64(len(n)),
			nil, Condition{}); err != nil {
			t.Fatalf("Put %q: %v", n, err)
		}
	}
	for _, max := range []int32{0, 1, 2} {
		all := listAll(t, c, ListInput{Prefix: prefix, Max: max, Owner: true})
		var got []string
		for _, o := range all.Objects {
			got = append(got, strings.TrimPrefix(o.Key, prefix))
			if o.ETag == "" || o.Modified.IsZero() || o.Owner == "" {
				t.Errorf("listed %+v", o)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("List by %d = %q, want %q", max, got, names)
		}
	}
	rolled := listAll(t, c, ListInput{Prefix: prefix, Delimiter: "/", StartAfter: prefix + "x"})
	if len(rolled.Objects) != 1 || !slices.Equal(rolled.Prefixes, []string{prefix + "y/"}) {
		t.Errorf("List with delimiter after x = %+v", rolled)
	}
	x, err := c.Head(t.Context(), prefix+"x")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), prefix+"x",
		Condition{IfMatch: "0123456789abcdef0123456789abcdef"}); !errors.Is(err, Stale) {
		t.Errorf("Delete with a wrong If-Match: %v, want Stale", err)
	}
	if err := c.Delete(t.Context(), prefix+"x", Condition{IfMatch: x.ETag}); err != nil {
		t.Errorf("Delete with If-Match: %v", err)
	}
	for _, cond := range []Condition{{}, {IfMatch: x.ETag}} {
		if err := c.Delete(t.Context(), prefix+"x", cond); err != nil {
			t.Errorf("Delete of nothing, %+v: %v", cond, err)
		}
	}
	var keys []string
	for _, n := range names {
		keys = append(keys, prefix+n)
	}
	if failed, err := c.DeleteAll(t.Context(), named(keys...)); err != nil || len(failed) > 0 {
		t.Errorf("DeleteAll = %v, %v", failed, err)
	}
	if left := listAll(t, c, ListInput{Prefix: prefix}); len(left.Objects) > 0 {
		t.Errorf("left after DeleteAll on %q: %+v", s.Kind, left.Objects)
	}
}

func TestLiveErrors(t *testing.T) {
	c, s := live(t, asClient)
	if _, err := c.Head(t.Context(), "no such key"); !errors.Is(err, NotExist) {
		t.Errorf("Head of nothing: %v, want NotExist", err)
	}
	if _, err := c.Get(t.Context(), Object{Key: "no such key"}, 0, 1); !errors.Is(err, NotExist) {
		t.Errorf("Get of nothing: %v, want NotExist", err)
	}
	open := func(id, secret, bucket string) error {
		t.Setenv("AWS_ACCESS_KEY_ID", id)
		t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
		_, err := Open(t.Context(), Config{Bucket: bucket, Region: s.Region, Endpoint: s.Endpoint})
		return err
	}
	k := s.Client
	if err := open(k.ID, "wrong", s.Bucket); !errors.Is(err, BadLogin) {
		t.Errorf("Open with a wrong secret: %v, want BadLogin", err)
	}
	if err := open("nobody", k.Secret, s.Bucket); !errors.Is(err, BadLogin) {
		t.Errorf("Open with an unknown key: %v, want BadLogin", err)
	}
	if err := open(k.ID, k.Secret, "no-such-bucket"); !errors.Is(err, NoBucket) {
		t.Errorf("Open of no bucket: %v, want NoBucket", err)
	}
}
