package access

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestRefusedBody: a refusal arrives, however much of a body it cuts short.
func TestRefusedBody(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	owner, _, third := parties(t, l)
	u, err := owner.begin("f", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1 << 10, 1 << 20, 16 << 20} {
		body := strings.Repeat("x", size)
		want(t, "put", third.put("f", body, ""), "403")
		_, err := third.api.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &l.Bucket, Key: &u.key, UploadId: &u.id, PartNumber: aws.Int32(1), Body: strings.NewReader(body),
		})
		want(t, "part", err, "403")
		want(t, "conditional put", owner.put("g", body, "", func(in *s3.PutObjectInput) { in.IfMatch = aws.String(noETag) }), outcome{
			"404", "412", "RGW 16 answers 412 for a missing key",
		}.here())
	}
}
