package integration

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sys/unix"
)

// putAs puts an object as the bucket's owner, in a way that mounts do not.
func (x *exchange) putAs(key string, body []byte, change func(*s3.PutObjectInput)) {
	x.t.Helper()
	in := &s3.PutObjectInput{Bucket: &x.Bucket, Key: &key, Body: bytes.NewReader(body),
		ACL: types.ObjectCannedACLBucketOwnerFullControl}
	change(in)
	out, err := x.api[owner].PutObject(x.t.Context(), in)
	if err != nil {
		x.t.Fatalf("put %q: %v", key, err)
	}
	x.foreign.mu.Lock()
	defer x.foreign.mu.Unlock()
	x.foreign.etags[key] = strings.Trim(aws.ToString(out.ETag), `"`)
}

func inClass(class types.StorageClass) func(*s3.PutObjectInput) {
	return func(in *s3.PutObjectInput) { in.StorageClass = class }
}

func withTag(in *s3.PutObjectInput) { in.Tagging = aws.String("project=apollo") }

// withCustomerKey encrypts with a key that the owner keeps.
func withCustomerKey(in *s3.PutObjectInput) {
	in.SSECustomerAlgorithm = aws.String("AES256")
	in.SSECustomerKey = aws.String("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	in.SSECustomerKeyMD5 = aws.String("hRasmdxgYDKV3nvbahU1MA==")
}

// tagsOf are an object's tags, as "name=value".
func (x *exchange) tagsOf(key string) (all []string) {
	x.t.Helper()
	out, err := x.api[owner].GetObjectTagging(x.t.Context(),
		&s3.GetObjectTaggingInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		x.t.Fatalf("tags of %q: %v", key, err)
	}
	for _, tag := range out.TagSet {
		all = append(all, *tag.Key+"="+*tag.Value)
	}
	return all
}

// grantTagging lets the client read and set tags.
func (x *exchange) grantTagging() {
	x.govern(x.t, append(x.policy(x.t), x.statements(allow{delivery + "*",
		[]string{"s3:GetObjectTagging", "s3:PutObjectTagging"}})...)...)
}

// TestAWSTags renames and touches objects that have tags and objects that have none, where
// the policy grants tagging and where it does not. No tag is ever lost.
func TestAWSTags(t *testing.T) {
	t.Parallel()
	for _, tagging := range []bool{false, true} {
		for _, tagged := range []bool{false, true} {
			t.Run(map[bool]string{false: "not granted",
				true: "granted"}[tagging]+map[bool]string{false: ", no tags",
				true: ", tags"}[tagged], func(t *testing.T) {
				t.Parallel()
				x := newAWSPlace(t)
				x.initFull()
				if tagging {
					x.grantTagging()
				}
				has := func(*s3.PutObjectInput) {}
				var tags []string
				if tagged {
					has, tags = withTag, []string{"project=apollo"}
				}
				for _, key := range []string{"file", "touched", "dir/a", "dir/b"} {
					x.putAs(delivery+key, []byte(key), has)
				}
				x.putAs(delivery+"dir/plain", []byte("dir/plain"), func(*s3.PutObjectInput) {})
				m := x.mount(client)
				refused := tagged && !tagging

				err := os.Rename(m.path(delivery+"file"), m.path(delivery+"renamed"))
				at := delivery + "renamed"
				if refused {
					wantErrno(t, "rename", err, unix.EACCES)
					at = delivery + "file"
					if said := m.log.String(); !strings.Contains(said, "s3:GetObjectTagging") {
						t.Errorf("the log does not name what is missing:\n%s", said)
					}
				} else if err != nil {
					t.Errorf("rename: %v", err)
				}
				x.awaitObject(at, []byte("file"))
				if got := x.tagsOf(at); !slices.Equal(got, tags) {
					t.Errorf("after rename the tags are %q, want %q", got, tags)
				}

				when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
				if err := os.Chtimes(m.path(delivery+"touched"), when, when); err != nil {
					t.Errorf("touch: %v", err)
				}
				m.awaitDelivered(delivery + "touched")
				if info, err := os.Stat(m.path(delivery + "touched")); err != nil ||
					!info.ModTime().Equal(when) {
					t.Errorf("after touch: %v, %v", info, err)
				}
				if got := x.tagsOf(delivery + "touched"); !slices.Equal(got, tags) {
					t.Errorf("after touch the tags are %q, want %q", got, tags)
				}
				if sent := x.head(delivery + "touched").Metadata["mtime"] != ""; sent == refused {
					t.Errorf("S3 has the new time: %v, want %v", sent, !refused)
				}

				err = os.Rename(m.path(delivery+"dir"), m.path(delivery+"moved"))
				x.awaitObject(delivery+"moved/plain", []byte("dir/plain"))
				where := "moved/"
				if refused {
					wantErrno(t, "rename of the directory", err, unix.EACCES)
					where = "dir/"
				} else if err != nil {
					t.Errorf("rename of the directory: %v", err)
				}
				for _, name := range []string{"a", "b"} {
					x.awaitObject(delivery+where+name, []byte("dir/"+name))
					if got := x.tagsOf(delivery + where + name); !slices.Equal(got, tags) {
						t.Errorf("after the directory's rename the tags of %s are %q, want %q",
							name, got, tags)
					}
					m.awaitContent(delivery+where+name, []byte("dir/"+name))
				}
				m.awaitContent(delivery+"moved/plain", []byte("dir/plain"))
				m.awaitName(delivery+"dir", refused)
				x.awaitGone(delivery + "dir/plain")
				if left, err := m.owed(); err != nil || len(left) > 0 {
					t.Errorf("not delivered: %+v, %v", left, err)
				}
			})
		}
	}
}

// TestAWSStorageClassIsKept renames, touches, edits and appends to objects of each class.
func TestAWSStorageClassIsKept(t *testing.T) {
	t.Parallel()
	x := newAWSPlace(t)
	x.initFull()
	classes := []types.StorageClass{types.StorageClassStandardIa, types.StorageClassOnezoneIa,
		types.StorageClassIntelligentTiering, types.StorageClassGlacierIr,
		types.StorageClassReducedRedundancy}
	content := randomBytes(20 * mib)
	for _, c := range classes {
		for _, name := range []string{"renamed", "touched", "appended", "dir/file"} {
			x.putAs(delivery+string(c)+"/"+name, []byte("content"), inClass(c))
		}
	}
	x.putAs(delivery+"large", content, inClass(types.StorageClassStandardIa))
	m := x.mount(client)
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	edit := func(name string, flags int, patch []byte) {
		t.Helper()
		f, err := os.OpenFile(m.path(name), flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(patch); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		m.awaitDelivered(name)
	}
	inClass := func(key string, want types.StorageClass) {
		t.Helper()
		got := x.head(key)
		if got == nil {
			t.Fatalf("%s is not there", key)
		}
		if class := cmp.Or(got.StorageClass, types.StorageClassStandard); class != want {
			t.Errorf("%s is in %s, want %s", key, class, want)
		}
	}
	for _, c := range classes {
		dir := delivery + string(c) + "/"
		if err := os.Rename(m.path(dir+"renamed"), m.path(dir+"new")); err != nil {
			t.Error(err)
		}
		if err := os.Rename(m.path(dir+"new"), m.path(dir+"newer")); err != nil {
			t.Error(err)
		}
		if err := os.Chtimes(m.path(dir+"touched"), when, when); err != nil {
			t.Error(err)
		}
		m.awaitDelivered(dir + "touched")
		edit(dir+"appended", os.O_WRONLY|os.O_APPEND, []byte(", and more"))
		if err := os.Rename(m.path(dir+"dir"), m.path(dir+"moved")); err != nil {
			t.Error(err)
		}
		x.awaitObject(dir+"newer", []byte("content"))
		x.awaitObject(dir+"appended", []byte("content, and more"))
		x.awaitObject(dir+"moved/file", []byte("content"))
		for _, name := range []string{"newer", "touched", "appended", "moved/file"} {
			inClass(dir+name, c)
		}
	}
	edit(delivery+"large", os.O_RDWR, []byte("changed"))
	copy(content, "changed")
	x.awaitObject(delivery+"large", content)
	inClass(delivery+"large", types.StorageClassStandardIa)
	m.write(delivery+"fresh", []byte("fresh"))
	x.awaitObject(delivery+"fresh", []byte("fresh"))
	inClass(delivery+"fresh", types.StorageClassStandard)
}

// TestAWSUnreadable has objects that are archived, or encrypted with somebody's key: reading,
// renaming and changing a part of them is refused with the reason, in time; a whole file
// replaces them; a directory is renamed but for them.
func TestAWSUnreadable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(*s3.PutObjectInput)
		says []string
	}{
		{"archived", inClass(types.StorageClassGlacier), []string{"GLACIER", "aws s3api restore-object --bucket ", "--restore-request Days=7"}},
		{"archived deep", inClass(types.StorageClassDeepArchive), []string{"DEEP_ARCHIVE", "aws s3api restore-object --bucket "}},
		{"encrypted", withCustomerKey, []string{"SSE-C"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newAWSPlace(t)
			x.initFull()
			for _, key := range []string{"read", "rename", "append", "replace", "dir/it"} {
				x.putAs(delivery+key, []byte("cannot be read"), tt.make)
			}
			x.putAs(delivery+"dir/plain", []byte("plain"), func(*s3.PutObjectInput) {})
			m := x.mount(client)

			f, err := os.Open(m.path(delivery + "read"))
			if err == nil {
				_, err = io.ReadAll(f)
				f.Close()
			}
			wantErrno(t, "read", err, unix.EACCES)
			said := m.log.String()
			for _, want := range tt.says {
				if !strings.Contains(said, want) {
					t.Errorf("the log does not say %q:\n%s", want, said)
				}
			}
			wantErrno(t, "rename",
				os.Rename(m.path(delivery+"rename"), m.path(delivery+"renamed")), unix.EACCES)
			a, err := os.OpenFile(m.path(delivery+"append"), os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = a.Write([]byte("more"))
				a.Close()
			}
			wantErrno(t, "append", err, unix.EACCES)
			m.write(delivery+"replace", []byte("replaced"))
			x.awaitObject(delivery+"replace", []byte("replaced"))
			m.awaitContent(delivery+"replace", []byte("replaced"))
			wantErrno(t, "rename of the directory",
				os.Rename(m.path(delivery+"dir"), m.path(delivery+"moved")), unix.EACCES)
			x.awaitObject(delivery+"moved/plain", []byte("plain"))
			m.awaitContent(delivery+"moved/plain", []byte("plain"))
			m.awaitName(delivery+"dir/it", true)
			if x.head(delivery+"moved/it") != nil {
				t.Error("what cannot be copied is there as well")
			}
		})
	}
}
