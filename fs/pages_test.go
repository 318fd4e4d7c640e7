package fs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/fs/process"
)

const (
	pagesKey  = "Delivery/large"
	pagesSize = 1<<20 + 3<<17 + 77
)

// A pagesKernel sends requests for one file as the kernel does, without a mount, and looks at what
// it is given for its page cache.
type pagesKernel struct {
	bucket *buckettest.Bucket
	cache  *cache.Cache
	server *Server
	raw    fuse.RawFileSystem
	folder uint64 // node of Delivery

	handles []*openFile
	answers []pagesAnswer // of reads that are not done
	took    func(node uint64, off int64, data []byte)
}

// pagesAnswer is the answer to a read of [off, end), which the kernel does not have yet.
type pagesAnswer struct {
	fuse.ReadResult
	node     uint64
	off, end int64
}

// openFile is an open handle.
type openFile struct {
	node, fh uint64
	writes   bool
}

func newPagesKernel(t *testing.T) *pagesKernel {
	k := &pagesKernel{bucket: buckettest.New(), took: func(uint64, int64, []byte) {}}
	k.store(1)
	var err error
	k.cache, err = cache.New(k.bucket,
		cache.Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(), CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	k.server = &Server{cache: k.cache, inodes: newInodes(1000), processes: process.NewTable(),
		log: slog.New(slog.DiscardHandler)}
	k.raw = rawFS{fusefs.NewNodeFS(&dir{node: node{s: k.server}},
		&fusefs.Options{ServerCallbacks: notices{k: k}})}
	if k.folder, err = k.lookup(fuse.FUSE_ROOT_ID, "Delivery"); err != nil {
		t.Fatal(err)
	}
	return k
}

// notices are what go-fuse sends to the kernel unasked.
type notices struct {
	fusefs.ServerCallbacks
	k *pagesKernel
}

func (notices) EntryNotify(uint64, string) fuse.Status          { return fuse.OK }
func (notices) DeleteNotify(uint64, uint64, string) fuse.Status { return fuse.OK }
func (notices) InodeNotify(uint64, int64, int64) fuse.Status    { return fuse.OK }

func (n notices) InodeNotifyStoreCache(node uint64, off int64, data []byte) fuse.Status {
	n.k.took(node, off, data)
	return fuse.OK
}

// store has the other party put a version.
func (k *pagesKernel) store(seed uint64) {
	b := make([]byte, pagesSize)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	k.bucket.Store(pagesKey, b, nil)
}

func (k *pagesKernel) lookup(parent uint64, name string) (uint64, error) {
	var out fuse.EntryOut
	if st := k.raw.Lookup(nil, &fuse.InHeader{NodeId: parent}, name, &out); !st.Ok() {
		return 0, fmt.Errorf("lookup of %s: %v", name, st)
	}
	return out.NodeId, nil
}

// open opens the file, after looking up its name, and again if that leads to another file by now.
// It reads all of it.
func (k *pagesKernel) open(flags uint32) error {
	for {
		node, err := k.lookup(k.folder, "large")
		if err != nil {
			return err
		}
		var out fuse.OpenOut
		switch st := k.raw.Open(nil,
			&fuse.OpenIn{InHeader: fuse.InHeader{NodeId: node}, Flags: flags}, &out); {
		case st.Ok():
			h := &openFile{node, out.Fh, flags != syscall.O_RDONLY}
			k.handles = append(k.handles, h)
			return k.readAll(h)
		case st != stale:
			return fmt.Errorf("open: %v", st)
		}
	}
}

// readAll reads all of the file, unless the other party has replaced it.
func (k *pagesKernel) readAll(h *openFile) error {
	for off := int64(0); off < pagesSize; off += 1 << 20 {
		res, err := k.read(h, off, 1<<20)
		switch {
		case errors.Is(err, syscall.ESTALE):
			return nil
		case err != nil:
			return err
		}
		res.Done()
	}
	return nil
}

func (k *pagesKernel) read(h *openFile, off int64, n int) (fuse.ReadResult, error) {
	in := &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: h.node},
		Fh: h.fh, Offset: uint64(off), Size: uint32(n)}
	res, st := k.raw.Read(nil, in, make([]byte, n))
	if !st.Ok() {
		return nil, fmt.Errorf("read at %d: %w", off, syscall.Errno(st))
	}
	return res, nil
}

// write writes a page, unless the other party has replaced the file.
func (k *pagesKernel) write(h *openFile, off int64, value byte) error {
	in := &fuse.WriteIn{InHeader: fuse.InHeader{NodeId: h.node}, Fh: h.fh, Offset: uint64(off)}
	if _, st := k.raw.Write(nil, in, bytes.Repeat([]byte{value}, 4096)); !st.Ok() && st != stale {
		return fmt.Errorf("write: %v", st)
	}
	return nil
}

func (k *pagesKernel) release(h *openFile) {
	head := fuse.InHeader{NodeId: h.node}
	k.raw.Flush(nil, &fuse.FlushIn{InHeader: head, Fh: h.fh})
	k.raw.Release(nil, &fuse.ReleaseIn{InHeader: head, Fh: h.fh})
	k.handles = slices.DeleteFunc(k.handles, func(o *openFile) bool { return o == h })
}

func (k *pagesKernel) close() {
	for len(k.answers) > 0 {
		a := k.answers[0]
		k.answers = k.answers[1:]
		a.Done()
	}
	for _, h := range slices.Clone(k.handles) {
		k.release(h)
	}
	k.cache.Close()
}

// pagesStep is a request, or what happens meanwhile.
type pagesStep struct {
	Do string
	At int // which handle, answer or place, or how long
}

// TestPageCacheIsGivenWhatTheFileHolds reads, writes and truncates one file by several handles,
// while the other party replaces it. What the kernel is given for its page cache is what a read
// returns in that moment, no handle is open that could change it, and no read of it is unanswered.
func TestPageCacheIsGivenWhatTheFileHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) pagesStep {
			do := []string{"read", "read", "done", "done", "read twice", "read twice", "open",
				"open to write", "write", "edit", "truncate",
				"release", "release", "replace", "sleep"}
			return pagesStep{rapid.SampledFrom(do).Draw(rt, "do"),
				rapid.IntRange(0, 1000).Draw(rt, "at")}
		}), 20, 40).Draw(rt, "steps")
		steps = append([]pagesStep{{Do: "open"}, {Do: "read twice"}}, steps...) // gives a block
		var err error
		synctest.Test(t, func(t *testing.T) {
			err = runPages(t, steps)
		})
		if err != nil {
			rt.Fatalf("%v\n%+v", err, steps)
		}
	})
}

func runPages(t *testing.T, steps []pagesStep) (err error) {
	given := 0
	k := newPagesKernel(t)
	defer k.close()
	k.took = func(node uint64, off int64, data []byte) {
		given++
		open := slices.DeleteFunc(slices.Clone(k.handles),
			func(h *openFile) bool { return h.node != node })
		if len(open) == 0 || slices.ContainsFunc(open, func(h *openFile) bool { return h.writes }) {
			err = fmt.Errorf(
				"%d bytes at %d are given while %d handles are open, some of them to write",
				len(data), off, len(open))
			return
		}
		if slices.ContainsFunc(k.answers, func(a pagesAnswer) bool {
			return a.node == node && a.off < off+int64(len(data)) && off < a.end
		}) {
			err = fmt.Errorf("%d bytes at %d are given while the kernel waits for a read of them",
				len(data), off)
			return
		}
		res, rerr := k.read(open[0], off, len(data))
		if rerr != nil {
			err = errors.Join(err, rerr)
			return
		}
		if now, _ := res.Bytes(make([]byte, len(data))); !bytes.Equal(now, data) {
			err = fmt.Errorf("%d bytes at %d are given that are not those of the file",
				len(data), off)
		}
		res.Done()
	}
	for i, s := range steps {
		if serr := k.step(s, uint64(i+2)); serr != nil && err == nil {
			err = fmt.Errorf("step %d, %+v: %w", i, s, serr)
		}
		if err != nil {
			return err
		}
	}
	if given == 0 {
		return errors.New("the page cache was given nothing")
	}
	return nil
}

const stale = fuse.Status(syscall.ESTALE)

// step takes a step. It may fail with ESTALE where the other party has replaced the file.
func (k *pagesKernel) step(s pagesStep, seed uint64) error {
	block := int64(9 + s.At%2)
	off := block<<17 + int64(s.At%31)<<12
	pick := func(writes bool) *openFile {
		var some []*openFile
		for _, h := range k.handles {
			if h.writes || !writes {
				some = append(some, h)
			}
		}
		if len(some) == 0 {
			return nil
		}
		return some[s.At%len(some)]
	}
	switch s.Do {
	case "open":
		return k.open(syscall.O_RDONLY)
	case "open to write":
		return k.open(syscall.O_RDWR)
	case "read twice":
		if h := pick(false); h != nil {
			for range 2 {
				switch res, err := k.read(h, off, 4096); {
				case err == nil:
					res.Done()
				case !errors.Is(err, syscall.ESTALE):
					return err
				}
			}
		}
	case "read":
		if h := pick(false); h != nil {
			res, err := k.read(h, off, 4096)
			if err != nil && !errors.Is(err, syscall.ESTALE) {
				return err
			} else if err == nil {
				k.answers = append(k.answers, pagesAnswer{res, h.node, off, off + 4096})
			}
		}
	case "done":
		if n := len(k.answers); n > 0 {
			a := k.answers[s.At%n]
			k.answers = slices.DeleteFunc(k.answers, func(b pagesAnswer) bool { return a == b })
			a.Done()
		}
	case "edit": // and perhaps until it is delivered
		if err := k.open(syscall.O_RDWR); err != nil {
			return err
		}
		h := k.handles[len(k.handles)-1]
		if err := k.write(h, off, byte(seed)); err != nil {
			return err
		}
		k.release(h)
		time.Sleep(time.Duration(s.At%3) * time.Second)
	case "write":
		if h := pick(true); h != nil {
			return k.write(h, off, byte(seed))
		}
	case "truncate":
		node, err := k.lookup(k.folder, "large")
		if err != nil {
			return err
		}
		in := &fuse.SetAttrIn{SetAttrInCommon: fuse.SetAttrInCommon{
			InHeader: fuse.InHeader{NodeId: node}, Valid: fuse.FATTR_SIZE,
			Size: uint64(pagesSize - s.At),
		}}
		if st := k.raw.SetAttr(nil, in, new(fuse.AttrOut)); !st.Ok() && st != stale {
			return fmt.Errorf("truncate: %v", st)
		}
	case "release":
		if h := pick(false); h != nil {
			k.release(h)
		}
	case "replace":
		k.store(seed)
	case "sleep":
		time.Sleep(time.Duration(s.At) * 2 * time.Millisecond)
	}
	return nil
}

// TestRepeatedRandomReadsFillThePageCache: the kernel is given each block once, whole, after a few
// random reads of it, in the beginning as after the pages were dropped.
func TestRepeatedRandomReadsFillThePageCache(t *testing.T) {
	k := newPagesKernel(t)
	defer k.close()
	if err := k.open(syscall.O_RDONLY); err != nil {
		t.Fatal(err)
	}
	want, _ := k.bucket.Data(pagesKey)
	given := make(map[int64]int)
	k.took = func(_ uint64, off int64, data []byte) {
		given[off>>17]++
		if len(data) != min(1<<17, pagesSize-int(off)) || off&(1<<17-1) != 0 ||
			!bytes.Equal(data, want[off:off+int64(len(data))]) {
			t.Errorf("%d bytes at %d are given, want those of a block", len(data), off)
		}
	}
	const blocks, rounds = 10, 4
	r := rand.New(rand.NewPCG(1, 1))
	for range rounds {
		for _, i := range r.Perm(blocks) {
			res, err := k.read(k.handles[0], int64(i)<<17+r.Int64N(15)<<13, 4096)
			if err != nil {
				t.Fatal(err)
			}
			res.Done()
		}
	}
	few := 0
	for i := range int64(blocks) {
		if given[i] > rounds/2 {
			t.Errorf("block %d is given %d times for %d reads", i, given[i], rounds)
		}
		if given[i] == 0 {
			few++
		}
	}
	if few > blocks/2 {
		t.Errorf("%d of %d blocks were never given", few, blocks)
	}
}

// TestNobodyWritesWhileThePageCacheIsFilled: a handle that can write, and the end of the reading
// one, wait until the kernel has taken what it is given.
func TestNobodyWritesWhileThePageCacheIsFilled(t *testing.T) {
	for name, next := range map[string]func(k *pagesKernel) error{
		"open to write": func(k *pagesKernel) error { return k.open(syscall.O_RDWR) },
		"truncate":      func(k *pagesKernel) error { return k.step(pagesStep{Do: "truncate", At: 5}, 0) },
		"release":       func(k *pagesKernel) error { k.release(k.handles[0]); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			k := newPagesKernel(t)
			defer k.close()
			if err := k.open(syscall.O_RDONLY); err != nil {
				t.Fatal(err)
			}
			returned := make(chan error, 1)
			taking := false
			k.took = func(uint64, int64, []byte) {
				if taking {
					return
				}
				taking = true
				go func() { returned <- next(k) }()
				for range 20_000 { // what does not wait is over by then
					runtime.Gosched()
				}
				select {
				case <-returned:
					t.Error("it did not wait")
					returned <- nil
				default:
				}
			}
			r := rand.New(rand.NewPCG(1, 1))
			for range 20 {
				if taking {
					break
				}
				res, err := k.read(k.handles[0], 3<<17+r.Int64N(15)<<13, 4096)
				if err != nil {
					t.Fatal(err)
				}
				res.Done()
			}
			if !taking {
				t.Fatal("the page cache was given nothing")
			}
			if err := <-returned; err != nil {
				t.Error(err)
			}
		})
	}
}
