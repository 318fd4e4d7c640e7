package access

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// party is one account at one bucket: the operations that the tables name.
type party struct {
	t      *testing.T
	api    *s3.Client
	bucket string
	id     string
}

func parties(t *testing.T, l bucket.Line) (owner, client, third party) {
	as := func(a bucket.Account) party { return party{t, l.S3(a), l.Bucket, a.AccountID} }
	return as(l.Owner), as(l.Client), as(l.Third)
}

func (p party) put(key, body, acl string, more ...func(*s3.PutObjectInput)) error {
	in := &s3.PutObjectInput{
		Bucket: &p.bucket, Key: &key, Body: bytes.NewReader([]byte(body)),
		ACL: types.ObjectCannedACL(acl),
	}
	for _, f := range more {
		f(in)
	}
	_, err := p.api.PutObject(p.t.Context(), in)
	return err
}

// get reads the object, and holds what it reads against body.
func (p party) get(key, body string) error {
	out, err := p.api.GetObject(p.t.Context(), &s3.GetObjectInput{Bucket: &p.bucket, Key: &key})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	got, err := io.ReadAll(out.Body)
	if err == nil && string(got) != body {
		p.t.Errorf("body of %q = %.80q, want %.80q", key, got, body)
	}
	return err
}

func (p party) head(key string) (*s3.HeadObjectOutput, error) {
	return p.api.HeadObject(p.t.Context(), &s3.HeadObjectInput{Bucket: &p.bucket, Key: &key})
}

func (p party) delete(key string) error {
	_, err := p.api.DeleteObject(p.t.Context(), &s3.DeleteObjectInput{Bucket: &p.bucket, Key: &key})
	return err
}

func (p party) copy(from, to, acl string, more ...func(*s3.CopyObjectInput)) error {
	in := &s3.CopyObjectInput{
		Bucket: &p.bucket, Key: &to, CopySource: aws.String(p.bucket + "/" + from),
		ACL: types.ObjectCannedACL(acl),
	}
	for _, f := range more {
		f(in)
	}
	_, err := p.api.CopyObject(p.t.Context(), in)
	return err
}

func (p party) getACL(key string) (*s3.GetObjectAclOutput, error) {
	return p.api.GetObjectAcl(p.t.Context(), &s3.GetObjectAclInput{Bucket: &p.bucket, Key: &key})
}

func (p party) putACL(key, acl string) error {
	_, err := p.api.PutObjectAcl(p.t.Context(), &s3.PutObjectAclInput{
		Bucket: &p.bucket, Key: &key, ACL: types.ObjectCannedACL(acl),
	})
	return err
}

// owners lists the bucket: the owner of each key.
func (p party) owners() (map[string]string, error) {
	out, err := p.api.ListObjectsV2(p.t.Context(),
		&s3.ListObjectsV2Input{Bucket: &p.bucket, FetchOwner: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	owners := map[string]string{}
	for _, o := range out.Contents {
		owners[*o.Key] = ""
		if o.Owner != nil {
			owners[*o.Key] = aws.ToString(o.Owner.ID)
		}
	}
	return owners, nil
}

func (p party) annotate(key, name, text string) error {
	_, err := p.api.PutObjectAnnotation(p.t.Context(), &s3.PutObjectAnnotationInput{
		Bucket: &p.bucket, Key: &key, AnnotationName: &name,
		AnnotationPayload: strings.NewReader(text),
	})
	return err
}
