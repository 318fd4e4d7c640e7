package fs

import (
	"runtime"
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
}

// settle returns when nothing is given any more that was begun before.
func (p *pages) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
}

// give gives the kernel what v has around what was asked for, unless something else is given of the
// file just now. The kernel has the answer to the read already, so it waits for no page of that.
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
	for _, b := range bytes {
		if h.f.WriteCache(off, b) != 0 {
			return // the kernel does without
		}
		off += int64(len(b))
	}
}
