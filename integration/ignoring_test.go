package integration

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ignoreAbsent has the server carry out requests with If-None-Match whatever it holds,
// as one does that does not know the header there: what has the name is removed before.
func (x *exchange) ignoreAbsent(op string) faultRule {
	return faultRule{op: op,
		fault: func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
			if r.Header.Get("If-None-Match") != "" {
				key := r.URL.Path[len("/"+x.Bucket+"/"):]
				if _, err := x.api[owner].DeleteObject(r.Context(),
					&s3.DeleteObjectInput{Bucket: &x.Bucket, Key: &key}); err != nil {
					x.t.Errorf("remove %s: %v", key, err)
				}
			}
			forward(w, r)
		}}
}

// TestServerThatIgnoresIfNoneMatchOverwritesNothing has the other party make a file under a
// name that the mount does not know to be taken: its file stays, ours goes beside it.
func TestServerThatIgnoresIfNoneMatchOverwritesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op    string
		size  int // of our file
		files int // how many of ours go up before; a server is known after some
	}{
		{"PutObject", 100, 0},
		{"PutObject", 100, 6},
		{"PutObject", 3 * mib, 0},
		{"CompleteMultipartUpload", 20 * mib, 0},
		{"CompleteMultipartUpload", 17 * mib, 4},
	} {
		t.Run(fmt.Sprint(c.op, " of ", c.size, " after ", c.files), func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "full")
			x, g := direct.through(t)
			m := x.mount(client)
			g.rules(direct.ignoreAbsent(c.op))
			for i := range c.files {
				key := fmt.Sprint(delivery, "earlier", i%3) // each is replaced as well
				m.deliver(key, randomBytes(c.size-i))
			}
			const key = delivery + "plan.txt"
			ours := randomBytes(c.size)
			f, err := os.Create(m.path(key))
			if err == nil {
				_, err = f.Write(ours)
			}
			if err != nil {
				t.Fatal(err)
			}
			direct.put(owner, key, []byte("theirs"), false)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			m.awaitConflictCopy(ours)
			direct.awaitObject(key, []byte("theirs"))
		})
	}
}
