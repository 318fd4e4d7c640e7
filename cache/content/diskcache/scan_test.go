package diskcache

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// TestOpenDuringScan: what an earlier process left is there, also for who opens it while it is
// still looked for.
func TestOpenDuringScan(t *testing.T) {
	const n = 200
	cfg := Config{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	obj := func(i int) s3backend.Object {
		return s3backend.Object{Key: fmt.Sprint("k", i), ETag: fmt.Sprint("e", i), Size: 10}
	}
	for round := range 20 {
		d, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var scan sync.WaitGroup
		begin := make(chan struct{})
		scan.Go(func() { <-begin; d.Scan() })
		close(begin)
		for i := range n {
			e := d.Open(obj(i))
			if got := e.Has(0); got != (round > 0) {
				t.Errorf("round %d: entry %d is there: %t", round, i, got)
			}
			d.Release(e)
		}
		scan.Wait()
		if round == 0 {
			for i := range n {
				d.Insert(obj(i), make([]byte, 10))
			}
			d.RunJobs()
		}
		d.Finish()
		d.Close()
		if t.Failed() {
			return
		}
	}
}
