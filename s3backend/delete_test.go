package s3backend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func TestDeleteAll(t *testing.T) {
	many := make([]string, 2500)
	for i := range many {
		many[i] = fmt.Sprintf("k%04d", i)
	}
	type batch = func(w http.ResponseWriter, body string)
	for _, tt := range []struct {
		name            string
		keys            []string
		batch           batch
		single          int // status of a DeleteObject
		batches, shots  int64
		failed          map[string]Kind
		wantErr         error
		secondCallShots int64 // of the same call again
	}{
		{name: "none"},
		{
			name: "three batches", keys: many, batches: 3,
			batch: func(w http.ResponseWriter, _ string) {
				io.WriteString(w, "<DeleteResult></DeleteResult>")
			},
		},
		{
			name: "some refused, some gone", keys: []string{"a", "b", "c"}, batches: 1,
			failed: map[string]Kind{"b": Denied},
			batch: func(w http.ResponseWriter, _ string) {
				io.WriteString(w,
					"<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error><Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>")
			},
		},
		{
			name: "no key is changed by XML", keys: []string{"a\x01", "b\nc", "\xff",
				"d"}, batches: 1, shots: 3, single: 204, secondCallShots: 3,
			batch: func(w http.ResponseWriter, body string) {
				if strings.Count(body, "<Key>") != 1 || !strings.Contains(body, "<Key>d</Key>") {
					t.Errorf("batch %q", body)
				}
				io.WriteString(w, "<DeleteResult></DeleteResult>")
			},
		},
		{
			name: "wants an MD5", keys: []string{"a",
				"b"}, batches: 1, shots: 2, single: 204, secondCallShots: 2,
			batch: func(w http.ResponseWriter, _ string) { refuse(w, 400, "InvalidRequest") },
		},
		{
			name: "unknown", keys: []string{"a",
				"b"}, batches: 1, shots: 2, single: 403, secondCallShots: 2,
			failed: map[string]Kind{"a": Denied, "b": Denied},
			batch:  func(w http.ResponseWriter, _ string) { refuse(w, 501, "NotImplemented") },
		},
		{
			name: "refused as a whole, allowed one by one", keys: []string{"a",
				"b"}, batches: 1, shots: 2, single: 204, secondCallShots: 2,
			batch: func(w http.ResponseWriter, _ string) { refuse(w, 403, "AccessDenied") },
		},
		{
			name: "refused as a whole", keys: many, batches: 1,
			shots: 1, single: 403, wantErr: Denied,
			batch: func(w http.ResponseWriter, _ string) { refuse(w, 403, "AccessDenied") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var batches, shots atomic.Int64
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method == "POST" {
					batches.Add(1)
					tt.batch(w, string(body))
					return
				}
				shots.Add(1)
				refuse(w, tt.single, "")
			}))
			failed, err := c.DeleteAll(t.Context(), named(tt.keys...))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("DeleteAll: %v, want %v", err, tt.wantErr)
			}
			if batches.Load() != tt.batches || shots.Load() != tt.shots {
				t.Errorf("%d batches and %d single deletes, want %d and %d", batches.Load(),
					shots.Load(), tt.batches, tt.shots)
			}
			if tt.wantErr != nil {
				if len(failed) != len(tt.keys) {
					t.Errorf("%d keys are reported, want all %d", len(failed), len(tt.keys))
				}
				return
			}
			if len(failed) != len(tt.failed) {
				t.Errorf("failed = %v, want %v", failed, tt.failed)
			}
			for k, want := range tt.failed {
				if !isKind(failed[k], want) {
					t.Errorf("failed[%q] = %v, want %v", k, failed[k], want)
				}
			}
			if shots.Store(0); tt.secondCallShots > 0 {
				c.DeleteAll(t.Context(), named(tt.keys...))
				if shots.Load() != tt.secondCallShots {
					t.Errorf("called again: %d single deletes, want %d",
						shots.Load(), tt.secondCallShots)
				}
			}
		})
	}
}

// named are objects of which no version is known.
func named(keys ...string) []Object {
	objs := make([]Object, len(keys))
	for i, k := range keys {
		objs[i].Key = k
	}
	return objs
}

// TestDeleteAllVersions: AWS is told which version is meant, and what it finds changed
// is proved by a request of its own; another server is asked as before.
func TestDeleteAllVersions(t *testing.T) {
	var asked []string
	server := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == "POST" {
			asked = append(asked,
				fmt.Sprintf("batch of %d versions", strings.Count(string(body), "<ETag>")))
			io.WriteString(w,
				"<DeleteResult><Error><Key>changed</Key><Code>PreconditionFailed</Code></Error></DeleteResult>")
			return
		}
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("If-Match"))
		refuse(w, 412, "PreconditionFailed")
	}
	objs := []Object{{Key: "same", ETag: "e"}, {Key: "changed", ETag: "e"}, {Key: "folder/"}}
	for _, tt := range []struct {
		custom bool
		want   []string
	}{
		{false, []string{"batch of 2 versions", `DELETE /bkt/changed "e"`, "HEAD /bkt/changed "}},
		{true, []string{"batch of 0 versions"}},
	} {
		asked = nil
		c := once(against(t, server))
		c.notAWS = tt.custom
		failed, err := c.DeleteAll(t.Context(), objs)
		if err != nil || len(failed) != 1 || !isKind(failed["changed"], Stale) {
			t.Errorf("custom %v: DeleteAll = %v, %v; want changed alone, Stale",
				tt.custom, failed, err)
		}
		if !slices.Equal(asked, tt.want) {
			t.Errorf("custom %v: S3 was asked %q, want %q", tt.custom, asked, tt.want)
		}
	}
}

func TestDelete(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		want   error
	}{
		{204, "", nil},
		{404, "NoSuchKey", nil},
		{404, "NoSuchBucket", NoBucket},
		{403, "AccessDenied", Denied},
	} {
		c := once(against(t,
			func(w http.ResponseWriter, r *http.Request) { refuse(w, tt.status, tt.code) }))
		if err := c.Delete(t.Context(), "k", Condition{}); !errors.Is(err, tt.want) {
			t.Errorf("Delete answered %d %s: %v, want %v", tt.status, tt.code, err, tt.want)
		}
	}
}

func TestMayDelete(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		want   error
	}{
		{204, "", nil},
		{412, "PreconditionFailed", nil},
		{404, "NoSuchKey", nil},
		{403, "AccessDenied", Denied},
		{500, "InternalError", Other},
	} {
		c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "DELETE" || r.Header.Get("If-Match") == "" ||
				!strings.Contains(r.URL.Path, "/Delivery/.s3share-") {
				t.Errorf("%s %s with If-Match %q is no probe", r.Method, r.URL.Path,
					r.Header.Get("If-Match"))
			}
			refuse(w, tt.status, tt.code)
		}))
		c.answer.Store(&http.Header{})
		c.versions.state.Store(versionsNone)
		if err := c.Rights().MayDelete(t.Context(), "Delivery/"); !errors.Is(err, tt.want) {
			t.Errorf("MayDelete where S3 answers %d %s: %v, want %v",
				tt.status, tt.code, err, tt.want)
		}
	}
}

// TestNoDeleteProbeWhereVersionsAreKept asks no server that may leave a delete marker
// whether it would delete.
func TestNoDeleteProbeWhereVersionsAreKept(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version string // that a HEAD tells
		objects string
		want    error
	}{
		{"versions are kept", "v1", "<Contents><Key>Delivery/f</Key><Size>1</Size></Contents>", ErrUnknown},
		{"versions are not kept", "", "<Contents><Key>Delivery/f</Key><Size>1</Size></Contents>", nil},
		{"nothing tells", "", "", ErrUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodGet:
					w.Write([]byte("<ListBucketResult><Name>bkt</Name>" +
						tt.objects + "</ListBucketResult>"))
				case r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/f"):
					if tt.version != "" {
						w.Header().Set("X-Amz-Version-Id", tt.version)
					}
					w.Header().Set("ETag", `"e"`)
				case r.Method == http.MethodDelete && errors.Is(tt.want, ErrUnknown):
					t.Errorf("%s %s may leave a delete marker", r.Method, r.URL)
				}
			}))
			if err := c.Rights().MayDelete(t.Context(), "Delivery/"); !errors.Is(err, tt.want) {
				t.Errorf("MayDelete = %v, want %v", err, tt.want)
			}
		})
	}
}
