//go:build linux

package crashdisk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	ServeIfAsked()
	os.Exit(m.Run())
}

// TestSyncedFilesOutliveAnyCrash writes files, every other of them synced: those are on
// every image from then on, and some image lacks one of the others.
func TestSyncedFilesOutliveAnyCrash(t *testing.T) {
	d := Start(t, 32<<20, "")
	content := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 5000) }
	var synced []int64 // the position behind each file
	for n := range 10 {
		f, err := os.Create(filepath.Join(d.Dir, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content(n)); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		now, err := d.Now()
		if err != nil {
			t.Fatal(err)
		}
		synced = append(synced, now)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	lacks := 0
	for range 20 {
		at := rnd.Int64N(synced[len(synced)-1] + 1)
		i, err := d.Crash(at, rnd)
		if err != nil {
			t.Fatal(err)
		}
		for n, pos := range synced {
			got, err := os.ReadFile(filepath.Join(i.Dir, fmt.Sprint(n)))
			whole := err == nil && bytes.Equal(got, content(n))
			if n%2 == 0 && at >= pos && !whole {
				t.Errorf("at %d with %s, file %d, synced at %d, has %d bytes, %v",
					at, i.Kept, n, pos, len(got), err)
			}
			if n%2 != 0 && !whole {
				lacks++
			}
		}
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if lacks == 0 {
		t.Error("nothing was lost by any crash")
	}
}
