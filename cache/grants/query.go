package grants

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Checker asks what the policy grants in a folder, by requests that make and change no object;
// s3backend.Rights implements it. Each answer is nil, s3backend.Denied, or why it cannot
// be told.
type Checker interface {
	MayList(ctx context.Context, prefix string) error
	MayGet(ctx context.Context, prefix string, mayList error) error
	MayPut(ctx context.Context, prefix string,
		earlier s3backend.Upload) (left s3backend.Upload, err error)
}

// What the policy grants in a folder is asked when the mount has come to rest after
// its start, so that its first user waits for nothing and many short mounts ask
// nothing; of putting, when the first file is made, and of both, when S3 has refused
// something. What is known is not asked again soon: each refusal is an AccessDenied in
// somebody's CloudTrail, where GuardDuty looks for who tries what he may.

const (
	// A new mount is idle when it has sent no request for idleTime, or after maxIdleWait in any
	// case.
	idleTime    = time.Second
	maxIdleWait = 5 * time.Second
	// refusalAge is how long a refusal is believed, since the owner may mend the policy: the
	// first time, and twice as long each time after, up to maxRefusalAge.
	refusalAge    = 10 * time.Minute
	maxRefusalAge = time.Hour
	// retryAfter is how long it is believed when a program tries what was refused.
	retryAfter = time.Minute
	// grantAge is how long it is believed that all is granted.
	grantAge = time.Hour
	// maxRefusals is how many refusals of an hour are enough: then nothing is asked again
	// unless a person says so.
	maxRefusals = 6
	// denialPause is the least time between two queries about a folder for refusals.
	denialPause = 5 * time.Second
	// firstWait is how long a program that makes the first file waits for the first
	// answer.
	firstWait = time.Second
)

// folderGrants is what is asked about one of the exchange's folders.
type folderGrants struct{ putting, reading *query }

func (f *folderGrants) queries() []*query { return []*query{f.putting, f.reading} }

// query is a question that is asked again from time to time. Its fields are guarded by
// Policy.mu, but for the first two.
type query struct {
	ask   func() answer
	first chan struct{} // closed when the first answer has come

	answer
	at      time.Time     // of the last answer; zero before the first
	believe time.Duration // how long an answer that is not "granted" is believed
	running bool          // it is being asked
}

// answer is S3's answer to a query.
type answer struct {
	err  error // of putting, or of getting
	list error // of listing, where that was asked
}

// due reports whether a query was never answered, or so long ago that it is asked again.
func (q *query) due() bool { return q.at.IsZero() || q.old() }

// old reports whether it was answered, and is due again.
func (q *query) old() bool {
	believe := grantAge
	if q.err != nil {
		believe = q.believe
	}
	return !q.at.IsZero() && time.Since(q.at) > believe
}

// dueForUse reports whether it is due when a program does what it asks about.
func (q *query) dueForUse() bool {
	return q.due() || q.err != nil && time.Since(q.at) > retryAfter
}

// dueAfterDenial reports whether the last answer is not of just now.
func (q *query) dueAfterDenial() bool { return time.Since(q.at) > denialPause }

// await returns when the first answer has come, or not within firstWait. Its error is
// ctx's.
func (q *query) await(ctx context.Context) error {
	select {
	case <-q.first:
		return nil
	default:
	}
	late := time.NewTimer(firstWait)
	defer late.Stop()
	select {
	case <-q.first:
	case <-late.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// traffic records when a request went out, or bytes were asked for, last.
type traffic struct{ last atomic.Int64 }

func (t *traffic) note() { t.last.Store(time.Now().UnixNano()) }

func (t *traffic) since() time.Duration {
	return time.Duration(time.Now().UnixNano() - t.last.Load())
}

// Start has all folders asked about when the mount has come to rest.
func (p *Policy) Start() {
	if p.cfg.Checker == nil {
		return
	}
	p.traffic.note()
	p.work.Go(func() {
		for begun := time.Now(); time.Since(begun) < maxIdleWait && p.traffic.since() < idleTime; {
			select {
			case <-time.After(idleTime - p.traffic.since()):
			case <-p.ctx.Done():
				return
			}
		}
		p.refresh((*query).due)
	})
}

// refresh has those queries about all folders asked that ifSo picks.
func (p *Policy) refresh(ifSo func(*query) bool) {
	for _, folder := range p.cfg.Folders {
		p.refreshFolder(folder, ifSo)
	}
}

// RefreshIfOld has what is known of a folder asked again in the background if it is too old.
func (p *Policy) RefreshIfOld(folder string) { p.refreshFolder(folder, (*query).old) }

// refreshAfterDenial has what is known of a folder asked again because S3 has refused a
// request in it.
func (p *Policy) refreshAfterDenial(folder string) {
	p.refreshFolder(folder, (*query).dueAfterDenial)
}

// RefreshAll asks everything again, for s3share retry: a person knows that the policy has changed.
func (p *Policy) RefreshAll() {
	p.mu.Lock()
	p.refusals = nil
	clear(p.delete)
	p.mu.Unlock()
	p.refresh(func(*query) bool { return true })
}

// refreshFolder has those queries about a folder asked that ifSo picks.
func (p *Policy) refreshFolder(folder string, ifSo func(*query) bool) {
	f := p.of(folder)
	if f == nil {
		return
	}
	for _, q := range f.queries() {
		p.ask(folder, q, ifSo)
	}
}

// ask has a query asked if ifSo picks it, once at a time.
func (p *Policy) ask(folder string, q *query, ifSo func(*query) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.running || !ifSo(q) || p.ctx.Err() != nil || !q.at.IsZero() && p.enoughLocked() {
		return
	}
	q.running = true
	p.work.Go(func() {
		now := q.ask()
		if p.ctx.Err() == nil {
			p.recordAnswer(folder, q, now)
		}
	})
}

// recordAnswer records the answer to a query.
func (p *Policy) recordAnswer(folder string, q *query, now answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := q.at.IsZero()
	if errors.Is(now.err, s3backend.ErrOffline) || errors.Is(now.list, s3backend.ErrOffline) {
		q.running = false // the last answer counts; who waits for the first waits no longer
		p.useLastLocked(folder, q)
		q.answeredLocked()
		return
	}
	if first || refused(q.err) != refused(now.err) || refused(q.list) != refused(now.list) {
		defer p.logLocked(folder)
	}
	q.answer, q.at, q.running = now, time.Now(), false
	switch {
	case now.err == nil && now.list == nil:
		q.believe = 0
	case q.believe == 0:
		q.believe = refusalAge
	default:
		q.believe = min(2*q.believe, maxRefusalAge)
	}
	if errors.Is(now.err, s3backend.Denied) || errors.Is(now.list, s3backend.Denied) {
		p.refusedLocked()
	}
	q.answeredLocked()
}

// answeredLocked lets those go on who wait for the first answer. The caller holds Policy.mu.
func (q *query) answeredLocked() {
	select {
	case <-q.first:
	default:
		close(q.first)
	}
}

// logLocked logs what is known of a folder, once it is. The caller holds mu.
func (p *Policy) logLocked(folder string) {
	f := p.of(folder)
	if f.putting.at.IsZero() || f.reading.at.IsZero() {
		return
	}
	p.cfg.Logger.Info("the policy, as far as it can be told", "folder", folder,
		"list", grantText(f.reading.list), "get", grantText(f.reading.err),
		"put", grantText(f.putting.err))
}

func grantText(err error) string {
	switch {
	case err == nil:
		return "granted"
	case refused(err):
		return "refused"
	}
	return "unknown: " + err.Error()
}

// checkPut asks whether the policy lets us put in a folder.
func (p *Policy) checkPut(folder string) answer {
	if p.cfg.ReadOnly {
		return answer{}
	}
	p.mu.Lock()
	left := p.left[folder]
	p.mu.Unlock()
	left, err := p.cfg.Checker.MayPut(p.ctx, folder+"/", left)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left[folder] = left
	return answer{err: err}
}

// checkRead asks whether the policy lets us get what is in a folder.
func (p *Policy) checkRead(folder string) (a answer) {
	prefix := folder + "/"
	a.list = p.cfg.Checker.MayList(p.ctx, prefix)
	a.err = p.cfg.Checker.MayGet(p.ctx, prefix, a.list)
	return a
}
