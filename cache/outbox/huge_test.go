package outbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// counting takes parts without reading them: what is sent is not the question.
type counting struct {
	buckettest.S3
	parts, bytes atomic.Int64
	size         atomic.Int64 // of what was completed
}

func (c *counting) UploadPart(_ context.Context, _ s3backend.Upload, num int32, _ io.ReadSeeker,
	size int64) (s3backend.Part, error) {
	c.parts.Add(1)
	c.bytes.Add(size)
	return s3backend.Part{Number: num, ETag: fmt.Sprint(num), Size: size}, nil
}

func (c *counting) Complete(_ context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, _ s3backend.Condition) (s3backend.Object, error) {
	c.size.Store(size)
	return s3backend.Object{Key: up.Key, ETag: "e", Size: size}, nil
}

// TestHugeSparseFiles delivers files that are larger than any disk here, with memory
// for neither their bytes nor their holes.
func TestHugeSparseFiles(t *testing.T) {
	for _, size := range []int64{50 << 30, 1 << 40, 15 << 40} {
		t.Run(fmt.Sprint(size>>30, " GiB"), func(t *testing.T) {
			dir := t.TempDir()
			if err := sparse(filepath.Join(dir, "probe"), size); err != nil {
				t.Skipf("the disk takes no file of this size: %v", err)
			}
			c := &counting{S3: buckettest.New()}
			r := &rig{T: t, dir: dir, removed: map[string]error{}}
			var err error
			if r.Outbox, err = New(c, r, Config{Dir: dir, Settle: time.Millisecond}); err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			before := heap()
			it := r.create("Delivery/huge", []byte("begins"))
			if err := it.Truncate(size); err != nil {
				t.Fatal(err)
			}
			r.write(it, []byte("ends"), size-4)
			if grown := heap() - before; grown > 1<<20 {
				t.Errorf("%d bytes of memory are held for %d bytes of zeros", grown, size)
			}
			r.done(it)
			r.drain()
			if c.bytes.Load() != size || c.size.Load() != size ||
				c.parts.Load() > int64(parts.MaxCount) {
				t.Errorf("%d bytes in %d parts make %d bytes, want %d", c.bytes.Load(),
					c.parts.Load(), c.size.Load(), size)
			}
			if grown := heap() - before; grown > 16<<20 {
				t.Errorf("%d bytes of memory are held after %d bytes in %d parts",
					grown, size, c.parts.Load())
			}
		})
	}
}

// sparse makes a file of this size and removes it.
func sparse(path string, size int64) error {
	defer os.Remove(path)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
