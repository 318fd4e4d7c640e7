// Package grants knows what the bucket's policy allows in each folder of an exchange, as far
// as it can be found out: by requests that make and change no object, and by what S3 answers to
// the requests of the mount. What is not known counts as granted: S3 refuses the request itself.
//
// [New] returns a [Policy], which asks in the background through a [Checker]. The bucket that
// [Policy.Watch] returns reports to it what S3 refuses and what was read. Before a program's
// change is staged, [Policy.CanPut] and [Policy.CanDelete] report whether it could be delivered;
// [Policy.Denied] is what the mount shows of it, as permission bits.
package grants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/s3backend"
)

// Config is the configuration of a [Policy]. Only Checker may be nil: then nothing
// is asked, and all but deletes counts as granted.
type Config struct {
	Folders  []string // the exchange's
	ReadOnly bool     // nothing is put: that is not asked
	Checker  Checker
	Deleter  Deleter
	Logger   *slog.Logger
	// Last is what [Policy.Last] returned in an earlier process, by folder: it counts as long as
	// S3 cannot be asked.
	Last map[string]FolderRights
}

// Deleter asks whether objects may be deleted; s3backend.Rights implements it.
type Deleter interface {
	// MayDelete returns nil if the policy lets objects with this prefix be deleted, or
	// s3backend.Denied.
	MayDelete(ctx context.Context, prefix string) error
}

// Policy is what was found out about the policy, by the exchange's folder. All methods may be
// called concurrently.
type Policy struct {
	cfg     Config
	ctx     context.Context // ends all work
	work    sync.WaitGroup
	traffic traffic
	// folders has each of the exchange's folders. It never changes; it is nil without a Checker.
	folders map[string]*folderGrants

	mu     sync.Mutex
	delete map[string]grant
	// refusals are when queries were refused within the last hour, the oldest first.
	refusals []time.Time
	left     map[string]s3backend.Upload // of queries, by folder: what S3 did not let abort
}

type grant struct {
	err error // nil for granted
	at  time.Time
}

// New returns a Policy of which nothing is known yet. It works until ctx ends; see [Policy.Wait].
func New(ctx context.Context, cfg Config) *Policy {
	p := &Policy{cfg: cfg, ctx: ctx}
	if cfg.Checker == nil {
		return p
	}
	p.folders, p.left = map[string]*folderGrants{}, map[string]s3backend.Upload{}
	for _, folder := range cfg.Folders {
		p.folders[folder] = &folderGrants{
			putting: &query{first: make(chan struct{}),
				ask: func() answer { return p.checkPut(folder) }},
			reading: &query{first: make(chan struct{}),
				ask: func() answer { return p.checkRead(folder) }},
		}
	}
	return p
}

// Wait returns when nothing is asked any more, which is soon after New's ctx has ended.
func (p *Policy) Wait() { p.work.Wait() }

// refused reports whether the answer to a query is a no.
func refused(err error) bool {
	return errors.Is(err, s3backend.Denied) && !errors.Is(err, s3backend.ErrUnknown)
}

// RecordDelete records S3's answer to a delete in this folder: nil, or s3backend.Denied.
func (p *Policy) RecordDelete(folder string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.delete == nil {
		p.delete = map[string]grant{}
	}
	p.delete[folder] = grant{err, time.Now()}
	if err != nil {
		p.refusedLocked()
	}
}

// refusedLocked records that a query was refused.
func (p *Policy) refusedLocked() { p.refusals = append(p.refusals, time.Now()) }

// enoughLocked reports whether so many queries were refused in the last hour that nothing
// is asked again.
func (p *Policy) enoughLocked() bool {
	p.refusals = slices.DeleteFunc(p.refusals,
		func(at time.Time) bool { return time.Since(at) > time.Hour })
	return len(p.refusals) >= maxRefusals
}

// knownDelete returns the last answer to a delete in the folder; false where there is none,
// or one that is to be asked again.
func (p *Policy) knownDelete(folder string) (error, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.delete[folder]
	if ok && r.err != nil && time.Since(r.at) > retryAfter && !p.enoughLocked() {
		return nil, false
	}
	return r.err, ok
}

// CanDelete returns nil if the policy lets us delete at key, or why not, before anything is
// done that would need it. Where the server's answers do not tell, it is nil, and S3
// refuses the removal itself.
func (p *Policy) CanDelete(ctx context.Context, key string) error {
	folder := keyname.Folder(key)
	if err, ok := p.knownDelete(folder); ok {
		return err
	}
	err := p.cfg.Deleter.MayDelete(ctx, folder+"/")
	if err == nil || errors.Is(err, s3backend.Denied) {
		p.RecordDelete(folder, err)
	}
	if errors.Is(err, s3backend.ErrOffline) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if r, ok := p.delete[folder]; ok {
			return r.err
		}
		if last := p.cfg.Last[folder].Delete; last != "" {
			return last.asError("DeleteObject")
		}
	}
	if errors.Is(err, s3backend.ErrUnknown) {
		return nil
	}
	return err
}

// of returns what is asked about a folder, nil where it is none of the exchange's or
// nothing is asked.
func (p *Policy) of(folder string) *folderGrants { return p.folders[folder] }

// CanPut returns nil if the policy lets us put at key, or s3backend.Denied before a byte is
// staged that could not be delivered. The first caller waits for the answer, for a
// second at most. Where nothing is known it is nil.
func (p *Policy) CanPut(ctx context.Context, key string) error {
	folder := keyname.Folder(key)
	f := p.of(folder)
	if f == nil {
		return nil
	}
	p.ask(folder, f.putting, (*query).dueForUse)
	if err := f.putting.await(ctx); err != nil {
		return err
	}
	return p.PutDenied(key)
}

// PutDenied is [Policy.CanPut] as far as it is known without asking.
func (p *Policy) PutDenied(key string) error {
	folder := keyname.Folder(key)
	f := p.of(folder)
	if f == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if refused(f.putting.err) {
		return fmt.Errorf("the policy grants no put in %s/: %w", folder, f.putting.err)
	}
	return nil
}

// ReadDenied reports whether S3 has answered that nothing may be read in the folder.
func (p *Policy) ReadDenied(folder string) bool {
	f := p.of(folder)
	if f == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return refused(f.reading.err)
}

// CanListAndRead reports whether it is known that what is in the folder may be listed and
// read. Without a Checker it is taken for granted.
func (p *Policy) CanListAndRead(folder string) bool {
	f := p.of(folder)
	if f == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !f.reading.at.IsZero() && f.reading.err == nil && !refused(f.reading.list)
}

// WriteOnly reports whether the folder is one that may be put into and not listed. With
// refusedNow set, S3 has just refused a listing, and the first answers are waited for.
func (p *Policy) WriteOnly(ctx context.Context, folder string, refusedNow bool) bool {
	f := p.of(folder)
	if f == nil {
		return false
	}
	if refusedNow {
		p.refreshAfterDenial(folder)
		for _, q := range f.queries() {
			if q.await(ctx) != nil {
				return false
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !f.putting.at.IsZero() && f.putting.err == nil && (refused(f.reading.list) || refusedNow)
}

// RecordRead records that a version of the other party's was read: so what others put in the
// folder may be, whatever a query was answered.
func (p *Policy) RecordRead(folder string) {
	f := p.of(folder)
	if f == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if refused(f.reading.err) {
		f.reading.err, f.reading.believe = nil, 0
	}
}

// Permission bits for everybody to read, and to write.
const (
	ReadBits  = 0o444
	WriteBits = 0o222
)

// Denied returns the permission bits that the policy takes from what is at key. ours is set
// for what was written here: then its ACL may let us read it still.
func (p *Policy) Denied(key string, ours bool) (bits uint32) {
	folder := keyname.Folder(key)
	p.RefreshIfOld(folder)
	f := p.of(folder)
	if f == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if refused(f.putting.err) {
		bits |= WriteBits
	}
	if refused(f.reading.err) && !ours {
		bits |= ReadBits
	}
	return bits
}
