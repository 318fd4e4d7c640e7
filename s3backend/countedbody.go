package s3backend

import (
	"io"
	"sync"
)

// countedBody is a body that calls back as it is read. What is summed before it is sent is read by
// ReadAt, and does not count.
type countedBody struct {
	io.ReadSeeker
	io.ReaderAt
	read func(n int64)

	mu   sync.Mutex // guards the fields below
	at   int64
	over bool // the request has ended, though its connection may still read
}

// counted returns body so that Read is called, and what ends that.
func (u *upload) counted(body io.ReadSeeker) (counted io.ReadSeeker, end func()) {
	at, ok := body.(io.ReaderAt)
	if u.Read == nil || !ok {
		return body, func() {}
	}
	c := &countedBody{ReadSeeker: body, ReaderAt: at, read: u.Read}
	return c, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.toLocked(0)
		c.over = true
	}
}

func (c *countedBody) toLocked(at int64) {
	if n := at - c.at; n != 0 && !c.over {
		c.at = at
		c.read(n)
	}
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.toLocked(c.at + int64(n))
	return n, err
}

func (c *countedBody) Seek(off int64, whence int) (int64, error) {
	at, err := c.ReadSeeker.Seek(off, whence)
	if err == nil && whence == io.SeekStart {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.toLocked(at)
	}
	return at, err
}
