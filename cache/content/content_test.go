package content

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/s3backend"
)

func TestReadAt(t *testing.T) {
	const size = 3*blockSize + 100
	tests := []struct {
		off, n int64
		want   int
		err    error
	}{
		{0, 0, 0, nil},
		{0, 1, 1, nil},
		{0, size, size, nil},
		{0, size + 1, size, io.EOF},
		{blockSize - 1, 2, 2, nil},
		{size - 1, 1, 1, nil},
		{size - 1, 2, 1, io.EOF},
		{size, 1, 0, io.EOF},
		{size + 5, 1, 0, io.EOF},
		{3 * blockSize, 200, 100, io.EOF},
	}
	c := newCache(t, new(bucket), Config{})
	for _, obj := range []s3backend.Object{object("a", size), {Key: "no etag", Size: size}} {
		for _, tt := range tests {
			r := c.Open(obj)
			p := make([]byte, tt.n)
			n, err := r.ReadAt(t.Context(), p, tt.off)
			if n != tt.want || err != tt.err {
				t.Errorf("ReadAt(%q, %d, %d) = %d, %v, want %d, %v", obj.Key, tt.n,
					tt.off, n, err, tt.want, tt.err)
			}
			check(t, r, tt.off, tt.n)
			r.Close()
		}
	}
	r := c.Open(object("a", size))
	if n, err := r.ReadAt(t.Context(), make([]byte, 1), -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("ReadAt(-1) = %d, %v, want an error", n, err)
	}
	r.Close()
	r.Close()
	if _, err := r.ReadAt(t.Context(), make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("ReadAt after Close: %v, want ErrClosed", err)
	}
	empty := c.Open(object("empty", 0))
	if n, err := empty.ReadAt(t.Context(), make([]byte, 1), 0); n != 0 || err != io.EOF {
		t.Errorf("ReadAt of an empty object = %d, %v, want 0, EOF", n, err)
	}
	empty.Close()
}

// A version's blocks outlive its Readers; those of an object without ETag do not.
func TestReopen(t *testing.T) {
	for _, tt := range []struct {
		etag string
		gets int64
	}{{"e", 1}, {"", 2}} {
		b := new(bucket)
		c := newCache(t, b, Config{})
		for range 2 {
			r := c.Open(s3backend.Object{Key: "k", ETag: tt.etag, Size: 1 << 20})
			checkAll(t, r, 1<<20)
			r.Close()
		}
		if got := b.gets.Load(); got != tt.gets {
			t.Errorf("ETag %q: %d requests, want %d", tt.etag, got, tt.gets)
		}
		if s := c.Stats(); tt.etag == "" && s.Memory != 0 {
			t.Errorf("ETag %q: %d bytes kept", tt.etag, s.Memory)
		}
	}
}

func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bucket)
		gate := make(chan struct{})
		c := newCache(t, gated(b, gate), Config{})
		obj := object("a", 64<<20)
		var g sync.WaitGroup
		for range 20 {
			r := c.Open(obj)
			g.Go(func() {
				defer r.Close()
				if err := tryCheck(t.Context(), r, 40<<20, 100); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all wait for the one
		close(gate)
		g.Wait()
		// The first gets what it asks for, and the block is for all others.
		if got := b.gets.Load(); got != 2 {
			t.Errorf("%d requests, want 2", got)
		}
	})
}

func TestSmallObjectIsOneRequest(t *testing.T) {
	for _, off := range []int64{0, 5, 700_000, 999_999} {
		b := new(bucket)
		c := newCache(t, b, Config{})
		r := c.Open(object("a", 1_000_000))
		check(t, r, off, 10)
		checkAll(t, r, 4096)
		r.Close()
		if got := b.gets.Load(); got != 1 {
			t.Errorf("first read at %d: %d requests, want 1", off, got)
		}
	}
}

// A random read moves what it asks for, and a block once its neighbours are read too.
func TestRandomReadsFetchWhatTheyAskFor(t *testing.T) {
	b := new(bucket)
	c := newCache(t, b, Config{})
	r := c.Open(object("a", 64<<20))
	defer r.Close()
	places := []int64{40 << 20, 10 << 20, 50 << 20, 5 << 20, 30 << 20}
	for i, off := range places {
		check(t, r, off+100, 4096)
		if got, want := b.bytes.Load(), int64(i+1)*4096; got != want {
			t.Fatalf("after %d reads: %d bytes fetched, want %d", i+1, got, want)
		}
	}
	for _, off := range places {
		for n := range int64(10) {
			check(t, r, off+100+n*8000, 4096)
		}
	}
	if got, want := b.bytes.Load(), int64(len(places))*(4096+blockSize); got != want {
		t.Errorf("after reads around the same places: %d bytes fetched, want %d", got, want)
	}
	before := b.gets.Load()
	check(t, r, 20<<20, 1<<20) // all of a large read in one
	if got := b.gets.Load() - before; got != 1 {
		t.Errorf("%d requests for a large read, want 1", got)
	}
}

// TestManyRandomReadsFetchTheWhole: random reads that have waited about as long as the whole object
// would take have all of it fetched, if there is room for it.
func TestManyRandomReadsFetchTheWhole(t *testing.T) {
	const far, near = 20 * time.Millisecond, 200 * time.Microsecond
	for _, tt := range []struct {
		name    string
		memory  int64
		latency time.Duration
		reads   int64
		whole   bool
	}{
		{"room", 64 << 20, far, fetchAllAfter, true},
		{"no room", 16 << 20, far, fetchAllAfter, false},
		{"near", 64 << 20, near, fetchAllAfter, false},
		{"near, for long", 64 << 20, near, 115, true}, // an answer takes 200 us, and a read 250
	} {
		synctest.Test(t, func(t *testing.T) {
			b := new(bucket)
			c := newCache(t, slow(b, tt.latency, 80<<20), Config{Memory: tt.memory})
			obj := object("a", 20<<20)
			r := c.Open(obj)
			defer r.Close()
			for i := range tt.reads {
				check(t, r, i*7%tt.reads*(obj.Size/tt.reads)+60_000, 4096)
			}
			time.Sleep(time.Second) // for as long as it may take
			gets := b.gets.Load()
			for i := range int64(20) {
				check(t, r, (i*7%20)<<20+1<<19, 4096)
			}
			if got := b.gets.Load() == gets; got != tt.whole {
				t.Errorf("%s: the whole was fetched: %v, want %v", tt.name, got, tt.whole)
			}
			if got, most := b.bytes.Load(), obj.Size+(tt.reads+20)*4096+20*blockSize; got > most {
				t.Errorf("%s: %d bytes fetched, want %d at most", tt.name, got, most)
			}
		})
	}
}

// TestLongReadsAreFew: a read is one of many by what it waits for, not by its length.
func TestLongReadsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bucket)
		c := newCache(t, slow(b, 20*time.Millisecond, 80<<20), Config{})
		r := c.Open(object("a", 40<<20)) // for which there is room
		defer r.Close()
		const reads = fetchAllAfter / 4
		for i := range int64(reads) {
			check(t, r, (i*7%reads)*10<<20+2<<20, 4<<20)
		}
		time.Sleep(time.Second)
		if got, want := b.bytes.Load(), int64(reads*4<<20); got != want {
			t.Errorf("%d bytes fetched for %d reads of 4 MiB, want %d", got, reads, want)
		}
	})
}

func TestSequential(t *testing.T) {
	for _, readers := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			const memory = 16 << 20
			size := int64(32<<20) / int64(readers)
			b := new(bucket)
			c := newCache(t, slow(b, 20*time.Millisecond, 80<<20), Config{Memory: memory})
			var g sync.WaitGroup
			start := time.Now()
			for i := range readers {
				r := c.Open(object(string(rune('a'+i)), size))
				g.Go(func() {
					defer r.Close()
					for off := int64(0); off < size; off += blockSize {
						if err := tryCheck(t.Context(), r, off, blockSize); err != nil {
							t.Error(err)
						}
						if m := c.Stats().Memory; m > memory {
							t.Errorf("%d bytes of memory in use, of %d", m, memory)
						}
					}
				})
			}
			g.Wait()
			took := time.Since(start)
			if got := b.bytes.Load(); got != 32<<20 {
				t.Errorf("%d readers: %d bytes fetched, want %d: nothing twice",
					readers, got, 32<<20)
			}
			if got := b.gets.Load(); got > int64(32+readers) {
				t.Errorf("%d readers: %d requests, want about one for each MiB", readers, got)
			}
			if got := b.most.Load(); got > 32 {
				t.Errorf("%d requests at a time, want at most 32", got)
			}
			// One request after the other would take 20 ms and 12.5 ms for each MiB.
			if one := 32 * 32 * time.Millisecond; took > one/4 {
				t.Errorf("%d readers: took %v; with one request at a time it were %v",
					readers, took, one)
			}
			t.Logf("%d readers: %v, %d requests, at most %d at a time", readers,
				took, b.gets.Load(), b.most.Load())
		})
	}
}

// The kernel sends the reads of one file concurrently, so that they arrive in
// another order.
func TestSequentialOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 32 << 20
		b := new(bucket)
		c := newCache(t, slow(b, 20*time.Millisecond, 80<<20), Config{})
		r := c.Open(object("a", size))
		defer r.Close()
		random := rand.New(rand.NewPCG(1, 2))
		for off := int64(0); off < size; off += 4 << 20 {
			var g sync.WaitGroup
			for _, i := range random.Perm(32) {
				g.Go(func() {
					if err := tryCheck(t.Context(), r, off+int64(i)*blockSize,
						blockSize); err != nil {
						t.Error(err)
					}
				})
			}
			g.Wait()
		}
		if got := b.gets.Load(); got > 64 {
			t.Errorf("%d requests, want at most two for each MiB", got)
		}
	})
}

// Several sequences on one handle, as of a film's tracks, are each fetched ahead.
func TestSequences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		b := new(bucket)
		c := newCache(t, slow(b, 20*time.Millisecond, 80<<20), Config{})
		r := c.Open(object("a", 300<<20))
		defer r.Close()
		for off := int64(0); off < 8<<20; off += 64 << 10 {
			for i := range int64(n) {
				check(t, r, i*100<<20+off, 64<<10)
			}
		}
		if got := b.gets.Load(); got > n*40 {
			t.Errorf("%d requests for %d sequences of 8 MiB and what is ahead of them", got, n)
		}
		if got := len(r.sequences); got != n {
			t.Errorf("%d sequences, want %d", got, n)
		}
	})
}

// A program that reads a file's head and then here and there is not taken for one
// that reads on.
func TestSequenceEnds(t *testing.T) {
	b := new(bucket)
	c := newCache(t, b, Config{})
	r := c.Open(object("a", 4<<30))
	defer r.Close()
	check(t, r, 0, 4096)
	for i := range int64(2 * prefetch.MaxStrays) {
		check(t, r, (i+1)*97<<20, 4096)
	}
	if len(r.sequences) != 0 {
		t.Errorf("%d sequences after %d reads elsewhere, want none",
			len(r.sequences), 2*prefetch.MaxStrays)
	}
	if got, want := b.bytes.Load(),
		int64(prefetch.MinWindow+2*prefetch.MaxStrays*4096); got != want {
		t.Errorf("%d bytes fetched, want %d", got, want)
	}
}

func TestFirstByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, slow(new(bucket), 20*time.Millisecond, 1<<20), Config{})
		r := c.Open(object("a", 64<<20))
		defer r.Close()
		start := time.Now()
		check(t, r, 0, 4096)
		if took, want := time.Since(start), 20*time.Millisecond+time.Second/8; took != want {
			t.Errorf("first byte after %v, want %v: one round trip and 128 KiB", took, want)
		}
	})
}

func TestErrors(t *testing.T) {
	obj := object("a", 8<<20)
	for _, want := range []error{s3backend.Stale, s3backend.NotExist, s3backend.Denied} {
		b := new(bucket)
		c := newCache(t, failing(b, 1, want), Config{})
		r := c.Open(obj)
		check(t, r, 4<<20, maxBypass+1)
		for _, off := range []int64{0, 7 << 20} { // by a block, and what was asked for alone
			if _, err := r.ReadAt(t.Context(), make([]byte, 10), off); !errors.Is(err, want) {
				t.Errorf("ReadAt = %v, want %v", err, want)
			}
		}
		check(t, r, 4<<20, 100) // what is here is still right
		r.Close()
	}
}

func TestWrongLength(t *testing.T) {
	obj := object("a", 4*blockSize)
	for _, tt := range []struct {
		name  string
		wrong func(b io.ReadCloser, n int64) io.Reader
		good  int // bytes that can be read
	}{
		{"short", func(b io.ReadCloser, n int64) io.Reader { return io.LimitReader(b, n-blockSize-5) }, 2 * blockSize},
		{"empty", func(b io.ReadCloser, n int64) io.Reader { return io.LimitReader(b, 0) }, 0},
		{"long", func(b io.ReadCloser, n int64) io.Reader { return io.MultiReader(b, zero{}) }, 3 * blockSize},
	} {
		b := new(bucket)
		var mended atomic.Bool
		c := newCache(t, source(func(ctx context.Context, obj s3backend.Object, off,
			n int64) (io.ReadCloser, error) {
			body, err := b.Get(ctx, obj, off, n)
			if err == nil && !mended.Load() {
				return readFunc{body, tt.wrong(body, n).Read}, nil
			}
			return body, err
		}), Config{})
		r := c.Open(obj)
		n, err := r.ReadAt(t.Context(), make([]byte, obj.Size), 0)
		if n != tt.good || err == nil || err == io.EOF {
			t.Errorf("%s: ReadAt = %d, %v, want %d and an error", tt.name, n, err, tt.good)
		}
		mended.Store(true)
		checkAll(t, r, obj.Size) // errors are not kept
		r.Close()
	}
}

// zero is an endless reader.
type zero struct{}

func (zero) Read(p []byte) (int, error) { return len(p), nil }

func TestContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bucket)
		gate := make(chan struct{})
		cancelled := make(chan struct{})
		src := source(func(ctx context.Context, obj s3backend.Object,
			off, n int64) (io.ReadCloser, error) {
			body, err := gated(b, gate).Get(ctx, obj, off, n)
			if err != nil {
				close(cancelled)
			}
			return body, err
		})
		c := newCache(t, src, Config{})
		obj := object("a", 64<<20)
		r1, r2 := c.Open(obj), c.Open(obj)
		defer r1.Close()
		defer r2.Close()
		ctx1, cancel1 := context.WithCancel(t.Context())
		ctx2, cancel2 := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { errs <- tryCheck(ctx1, r1, 40<<20, 1<<20) }()
		synctest.Wait()
		go func() { errs <- tryCheck(ctx2, r2, 40<<20, 1<<20) }()
		synctest.Wait()
		cancel1()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("first reader: %v, want it cancelled", err)
		}
		synctest.Wait()
		select {
		case <-cancelled:
			t.Error("the request was cancelled while another read waited for it")
		default:
		}
		cancel2()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("second reader: %v, want it cancelled", err)
		}
		<-cancelled // nobody waits any more
		close(gate)
		check(t, r1, 40<<20, 10)
	})
}

func TestPrefetchEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bucket)
		c := newCache(t, slow(b, 20*time.Millisecond, 80<<20), Config{})
		r := c.Open(object("a", 1<<30))
		for off := int64(0); off < 8<<20; off += blockSize {
			check(t, r, off, blockSize)
		}
		if b.now.Load() == 0 {
			t.Error("nothing is fetched ahead of a sequential reader")
		}
		r.Close()
		synctest.Wait()
		if now := b.now.Load(); now != 0 {
			t.Errorf("%d requests go on after their reader was closed", now)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.mem.pool.ahead != 0 || c.streams.running != 0 || len(c.supply.sequences) != 0 {
			t.Errorf("ahead %d, running %d, sequences %d, want 0", c.mem.pool.ahead,
				c.streams.running, len(c.supply.sequences))
		}
	})
}

func TestCloseEndsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(gated(new(bucket), make(chan struct{})),
			Config{Memory: 512 << 10, Streams: 2})
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error)
		for i := range 10 { // some wait for a request, some for a stream, some for memory
			r := c.Open(object("a", 64<<20))
			go func() { errs <- tryCheck(context.Background(), r, int64(i)<<20, 10) }()
		}
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		for range 10 {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("ReadAt = %v, want ErrClosed", err)
			}
		}
	})
}

var seed = flag.Uint64("seed", 3, "of the random reads")

// Random reads by several Readers in little memory, with a source that fails now
// and then, return the true bytes or an error.
func TestRandomReaders(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 20
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		disk bool
		bad  bool
	}{
		{"little memory", Config{Memory: 2 << 20, Streams: 4}, false, false},
		{"least memory", Config{Memory: 512 << 10, Streams: 1}, false, false},
		{"disk", Config{Memory: 2 << 20, DiskSize: 16 << 20}, true, false},
		{"flaky", Config{Memory: 2 << 20, Streams: 4}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var src Source = new(bucket)
			if tt.bad {
				src = flaky(src, 1)
			}
			if tt.disk {
				tt.cfg.Dir = t.TempDir()
			}
			c := newCache(t, src, tt.cfg)
			var g sync.WaitGroup
			for i := range 8 {
				obj := object(string(rune('a'+i%3)), 9_000_000)
				if i == 7 {
					obj.ETag = ""
				}
				g.Go(func() {
					random := rand.New(rand.NewPCG(uint64(i), *seed))
					r := c.Open(obj)
					for range rounds {
						off, n := random.Int64N(obj.Size), 1+random.Int64N(400<<10)
						switch random.IntN(10) {
						case 0:
							r.Close()
							r = c.Open(obj)
							off = 0
						case 1:
							c.Forget(obj)
						}
						for range random.IntN(4) { // some in sequence
							ctx, cancel := context.WithCancel(context.Background())
							if random.IntN(8) == 0 {
								go cancel()
							}
							err := tryCheck(ctx, r, off, n)
							cancel()
							if err != nil && !errors.Is(err, context.Canceled) &&
								!(tt.bad && (errors.Is(err, errFlaky) ||
									errors.Is(err, io.ErrUnexpectedEOF))) {
								t.Error(err)
							}
							off += n
						}
					}
					r.Close()
				})
			}
			g.Wait()
			if err := c.Close(); err != nil { // what still goes on behind the readers has slots too
				t.Fatal(err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if n := len(c.mem.pool.warm) + len(
				c.mem.pool.cold) + c.mem.pool.used.Len() + c.mem.pool.unread.Len(); n != c.mem.pool.slots || c.streams.running != 0 {
				t.Errorf(
					"%d slots are free or evictable and %d requests under way, want %d and none", n,
					c.streams.running, c.mem.pool.slots)
			}
			if c.mem.pool.ahead != c.mem.pool.unread.Len() || c.mem.pool.promised != 0 {
				t.Errorf("%d blocks are counted as ahead, want %d", c.mem.pool.ahead,
					c.mem.pool.unread.Len())
			}
		})
	}
}

func TestIdleMemoryIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, new(bucket), Config{})
		r := c.Open(object("a", 4<<20))
		defer r.Close()
		checkAll(t, r, 1<<20)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		c.mu.Lock()
		warm, cold := len(c.mem.pool.warm), len(c.mem.pool.cold)
		c.mu.Unlock()
		if warm != 0 || cold != c.mem.pool.slots {
			t.Errorf("%d slots hold memory, %d do not, want 0 and %d", warm, cold, c.mem.pool.slots)
		}
		checkAll(t, r, 1<<20)
	})
}
