package access

import (
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const noETag = `"00000000000000000000000000000000"`

// TestConditions tries every condition on every request that writes.
func TestConditions(t *testing.T) {
	const quoted = "RGW 16 compares If-Match with its quotes on, so it never matches"
	ignored := func(want, rgw, request string) outcome {
		return outcome{want, rgw, "RGW 16 ignores conditions on " + request}
	}
	put := func(f func(in *s3.PutObjectInput, etag string)) func(party, string) error {
		return func(p party, etag string) error {
			return p.put("f", "new", "", func(in *s3.PutObjectInput) { f(in, etag) })
		}
	}
	complete := func(f func(in *s3.CompleteMultipartUploadInput, etag string)) func(party,
		string) error {
		return func(p party, etag string) error {
			u, err := p.begin("f", "")
			if err == nil {
				err = u.part("new")
			}
			if err != nil {
				return fmt.Errorf("upload: %w", err)
			}
			return u.complete(func(in *s3.CompleteMultipartUploadInput) { f(in, etag) })
		}
	}
	copied := func(f func(in *s3.CopyObjectInput, etag string)) func(party, string) error {
		return func(p party, etag string) error {
			return p.copy("source", "f", "", func(in *s3.CopyObjectInput) { f(in, etag) })
		}
	}
	deleted := func(f func(in *s3.DeleteObjectInput, etag string)) func(party, string) error {
		return func(p party, etag string) error {
			in := &s3.DeleteObjectInput{Bucket: &p.bucket, Key: aws.String("f")}
			f(in, etag)
			_, err := p.api.DeleteObject(p.t.Context(), in)
			return err
		}
	}
	for _, tt := range []struct {
		name   string
		exists bool
		do     func(p party, etag string) error
		want   outcome
	}{
		{"put, none, exists", true, put(func(in *s3.PutObjectInput, _ string) { in.IfNoneMatch = aws.String("*") }), same("412")},
		{"put, none, missing", false, put(func(in *s3.PutObjectInput, _ string) { in.IfNoneMatch = aws.String("*") }), same("OK")},
		{"put, match", true, put(func(in *s3.PutObjectInput, e string) { in.IfMatch = &e }), outcome{"OK", "412", quoted}},
		{"put, other", true, put(func(in *s3.PutObjectInput, _ string) { in.IfMatch = aws.String(noETag) }), same("412")},
		{"put, match, missing", false,
			put(func(in *s3.PutObjectInput, _ string) { in.IfMatch = aws.String(noETag) }), outcome{
				"404", "412", "RGW 16 answers 412 for a missing key",
			}},

		{"complete, none, exists", true, complete(func(in *s3.CompleteMultipartUploadInput, _ string) { in.IfNoneMatch = aws.String("*") }), ignored("412", "OK", "Complete")},
		{"complete, none, missing", false, complete(func(in *s3.CompleteMultipartUploadInput, _ string) { in.IfNoneMatch = aws.String("*") }), same("OK")},
		{"complete, match", true, complete(func(in *s3.CompleteMultipartUploadInput, e string) { in.IfMatch = &e }), same("OK")},
		{"complete, other", true, complete(func(in *s3.CompleteMultipartUploadInput, _ string) { in.IfMatch = aws.String(noETag) }), ignored("412", "OK", "Complete")},

		{"copy, none, exists", true, copied(func(in *s3.CopyObjectInput, _ string) { in.IfNoneMatch = aws.String("*") }), ignored("412", "OK", "CopyObject")},
		{"copy, none, missing", false, copied(func(in *s3.CopyObjectInput, _ string) { in.IfNoneMatch = aws.String("*") }), same("OK")},
		{"copy, match", true, copied(func(in *s3.CopyObjectInput, e string) { in.IfMatch = &e }), same("OK")},
		{"copy, other", true, copied(func(in *s3.CopyObjectInput, _ string) { in.IfMatch = aws.String(noETag) }), ignored("412", "OK", "CopyObject")},
		{"copy, source other", true, copied(func(in *s3.CopyObjectInput, _ string) { in.CopySourceIfMatch = aws.String(noETag) }), ignored("412", "OK", "CopyObject")},

		{"delete, match", true, deleted(func(in *s3.DeleteObjectInput, e string) { in.IfMatch = &e }), outcome{want: "OK"}},
		{"delete, other", true, deleted(func(in *s3.DeleteObjectInput, _ string) { in.IfMatch = aws.String(noETag) }), ignored("412", "OK", "DeleteObject")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owner, _, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
			want(t, "put of the source", owner.put("source", "new", ""), "OK")
			var etag string
			if tt.exists {
				want(t, "put of what is there", owner.put("f", "old", ""), "OK")
				out, err := owner.head("f")
				if err != nil {
					t.Fatal(err)
				}
				etag = *out.ETag
			}
			want(t, tt.name, tt.do(owner, etag), tt.want.here())
			if tt.want.here() == "412" && tt.exists {
				want(t, "get of what must be left", owner.get("f", "old"), "OK")
			}
		})
	}
}

// TestRacingCreates: of many conditional puts of one new key, one wins.
func TestRacingCreates(t *testing.T) {
	owner, client, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
	outcomes := make([]string, 16)
	var wg sync.WaitGroup
	for i := range outcomes {
		wg.Go(func() {
			p := []party{owner, client}[i%2]
			outcomes[i] = answer(p.put("f", fmt.Sprint(i), "",
				func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }))
		})
	}
	wg.Wait()
	won := 0
	for _, o := range outcomes {
		if o == "OK" {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d creates won, want 1: %q", won, len(outcomes), outcomes)
	}
}
