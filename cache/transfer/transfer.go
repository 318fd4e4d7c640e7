// Package transfer copies whole files between a local directory and a bucket without a
// mount: [Put] delivers files, [Get] fetches objects.
//
// Both keep what a mount promises. An object is made by one request that carries the ACL, on
// the condition that the key holds what it replaces. A version of the other party is never
// overwritten: ours goes beside it, under the name of a conflict copy. Every local file
// appears under its name whole.
//
// Both can be run again at any time, and then move only what is missing. What is there
// already is known by its ETag or its checksum, never by its size and time. A [Notes]
// directory on this machine remembers the versions that were put and fetched, and the parts
// of uploads that were begun. Without it less is known, and nothing is wrong.
package transfer

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/s3backend"
)

// Bucket is every request of this package. *s3backend.Client implements it.
type Bucket interface {
	s3backend.Requests
	List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error)
	Head(ctx context.Context, key string) (s3backend.Object, error)
	Sum(ctx context.Context, obj s3backend.Object) (s3backend.Sum, error)
}

var _ Bucket = (*s3backend.Client)(nil)

// Config is what Put and Get have in common.
type Config struct {
	Bucket  Bucket
	Notes   *Notes                // nil: nothing is remembered
	Who     string                // our name in those of conflict copies
	Private *privatename.Patterns // names that are never sent
	Tell    func(Result)          // called for each file, one at a time; may be nil
	Meter   *Meter                // nil: nobody looks

	// The rest is for Put and Send alone.

	// Digest has each Result tell its version, with checksums of the bytes: see [Version].
	Digest bool
	// NoConflicts refuses a file whose key holds a version of the other party's, instead of
	// putting it beside that.
	NoConflicts bool
	// PresentOnly sends nothing: a file that S3 does not hold yet is refused.
	PresentOnly bool
	// Exclude is asked of each key, and of each directory's with a slash at its end. What it
	// returns an error for is skipped. It may be nil.
	Exclude func(key string) error
	// Refuse is asked of the key of each file. One for which it returns an error fails with that,
	// and is not sent. It may be nil.
	Refuse func(key string) error
}

// Outcome is what became of a file.
type Outcome int

// The outcomes.
const (
	Moved    Outcome = iota + 1 // delivered or fetched
	Present                     // it was there already, and nothing was moved
	Conflict                    // moved, and under another name: see Result.Beside
	Skipped                     // not a regular file, or a private name: see Result.Err
	Failed                      // see Result.Err
)

// Result is what became of one file.
type Result struct {
	Outcome Outcome
	Path    string // of the local file
	Key     string
	Size    int64
	Beside  string // the name of a conflict copy: a key of Put, a path of Get
	Version *Version
	// Object is the version that S3 holds of the file, as far as S3 has told of it. Its key is
	// that of the conflict copy if Put has made one.
	Object s3backend.Object
	Ours   bool // Put has made the version, now or before
	Err    error
}

// Version is the version that S3 holds of a file, with checksums of its bytes. Of what was sent,
// they are of the bytes that were sent; of what was there already, of the file that was found to
// be equal.
type Version struct {
	ETag      string
	ID        string // the version ID, "" if it is not known
	SHA256    string // in hexadecimal digits
	CRC64NVME string // base64, as S3 shows it
}

// Meter counts while a transfer runs.
type Meter struct {
	Files, Bytes atomic.Int64 // found so far
	Done, Moved  atomic.Int64 // files that have a Result, and bytes moved or found to be there
	InFlight     atomic.Int64 // bytes of requests that S3 has not answered
}

// Total is the sum of all results.
type Total struct {
	Files     int   // moved, conflicts included
	Bytes     int64 // of those
	Present   int
	Conflicts int
	Skipped   int
	Failed    int
}

const (
	// workers is how many small files are in flight at a time. Others count for several, for
	// they are held in memory while they are sent: one for each slotSize, and one that goes in
	// parts, which takes some 130 MiB, for half of all.
	workers  = 32
	slotSize = 2 << 20
)

// slotsFor is how many of the workers a file of this size takes.
func slotsFor(size int64) int64 {
	if size > s3backend.WholePart {
		return workers / 2
	}
	return 1 + size/slotSize
}

// run carries out what is common to Put and Get.
type run struct {
	Config
	slots *semaphore.Weighted
	group *errgroup.Group

	mu    sync.Mutex // guards total, and the calls of Tell
	total Total
}

func newRun(ctx context.Context, cfg Config) (*run, context.Context) {
	if cfg.Meter == nil {
		cfg.Meter = new(Meter)
	}
	if cfg.Private == nil {
		cfg.Private, _ = privatename.New(nil)
	}
	group, ctx := errgroup.WithContext(ctx)
	return &run{Config: cfg, slots: semaphore.NewWeighted(workers), group: group}, ctx
}

// start does one file's work once there is a slot for it. Its error is one that ends all.
func (r *run) start(ctx context.Context, size int64, work func(ctx context.Context) Result) error {
	r.Meter.Files.Add(1)
	r.Meter.Bytes.Add(size)
	weight := slotsFor(size)
	if err := r.slots.Acquire(ctx, weight); err != nil {
		return context.Cause(ctx)
	}
	r.group.Go(func() error {
		defer r.slots.Release(weight)
		res := work(ctx)
		if ctx.Err() != nil && res.Outcome == Failed {
			return context.Cause(ctx) // it was stopped, and says nothing of the file
		}
		r.tell(res)
		if s3backend.IsOfBucket(res.Err) {
			return res.Err
		}
		return nil
	})
	return nil
}

func (r *run) tell(res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch res.Outcome {
	case Moved:
		r.total.Files++
		r.total.Bytes += res.Size
	case Conflict:
		r.total.Files++
		r.total.Bytes += res.Size
		r.total.Conflicts++
	case Present:
		r.total.Present++
	case Skipped:
		r.total.Skipped++
	case Failed:
		r.total.Failed++
	}
	r.Meter.Done.Add(1)
	if r.Tell != nil {
		r.Tell(res)
	}
}

// end waits for all files. err is what ended the search for them.
func (r *run) end(err error) (Total, error) {
	waited := r.group.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if waited != nil {
		err = waited
	}
	return r.total, err
}

// plain is an error of the local disk without the path, which is told beside it.
func plain(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
