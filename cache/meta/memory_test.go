package meta

import (
	"context"
	"runtime"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// endless is a bucket of which each folder has n files, made as they are asked for.
type endless struct{ n int }

func (b endless) List(_ context.Context, in s3backend.ListInput) (page s3backend.Page, err error) {
	after := max(in.StartAfter, in.Token)
	from := sort.Search(b.n, func(i int) bool { return in.Prefix+fileName(i) > after })
	for i := from; i < b.n && len(page.Objects) < 1000; i++ {
		page.Objects = append(page.Objects, s3backend.Object{
			Key: in.Prefix + fileName(i), Size: int64(i), ETag: "d41d8cd98f00b204e9800998" +
				strconv.Itoa(10_000_000+i), Modified: time.Unix(1e9, 0), Class: "STANDARD",
		})
	}
	if n := len(page.Objects); n == 1000 && from+n < b.n {
		page.Next = page.Objects[n-1].Key
	}
	return page, nil
}

func fileName(i int) string { return "report-" + strconv.Itoa(10_000_000 + i)[1:] + ".csv" }

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemory counts the bytes that a name takes, and sees that the names of a folder
// larger than the budget are given back when another one is read.
func TestMemory(t *testing.T) {
	const (
		names = 300_000
		most  = 100 // bytes a name
	)
	c := New(endless{names}, Config{Entries: names / 10})
	defer c.Close()
	before := heap()
	l := c.List("Delivery/a long way down/", -1)
	if e, ok, err := l.At(t.Context(), names-1); !ok || err != nil || e.Size != names-1 {
		t.Fatalf("the last entry is %+v, %v, %v", e, ok, err)
	}
	c.loads.Wait()
	each := (heap() - before) / names
	t.Logf("%d bytes a name", each)
	if each > most {
		t.Errorf("a name takes %d bytes, want at most %d", each, most)
	}
	runtime.KeepAlive(l)
	c.bucket = endless{10}
	if _, _, err := c.List("another/", -1).At(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	c.loads.Wait()
	if left := heap() - before; left > 1<<20 {
		t.Errorf("%d bytes are kept of a folder that is over the budget", left)
	}
}

// TestOldListingsAreForgotten leaves neither names nor a timer behind.
func TestOldListingsAreForgotten(t *testing.T) {
	bubble(t, 0, Config{}, nil, func(r *rig) {
		r.store("D/a", "D/b/c")
		r.wantFolder("D/")
		time.Sleep(maxTTL / 2)
		r.wantFolder("D/b/")
		time.Sleep(3 * maxTTL)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.dirs.Len() != 0 || r.total != 0 || r.forget != nil {
			r.Errorf("%d folders with %d names are kept, and a timer: %v", r.dirs.Len(),
				r.total, r.forget != nil)
		}
	})
}
