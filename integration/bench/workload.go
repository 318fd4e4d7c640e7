package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"sync"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// workload is something that programs do in a mount. Its functions app, prepare
// and limit run in a child process, the others in the bench.
type workload struct {
	name     string
	what     string
	standard bool // done unless others are asked for
	// fills is what the folder holds before the mount.
	fills []memserver.Fill
	// warm has the app run once before the run that counts.
	warm bool
	// prepare makes what app and limit need; it is not measured.
	prepare func(*app) error
	// app is the program. It may leave CRC-32Cs of whole files in a.hashes.
	app func(a *app) error
	// limit does the same with plain requests; nil where that means nothing.
	limit func(c *s3Client, a *app) error
	// want is what the folder holds when all is delivered, with SHA-256s; nil when
	// nothing changes. Time runs until then.
	want func() []memserver.Entry
	// changed names an object that keeps its size, but must become another.
	changed string
	// reads is how many hashes there must be.
	reads int
	// bytes is how much is read or written, 0 where a rate says nothing.
	bytes int64
}

// app is what a program under a workload has.
type app struct {
	dir string // the mounted folder
	tmp string // an empty directory elsewhere, removed afterwards

	// mu guards hashes.
	mu     sync.Mutex
	hashes map[string]string

	data []byte // made by prepare
}

func (a *app) path(name string) string { return filepath.Join(a.dir, name) }

func (a *app) tell(name string, crc uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hashes[name] = fmt.Sprintf("%08x", crc)
}

// castagnoli is CRC-32C, which processors compute faster than memory is read: it
// checks what was read without being what is measured.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// Seeds keep contents apart.
const (
	seedBig = iota + 1
	seedPattern
	seedTail
	seedSmall = 1000 // and on
)

// pattern writes size bytes to w, in writes of bs, which divides 1 MiB. Each MiB
// begins with its offset, and so differs from all others.
func pattern(w io.Writer, size int64, bs int) error {
	b := memserver.Random(mib, seedPattern)
	for off := int64(0); off < size; off += mib {
		binary.LittleEndian.PutUint64(b, uint64(off))
		n := int(min(mib, size-off))
		for i := 0; i < n; i += bs {
			if _, err := w.Write(b[i:min(i+bs, n)]); err != nil {
				return err
			}
		}
	}
	return nil
}

var patternBlock = sync.OnceValue(func() []byte { return memserver.Random(mib, seedPattern) })

// patternAt returns n bytes of the pattern from off on, a multiple of 1 MiB.
func patternAt(off, n int64) []byte {
	b := make([]byte, 0, n)
	for i := int64(0); i < n; i += mib {
		b = append(b, patternBlock()[:min(mib, n-i)]...)
		binary.LittleEndian.PutUint64(b[i:], uint64(off+i))
	}
	return b
}

// entry is an object of the folder that holds what write writes.
func entry(name string, write func(io.Writer) error) memserver.Entry {
	h := sha256.New()
	n := &counting{w: h}
	if err := write(n); err != nil {
		panic(err) // neither hash nor pattern fails
	}
	return memserver.Entry{Key: folder + "/" + name, Size: n.n, Hash: hex.EncodeToString(h.Sum(nil))}
}

func entryOf(name string, bs ...[]byte) memserver.Entry {
	return entry(name, func(w io.Writer) error {
		for _, b := range bs {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// counting counts what goes to w.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// allWorkloads returns them in the order of the tables.
func allWorkloads() []*workload {
	var all []*workload
	all = append(all, writing()...)
	all = append(all, reading()...)
	all = append(all, random()...)
	all = append(all, small()...)
	all = append(all, naming()...)
	all = append(all, changing()...)
	return all
}
