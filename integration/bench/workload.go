package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// workload is something that programs do in a mount. Its functions app and limit
// run in a child process, the others in the bench.
type workload struct {
	name string
	what string
	// extra workloads are done only when asked for.
	extra bool
	// fills is what the folder holds before the mount.
	fills []memserver.Fill
	// fixture is what app, limit and want need on the local disk, nil for nothing.
	fixture *fixture
	// first runs before the run that counts, in the same mount, unmeasured; with
	// remount, the mount is then made anew, its caches kept.
	first   func(*app) error
	remount bool
	// app is the program. It may leave CRC-32Cs of whole files in a.hashes.
	app func(a *app) error
	// limit does the same with plain requests; nil where that means nothing.
	limit func(c *s3Client, a *app) error
	// fuse says that a file system with nothing behind it can do it too.
	fuse bool
	// want is what the folder holds when all is delivered, with SHA-256s; nil when
	// nothing changes. Time runs until then. It is given the fixture's directory.
	want func(fixture string) ([]memserver.Entry, error)
	// changed names an object that keeps its size, but must become another.
	changed string
	// reads is how many hashes there must be.
	reads int
	// bytes is how much is read or written, 0 where a rate says nothing.
	bytes int64
	// tls has the mount speak https.
	tls bool
	// caching lets those settings of peers take part that keep bytes on the disk.
	caching bool
	// mounting has time begin before the mount.
	mounting bool
	// idle is how long nothing is done after first; what the mount does in that
	// time is what is measured, once, in the first profile.
	idle time.Duration
}

// fixture is what a workload needs on the local disk: made once, read often.
type fixture struct {
	name string
	make func(dir string) error
}

// app is what a program under a workload has.
type app struct {
	dir     string // the mounted folder
	tmp     string // an empty directory elsewhere, removed afterwards
	fixture string // the workload's fixture

	randomReads atomic.Int64 // how many were done

	// mu guards hashes.
	mu     sync.Mutex
	hashes map[string]string
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
	seedTail  = 1
	seedSmall = 1000 // and on
)

// pattern writes memserver.Pattern of size bytes to w, in writes of bs, which
// divides 1 MiB.
func pattern(w io.Writer, size int64, bs int) error {
	b := make([]byte, mib)
	memserver.Pattern(b, 0)
	for off := int64(0); off < size; off += mib {
		memserver.Stamp(b, off)
		n := int(min(mib, size-off))
		for i := 0; i < n; i += bs {
			if _, err := w.Write(b[i:min(i+bs, n)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is an object of the folder that holds what write writes.
func entry(name string, write func(io.Writer) error) memserver.Entry {
	h := sha256.New()
	n := &counting{w: h}
	if err := write(n); err != nil {
		panic(err) // neither hash nor pattern fails
	}
	return memserver.Entry{Key: folder + "/" + name, Size: n.n,
		Hash: hex.EncodeToString(h.Sum(nil))}
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
	all := starting()
	all = append(all, writing()...)
	all = append(all, reading()...)
	all = append(all, random()...)
	all = append(all, small()...)
	all = append(all, naming()...)
	all = append(all, changing()...)
	return all
}
