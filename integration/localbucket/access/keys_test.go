package access

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestKeys: access does not depend on how a key is spelt in a URL.
func TestKeys(t *testing.T) {
	l := newBucket(t, "folders", types.ObjectOwnershipObjectWriter)
	owner, client, _ := parties(t, l)
	for _, key := range []string{
		"Delivery/plain", "Delivery/a b", "Delivery/a+b", "Delivery/100%", "Delivery/100%25", "Delivery/a%2Fb",
		"Delivery/ä\u0308/日本", "Delivery/a&b=c;d", "Delivery/?x#y", "Delivery/[*]", `Delivery/"quote"`, "Delivery/.hidden", "Delivery/folder/", "Delivery/",
	} {
		want(t, key+": put", client.put(key, "", fullControl), "OK")
		_, err := owner.head(key)
		want(t, key+": owner's head", err, "OK")
		_, err = client.head(key)
		want(t, key+": client's head of its own", err, "OK")
		want(t, key+": copy", owner.copy(escape(key), "Submissions/copy", ""), "OK")
		want(t, key+": put private", client.put(key, "", "private"), "OK")
		_, err = owner.head(key)
		want(t, key+": owner's head of it", err, "403")
		want(t, key+": owner's copy of it", owner.copy(escape(key), "Submissions/copy", ""), "403")
		owners, err := owner.owners()
		want(t, "list", err, "OK")
		if owners[key] != client.id {
			t.Errorf("%s: owner = %q, want %q", key, owners[key], client.id)
		}
		if key[len(key)-1] == '/' {
			continue // a folder is no multipart upload
		}
		u, err := client.begin(key, fullControl)
		if err != nil {
			t.Errorf("%s: begin: %v", key, err)
			continue
		}
		_, err = client.api.ListParts(t.Context(),
			&s3.ListPartsInput{Bucket: &l.Bucket, Key: &key, UploadId: &u.id})
		want(t, key+": list of parts", err, "OK")
		want(t, key+": part", u.part("data"), "OK")
		want(t, key+": complete", u.complete(), "OK")
		want(t, key+": owner's get", owner.get(key, "data"), "OK")
	}
}

// escape is a key as a copy's source has it; there a plus sign is a space.
func escape(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "+", "%20") }

// TestCopyKeeps what the source was given, and replaces it when told to.
func TestCopyKeeps(t *testing.T) {
	owner, client, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
	err := owner.put("f", "data", "", func(in *s3.PutObjectInput) {
		in.ContentType, in.CacheControl = aws.String("text/csv"), aws.String("no-store")
		in.Metadata = map[string]string{"mtime": "12345.678"}
	})
	want(t, "put", err, "OK")
	want(t, "copy", client.copy("f", "g", fullControl), "OK")
	check := func(key, contentType, mtime string) {
		t.Helper()
		out, err := owner.head(key)
		if err != nil {
			t.Errorf("head of %q: %v", key, err)
			return
		}
		if got := aws.ToString(out.ContentType); got != contentType {
			t.Errorf("content type of %q = %q, want %q", key, got, contentType)
		}
		if len(out.Metadata) != 1 || out.Metadata["mtime"] != mtime {
			t.Errorf("metadata of %q = %q, want the mtime %q alone", key, out.Metadata, mtime)
		}
	}
	check("f", "text/csv", "12345.678")
	check("g", "text/csv", "12345.678")
	want(t, "copy onto itself", client.copy("g", "g", fullControl), "400")
	want(t, "copy onto itself", client.copy("g", "g", fullControl, func(in *s3.CopyObjectInput) {
		in.MetadataDirective, in.ContentType = types.MetadataDirectiveReplace,
			aws.String("text/plain")
		in.Metadata = map[string]string{"mtime": "2"}
	}), "OK")
	check("g", "text/plain", "2")
	want(t, "get of the copy", owner.get("g", "data"), "OK")
}
