package thumbnailer

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestIs(t *testing.T) {
	for _, c := range []struct {
		program string // as the kernel keeps it
		want    bool
	}{
		{"tumblerd", true},
		{"evince-thumbnai", true},
		{"totem-video-thu", true},
		{"gdk-pixbuf-thum", true},
		{"ffmpegthumbnail", true},
		{"tracker-miner-f", true},
		{"tracker-extract", true},
		{"localsearch-3", true},
		{"localsearch-ext", true},
		{"baloo_file", true},
		{"baloo_file_extr", true},
		{"", false},
		{"cp", false},
		{"nautilus", false},
		{"evince", false},
		{"totem", false},
		{"ffmpeg", false},
		{"baloo", false},
		{"tumblerd2", false},
		{"my-tumblerd", false},
		{"evince-thumbnailer", false}, // the kernel keeps no name of that length
	} {
		if got := Is(c.program); got != c.want {
			t.Errorf("Is(%q) = %v", c.program, got)
		}
	}
}

// TestBudget takes from a budget by several goroutines: no more than it has, and all of that.
func TestBudget(t *testing.T) {
	var c Counts
	b, untouched := c.NewBudget(), c.NewBudget()
	if b.Take(MaxBytes + 1) {
		t.Error("more than a whole budget is granted")
	}
	const step = 64 << 10
	var taken atomic.Int64
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for b.Take(step) {
				taken.Add(step)
			}
		})
	}
	g.Wait()
	if taken.Load() != MaxBytes {
		t.Errorf("%d bytes are granted, of %d", taken.Load(), MaxBytes)
	}
	if !untouched.Take(MaxBytes) {
		t.Error("one open takes from another")
	}
	if files, refused := c.Files.Load(), c.Refused.Load(); files != 2 || refused != 1 {
		t.Errorf("%d files, %d refused, want 2 and 1", files, refused)
	}
}
