package memserver

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// listing is what both versions of ListObjects have in common.
type listing struct {
	IsTruncated           bool
	NextContinuationToken string
	NextMarker            string
	Contents              []struct {
		Key  string
		Size int64
	}
	CommonPrefixes []struct{ Prefix string }
}

// listAll follows all pages and returns keys and prefixes in the order told.
func (c *client) listAll(v2 bool, prefix, delimiter, after string, max int) []string {
	c.t.Helper()
	q := url.Values{"prefix": {prefix}, "delimiter": {delimiter}, "max-keys": {fmt.Sprint(max)},
		"encoding-type": {"url"}}
	if v2 {
		q.Set("list-type", "2")
		q.Set("start-after", after)
	} else {
		q.Set("marker", after)
	}
	var all []string
	for range 100 {
		var l listing
		c.ok("GET", "/b?"+q.Encode(), "").into(c.t, &l)
		if n := len(l.Contents) + len(l.CommonPrefixes); n > max || (l.IsTruncated && n < max) {
			c.t.Fatalf("list %v: %d entries on a page, more to come: %v", q, n, l.IsTruncated)
		}
		var page []string
		for _, o := range l.Contents {
			page = append(page, unescape(c.t, o.Key))
		}
		for _, p := range l.CommonPrefixes {
			page = append(page, unescape(c.t, p.Prefix))
		}
		slices.Sort(page)
		all = append(all, page...)
		if !l.IsTruncated {
			return all
		}
		if v2 {
			q.Set("continuation-token", l.NextContinuationToken)
		} else {
			q.Set("marker", unescape(c.t, l.NextMarker))
		}
	}
	c.t.Fatalf("list %v: no end in 100 pages", q)
	return nil
}

func unescape(t *testing.T, s string) string {
	t.Helper()
	out, err := url.QueryUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestList(t *testing.T) {
	c := newClient(t)
	keys := []string{"a", "a/", "a/b", "a/b/c", "a/d", "a0",
		"b//x", "b/é&<", "b/+ %", "z/1", "z/2", "z/3"}
	slices.Sort(keys)
	for _, k := range keys {
		c.ok("PUT", "/b/"+url.PathEscape(k), k)
	}
	model := func(prefix, delimiter, after string) []string {
		var out []string
		for _, k := range keys {
			rest, ok := strings.CutPrefix(k, prefix)
			if !ok || k <= after {
				continue
			}
			if i := strings.Index(rest, "/"); delimiter == "/" && i >= 0 {
				k = prefix + rest[:i+1]
			}
			if k != after && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
		return out
	}
	for _, prefix := range []string{"", "a", "a/", "b/", "z/", "none"} {
		for _, delimiter := range []string{"", "/"} {
			for _, after := range []string{"", "a/", "a/b", "a/zz", "z/2", "zz"} {
				want := model(prefix, delimiter, after)
				for _, max := range []int{1, 2, 3, 1000} {
					for _, v2 := range []bool{false, true} {
						if got := c.listAll(v2, prefix, delimiter,
							after, max); !slices.Equal(got, want) {
							t.Errorf(
								"list v2=%v prefix %q delimiter %q after %q max %d = %q, want %q",
								v2, prefix, delimiter, after, max, got, want)
						}
					}
				}
			}
		}
	}
	if a := c.do("GET", "/none?list-type=2", ""); a.code() != "NoSuchBucket" {
		t.Errorf("list of no bucket: code %q, want NoSuchBucket", a.code())
	}
	var l listing
	c.ok("GET", "/b?list-type=2&prefix=z/1", "").into(t, &l)
	if len(l.Contents) != 1 || l.Contents[0].Size != 3 {
		t.Errorf("list of z/1 = %+v", l)
	}
}
