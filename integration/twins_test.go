package integration

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// writeAt writes a file whose last change is at a given time, in one delivery.
func (m *mount) writeAt(key string, content []byte, at time.Time) {
	m.t.Helper()
	f, err := os.Create(m.path(key))
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = os.Chtimes(m.path(key), at, at)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// TestFilesOfEqualSizeAndTimeAreNotTakenForOneAnother has both parties write one name,
// with equal length and the same time, as tar and cp -p do: one version stays under the
// name, the other beside it, and both parties read the same.
func TestFilesOfEqualSizeAndTimeAreNotTakenForOneAnother(t *testing.T) {
	t.Parallel()
	for _, ours := range []string{"ours, 14 bytes", "same 14 bytes."} {
		t.Run(ours, func(t *testing.T) {
			t.Parallel()
			const key = delivery + "plan.txt"
			theirs, at := []byte("same 14 bytes."), time.Unix(1_000_000_000, 123_456_789)
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m, o := x.mount(client), direct.mount(owner)
			asked, goOn := make(chan struct{}), make(chan struct{})
			var puts atomic.Int64
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				if op == "PutObject" && puts.Add(1) == 1 {
					close(asked)
					<-goOn
				}
				return false
			})
			m.writeAt(key, []byte(ours), at)
			<-asked
			o.writeAt(key, theirs, at)
			o.awaitDelivered(key)
			close(goOn)
			beside := m.awaitConflictCopy([]byte(ours))
			for who, reader := range map[string]*mount{"the client": m, "the owner": o} {
				for k, want := range map[string][]byte{key: theirs, beside: []byte(ours)} {
					reader.awaitName(k, true)
					if got := reader.read(k); !bytes.Equal(got, want) {
						t.Errorf("%s reads %q of %s, want %q", who, got, k, want)
					}
				}
			}
		})
	}
}

// enforceOwnership has the bucket's owner own what others put there.
func (x *exchange) enforceOwnership() {
	x.t.Helper()
	_, err := x.api[owner].PutBucketOwnershipControls(x.t.Context(),
		&s3.PutBucketOwnershipControlsInput{
			Bucket: &x.Bucket,
			OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{
				{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced},
			}},
		})
	if err != nil {
		x.t.Fatalf("turn ACLs off: %v", err)
	}
}

// TestLostAnswersMakeNoConflict loses S3's answers to a commit: nothing is taken for
// the other party's, whether S3 is asked again by the same request or by a later one.
func TestLostAnswersMakeNoConflict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, op string
		size     int
		lost     int64 // answers; three attempts make one request
	}{
		{"small file", "PutObject", 100, 1},
		{"small file, for long", "PutObject", 100, 4},
		{"file of some MiB", "PutObject", 3 * mib, 1},
		{"upload in parts", "CompleteMultipartUpload", 20 * mib, 1},
		{"upload in parts, for long", "CompleteMultipartUpload", 20 * mib, 4},
	} {
		// With ACLs off, what we have put is the bucket owner's: where the policy grants
		// no get, its metadata cannot be read.
		for _, policy := range []string{"full", "folders", "folders, ACLs off"} {
			t.Run(c.name+"/"+policy, func(t *testing.T) {
				t.Parallel()
				const key = delivery + "plan.bin"
				policy, off := strings.CutSuffix(policy, ", ACLs off")
				direct := newExchange(t, policy)
				if off {
					direct.enforceOwnership()
				}
				x, g := direct.through(t)
				m := x.mount(client)
				var n atomic.Int64
				g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
					if op == c.op && n.Add(1) <= c.lost {
						g.lose(r)
					}
					return false
				})
				content := randomBytes(c.size)
				m.deliver(key, content)
				direct.awaitObject(key, content)
				// S3 has taken it under a version that we know: the next one replaces it.
				content = randomBytes(c.size)
				m.deliver(key, content)
				direct.awaitObject(key, content)
				if all := direct.list(); len(all) != 1 {
					t.Errorf("the bucket holds %v, want the one file", all)
				}
				if n.Load() <= c.lost {
					t.Errorf("%d %s: no answer was lost", n.Load(), c.op)
				}
			})
		}
	}
}
