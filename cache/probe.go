package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Prober finds out what the policy grants in a folder, by requests that change
// nothing; *s3backend.Client implements it. Each answer is nil, s3backend.Denied, or
// why it cannot be told.
type Prober interface {
	MayList(ctx context.Context, prefix string) error
	MayGet(ctx context.Context, prefix string, mayList error) error
	MayPut(ctx context.Context, prefix string, earlier s3backend.Upload) (left s3backend.Upload, err error)
}

// What the policy grants in a folder is asked when the mount has come to rest after
// its start, so that its first user waits for nothing and many short mounts ask
// nothing; of putting, when the first file is made, and of both, when S3 has refused
// something. What is known is not asked again soon: each refusal is an AccessDenied in
// somebody's CloudTrail, where GuardDuty looks for who tries what he may.

const (
	// rest is how long no request has gone out when a new mount has come to rest, and
	// restless when it is taken for that all the same.
	rest     = time.Second
	restless = 5 * time.Second
	// regrant is how long a refusal is believed, since the owner may mend the policy: the
	// first time, and twice as long each time after, up to regrantMost.
	regrant     = 10 * time.Minute
	regrantMost = time.Hour
	// retried is how long it is believed when a program tries what was refused.
	retried = time.Minute
	// regranted is how long it is believed that all is granted.
	regranted = time.Hour
	// refusals is how many refusals of an hour are enough: then nothing is asked again
	// unless a person says so.
	refusals = 6
	// doubtful is the least time between two probes of a folder for refusals.
	doubtful = 5 * time.Second
	// firstWait is how long a program that makes the first file waits for what the
	// first probe tells.
	firstWait = time.Second
)

// probed is what is asked about one of the exchange's folders.
type probed struct{ putting, reading *question }

func (p *probed) questions() []*question { return []*question{p.putting, p.reading} }

// question is one that is asked again from time to time. Its fields are guarded by
// grants.mu, but for the first two.
type question struct {
	ask   func() answer
	first chan struct{} // closed when the first answer has come

	answer
	at      time.Time     // of the last answer; zero before the first
	believe time.Duration // how long an answer that is not "granted" is believed
	running bool          // it is being asked
}

// answer is what a probe told.
type answer struct {
	err  error // of putting, or of getting
	list error // of listing, where that was asked
}

// due tells that a question was never answered, or so long ago that it is asked again.
func (q *question) due() bool { return q.at.IsZero() || q.old() }

// old tells that it was answered, and is due again.
func (q *question) old() bool {
	believe := regranted
	if q.err != nil {
		believe = q.believe
	}
	return !q.at.IsZero() && time.Since(q.at) > believe
}

// tried tells that it is due for a program that does what it is about.
func (q *question) tried() bool {
	return q.due() || q.err != nil && time.Since(q.at) > retried
}

// doubtful tells that the last answer is not of just now.
func (q *question) doubtful() bool { return time.Since(q.at) > doubtful }

// await returns when the first answer has come, or not within firstWait. Its error is
// ctx's.
func (q *question) await(ctx context.Context) error {
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

// traffic tells when a request went out, or bytes were asked for, last.
type traffic struct{ last atomic.Int64 }

func (t *traffic) note() { t.last.Store(time.Now().UnixNano()) }

func (t *traffic) since() time.Duration { return time.Duration(time.Now().UnixNano() - t.last.Load()) }

// beginProbes has each folder probed when the mount has come to rest.
func (c *Cache) beginProbes() {
	if c.cfg.Prober == nil {
		return
	}
	c.grants.probed, c.grants.left = map[string]*probed{}, map[string]s3backend.Upload{}
	for _, folder := range c.cfg.Folders {
		c.grants.probed[folder] = &probed{
			putting: &question{first: make(chan struct{}), ask: func() answer { return c.probePut(folder) }},
			reading: &question{first: make(chan struct{}), ask: func() answer { return c.probeRead(folder) }},
		}
	}
	c.traffic.note()
	c.probes.Go(func() {
		for begun := time.Now(); time.Since(begun) < restless && c.traffic.since() < rest; {
			select {
			case <-time.After(rest - c.traffic.since()):
			case <-c.ending.Done():
				return
			}
		}
		c.probeAll((*question).due)
	})
}

// probeAll has all folders asked what is to be asked of them.
func (c *Cache) probeAll(ifSo func(*question) bool) {
	for _, folder := range c.cfg.Folders {
		c.probe(folder, ifSo)
	}
}

// freshen has a folder probed anew in the background if what is known of it is too old.
func (c *Cache) freshen(folder string) { c.probe(folder, (*question).old) }

// doubt has a folder probed again because S3 has refused a request in it.
func (c *Cache) doubt(folder string) { c.probe(folder, (*question).doubtful) }

// reprobe has all folders probed again, since a person says that things have changed.
func (c *Cache) reprobe() {
	c.grants.mu.Lock()
	c.grants.refusals = nil
	clear(c.grants.delete)
	c.grants.mu.Unlock()
	c.replaced.forget()
	c.probeAll(func(*question) bool { return true })
}

// probe has those questions about a folder asked that ifSo picks.
func (c *Cache) probe(folder string, ifSo func(*question) bool) {
	p := c.grants.of(folder)
	if p == nil {
		return
	}
	for _, q := range p.questions() {
		c.ask(folder, q, ifSo)
	}
}

// ask has a question asked if it is to be, once at a time.
func (c *Cache) ask(folder string, q *question, ifSo func(*question) bool) {
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	if q.running || !ifSo(q) || c.ending.Err() != nil || !q.at.IsZero() && c.grants.enoughLocked() {
		return
	}
	q.running = true
	c.probes.Go(func() {
		told := q.ask()
		if c.ending.Err() == nil {
			c.told(folder, q, told)
		}
	})
}

// told notes the answer to a question.
func (c *Cache) told(folder string, q *question, now answer) {
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	first := q.at.IsZero()
	if first || refused(q.err) != refused(now.err) || refused(q.list) != refused(now.list) {
		defer c.tellGrantsLocked(folder)
	}
	q.answer, q.at, q.running = now, time.Now(), false
	switch {
	case now.err == nil && now.list == nil:
		q.believe = 0
	case q.believe == 0:
		q.believe = regrant
	default:
		q.believe = min(2*q.believe, regrantMost)
	}
	if errors.Is(now.err, s3backend.Denied) || errors.Is(now.list, s3backend.Denied) {
		c.grants.refusedLocked()
	}
	if first {
		close(q.first)
	}
}

// tellGrantsLocked logs what is known of a folder, once it is. The caller holds
// grants.mu.
func (c *Cache) tellGrantsLocked(folder string) {
	p := c.grants.of(folder)
	if p.putting.at.IsZero() || p.reading.at.IsZero() {
		return
	}
	c.log.Info("the policy, as far as it can be told", "folder", folder,
		"list", grantText(p.reading.list), "get", grantText(p.reading.err), "put", grantText(p.putting.err))
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

// probePut asks whether the policy lets us put in a folder.
func (c *Cache) probePut(folder string) answer {
	if c.cfg.ReadOnly {
		return answer{}
	}
	g := &c.grants
	g.mu.Lock()
	left := g.left[folder]
	g.mu.Unlock()
	left, err := c.cfg.Prober.MayPut(c.ending, folder+"/", left)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left[folder] = left
	return answer{err: err}
}

// probeRead asks whether the policy lets us get what is in a folder.
func (c *Cache) probeRead(folder string) (a answer) {
	prefix := folder + "/"
	a.list = c.cfg.Prober.MayList(c.ending, prefix)
	a.err = c.cfg.Prober.MayGet(c.ending, prefix, a.list)
	return a
}
