package access

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// minPart is the least size of all parts but the last.
// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const minPart = 5 << 20

// TestPartAgain: a part that is sent again replaces the first.
func TestPartAgain(t *testing.T) {
	owner, client, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
	first, again := strings.Repeat("1", minPart), strings.Repeat("2", minPart)
	u, err := client.begin("Delivery/f", fullControl)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "part 1", u.part(first), "OK")
	u.parts = nil
	want(t, "part 1 again", u.part(again), "OK")
	want(t, "part 2", u.part("tail"), "OK")
	want(t, "complete", u.complete(), "OK")
	want(t, "owner's get", owner.get("Delivery/f", again+"tail"), "OK")
	if out, err := owner.head("Delivery/f"); err != nil || !strings.HasSuffix(*out.ETag, `-2"`) {
		t.Errorf("ETag = %v, %v, want one of two parts", out, err)
	}
}

// TestPartCopy: an upload takes ranges of what its caller may read.
func TestPartCopy(t *testing.T) {
	owner, client, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
	body := strings.Repeat("abcdefgh", minPart/8)
	want(t, "client's put", client.put("shut", body, ""), "OK")
	want(t, "client's put", client.put("open", body, fullControl), "OK")
	for key, outcome := range map[string]string{"open": "OK", "shut": "403"} {
		u, err := owner.begin("copy", "")
		if err != nil {
			t.Fatal(err)
		}
		out, err := owner.api.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
			Bucket: &u.bucket, Key: &u.key, UploadId: &u.id, PartNumber: aws.Int32(1),
			CopySource: aws.String(u.bucket + "/" + key), CopySourceRange: aws.String("bytes=2-5"),
		})
		want(t, "copy of a part of "+key, err, outcome)
		if err == nil {
			u.parts = []types.CompletedPart{{PartNumber: aws.Int32(1),
				ETag: out.CopyPartResult.ETag}}
			want(t, "complete", u.complete(), "OK")
			want(t, "get of the copy", owner.get("copy", "cdef"), "OK")
		}
	}
}

// TestInitiator: who began an upload may list its parts and abort it, without
// a word in the policy.
func TestInitiator(t *testing.T) {
	l := newBucket(t, "dropbox", types.ObjectOwnershipObjectWriter)
	owner, client, third := parties(t, l)
	abort := func(by party) string {
		u, err := client.begin("Delivery/f", fullControl)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "part", u.part("data"), "OK")
		list := func(p party) error {
			_, err := p.api.ListParts(t.Context(),
				&s3.ListPartsInput{Bucket: &l.Bucket, Key: &u.key, UploadId: &u.id})
			return err
		}
		want(t, "client's list of parts", list(client), "OK")
		want(t, "third's list of parts", list(third), "403")
		return answer(u.abort(by))
	}
	for _, tt := range []struct {
		who  string
		by   party
		want outcome
	}{
		{"client", client, outcome{"OK", "403 AccessDenied", "RGW 16 lets the initiator list parts but not abort"}},
		{"owner", owner, same("OK")},
		{"third", third, same("403 AccessDenied")},
	} {
		if got := abort(tt.by); got != tt.want.here() {
			t.Errorf("%s's abort = %s, want %s", tt.who, got, tt.want.here())
		}
	}
}

// TestOtherUploads: having begun one upload of a key gives no right on another.
func TestOtherUploads(t *testing.T) {
	owner, client, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
	if _, err := client.begin("f", ""); err != nil {
		t.Fatal(err)
	}
	u, err := owner.begin("f", "")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "client's abort of the owner's upload", u.abort(client), "403")
	want(t, "part", u.part("data"), "OK")
	want(t, "complete", u.complete(), "OK")
}
