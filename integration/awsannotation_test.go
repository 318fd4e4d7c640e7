package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"
)

// annotate annotates an object as the bucket's owner.
func (x *exchange) annotate(key string, notes map[string]string) {
	x.t.Helper()
	for name, text := range notes {
		// A checksum that is given is not sent behind the body, which the server takes of uploads
		// alone.
		sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil,
			crc32.ChecksumIEEE([]byte(text))))
		_, err := x.api[owner].PutObjectAnnotation(x.t.Context(), &s3.PutObjectAnnotationInput{
			Bucket: &x.Bucket, Key: &key, AnnotationName: &name,
			AnnotationPayload: strings.NewReader(text),
			ChecksumCRC32:     &sum,
		})
		if err != nil {
			x.t.Fatalf("annotate %q: %v", key, err)
		}
	}
}

// annotations are those of an object, by name.
func (x *exchange) annotations(key string) map[string]string {
	x.t.Helper()
	out, err := x.api[owner].ListObjectAnnotations(x.t.Context(),
		&s3.ListObjectAnnotationsInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		x.t.Fatalf("annotations of %q: %v", key, err)
	}
	all := map[string]string{}
	for _, a := range out.Annotations {
		got, err := x.api[owner].GetObjectAnnotation(x.t.Context(),
			&s3.GetObjectAnnotationInput{Bucket: &x.Bucket, Key: &key,
				AnnotationName: a.AnnotationName})
		if err != nil {
			x.t.Fatalf("annotation of %q: %v", key, err)
		}
		text, err := io.ReadAll(got.AnnotationPayload)
		if err != nil {
			x.t.Fatal(err)
		}
		got.AnnotationPayload.Close()
		all[*a.AnnotationName] = string(text)
	}
	return all
}

// TestAWSAnnotations renames, touches and changes objects that have annotations and objects that
// have none, for each of what the policy may grant. A rename or a new time loses none: it keeps
// them or is refused. An edit keeps them where the policy lets them be listed, read and put.
func TestAWSAnnotations(t *testing.T) {
	t.Parallel()
	const list, get, put = "s3:ListObjectAnnotations", "s3:GetObjectAnnotation",
		"s3:PutObjectAnnotation"
	notes := map[string]string{"scan.result": "clean",
		"größe": strings.Repeat("ü", 200_000), "x": "1"}
	for _, tt := range []struct {
		name      string
		granted   []string
		annotated bool
		says      string // in the log once the file was edited
	}{
		{"all granted", []string{list, get, put}, true, ""},
		{"all granted, no annotations", []string{list, get, put}, false, ""},
		{"none granted", nil, true, list},
		{"none granted, no annotations", nil, false, list},
		{"list granted", []string{list}, true, get},
		{"list and get granted", []string{list, get}, true, put},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newAWSPlace(t)
			x.initFull()
			if tt.granted != nil {
				x.govern(x.t,
					append(x.policy(x.t), x.statements(allow{delivery + "*", tt.granted})...)...)
			}
			want := map[string]string{}
			large := randomBytes(20 * mib)
			for key, content := range map[string][]byte{
				"file": []byte("file"), "touched": []byte("touched"), "appended": []byte("appended"), "over": []byte("over"),
				"large": large, "dir/a": []byte("a"),
			} {
				x.putAs(delivery+key, content, func(*s3.PutObjectInput) {})
				if tt.annotated {
					x.annotate(delivery+key, notes)
				}
			}
			if tt.annotated {
				want = notes
			}
			x.putAs(delivery+"dir/plain", []byte("plain"), func(*s3.PutObjectInput) {})
			m := x.mount(client)
			kept := len(tt.granted) == 3 || !tt.annotated
			has := func(key string, want map[string]string) {
				t.Helper()
				if got := x.annotations(delivery + key); !maps.Equal(got, want) {
					t.Errorf("%s has %d annotations, want %d", key, len(got), len(want))
				}
			}

			at := "renamed"
			err := os.Rename(m.path(delivery+"file"), m.path(delivery+at))
			if kept && err != nil {
				t.Errorf("rename: %v", err)
			}
			if !kept {
				at = "file"
				wantErrno(t, "rename", err, unix.EACCES)
				if said := m.log.String(); !strings.Contains(said, get) ||
					!strings.Contains(said, put) {
					t.Errorf("the log does not name what is missing:\n%s", said)
				}
			}
			x.awaitObject(delivery+at, []byte("file"))
			has(at, want)

			when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
			if err := os.Chtimes(m.path(delivery+"touched"), when, when); err != nil {
				t.Errorf("touch: %v", err)
			}
			m.awaitDelivered(delivery + "touched")
			has("touched", want)
			if sent := x.head(delivery + "touched").Metadata["mtime"] != ""; sent != kept {
				t.Errorf("S3 has the new time: %v, want %v", sent, kept)
			}

			err = os.Rename(m.path(delivery+"dir"), m.path(delivery+"moved"))
			x.awaitObject(delivery+"moved/plain", []byte("plain"))
			if where := "moved/a"; kept {
				if err != nil {
					t.Errorf("rename of the directory: %v", err)
				}
				has(where, want)
			} else {
				wantErrno(t, "rename of the directory", err, unix.EACCES)
				has("dir/a", want)
			}

			edited := want
			if !kept {
				edited = map[string]string{}
			}
			change := func(name string, flags int, off int64, patch string, content []byte) {
				t.Helper()
				f, err := os.OpenFile(m.path(delivery+name), flags, 0)
				if err != nil {
					t.Fatal(err)
				}
				if off > 0 {
					_, err = f.WriteAt([]byte(patch), off)
				} else {
					_, err = f.WriteString(patch)
				}
				if err != nil {
					t.Error(err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				m.awaitDelivered(delivery + name)
				x.awaitObject(delivery+name, content)
				has(name, edited)
			}
			change("appended", os.O_WRONLY|os.O_APPEND, 0, ", and more",
				[]byte("appended, and more"))
			change("appended", os.O_WRONLY|os.O_APPEND, 0, " of it",
				[]byte("appended, and more of it"))
			copy(large[9*mib:], "changed")
			change("large", os.O_RDWR, 9*mib, "changed", bytes.Clone(large))
			change("over", os.O_WRONLY|os.O_TRUNC, 0, "written anew", []byte("written anew"))
			if said := m.log.String(); tt.says != "" && strings.Count(said,
				tt.says+")") != 1+strings.Count(said, "copied ("+list+", "+get+", "+tt.says+")") {
				t.Errorf("the log does not say once that %s is missing:\n%s", tt.says, said)
			}
			if left, err := m.owed(); err != nil || len(left) > 0 {
				t.Errorf("not delivered: %+v, %v", left, err)
			}
		})
	}
}
