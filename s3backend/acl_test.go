package s3backend

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/s3share/s3share/s3backend/breaker"
)

// creates tells by the wire alone whether a request creates an object: a PUT
// of a key that is not a part and not a subresource, or the start of an upload.
func creates(r *http.Request) bool {
	q := r.URL.Query()
	switch r.Method {
	case "PUT":
		return !q.Has("partNumber") && !q.Has("tagging") && !q.Has("acl") && !q.Has("annotation")
	case "POST":
		return q.Has("uploads")
	}
	return false
}

// yes answers every request as a server with much to give.
func yes(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("X-Amz-Request-Id", "REQ1")
	xml := func(s string) { w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?>` + s)) }
	io.Copy(io.Discard, r.Body)
	copied := r.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case r.Method == "PUT" && copied && q.Has("partNumber"):
		xml(`<CopyPartResult><ETag>"e"</ETag></CopyPartResult>`)
	case r.Method == "PUT" && copied:
		xml(`<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>`)
	case r.Method == "POST" && q.Has("uploads"):
		xml(
			`<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == "POST" && q.Has("uploadId"):
		xml(
			`<CompleteMultipartUploadResult><Key>k</Key><ETag>"e"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == "POST" && q.Has("delete"):
		xml(`<DeleteResult></DeleteResult>`)
	case r.Method == "GET" && q.Has("tagging"):
		xml(`<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag></TagSet></Tagging>`)
	case r.Method == "GET" && q.Has("versions"):
		xml(`<ListVersionsResult><Name>bkt</Name></ListVersionsResult>`)
	case r.Method == "GET" && q.Has("versioning"):
		xml(`<VersioningConfiguration/>`)
	case r.Method == "GET" && q.Has("list-type"):
		xml(`<ListBucketResult><Name>bkt</Name></ListBucketResult>`)
	case r.Method == "GET":
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Content-Range", "bytes 0-2/3")
		w.WriteHeader(http.StatusPartialContent)
		w.Write([]byte("abc"))
	case r.Method == "DELETE":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Content-Length", "0")
	}
}

// everyMethod has a way to call each exported method of Client, and of what its methods return that
// makes requests too (see faceOf), so that no later one escapes the tests that go through them all.
var everyMethod = map[string]func(t *testing.T, c *Client) error{
	"List":            func(t *testing.T, c *Client) error { _, err := c.List(t.Context(), ListInput{}); return err },
	"Head":            func(t *testing.T, c *Client) error { _, err := c.Head(t.Context(), "k"); return err },
	"HeadSum":         func(t *testing.T, c *Client) error { _, _, err := c.HeadSum(t.Context(), "k"); return err },
	"RemovesVersions": func(_ *testing.T, c *Client) error { _ = c.RemovesVersions(); return nil },
	"Versions":        func(t *testing.T, c *Client) error { _, err := c.Versions(t.Context(), "k"); return err },
	"HeadVersion": func(t *testing.T, c *Client) error {
		_, err := c.HeadVersion(t.Context(), Object{Key: "k", Version: "v"})
		return err
	},
	"VersionTagging": func(t *testing.T, c *Client) error {
		_, err := c.VersionTagging(t.Context(), Object{Key: "k", Version: "v"})
		return err
	},
	"CopiesVersions": func(t *testing.T, c *Client) error { c.CopiesVersions(t.Context()); return nil },
	"Versioning":     func(t *testing.T, c *Client) error { _, err := c.Versioning(t.Context()); return told(err) },
	// The first goes out through the SDK, the second directly.
	"Get":          func(t *testing.T, c *Client) error { return errors.Join(get(t.Context(), c), get(t.Context(), c)) },
	"Put":          func(t *testing.T, c *Client) error { return errors.Join(put(t, c), put(t, c)) },
	"CreateUpload": func(t *testing.T, c *Client) error { _, err := c.CreateUpload(t.Context(), "k", nil); return err },
	"UploadPart": func(t *testing.T, c *Client) error {
		_, err := c.UploadPart(t.Context(), Upload{Key: "k", ID: "u1"},
			1, strings.NewReader("abc"), 3)
		return err
	},
	"CopyPart": func(t *testing.T, c *Client) error {
		_, err := c.CopyPart(t.Context(), Upload{Key: "k", ID: "u1"},
			1, Object{Key: "s", ETag: "e"}, 0, 3)
		return err
	},
	"Complete": func(t *testing.T, c *Client) error {
		_, err := c.Complete(t.Context(), Upload{Key: "k", ID: "u1"},
			[]Part{{Number: 1, ETag: "e"}}, 3, Condition{})
		return err
	},
	"Abort": func(t *testing.T, c *Client) error { return c.Abort(t.Context(), Upload{Key: "k", ID: "u1"}) },
	"Copy": func(t *testing.T, c *Client) error {
		if _, err := c.Copy(t.Context(), Object{Key: "s", ETag: "e"},
			"k", nil, Condition{}); err != nil {
			return err
		}
		_, err := c.Copy(t.Context(),
			Object{Key: "s", ETag: "e", Size: 6 << 30}, "k", nil, Condition{})
		return err
	},
	"Delete":               func(t *testing.T, c *Client) error { return c.Delete(t.Context(), "k", Condition{}) },
	"DeleteAll":            func(t *testing.T, c *Client) error { _, err := c.DeleteAll(t.Context(), named("k")); return err },
	"Rights.MayDelete":     func(t *testing.T, c *Client) error { return c.Rights().MayDelete(t.Context(), "Delivery/") },
	"Rights.MayList":       func(t *testing.T, c *Client) error { return c.Rights().MayList(t.Context(), "Delivery/") },
	"Rights.MayGet":        func(t *testing.T, c *Client) error { return told(c.Rights().MayGet(t.Context(), "Delivery/", nil)) },
	"Rights.MayPut":        func(t *testing.T, c *Client) error { return mayPut(c) },
	"Rights.MayAbort":      func(t *testing.T, c *Client) error { return c.Rights().MayAbort(t.Context(), "Delivery/") },
	"Rights.MayPutACL":     func(t *testing.T, c *Client) error { return told(c.Rights().MayPutACL(t.Context(), "Delivery/", nil)) },
	"Ownership.GrantOwner": func(t *testing.T, c *Client) error { return told(c.Ownership().GrantOwner(t.Context(), "k")) },
	"Server":               func(t *testing.T, c *Client) error { c.Server(t.Context()); return nil },
	"Skew":                 func(t *testing.T, c *Client) error { c.Skew(t.Context()); return nil },
	"Ownership.BucketOwner": func(t *testing.T, c *Client) error {
		_, err := c.Ownership().BucketOwner(t.Context())
		return told(err)
	},
	"Ownership.IsOwner": func(t *testing.T, c *Client) error { _, err := c.Ownership().IsOwner(t.Context()); return told(err) },
	"Ownership.CanonicalID": func(t *testing.T, c *Client) error {
		_, err := c.Ownership().CanonicalID(t.Context())
		return told(err)
	},
	"Ownership.OwnerOf": func(t *testing.T, c *Client) error {
		_, err := c.Ownership().OwnerOf(t.Context(), "k")
		return told(err)
	},
	"Ownership.Shared": func(t *testing.T, c *Client) error {
		_, err := c.Ownership().Shared(t.Context(), Object{Key: "k"})
		return told(err)
	},
	"Rewrite": func(t *testing.T, c *Client) error {
		_, err := c.Rewrite(t.Context(), Object{Key: "k", ETag: "e"})
		return err
	},
	"Rights.ProbeUpload": func(t *testing.T, c *Client) error {
		_, err := c.Rights().ProbeUpload(t.Context(), "Delivery/")
		return err
	},
	"Sum": func(t *testing.T, c *Client) error { _, err := c.Sum(t.Context(), Object{Key: "k"}); return err },
	"Annotations": func(t *testing.T, c *Client) error {
		return asAWS(c, func() error { _, err := c.Annotations(t.Context(), "k"); return err })
	},
	"Annotation": func(t *testing.T, c *Client) error {
		return asAWS(c, func() error { _, err := c.Annotation(t.Context(), "k", "a"); return err })
	},
	"Annotate": func(t *testing.T, c *Client) error {
		return asAWS(c, func() error {
			return c.Annotate(t.Context(), Object{Key: "k", ETag: "e"}, "a", []byte("x"))
		})
	},
	"Tagging": func(t *testing.T, c *Client) error { _, err := c.Tagging(t.Context(), "k"); return err },
	"Check": func(t *testing.T, c *Client) error {
		c.contact.breaker = breaker.Breaker{}
		_, err := c.Check(t.Context())
		return err
	},
	"KeepContact": func(t *testing.T, c *Client) error {
		ctx, cancel := context.WithCancel(t.Context())
		c.KeepContact(ctx, func(Contact) { cancel() })
		return c.Contact().Err
	},
	"Ask":              func(t *testing.T, c *Client) error { return c.Ask(t.Context()).Err },
	"Limits":           func(t *testing.T, c *Client) error { c.Limits(); return nil },
	"SetLimits":        func(t *testing.T, c *Client) error { c.SetLimits(Limits{}); return nil },
	"Contact":          func(t *testing.T, c *Client) error { return c.Contact().Err },
	"Moved":            func(t *testing.T, c *Client) error { c.Moved(); return nil },
	"Counts":           func(t *testing.T, c *Client) error { c.Counts(); return nil },
	"Bucket":           func(t *testing.T, c *Client) error { c.Bucket(); return nil },
	"Owner":            func(t *testing.T, c *Client) error { c.Owner(); return nil },
	"Region":           func(t *testing.T, c *Client) error { c.Region(); return nil },
	"Abilities":        func(t *testing.T, c *Client) error { c.Abilities(); return nil },
	"Conditional":      func(t *testing.T, c *Client) error { c.Conditional(); return nil },
	"VerifyBucket":     func(t *testing.T, c *Client) error { return c.VerifyBucket(t.Context()) },
	"VerifyBucketSoon": func(t *testing.T, c *Client) error { return c.VerifyBucketSoon(t.Context()) },
	"Identity":         func(t *testing.T, c *Client) error { _, err := c.Identity(t.Context()); return err },
	"API":              func(t *testing.T, c *Client) error { c.API(); return nil },
	"AWS":              func(t *testing.T, c *Client) error { c.AWS(); return nil },
	"Endpoint":         func(t *testing.T, c *Client) error { c.Endpoint(); return nil },
	"LoginMethod":      func(t *testing.T, c *Client) error { c.LoginMethod(); return nil },
	"Login":            func(t *testing.T, c *Client) error { return c.Login(t.Context(), "") },
	"UseProfile":       func(t *testing.T, c *Client) error { return c.UseProfile(t.Context(), "") },
	// What it sends is unsigned, and names no owner: TestBucketWithBadCredentials.
	"ExplainLogin": func(t *testing.T, c *Client) error { return c.ExplainLogin(t.Context(), nil) },
	"CloseIdle":    func(t *testing.T, c *Client) error { c.CloseIdle(); return nil },

	"SetExpectedOwner": func(t *testing.T, c *Client) error { c.SetExpectedOwner("123456789012"); return nil },
}

// asAWS has the client take the server for AWS meanwhile, which has listed annotations.
func asAWS(c *Client, f func() error) error {
	was := c.notAWS
	defer func() { c.notAWS = was }()
	c.notAWS = false
	c.annotations.known.Store(true)
	return f()
}

// TestEveryRequest goes through all exported methods, and looks at all that
// they send: the ACL on what creates, the expected owner on everything, and who pays.
func TestEveryRequest(t *testing.T) {
	var mu sync.Mutex
	created := 0
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		what := r.Method + " " + r.URL.String()
		if creates(r) {
			created++
			if got := r.Header.Get("X-Amz-Acl"); got != "bucket-owner-full-control" {
				t.Errorf("%s creates an object with ACL %q", what, got)
			}
		} else if got := r.Header.Get("X-Amz-Acl"); got != "" {
			t.Errorf("%s creates nothing and has ACL %q", what, got)
		}
		if got := r.Header.Get("X-Amz-Expected-Bucket-Owner"); got != "123456789012" {
			t.Errorf("%s expects the owner %q", what, got)
		}
		if r.Header.Get("X-Amz-Copy-Source") != "" &&
			r.Header.Get("X-Amz-Source-Expected-Bucket-Owner") != "123456789012" {
			t.Errorf("%s copies without expecting an owner", what)
		}
		if got := r.Header.Get(requestPayer); got != "requester" {
			t.Errorf("%s has the payer %q", what, got)
		}
		if te := r.Header.Get("Content-Encoding"); te != "" {
			t.Errorf("%s is encoded as %q", what, te)
		}
		yes(w, r)
	})
	c.SetExpectedOwner("123456789012")
	c.payer = true
	defer func() {
		if c.direct.route.Load() == nil {
			t.Error("no request went out directly")
		}
	}()
	for _, name := range methods(c) {
		call := everyMethod[name]
		if call == nil {
			t.Errorf("%s is not in everyMethod", name)
			continue
		}
		if err := call(t, c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// These are Put twice, CreateUpload, ProbeUpload, Rewrite, Copy, and Copy by parts.
	if want := 7; created != want {
		t.Errorf("%d requests created objects, want %d", created, want)
	}
	counts := c.Counts()
	for op, want := range map[string]int64{"PutObject": 2, "CopyObject": 2,
		"CreateMultipartUpload": 3, "DeleteObjects": 1} {
		if counts[op] != want {
			t.Errorf("Counts()[%q] = %d, want %d", op, counts[op], want)
		}
	}
}

// told drops what a server that is not known does not tell.
func told(err error) error {
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// methods returns the names of all exported methods of Client, and of its faces, as in
// "Rights.MayPut".
func methods(c *Client) (all []string) {
	client := reflect.TypeOf(c)
	for i := range client.NumMethod() {
		m := client.Method(i)
		if face, is := faceOf(m.Type); is {
			for j := range face.NumMethod() {
				all = append(all, m.Name+"."+face.Method(j).Name)
			}
			continue
		}
		all = append(all, m.Name)
	}
	return all
}

// faceOf returns the type of this package that a method returns to whoever asks for nothing
// else, if that has exported methods of its own: the client under another aspect.
func faceOf(method reflect.Type) (face reflect.Type, is bool) {
	if method.NumIn() != 1 || method.NumOut() != 1 {
		return nil, false
	}
	face = method.Out(0)
	of := face
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	return face, of.PkgPath() == reflect.TypeFor[Client]().PkgPath() && face.NumMethod() > 0
}
