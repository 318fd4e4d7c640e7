package s3backend

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// awsReply is as AWS writes it, with one object of this key.
func awsReply(key string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name><Prefix></Prefix><StartAfter/><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>` +
		`<Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>1ueGcxLPRx1Tr==</NextContinuationToken>` +
		`<Contents><Key>` + key +
		`</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag>` +
		`<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>` +
		`<Owner><ID>o1</ID><DisplayName>x</DisplayName></Owner><StorageClass>GLACIER</StorageClass>` +
		`<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus></Contents>` +
		`<CommonPrefixes><Prefix>d%20e/</Prefix></CommonPrefixes></ListBucketResult>` + "\n"
}

// TestPlainReply sees which replies are read here and which the SDK has to read,
// and that nobody can tell.
func TestPlainReply(t *testing.T) {
	want := Page{
		Objects: []Object{{Key: "a b", Size: 5, ETag: "e",
			Modified: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Owner: "o1", Class: "GLACIER"}},
		Prefixes: []string{"d e/"}, Next: "1ueGcxLPRx1Tr==",
	}
	plain := awsReply("a+b")
	for _, tt := range []struct {
		name, body string
		plain      bool
	}{
		{"as AWS writes it", plain, true},
		{"without a declaration", plain[strings.Index(plain, "<List"):], true},
		{"characters by number", strings.ReplaceAll(plain, "&quot;", "&#34;"), true},
		{"and in hexadecimal", strings.ReplaceAll(plain, "&quot;", "&#x22;"), true},
		{"indented", strings.ReplaceAll(plain, "><", ">\n  <"), true},
		{"a comment", strings.Replace(plain, "<Contents>", "<!-- an <object> --><Contents>", 1), false},
		{"a section", strings.Replace(plain, "a+b", "<![CDATA[a+b]]>", 1), false},
		{"attributes", strings.Replace(plain, "<Owner>", `<Owner type="a>b">`, 1), false},
		{"a time of another form", strings.Replace(plain, "2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000 Z", 1), false},
	} {
		if _, ok := readListing([]byte(tt.body)); ok != tt.plain {
			t.Errorf("%s: read here: %v, want %v", tt.name, ok, tt.plain)
		}
		if tt.name == "a time of another form" {
			continue // the SDK cannot read it either
		}
		c := against(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tt.body) })
		if got, err := c.List(t.Context(), ListInput{}); err != nil ||
			!reflect.DeepEqual(got, want) {
			t.Errorf("%s: List = %+v, %v, want %+v", tt.name, got, err, want)
		}
	}
}

// TestReplyCutOff takes no part of a reply for the whole.
func TestReplyCutOff(t *testing.T) {
	whole := strings.TrimSpace(awsReply("k"))
	for n := range len(whole) {
		if l, ok := readListing([]byte(whole[:n])); ok {
			t.Fatalf("%d of %d bytes are read as %+v", n, len(whole), l.page)
		}
	}
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
		fmt.Fprint(w, whole[:len(whole)/2])
	})
	if p, err := c.List(t.Context(), ListInput{}); !isKind(err, Other) {
		t.Errorf("List of half a reply = %+v, %v, want Other", p, err)
	}
}

// FuzzReply holds what is read here against the standard library.
func FuzzReply(f *testing.F) {
	f.Add(awsReply("a+b"))
	f.Add(awsReply("%F0%9F%98%80&amp;&#233;"))
	f.Add("<ListBucketResult><Contents><Key/></Contents></ListBucketResult>")
	f.Add("<ListBucketResult/>")
	f.Fuzz(func(t *testing.T, body string) {
		l, ok := readListing([]byte(body))
		if !ok {
			return
		}
		var ref struct {
			XMLName        xml.Name
			Contents       []struct{ Key, ETag string }
			CommonPrefixes []struct{ Prefix []string }
		}
		if err := xml.Unmarshal([]byte(body), &ref); err != nil ||
			ref.XMLName.Local != "ListBucketResult" {
			return // worse than what we take it for: the well-formed is what counts
		}
		var keys, want []string
		for _, o := range l.page.Objects {
			keys = append(keys, o.Key)
		}
		for _, o := range ref.Contents {
			want = append(want, o.Key)
		}
		if !slices.Equal(keys, want) {
			t.Errorf("keys %q, want %q", keys, want)
		}
	})
}

// BenchmarkListing tells what a page costs, without and with the SDK around it.
func BenchmarkListing(b *testing.B) {
	var body strings.Builder
	body.WriteString(
		`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name><EncodingType>url</EncodingType>`)
	for i := range 1000 {
		fmt.Fprintf(&body,
			`<Contents><Key>folder/file-%05d.dat</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>`+
				`<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>16</Size><StorageClass>STANDARD</StorageClass></Contents>`, i)
	}
	body.WriteString(`</ListBucketResult>`)
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, ok := readListing([]byte(body.String())); !ok {
				b.Fatal("not plain")
			}
		}
	})
	for name, text := range map[string]string{"list": body.String(),
		"list-by-SDK": strings.Replace(body.String(), "<Name>", "<!-- --><Name>", 1)} {
		b.Run(name, func(b *testing.B) {
			c := against(b, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text) })
			for b.Loop() {
				if p, err := c.List(b.Context(), ListInput{}); err != nil ||
					len(p.Objects) != 1000 {
					b.Fatal(len(p.Objects), err)
				}
			}
		})
	}
}
