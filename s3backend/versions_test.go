package s3backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"
)

// listed is an entry of a history as a server lists it, in its order.
type listed struct {
	key, id string
	removed bool
	at      time.Time
}

// serveVersions answers ListObjectVersions from a list, page by page.
func serveVersions(all []listed, pageSize int, encoded bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if !q.Has("versions") {
			http.Error(w, "only versions are listed here", http.StatusTeapot)
			return
		}
		write := func(s string) string {
			if encoded {
				return url.QueryEscape(s)
			}
			return s
		}
		var out strings.Builder
		out.WriteString("<ListVersionsResult>")
		if encoded {
			out.WriteString("<EncodingType>url</EncodingType>")
		}
		rest := slices.DeleteFunc(slices.Clone(all),
			func(v listed) bool { return !strings.HasPrefix(v.key, q.Get("prefix")) })
		if after := q.Get("key-marker"); after != "" {
			at := slices.IndexFunc(rest,
				func(v listed) bool { return v.key == after && v.id == q.Get("version-id-marker") })
			rest = rest[at+1:]
		}
		latest := map[string]bool{}
		for _, v := range all {
			if !latest[v.key] {
				latest[v.key], latest[v.key+" "+v.id] = true, true
			}
		}
		page := rest[:min(pageSize, len(rest))]
		for _, v := range page {
			kind, more := "Version", `<ETag>"e-`+v.id+`"</ETag><Size>3</Size>`
			if v.removed {
				kind, more = "DeleteMarker", ""
			}
			fmt.Fprintf(&out,
				"<%s><Key>%s</Key><VersionId>%s</VersionId><IsLatest>%v</IsLatest><LastModified>%s</LastModified>%s<Owner><ID>ann</ID></Owner></%s>",
				kind, write(v.key), v.id, latest[v.key+" "+v.id],
				v.at.Format(time.RFC3339), more, kind)
		}
		if len(page) < len(rest) {
			last := page[len(page)-1]
			fmt.Fprintf(&out,
				"<IsTruncated>true</IsTruncated><NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>", write(last.key), last.id)
		}
		out.WriteString("</ListVersionsResult>")
		io.WriteString(w, out.String())
	}
}

// TestVersionsAreListedAsTheServerHasThem: versions and delete markers of one key, and of no other
// that begins with it, in their order, also where several are of one second and on several pages.
func TestVersionsAreListedAsTheServerHasThem(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := []string{"d/a", "d/a b", "d/ab", "d/a+", "d/a/"}
		slices.Sort(keys)
		var all []listed
		want := map[string][]listed{}
		for _, key := range keys {
			at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
			for range rapid.IntRange(0, 5).Draw(rt, "versions of "+key) {
				v := listed{key: key, id: strconv.Itoa(len(all)),
					removed: rapid.Bool().Draw(rt, "removed"), at: at}
				all = append(all, v)
				want[key] = append(want[key], v)
				at = at.Add(-time.Duration(rapid.IntRange(0, 2).Draw(rt, "seconds")) * time.Second)
			}
		}
		c := against(t, serveVersions(all, rapid.IntRange(1, 4).Draw(rt, "page"),
			rapid.Bool().Draw(rt, "encoded")))
		key := rapid.SampledFrom(keys).Draw(rt, "key")
		got, err := c.Versions(t.Context(), key)
		if err != nil || len(got) != len(want[key]) {
			rt.Fatalf("Versions(%q) = %d of %d, %v", key, len(got), len(want[key]), err)
		}
		for i, v := range got {
			w := want[key][i]
			if v.Key != key || v.Object.Version != w.id || v.Removed != w.removed ||
				v.Latest != (i == 0) || !v.ByVersion || !v.Modified.Equal(w.at) ||
				!w.removed && (v.ETag != "e-"+w.id || v.Size != 3) || v.Owner != "ann" {
				rt.Errorf("entry %d of %q is %+v, want %+v", i, key, v, w)
			}
		}
	})
}

// TestWhatIsNoListOfVersions: a server that lists something else, or refuses, is told apart.
func TestWhatIsNoListOfVersions(t *testing.T) {
	refused := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
	}
	const entry = "<ListVersionsResult><Version><Key>k</Key><VersionId>%s</VersionId><LastModified>%s</LastModified><Size>%s</Size></Version></ListVersionsResult>"
	for name, tt := range map[string]struct {
		server http.HandlerFunc
		want   error
	}{
		"a listing of keys":  {text("<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>"), ErrNoVersions},
		"not implemented":    {refused(501, "NotImplemented"), ErrNoVersions},
		"not allowed":        {refused(405, "MethodNotAllowed"), ErrNoVersions},
		"denied":             {refused(403, "AccessDenied"), ErrVersionsRefused},
		"no bucket":          {refused(404, "NoSuchBucket"), NoBucket},
		"a version of no ID": {text(fmt.Sprintf(entry, "", "2026-11-30T09:00:00Z", "1")), Other},
		"no time":            {text(fmt.Sprintf(entry, "1", "now", "1")), Other},
		"a negative size":    {text(fmt.Sprintf(entry, "1", "2026-11-30T09:00:00Z", "-1")), Other},
		"no XML":             {text("{}"), Other},
		"cut off for ever":   {text("<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>"), Other},
		"a circle": {text(
			"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>" +
				"<NextVersionIdMarker>1</NextVersionIdMarker></ListVersionsResult>"), Other},
	} {
		t.Run(name, func(t *testing.T) {
			c := once(against(t, tt.server))
			if got, err := c.Versions(t.Context(), "k"); !errors.Is(err, tt.want) {
				t.Errorf("Versions = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestRequestsByVersion: what is asked of a version names it, and what is asked of a key does not.
func TestRequestsByVersion(t *testing.T) {
	for _, byVersion := range []bool{false, true} {
		var mu sync.Mutex // guards asked: parts are copied side by side
		var asked []string
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			source := r.Header.Get("X-Amz-Copy-Source")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case source != "":
				asked = append(asked,
					"copy "+strconv.FormatBool(strings.HasSuffix(source, "/k?versionId=a%2Bb")))
			case r.Method == "GET" || r.Method == "HEAD":
				asked = append(asked,
					r.Method+" "+strconv.FormatBool(r.URL.Query().Get("versionId") == "a+b"))
			}
			if r.Method == "HEAD" && byVersion {
				w.Header().Set("X-Amz-Version-Id", "a+b")
			}
			yes(w, r)
		})
		c.notAWS = false
		c.annotations.absent.Store(true)
		obj := Object{Key: "k", ETag: "e", Version: "a+b", ByVersion: byVersion, Size: 3}
		r, err := c.Get(t.Context(), obj, 0, 3)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		_, err = c.Copy(t.Context(), obj, "k", &Header{}, Condition{})
		obj.Size = 6 << 30
		_, large := c.Copy(t.Context(), obj, "k", nil, Condition{})
		_, sum := c.Sum(t.Context(), obj)
		if err = errors.Join(err, large, sum); err != nil {
			t.Error(err)
		}
		if len(asked) < 15 { // 12 parts
			t.Errorf("asked only %q", asked)
		}
		for _, a := range asked {
			if !strings.HasSuffix(a, strconv.FormatBool(byVersion)) {
				t.Errorf("by version is %v, and asked was %q", byVersion, a)
			}
		}
	}
}

// TestVersionThatIsAnother: a server that ignores version IDs is found out.
func TestVersionThatIsAnother(t *testing.T) {
	c := against(t, yes)
	obj := Object{Key: "k", ETag: "old", Version: "1", ByVersion: true, Size: 3}
	if got, err := c.HeadVersion(t.Context(), obj); !errors.Is(err, Stale) {
		t.Errorf("HeadVersion = %+v, %v; want Stale", got, err)
	}
	if _, err := c.Get(t.Context(), obj, 0, 3); !errors.Is(err, Stale) {
		t.Errorf("Get: %v, want Stale", err)
	}
	if _, err := c.Copy(t.Context(), obj, "k", &Header{}, Condition{}); !errors.Is(err, Stale) {
		t.Errorf("Copy: %v, want Stale", err)
	}
	if c.CopiesVersions(t.Context()) {
		t.Error("a server that is not recognised is said to copy versions")
	}
	if is, err := c.Versioning(t.Context()); !errors.Is(err, ErrUnknown) {
		t.Errorf("Versioning of a server that is not recognised = %q, %v", is, err)
	}
}

// TestLiveVersions lists, reads and copies versions on a server that has them.
func TestLiveVersions(t *testing.T) {
	owner, client := liveBucket(t,
		[]liveRule{liveList, {liveAll, append([]string{"s3:GetObject"}, livePut...)}})
	if is, err := owner.Versioning(t.Context()); err != nil || is != VersioningOff {
		t.Errorf("Versioning of a new bucket = %q, %v", is, err)
	}
	_, err := owner.s3.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket:                  &owner.bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Skipf("this server keeps no versions: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		all, err := owner.Versions(ctx, "Delivery/q3+ü.csv")
		for _, v := range all {
			if _, err := owner.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &owner.bucket,
				Key: &v.Key, VersionId: &v.Version}); err != nil {
				t.Error(err)
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if is, err := owner.Versioning(t.Context()); err != nil || is != VersioningOn {
		t.Errorf("Versioning = %q, %v", is, err)
	}
	const key = "Delivery/q3+ü.csv"
	put := func(text string) Object {
		t.Helper()
		h := &Header{ContentType: "text/csv", User: map[string]string{"is": text}}
		obj, err := owner.Put(t.Context(), key, bytes.NewReader([]byte(text)),
			int64(len(text)), h, Condition{})
		if err != nil {
			t.Fatal(err)
		}
		return obj
	}
	one, two := put("one"), put("two two")
	if err := owner.Delete(t.Context(), key, Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Versions(t.Context(), key); !errors.Is(err, ErrVersionsRefused) {
		t.Errorf("Versions of who may not list them: %v", err)
	}
	old := one
	old.ByVersion = true
	if _, err := client.HeadVersion(t.Context(), old); !errors.Is(err, ErrVersionRefused) {
		t.Errorf("HeadVersion of who may not read it: %v", err)
	}
	all, err := owner.Versions(t.Context(), key)
	if err != nil || len(all) != 3 || !all[0].Removed || !all[0].Latest ||
		all[1].Object.Version != two.Version || all[2].Object.Version != one.Version {
		t.Fatalf("Versions = %+v, %v", all, err)
	}
	got, err := owner.HeadVersion(t.Context(), all[2].Object)
	if err != nil || got.ETag != one.ETag || got.Header.User["is"] != "one" ||
		got.Header.ContentType != "text/csv" {
		t.Errorf("HeadVersion = %+v, %v", got, err)
	}
	if b := read(t, owner, all[2].Object, 0, 3); string(b) != "one" {
		t.Errorf("the first version is %q", b)
	}
	if !owner.CopiesVersions(t.Context()) {
		t.Fatal("it is not known to copy versions")
	}
	h := *got.Header
	h.User = map[string]string{"is": "one again"}
	copied, err := owner.Copy(t.Context(), all[2].Object, key, &h, Condition{IfNoneMatch: true})
	if err != nil {
		t.Fatal(err)
	}
	now, err := owner.Head(t.Context(), key)
	if err != nil || now.ETag != copied.ETag || now.Size != 3 ||
		now.Header.User["is"] != "one again" || now.Version == one.Version {
		t.Errorf("after the copy the key holds %+v, %v", now, err)
	}
	if _, err := owner.Copy(t.Context(), all[1].Object, key,
		&h, Condition{IfMatch: "other"}); !errors.Is(err, Stale) {
		t.Errorf("Copy on a condition that does not hold: %v", err)
	}
}
