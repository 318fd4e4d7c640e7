package memserver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"sync"
)

// content is an object's bytes: immutable slices, read one after the other.
// Objects share slices, so none may ever be written once it is in a content.
type content struct {
	segs [][]byte
	size int64
}

func contentOf(segs ...[]byte) content {
	var c content
	for _, b := range segs {
		if len(b) > 0 {
			c.segs = append(c.segs, b)
			c.size += int64(len(b))
		}
	}
	return c
}

// slice returns n bytes of c from off on, without copying them. The range must
// lie within c.
func (c content) slice(off, n int64) content {
	out := content{size: n}
	for _, b := range c.segs {
		l := int64(len(b))
		if off >= l {
			off -= l
			continue
		}
		end := min(l, off+n)
		if end > off {
			out.segs = append(out.segs, b[off:end:end])
		}
		n -= end - off
		off = 0
		if n == 0 {
			break
		}
	}
	return out
}

// join returns the contents of all cs, one after the other.
func join(cs []content) content {
	var out content
	for _, c := range cs {
		out.segs = append(out.segs, c.segs...)
		out.size += c.size
	}
	return out
}

// WriteTo writes c to w with one Write for each slice.
func (c content) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for _, b := range c.segs {
		m, err := w.Write(b)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c content) sha256() string {
	h := sha256.New()
	c.WriteTo(h) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c content) crc32c() string {
	h := crc32.New(castagnoli)
	c.WriteTo(h) // a hash never fails
	return fmt.Sprintf("%08x", h.Sum32())
}

// generated remembers random contents: the same size and seed come up for each
// contender, and making a gigabyte takes longer than reading one.
type generated struct {
	mu sync.Mutex
	m  map[[2]int64]content // by size and seed
}

// maxRemembered is the size from which a generated content is worth keeping.
const maxRemembered = 1 << 20

func (g *generated) get(size, seed int64) content {
	if size < maxRemembered {
		return contentOf(Random(size, seed))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	k := [2]int64{size, seed}
	c, ok := g.m[k]
	if !ok {
		if g.m == nil {
			g.m = make(map[[2]int64]content)
		}
		c = contentOf(Random(size, seed))
		g.m[k] = c
	}
	return c
}

// Random returns size bytes that do not compress and are always the same for
// the same seed.
func Random(size, seed int64) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b) // never fails
	return b
}
