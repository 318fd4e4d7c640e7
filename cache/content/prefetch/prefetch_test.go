package prefetch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/s3share/s3share/cache/content/diskcache"
)

const (
	mib   = 1 << 20
	block = blockSize
)

// far is a connection of which many requests bring more than one does, near one of which
// one is enough; of unknown nothing has been measured.
var (
	far = Supply{Memory: 80 * mib, Streams: 32, Enough: 32,
		Measured: true, Bandwidth: 400 * mib, Sequences: 1}
	near = Supply{Memory: 80 * mib, Streams: 32, Enough: 4, Measured: true, Single: true,
		Bandwidth: 900 * mib, Sequences: 1}
	unknown = Supply{Memory: 80 * mib, Streams: 32, Enough: 32, Sequences: 1}
)

// program is a program that reads an object through a cache whose requests are done at once.
type program struct {
	*Handle
	supply   Supply
	disk     func(i int64) bool
	here     map[int64]bool
	now      int64
	requests []string // such as "wait 0-8": what a read waits for, the blocks from 0 up to 8
}

func newProgram(size int64, u Supply) *program {
	return &program{Handle: NewHandle(size),
		supply: u, disk: func(int64) bool { return false }, here: map[int64]bool{}}
}

func (p *program) State(i int64) State {
	switch {
	case p.here[i]:
		return Here
	case p.disk(i):
		return OnDisk
	}
	return Missing
}

func (p *program) fetch(what string, s *Sequence, from, end int64) {
	to := from
	for ; to < end && !p.here[to]; to++ {
		p.here[to] = true
	}
	if s != nil {
		s.Fetched(to * blockSize)
	}
	p.requests = append(p.requests, fmt.Sprintf("%s %d-%d", what, from, to))
}

// read reads [off, off+n).
func (p *program) read(off, n int64) (s *Sequence, ended []*Sequence) {
	p.now++
	s, ended = p.Observe(off, off+n, p.now)
	end := diskcache.BlocksIn(off + n)
	for i := off / blockSize; i < end; i++ {
		switch {
		case p.here[i]:
		case s == nil:
			p.fetch("stray", nil, i, end)
		default:
			s.Waited()
			p.fetch("wait", s, i, s.Demand(p.supply, i, end))
		}
	}
	if s == nil {
		return nil, ended
	}
	plan := s.Plan(p.supply)
	for {
		r, ok := plan.Next(p)
		if !ok {
			return s, ended
		}
		if r.OnDisk {
			p.fetch("disk", s, r.From, r.End)
		} else {
			p.fetch("ahead", s, r.From, r.End)
		}
	}
}

// TestRequests reads, and compares the requests with those that are expected.
func TestRequests(t *testing.T) {
	type reads struct{ off, n, times int64 }
	slow := far
	slow.Bandwidth = mib / 2
	small := far
	small.Memory = mib / 2
	for _, tt := range []struct {
		name   string
		size   int64
		supply Supply
		here   int64 // blocks that are here before
		disk   func(i int64) bool
		reads  []reads
		want   string
	}{
		{"the head of a file", 100 * mib, far, 0, nil, []reads{{0, 4096, 1}}, "wait 0-8"},
		{"a small file", 300_000, far, 0, nil, []reads{{0, 100_000, 3}}, "wait 0-3"},
		{"a read in the midst", 100 * mib, far, 0, nil, []reads{{50 * mib, 4096, 1}}, "stray 400-401"},
		{"a second one that goes on", 100 * mib, far, 0, nil, []reads{{50 * mib, block, 2}}, "stray 400-401 wait 401-409"},
		{"forward from the begin", 100 * mib, far, 0, nil, []reads{{0, block, 9}}, "wait 0-8 ahead 8-16 ahead 16-24"},
		{"forward, not known how fast", 100 * mib, unknown, 0, nil, []reads{{0, block, 9}}, "wait 0-8 ahead 8-32"},
		{"one large read", 100 * mib, far, 0, nil, []reads{{0, 4 * mib, 1}}, "wait 0-32 ahead 32-40"},
		{"larger than a request", 100 * mib, far, 0, nil, []reads{{0, 20 * mib, 1}}, "wait 0-64 wait 64-128 wait 128-160 ahead 160-168"},
		{"to the end", 2 * mib, far, 0, nil, []reads{{0, mib, 2}}, "wait 0-8 ahead 8-16"},
		{"what is here is left out", 100 * mib, far, 12, nil, []reads{{0, block, 14}}, "ahead 12-20"},
		{"from the disk", 100 * mib, far, 0, func(i int64) bool { return i >= 8 && i < 12 }, []reads{{0, block, 9}}, "wait 0-8 disk 8-16 ahead 16-24"},
		{"one connection is enough", 1 << 30, near, 0, nil, []reads{{0, block, 9}}, "wait 0-64"},
		{"and the next is longer", 1 << 30, near, 0, nil, []reads{{0, mib, 31}}, "wait 0-256 ahead 256-8192"},
		{"one connection, and then the disk", 1 << 30, near, 0, func(i int64) bool { return i >= 64 }, []reads{{0, block, 60}}, "wait 0-64 disk 64-72"},
		{"a slow connection", 1 << 30, slow, 0, nil, []reads{{0, mib, 3}}, "wait 0-8 ahead 8-16 ahead 16-24 ahead 24-32 ahead 32-40"},
		{"little memory", 1 << 30, small, 0, nil, []reads{{0, mib, 3}}, "wait 0-8 ahead 8-16 ahead 16-24 ahead 24-32"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProgram(tt.size, tt.supply)
			if tt.disk != nil {
				p.disk = tt.disk
			}
			for i := range tt.here {
				p.here[i] = true
			}
			for _, r := range tt.reads {
				for i := range r.times {
					if off := r.off + i*r.n; off < tt.size {
						p.read(off, min(r.n, tt.size-off))
					}
				}
			}
			if got := strings.Join(p.requests, " "); got != tt.want {
				t.Errorf("the requests are\n%s, want\n%s", got, tt.want)
			}
		})
	}
}

// TestWindowGrows has it grow where reads wait, up to the share, and be small again after a
// request that failed.
func TestWindowGrows(t *testing.T) {
	for _, tt := range []struct {
		name   string
		supply func(u *Supply)
		window int64
	}{
		{"alone", func(u *Supply) {}, 160 * mib},
		{"of four", func(u *Supply) { u.Sequences = 4 }, 40 * mib},
		{"with few streams", func(u *Supply) { u.Streams = 2 }, 16 * mib},
		{"on a slow connection", func(u *Supply) { u.Bandwidth = mib }, 4 * mib},
		{"of very many", func(u *Supply) { u.Sequences = 100_000 }, blockSize},
	} {
		u := far
		tt.supply(&u)
		h := NewHandle(1 << 40)
		var s *Sequence
		for i := range int64(10_000) {
			s, _ = h.Observe(i*mib, (i+1)*mib, i)
			s.Waited()
			s.Share(u)
		}
		share := s.Share(u)
		if share.Window != tt.window {
			t.Errorf("%s: the window is %d KiB, want %d", tt.name, share.Window>>10, tt.window>>10)
		}
		if share.Request > share.Window || share.Request%blockSize != 0 ||
			share.Request < blockSize {
			t.Errorf("%s: requests are of %d bytes, in a window of %d", tt.name,
				share.Request, share.Window)
		}
		s.Failed(s.Next())
		if got := s.Share(u).Window; got > MinWindow {
			t.Errorf("%s: after a failure the window is %d KiB", tt.name, got>>10)
		}
	}
}

// TestSequences reads at several places of one object.
func TestSequences(t *testing.T) {
	p := newProgram(1<<40, far)
	var all []*Sequence
	at := func(i int64) int64 { return i << 34 }
	for i := range int64(maxSequences + 1) {
		p.read(at(i), block)
		s, ended := p.read(at(i)+block, block)
		if s == nil || slices.Contains(all, s) {
			t.Fatalf("reads at %d are no sequence of their own", at(i))
		}
		if i < maxSequences && len(ended) > 0 ||
			i == maxSequences && (len(ended) != 1 || ended[0] != all[0]) {
			t.Errorf("sequence %d ends %d", i, len(ended))
		}
		all = append(all, s)
	}
	for i, s := range all[1:] {
		off := at(int64(i + 1))
		// The kernel's readahead arrives in this order.
		for _, o := range []int64{off + 3*block, off + 2*block, off + 5*block} {
			if got, _ := p.read(o, block); got != s {
				t.Errorf("a read at %d is not of its sequence", o)
			}
		}
	}
	var ended []*Sequence
	for i := range int64(MaxStrays) {
		s, e := p.read(at(20+i), 4096)
		if ended = append(ended, e...); s != nil {
			t.Errorf("a read at %d is one of a sequence", at(20+i))
		}
	}
	if !slices.Equal(ended, all[1:]) {
		t.Errorf("%d reads elsewhere end %d sequences, want %d", MaxStrays, len(ended), len(all)-1)
	}
	if left := p.Close(); len(left) != 0 {
		t.Errorf("%d sequences are left", len(left))
	}
}

// TestUnreadBegin: what was begun before a read, to know that the object is there, ends when the
// program reads elsewhere.
func TestUnreadBegin(t *testing.T) {
	h := NewHandle(1 << 30)
	s, _ := h.Observe(0, 0, 1)
	if s == nil {
		t.Fatal("it begins no sequence")
	}
	if got, ended := h.Observe(500*mib, 500*mib+10, 2); got != nil ||
		len(ended) != 1 || ended[0] != s {
		t.Errorf("a read elsewhere ends %d sequences, want it", len(ended))
	}
}

func Example() {
	h := NewHandle(100 << 20)
	supply := Supply{Memory: 80 << 20, Streams: 32, Enough: 32, Measured: true, Sequences: 1}

	s, _ := h.Observe(0, 1<<20, 0) // the program reads the first MiB
	end := s.Demand(supply, 0, 8)  // and waits for it
	s.Fetched(end * blockSize)
	fmt.Println("wait for blocks 0 up to", end)
	plan := s.Plan(supply)
	for {
		r, ok := plan.Next(missing{})
		if !ok {
			break
		}
		fmt.Println("fetch ahead blocks", r.From, "up to", r.End)
		s.Fetched(r.End * blockSize)
	}
	// Output:
	// wait for blocks 0 up to 8
	// fetch ahead blocks 8 up to 16
}

// missing are blocks of which none is here.
type missing struct{}

func (missing) State(int64) State { return Missing }
