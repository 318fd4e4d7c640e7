package access

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// upload is a multipart upload under way.
type upload struct {
	party
	key, id string
	parts   []types.CompletedPart
}

func (p party) begin(key, acl string) (*upload, error) {
	out, err := p.api.CreateMultipartUpload(p.t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &p.bucket, Key: &key, ACL: types.ObjectCannedACL(acl),
	})
	if err != nil {
		return nil, err
	}
	return &upload{party: p, key: key, id: *out.UploadId}, nil
}

// part uploads the next part.
func (u *upload) part(body string) error {
	n := aws.Int32(int32(len(u.parts) + 1))
	out, err := u.api.UploadPart(u.t.Context(), &s3.UploadPartInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &u.id, PartNumber: n,
		Body: strings.NewReader(body),
	})
	if err == nil {
		u.parts = append(u.parts, types.CompletedPart{PartNumber: n, ETag: out.ETag})
	}
	return err
}

func (u *upload) complete(more ...func(*s3.CompleteMultipartUploadInput)) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	for _, f := range more {
		f(in)
	}
	_, err := u.api.CompleteMultipartUpload(u.t.Context(), in)
	return err
}

func (u *upload) abort(as party) error {
	_, err := as.api.AbortMultipartUpload(u.t.Context(), &s3.AbortMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &u.id,
	})
	return err
}

// multipart uploads the body as one part.
func (p party) multipart(key, body, acl string,
	more ...func(*s3.CompleteMultipartUploadInput)) error {
	u, err := p.begin(key, acl)
	if err != nil {
		return err
	}
	if err := u.part(body); err != nil {
		return err
	}
	return u.complete(more...)
}
