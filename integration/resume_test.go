package integration

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestResume kills the daemon when S3 has three fifths of a large file. The next
// one sends the other parts and nothing else, with no permission but to list,
// read and put.
func TestResume(t *testing.T) {
	t.Parallel()
	size := soaking[int64](256*mib, 1024*mib)
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.mount(client)
	const key = delivery + "large.bin"

	// Parts beyond those wait at the gateway, until the daemon is dead. What the mount
	// asks to find out what is granted is of other keys.
	killed := make(chan struct{})
	release := sync.OnceFunc(func() { close(killed) })
	t.Cleanup(release)
	var mu sync.Mutex
	passed := map[string]int64{} // sizes of parts, by number
	before := int64(0)           // bytes of these
	part := func(op string, r *http.Request) bool {
		return op == "UploadPart" && strings.HasSuffix(r.URL.Path, "/"+key)
	}
	g.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if !part(op, r) {
			return false
		}
		num := r.URL.Query().Get("partNumber")
		mu.Lock()
		held := passed[num] == 0 && before >= size*3/5
		if !held && passed[num] == 0 {
			passed[num] = r.ContentLength
			before += r.ContentLength
		}
		mu.Unlock()
		if held {
			<-killed
		}
		return held
	})
	want, err := pour(m.path(key), size)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "three fifths at S3", func() bool {
		all, err := m.owed()
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		return len(all) == 1 && before >= size*3/5 && all[0].Sent == before
	})
	m.kill()
	release()
	g.CloseClientConnections() // with what the dead daemon has sent and nobody has read yet

	again := map[string]int64{}
	g.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if part(op, r) {
			mu.Lock()
			defer mu.Unlock()
			again[r.URL.Query().Get("partNumber")] += r.ContentLength
		}
		return false
	})
	m = m.revive(t)
	m.unmount()
	mu.Lock()
	defer mu.Unlock()
	rest := int64(0)
	for num, n := range again {
		rest += n
		if passed[num] > 0 {
			t.Errorf("part %s went to S3 before the kill and after it", num)
		}
	}
	if rest != size-before {
		t.Errorf("%d bytes went to S3 after the kill, want the %d that were missing",
			rest, size-before)
	}
	if got := g.count("CreateMultipartUpload"); got != 1 {
		t.Errorf("%d uploads were begun, want 1", got)
	}
	allowed := []string{"ListObjectsV2", "GetObject", "HeadObject", "PutObject",
		"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
	for _, op := range g.others(allowed...) {
		t.Errorf("besides %v there was %s", allowed, op)
	}
	got, n, err := direct.checksum(key)
	if err != nil || n != size || got != want {
		t.Errorf("the object has %d bytes, %v, the same: %v; want %d", n, err, got == want, size)
	}
	if left := direct.uploads(); slices.Contains(left, key) {
		t.Errorf("uploads of %q are still open", left)
	}
}

// pour writes a file of this size that nothing can compress, and returns its
// checksum.
func pour(path string, size int64) (sum [sha256.Size]byte, err error) {
	f, err := os.Create(path)
	if err != nil {
		return sum, err
	}
	var seed [32]byte
	copy(seed[:], randomBytes(len(seed)))
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8(seed), size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return [sha256.Size]byte(h.Sum(nil)), err
}

// checksum reads an object as the bucket's owner and returns its checksum and size.
func (x *exchange) checksum(key string) (sum [sha256.Size]byte, size int64, err error) {
	out, err := x.api[owner].GetObject(x.t.Context(),
		&s3.GetObjectInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		return sum, 0, err
	}
	defer out.Body.Close()
	h := sha256.New()
	size, err = io.Copy(h, out.Body)
	return [sha256.Size]byte(h.Sum(nil)), size, err
}
