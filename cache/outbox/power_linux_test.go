package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/integration/crashdisk"
	"github.com/s3share/s3share/s3backend"
)

func TestMain(m *testing.M) {
	crashdisk.ServeIfAsked()
	os.Exit(m.Run())
}

// imagesVariable is how many crash images TestPowerLoss looks at.
const imagesVariable = "S3SHARE_CRASHES"

// TestPowerLoss changes files at random on a disk that records what reaches it, and
// recovers from images of the disk as it may be if power is lost at any instant. What
// was promised by then holds: what was synced is there, bit for bit, under the name
// that it had; what was closed and not synced is delivered whole, or told; nothing else
// is ever delivered, and nothing becomes a conflict.
//
// S3SHARE_CRASHES is how many images there are, S3SHARE_SEED the seed of the first run.
func TestPowerLoss(t *testing.T) {
	images, seed := number(t, imagesVariable, 40), uint64(number(t, "S3SHARE_SEED", 1))
	const each = 20 // images of one run
	for ; images > 0; images, seed = images-each, seed+1 {
		t.Run(fmt.Sprintf("seed %d", seed),
			func(t *testing.T) { powerLoss(t, seed, min(images, each)) })
		if t.Failed() {
			return
		}
	}
}

func powerLoss(t *testing.T, seed uint64, images int) {
	p := newPowered(t, seed)
	defer p.end()
	p.live(80)
	p.lose(images)
}

func number(t *testing.T, variable string, otherwise int) int {
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// powered is a run of an outbox on a disk that will lose power.
type powered struct {
	*rig
	t    *testing.T
	seed uint64
	rnd  *rand.Rand
	disk *crashdisk.Disk

	files   []*poweredFile
	next    int
	claims  []*claim
	closed  map[string][][]byte // what was ever closed under a key, or came to it closed
	history []string            // for a failure

	// s3 guards the fields below.
	s3      sync.Mutex
	away    bool // S3 takes nothing
	buckets []bucketAt
}

// bucketAt is what S3 held from a position on.
type bucketAt struct {
	pos int64
	b   *buckettest.Bucket
}

// poweredFile is a file that the outbox was given.
type poweredFile struct {
	key     string
	it      *Item
	content []byte
	open    bool
	synced  bool     // as it is
	named   bool     // its name is on the disk, or one of were
	were    []string // the names that it had since one was synced
}

// claim is what was promised while the disk's position was in [from, until): that one of
// contents is under one of keys, or something is told of it.
type claim struct {
	from, until int64
	keys        []string
	contents    [][]byte
	told        bool // it is enough that it is told
	gone        bool // instead: the keys are not there
	why         string
}

func newPowered(t *testing.T, seed uint64) *powered {
	disk := crashdisk.Start(t, 96<<20, "commit=1")
	p := &powered{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), disk: disk,
		closed: map[string][][]byte{}}
	b := buckettest.New()
	p.rig = p.begin(b, filepath.Join(disk.Dir, "stage"))
	if err := syncDir(disk.Dir); err != nil { // the state directory was made long ago
		t.Fatal(err)
	}
	p.snapshot(b)
	p.recover()
	return p
}

func (p *powered) begin(b *buckettest.Bucket, dir string) *rig {
	return newRig(p.t, b, dir, Config{Settle: 2 * time.Millisecond, MinFree: 1},
		func(s3 buckettest.S3) buckettest.S3 {
			return buckettest.Wrap(s3,
				func(_ context.Context, op, key string, send func() error) error {
					p.s3.Lock()
					away := p.away
					p.s3.Unlock()
					if away {
						return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Busy}
					}
					err := send()
					p.snapshot(b) // before the outbox does what follows from it
					return err
				})
		})
}

func (p *powered) end() {
	p.Close()
	for _, f := range p.files {
		if f.open {
			f.it.Close()
		}
	}
}

func (p *powered) now() int64 {
	n, err := p.disk.Now()
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// snapshot remembers what S3 holds now.
func (p *powered) snapshot(b *buckettest.Bucket) {
	p.s3.Lock()
	defer p.s3.Unlock()
	p.buckets = append(p.buckets, bucketAt{p.now(), b.Clone()})
}

// bucketAt is what S3 held when the disk was at a position.
func (p *powered) bucketAt(pos int64) *buckettest.Bucket {
	p.s3.Lock() // the outbox may still be sending
	defer p.s3.Unlock()
	bucket := p.buckets[0].b
	for _, b := range p.buckets {
		if b.pos <= pos {
			bucket = b.b
		}
	}
	return bucket
}

// lose recovers from so many images.
func (p *powered) lose(images int) {
	end := p.now()
	var at []int64
	for range images {
		pos := p.rnd.Int64N(end + 1)
		if len(p.claims) > 0 && p.rnd.IntN(3) > 0 { // soon after something was promised
			pos = min(end, p.claims[p.rnd.IntN(len(p.claims))].from+p.rnd.Int64N(100_000))
		}
		at = append(at, pos)
	}
	slices.Sort(at)
	for _, pos := range at {
		image, err := p.disk.Crash(pos, p.rnd)
		if err != nil {
			p.t.Fatal(err)
		}
		p.check(pos, image)
	}
}

// check recovers from an image.
func (p *powered) check(pos int64, image *crashdisk.Image) {
	defer func() {
		if err := image.Close(); err != nil {
			p.t.Error(err)
		}
	}()
	r := newRig(p.t, p.bucketAt(pos).Clone(), filepath.Join(image.Dir, "stage"),
		Config{Settle: time.Millisecond, MinFree: 1}, nil)
	defer r.Close()
	items := r.recover()
	here := map[string][]byte{} // what the outbox has, by key
	for _, it := range items {
		here[it.Key()] = contentHere(p.t, it)
	}
	told := map[string]string{}
	for _, st := range r.Status() {
		told[st.Key] = st.Reason
	}
	for _, it := range items {
		it.Resume()
	}
	r.Resume()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	var left *LeftError
	if err := r.Drain(ctx); err != nil && !errors.As(err, &left) {
		p.t.Errorf("seed %d: Drain: %v, of %+v", p.seed, err, r.Status())
	}
	p.judge(pos, image.Kept, r, here, told)
}

// contentHere reads all that an item holds.
func contentHere(t *testing.T, it *Item) []byte {
	if it.IsFolder() {
		return nil
	}
	if err := it.Open(); err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	size, _, _, _ := it.Stat()
	data := make([]byte, size)
	if n, err := it.ReadAt(t.Context(), data, 0); err != nil && err != io.EOF || int64(n) < size {
		t.Fatalf("reading %q: %d of %d bytes, %v", it.Key(), n, size, err)
	}
	return data
}

// judge holds what there is after a crash against what was promised.
func (p *powered) judge(pos int64, kept string, r *rig, here map[string][]byte,
	told map[string]string) {
	fail := func(format string, args ...any) {
		p.t.Errorf(
			"seed %d, power lost at %d with %s of what was not flushed: %s\ntold: %q\nS3 holds: %q\nwhat happened:\n%s",
			p.seed, pos, kept, fmt.Sprintf(format,
				args...), told, r.b.Keys(), strings.Join(p.history, "\n"))
	}
	for _, key := range r.b.Keys() {
		data, _ := r.b.Data(key)
		if !strings.HasSuffix(key, "/") && !slices.ContainsFunc(p.closed[key],
			func(c []byte) bool { return bytes.Equal(c, data) }) {
			fail("%q was delivered with %d bytes, which were never closed there", key, len(data))
		}
	}
	for _, c := range p.claims {
		if pos < c.from || c.until > 0 && pos >= c.until {
			continue
		}
		found, there, seen := false, false, false
		for _, key := range c.keys {
			data, delivered := r.b.Data(key)
			mine, pending := here[key]
			_, said := told[key]
			there = there || delivered || pending
			seen = seen || there || said
			for _, content := range c.contents {
				found = found || delivered && bytes.Equal(data, content) ||
					pending && bytes.Equal(mine, content)
			}
		}
		switch {
		case c.gone && there:
			fail("%s: %q is there", c.why, c.keys)
		case c.gone || found:
		case !c.told:
			fail("%s: %q do not have the content", c.why, c.keys)
		case !seen && !unnamed(told):
			fail("%s: %q are neither there nor told", c.why, c.keys)
		}
	}
}

// unnamed reports whether anything is told of which the name is not known.
func unnamed(told map[string]string) bool {
	for _, why := range told {
		if strings.Contains(why, "its name is not known") {
			return true
		}
	}
	return false
}
