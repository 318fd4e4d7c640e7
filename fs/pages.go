package fs

import (
	"runtime"
	"slices"
	"sync"

	"github.com/s3share/s3share/cache"
)

// pages is what the kernel's page cache is given of a file besides what it reads. A random read
// that the page cache answers costs a hundredth of one that comes here.
//
// What is given replaces what the kernel has. So it has to be what the file holds until the kernel
// has taken it: it is given only while no handle can change the file, and the opening of such a
// handle waits for it. So does the end of the handle that the bytes were read by, since the inode
// may be another version's after the last handle has ended.
type pages struct {
	// mu is held while the kernel takes bytes. It waits for pages that the kernel reads just now,
	// so nobody who answers a read may wait for mu.
	mu sync.Mutex

	readsMu sync.Mutex
	reads   []*pageRead // that are not answered yet
}

// pageRead is a read of [off, end).
type pageRead struct{ off, end int64 }

// begin notes a read that the kernel waits for. The caller calls answered.
func (p *pages) begin(off, n int64) *pageRead {
	r := &pageRead{off, off + n}
	p.readsMu.Lock()
	defer p.readsMu.Unlock()
	p.reads = append(p.reads, r)
	return r
}

// answered ends r: the kernel has the answer, or gets it at once.
func (p *pages) answered(r *pageRead) {
	p.readsMu.Lock()
	defer p.readsMu.Unlock()
	p.reads = slices.DeleteFunc(p.reads, func(o *pageRead) bool { return o == r })
}

// awaited reports whether the kernel waits for a read of some of [off, end).
func (p *pages) awaited(off, end int64) bool {
	p.readsMu.Lock()
	defer p.readsMu.Unlock()
	return slices.ContainsFunc(p.reads,
		func(r *pageRead) bool { return r.off < end && off < r.end })
}

// settle returns when nothing is given any more that was begun before.
func (p *pages) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
}

// give gives the kernel what v has around what was asked for, unless something else is given of the
// file just now. The kernel has the answer to the read already, so it waits for no page of that.
//
// Nothing is given of what another read waits for: the kernel would wait for its answer, and
// SIGKILL does not end that. The connection lasts as long as a thread of this process does, so the
// daemon, every reader and the lock of the state directory would stay. A read that the kernel is
// about to send is not known here.
func (h *handle) give(v *cache.View) {
	off, bytes := v.Around()
	p := &h.f.pages
	if len(bytes) == 0 || runtime.GOOS != "linux" || !p.mu.TryLock() {
		return
	}
	defer p.mu.Unlock()
	if h.released || !h.h.Shows(v) {
		return
	}
	end := off
	for _, b := range bytes {
		end += int64(len(b))
	}
	if p.awaited(off, end) {
		return
	}
	for _, b := range bytes {
		if h.f.WriteCache(off, b) != 0 {
			return // the kernel does without
		}
		off += int64(len(b))
	}
}
