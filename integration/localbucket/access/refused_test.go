package access

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestRefusedBody: a refusal arrives, however much of a body it cuts short. Ceph RGW closes
// the connection of a body that it has not read, and its answer may be lost with it: it is
// only asked with what it reads at once, together with the request's head.
func TestRefusedBody(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	owner, _, third := parties(t, l)
	u, err := owner.begin("f", "")
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{0, 1 << 10, 1 << 20, 16 << 20}
	if onRGW() {
		sizes = sizes[:2]
	}
	for _, size := range sizes {
		body := strings.Repeat("x", size)
		want(t, "put", third.put("f", body, ""), "403")
		_, err := third.api.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &l.Bucket, Key: &u.key, UploadId: &u.id, PartNumber: aws.Int32(1),
			Body: strings.NewReader(body),
		})
		want(t, "part", err, "403")
		want(t, "conditional put", owner.put("g",
			body, "", func(in *s3.PutObjectInput) { in.IfMatch = aws.String(noETag) }), outcome{
			"404", "412", "RGW 16 answers 412 for a missing key",
		}.here())
	}
}
