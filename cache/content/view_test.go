package content

import (
	"bytes"
	"slices"
	"testing"
)

// A View has the bytes that ReadAt copies, and keeps them while all the memory is
// used for others.
func TestView(t *testing.T) {
	const size = 9<<20 + 77
	c := newCache(t, new(bucket), Config{Memory: 64 * blockSize})
	r := c.Open(object("a", size))
	defer r.Close()
	tests := []struct{ off, n, want int64 }{
		{0, 1, 1},
		{0, 1 << 20, 1 << 20},
		{5000, 1 << 20, 1 << 20},
		{blockSize - 1, 2, 2},
		{size - 100, 1000, 100},
		{size, 1, 0},
		{size + 1, 1, 0},
		{0, 17 * blockSize, 0}, // more than may be viewed
	}
	for _, tt := range tests {
		v, err := r.View(t.Context(), tt.off, tt.n)
		if err != nil {
			t.Fatalf("View(%d, %d): %v", tt.off, tt.n, err)
		}
		if v == nil {
			if tt.want != 0 {
				t.Errorf("View(%d, %d) = nil, want %d bytes", tt.off, tt.n, tt.want)
			}
			continue
		}
		checkAll(t, r, 1<<20) // goes twice through the memory
		want := make([]byte, tt.want)
		readObject(r.v.obj, want, tt.off)
		if got := slices.Concat(v.Slices()...); int64(v.Len()) != tt.want ||
			!bytes.Equal(got, want) {
			t.Errorf("View(%d, %d): %d bytes, want the right %d", tt.off, tt.n, len(got), tt.want)
		}
		v.Release()
		v.Release()
	}
	if c.mem.pool.viewed != 0 {
		t.Errorf("%d blocks are viewed after all were released", c.mem.pool.viewed)
	}
}

// What cannot be viewed beside others can be once they are released; an error
// leaves nothing behind.
func TestViewsAreBounded(t *testing.T) {
	c := newCache(t, failing(new(bucket), 1, errFlaky), Config{Memory: 64 * blockSize})
	r := c.Open(object("a", 1<<20))
	defer r.Close()
	var views []*View
	for {
		v, err := r.View(t.Context(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if v == nil {
			break
		}
		views = append(views, v)
	}
	if want := 64 / 4 / 8; len(views) != want {
		t.Errorf("%d views of 8 blocks in a memory of 64, want %d", len(views), want)
	}
	for _, v := range views {
		v.Release()
	}
	other := c.Open(object("b", 1<<20))
	defer other.Close()
	if v, err := other.View(t.Context(), 0, 1<<20); v != nil || err == nil {
		t.Errorf("View = %v, %v, want the source's error", v, err)
	}
	if v, err := r.View(t.Context(), 0, 1<<20); v == nil || err != nil {
		t.Errorf("View = %v, %v after all were released", v, err)
	} else {
		v.Release()
	}
}
