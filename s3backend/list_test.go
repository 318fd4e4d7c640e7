package s3backend

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	const object = `<Contents><Key>%s</Key><Size>5</Size><ETag>&quot;e&quot;</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified>` +
		`<StorageClass>STANDARD</StorageClass><Owner><ID>o1</ID></Owner></Contents>`
	for _, tt := range []struct {
		name     string
		body     string
		token    string
		keys     []string
		prefixes []string
		next     string
		wantErr  bool
	}{
		{name: "nothing", body: ``},
		{
			name: "encoded", keys: []string{"a b+c%ü",
				"x\x01y"}, prefixes: []string{"d e/"}, next: "t+2",
			body: `<EncodingType>url</EncodingType>` +
				fmt.Sprintf(object, "a+b%2Bc%25%C3%BC") + fmt.Sprintf(object, "x%01y") +
				`<CommonPrefixes><Prefix>d%20e%2F</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated><NextContinuationToken>t+2</NextContinuationToken>`,
		},
		{name: "not encoded, as by a server that does not know it", keys: []string{"a+b%20"}, body: fmt.Sprintf(object, "a+b%20")},
		{name: "encoded badly", wantErr: true, body: `<EncodingType>url</EncodingType>` + fmt.Sprintf(object, "100%")},
		{name: "cut off", wantErr: true, body: `<IsTruncated>true</IsTruncated>`},
		{name: "cut off later", token: "t", wantErr: true, body: `<IsTruncated>true</IsTruncated>`},
		{name: "in a circle", token: "t", wantErr: true, body: `<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>`},
		{name: "last page with a token", body: `<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.URL.Query().Get("encoding-type"); got != "url" {
					t.Errorf("encoding-type %q", got)
				}
				fmt.Fprintf(w, "<ListBucketResult><Name>bkt</Name>%s</ListBucketResult>", tt.body)
			})
			p, err := c.List(t.Context(), ListInput{Token: tt.token})
			if tt.wantErr {
				if !isKind(err, Other) {
					t.Errorf("List = %+v, %v, want an error", p, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, o := range p.Objects {
				keys = append(keys, o.Key)
				if o.Size != 5 || o.ETag != "e" || o.Modified.Year() != 2026 || o.Owner != "o1" ||
					o.Class != "STANDARD" || o.Header != nil {
					t.Errorf("object %+v", o)
				}
			}
			if !slices.Equal(keys, tt.keys) ||
				!slices.Equal(p.Prefixes, tt.prefixes) || p.Next != tt.next {
				t.Errorf("List = %q, %q, %q, want %q, %q, %q", keys, p.Prefixes,
					p.Next, tt.keys, tt.prefixes, tt.next)
			}
		})
	}
}

// TestListAsks looks at the request.
func TestListAsks(t *testing.T) {
	var query string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		yes(w, r)
	})
	for _, tt := range []struct {
		in   ListInput
		want string
	}{
		{ListInput{}, "encoding-type=url&list-type=2"},
		{ListInput{Prefix: "a b+/", Delimiter: "/", StartAfter: "a b+/x", Max: 7, Owner: true},
			"delimiter=%2F&encoding-type=url&fetch-owner=true&list-type=2&max-keys=7&prefix=a%20b%2B%2F&start-after=a%20b%2B%2Fx"},
		{ListInput{Token: "a+b="}, "continuation-token=a%2Bb%3D&encoding-type=url&list-type=2"},
	} {
		if _, err := c.List(t.Context(), tt.in); err != nil ||
			strings.TrimSuffix(query, "&x-id=ListObjectsV2") != tt.want {
			t.Errorf("List(%+v) asks %q, %v, want %q", tt.in, query, err, tt.want)
		}
	}
}
