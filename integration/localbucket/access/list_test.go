package access

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// TestListMany lists 10,000 keys, in order and with their owners.
func TestListMany(t *testing.T) {
	const keys = 10_000
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	owner, client, _ := parties(t, l)
	key := func(i int) string { return fmt.Sprintf("Delivery/%05d", i) }
	by := func(i int) party { return []party{owner, client}[i%2] }
	var g errgroup.Group
	g.SetLimit(16)
	for i := range keys {
		g.Go(func() error { return by(i).put(key(i), "", "") })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	pages := s3.NewListObjectsV2Paginator(owner.api, &s3.ListObjectsV2Input{
		Bucket: &l.Bucket, Prefix: aws.String("Delivery/"), FetchOwner: aws.Bool(true),
	})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			if *o.Key != key(n) || aws.ToString(o.Owner.ID) != by(n).id {
				t.Fatalf("entry %d = %q of %q, want %q of %q",
					n, *o.Key, aws.ToString(o.Owner.ID), key(n), by(n).id)
			}
			n++
		}
	}
	if n != keys {
		t.Errorf("%d keys listed, want %d", n, keys)
	}
}

// TestListFolders rolls keys up at the delimiter.
func TestListFolders(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	owner, client, _ := parties(t, l)
	for _, key := range []string{"Delivery/", "Delivery/a/b", "Submissions/x", "top"} {
		want(t, "put "+key, owner.put(key, "", ""), "OK")
	}
	out, err := client.api.ListObjectsV2(t.Context(),
		&s3.ListObjectsV2Input{Bucket: &l.Bucket, Delimiter: aws.String("/")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range out.CommonPrefixes {
		got = append(got, *p.Prefix)
	}
	for _, o := range out.Contents {
		got = append(got, *o.Key)
	}
	if s := fmt.Sprint(got); s != "[Delivery/ Submissions/ top]" {
		t.Errorf("list = %s", s)
	}
	_, err = owner.head("Delivery/")
	want(t, "head of the folder", err, "OK")
	_, err = owner.head("Delivery")
	want(t, "head of its name", err, "404")
}

// TestMissingKeyIsHidden from who may read but not list.
func TestMissingKeyIsHidden(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	putPolicy(t,
		l, statements{{"Allow", []string{"s3:GetObject"}, "/*", []string{l.Client.Principal}, nil}})
	_, client, third := parties(t, l)
	_, err := client.head("missing")
	want(t, "client's head", err, "403")
	want(t, "client's get", client.get("missing", ""), "403")
	putPolicy(t, l, statements{
		{"Allow", []string{"s3:GetObject"}, "/*", []string{l.Client.Principal}, nil},
		{"Allow", []string{"s3:ListBucket"}, "", []string{l.Client.Principal}, nil},
	})
	_, err = client.head("missing")
	want(t, "client's head, now that it may list", err, "404")
	want(t, "third's get", third.get("missing", ""), "403")
}
