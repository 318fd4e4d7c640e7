package memserver

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"sync"
)

// segment is bytes that never change. What was generated lies in a file of the
// kernel's, mapped, from which it can be sent without a copy.
type segment struct {
	b    []byte
	file *memfile // nil when b is the only place
	off  int64    // of b in file
}

// content is an object's bytes: immutable segments, read one after the other.
// Objects share segments, so none may ever be written once it is in a content.
type content struct {
	segs []segment
	size int64
}

func contentOf(bs ...[]byte) content {
	var c content
	for _, b := range bs {
		if len(b) > 0 {
			c.segs = append(c.segs, segment{b: b})
			c.size += int64(len(b))
		}
	}
	return c
}

// slice returns n bytes of c from off on, without copying them. The range must
// lie within c.
func (c content) slice(off, n int64) content {
	out := content{size: n}
	for _, s := range c.segs {
		l := int64(len(s.b))
		if off >= l {
			off -= l
			continue
		}
		end := min(l, off+n)
		if end > off {
			out.segs = append(out.segs, segment{s.b[off:end:end], s.file, s.off + off})
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

// WriteTo writes c to w with one Write for each segment.
func (c content) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for _, s := range c.segs {
		m, err := w.Write(s.b)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// send is WriteTo for the network, by sendfile where a segment has a file.
func (c content) send(w io.Writer) (int64, error) {
	rf, ok := w.(io.ReaderFrom)
	if !ok {
		return c.WriteTo(w)
	}
	var n int64
	for _, s := range c.segs {
		var m int64
		var err error
		if s.file != nil && len(s.b) >= minSendfile {
			m, err = s.file.send(rf, s.off, int64(len(s.b)))
		} else {
			var k int
			k, err = w.Write(s.b)
			m = int64(k)
		}
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c content) sha256() string {
	return c.remembered("sha256", func() string {
		h := sha256.New()
		c.WriteTo(h) // a hash never fails
		return hex.EncodeToString(h.Sum(nil))
	})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c content) crc32c() string {
	return c.remembered("crc32c", func() string {
		h := crc32.New(castagnoli)
		c.WriteTo(h) // a hash never fails
		return fmt.Sprintf("%08x", h.Sum32())
	})
}

// remembered returns what hash does; of a whole generated content only once.
func (c content) remembered(algorithm string, hash func() string) string {
	if len(c.segs) != 1 || c.segs[0].file == nil || int64(len(c.segs[0].b)) != c.segs[0].file.size {
		return hash()
	}
	f := c.segs[0].file
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hashes[algorithm] == "" {
		f.hashes[algorithm] = hash()
	}
	return f.hashes[algorithm]
}

// generated remembers contents that were made up: the same come up for each
// contender, and making a gigabyte takes longer than reading one.
type generated struct {
	mu sync.Mutex
	m  map[Fill]content // by Size, Seed and Pattern
}

// maxRemembered is the size from which a generated content is worth keeping.
const maxRemembered = 1 << 20

// get returns the bytes of f's object number i.
func (g *generated) get(f Fill, i int) (content, error) {
	k := Fill{Size: f.Size, Seed: f.Seed + int64(i), Pattern: f.Pattern}
	if f.Pattern {
		k.Seed = 0 // it says nothing there
	}
	if k.Size < maxRemembered {
		return contentOf(k.bytes(make([]byte, k.Size))), nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.m[k]
	if !ok {
		file, b, err := newMemfile(k.Size)
		if err != nil {
			return content{}, err
		}
		c = content{segs: []segment{{k.bytes(b), file, 0}}, size: k.Size}
		if g.m == nil {
			g.m = make(map[Fill]content)
		}
		g.m[k] = c
	}
	return c, nil
}

// bytes fills b with what the object of f has, and returns it.
func (f Fill) bytes(b []byte) []byte {
	if f.Pattern {
		Pattern(b, 0)
	} else {
		random(b, f.Seed)
	}
	return b
}

// stampEvery is how far apart Pattern's stamps are.
const stampEvery = 4 << 10

// stampless is what Pattern repeats.
var stampless = sync.OnceValue(func() []byte { return Random(1<<20, 1) })

// Pattern fills b with what a large file of the benchmark has from off on, which
// must be a multiple of 4 KiB. Every 4 KiB begin with their offset, so that none
// can be taken for another; the rest does not compress and repeats each MiB.
func Pattern(b []byte, off int64) {
	for n := int64(0); n < int64(len(b)); {
		from := (off + n) % int64(len(stampless()))
		n += int64(copy(b[n:], stampless()[from:]))
	}
	Stamp(b, off)
}

// Stamp makes a pattern of some offset into that of off, if the two differ by a
// multiple of 1 MiB.
func Stamp(b []byte, off int64) {
	for n := 0; n+8 <= len(b); n += stampEvery {
		binary.LittleEndian.PutUint64(b[n:], uint64(off)+uint64(n))
	}
}

// Random returns size bytes that do not compress and are always the same for
// the same seed.
func Random(size, seed int64) []byte {
	b := make([]byte, size)
	random(b, seed)
	return b
}

func random(b []byte, seed int64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed))
	rand.NewChaCha8(key).Read(b) // never fails
}
