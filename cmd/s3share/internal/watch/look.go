package watch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/changes"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

const (
	// batch is how many objects are looked at before their events are told, and lookers how many
	// at once: what was seen of an object is not old when its event is told.
	batch   = 64
	lookers = 16
	// maxRechecks is how many objects that could not be read are looked at again in one look.
	maxRechecks = 10
	// The pauses between two looks at such an object.
	shortestHold = 30 * time.Second
	longestHold  = 10 * time.Minute
)

// candidate is an event that may be told.
type candidate struct {
	changes.Event
	shadowed bool // a directory has the object's name
	owner    string
	err      error // why it is not told; nil if it is
}

func (c *candidate) path() string { return pathOf(c.Key, c.shadowed) }

// errLater is the error of a candidate that the next look decides.
var errLater = errors.New("it is looked at again")

func versionOf(o s3backend.Object) changes.Version {
	return changes.Version{ETag: o.ETag, Size: o.Size, Modified: o.Modified.UnixNano()}
}

// isDirectory reports whether an object stands for a directory: those are not told.
func isDirectory(key string) bool { return strings.HasSuffix(key, "/") }

// list lists what is watched.
func (w *watcher) list(ctx context.Context, see func(s3backend.Object)) error {
	w.pages = 0
	for _, prefix := range w.Prefixes {
		in := s3backend.ListInput{Prefix: prefix, Owner: w.Owner != ""}
		for {
			page, err := w.Bucket.List(ctx, in)
			if err != nil {
				return err
			}
			w.pages++
			for _, obj := range page.Objects {
				see(obj)
			}
			if in.Token = page.Next; in.Token == "" {
				break
			}
		}
	}
	return nil
}

// look lists what is watched, and tells what has changed.
func (w *watcher) look(ctx context.Context) error {
	w.refused, w.until = 0, time.Now().Add(showPatience)
	events, err := w.compare(ctx)
	if err != nil {
		return err
	}
	due := map[string]bool{}
	for _, c := range events {
		due[c.Key] = true
	}
	w.forgetOld(due)
	if len(events) > 0 {
		w.own.readSending()
		w.own.refresh()
		if err := w.tellAll(ctx, events); err != nil {
			return err
		}
	}
	if w.cursor.Due() {
		return w.cursor.Compact()
	}
	return nil
}

// compare returns the events that are due by a listing, in their order.
func (w *watcher) compare(ctx context.Context) ([]candidate, error) {
	look := w.cursor.Look()
	var events []changes.Event
	found := map[string]*candidate{}
	err := w.list(ctx, func(obj s3backend.Object) {
		if len(found) > 0 { // an object is listed before what is in a directory of its name
			for i := range len(obj.Key) {
				if obj.Key[i] != '/' {
					continue
				}
				if c := found[obj.Key[:i]]; c != nil {
					c.shadowed = true
				}
			}
		}
		if isDirectory(obj.Key) {
			return
		}
		if e, ok := look.See(obj.Key, versionOf(obj)); ok {
			events = append(events, e)
			found[e.Key] = &candidate{owner: obj.Owner}
		}
	})
	if err != nil {
		return nil, err
	}
	events = append(events, look.End()...)
	changes.Sort(events)
	all := make([]candidate, len(events))
	for i, e := range events {
		if c := found[e.Key]; c != nil {
			all[i] = *c
		}
		all[i].Event = e
	}
	return all, nil
}

// tellAll tells events in their order.
func (w *watcher) tellAll(ctx context.Context, all []candidate) (err error) {
	var t teller
	defer func() {
		if t != nil && ctx.Err() == nil { // else it completes the event that it tells, and ends
			if cerr := t.close(); err == nil {
				err = cerr
			}
		}
	}()
	rechecks := 0
	var problems unread
	for len(all) > 0 {
		some := all[:min(batch, len(all))]
		all = all[len(some):]
		if err := w.check(ctx, some, &rechecks, &problems); err != nil {
			return err
		}
		for i := range some {
			if some[i].err != nil {
				continue
			}
			if t == nil {
				if t, err = w.start(hello{w.Exec, w.JSON}, w.cursor.File(), w.busy); err != nil {
					return err
				}
			}
			if err := w.tell(ctx, t, &some[i]); err != nil {
				return err
			}
		}
	}
	problems.note(w)
	return nil
}

// tell tells one event, unless the mount does not show it yet.
func (w *watcher) tell(ctx context.Context, t teller, c *candidate) error {
	path := c.path()
	if w.Mount != "" {
		if c.Kind != changes.Removed {
			until := w.until
			if w.unshown[c.Key] == c.Version { // it was waited for already
				until = time.Time{}
			}
			switch err := w.shown(ctx, w.Mount, path, c.ETag, until); {
			case errors.Is(err, errNotShown):
				w.noteUnshown(c)
				return nil
			case err != nil:
				return err
			}
		}
		path = filepath.Join(w.Mount, path)
	}
	c.Event = w.cursor.Number(c.Event)
	w.cursor.Began(c.Event)
	a, err := t.tell(ctx, request{c.Event, path})
	switch {
	case err != nil:
		return err
	case a.Failed != "":
		return errors.New(a.Failed)
	case a.Refused != "":
		w.refuse(c.Event, path, a.Refused)
		return nil
	}
	w.cursor.Ended(c.Event)
	return nil
}

// noteUnshown notes once that an event waits for the mount.
func (w *watcher) noteUnshown(c *candidate) {
	if w.unshown[c.Key] == c.Version {
		return
	}
	w.unshown[c.Key] = c.Version
	fmt.Fprintf(w.Errs,
		"s3share: note: %s is told once the mount shows this version: perhaps it is open for writing here\n", hint.Printable(c.path()))
}

// check decides which events are told now: their err is nil. Those that are never told it passes.
func (w *watcher) check(ctx context.Context, some []candidate,
	rechecks *int, problems *unread) error {
	var passed []changes.Event
	pass := func(c *candidate) {
		c.err = errLater
		passed = append(passed, c.Event)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookers)
	headers := make([]*s3backend.Object, len(some))
	for i := range some {
		c := &some[i]
		if !w.isDue(c, rechecks, pass) {
			continue
		}
		g.Go(func() (err error) {
			headers[i], err = w.header(gctx, c)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	w.own.refresh()
	for i, obj := range headers {
		c := &some[i]
		switch {
		case obj == nil || errors.Is(c.err, errLater):
		case c.err == nil && !c.Own && w.own.has(*obj):
			if c.Own = true; !w.Own {
				pass(c)
			}
		case c.err != nil:
			w.hold(c, problems)
		}
		if c.err == nil {
			delete(w.held, c.Key)
			if c.owner != w.Owner {
				c.Sender = c.owner
			}
		}
	}
	return w.cursor.Pass(passed...)
}

// isDue reports whether a candidate is to be asked for at S3 now. If not, its err says why it is
// not told yet; that of a removal that is told is nil. pass is called for what is never told.
func (w *watcher) isDue(c *candidate, rechecks *int, pass func(*candidate)) bool {
	if w.failed[c.Key].waits(c.Version) {
		c.err = errLater
		return false
	}
	if c.Kind == changes.Removed {
		if c.Own && !w.Own {
			pass(c)
		}
		return false
	}
	c.Own = w.own.has(s3backend.Object{Key: c.Key, ETag: c.ETag})
	switch h, ok := w.held[c.Key]; {
	case c.Own && !w.Own:
		pass(c)
		return false
	case !c.Own && w.own.maySend(c.Key):
		c.err = errLater
		return false
	case ok && h.version == c.Version && (h.waits(c.Version) || *rechecks >= maxRechecks):
		c.err = errLater
		return false
	case ok:
		*rechecks++
	}
	return true
}

// header asks S3 for the object of a candidate, which gets the error if that is about the object.
func (w *watcher) header(ctx context.Context, c *candidate) (*s3backend.Object, error) {
	obj, err := w.Bucket.Head(ctx, c.Key)
	switch {
	case errors.Is(err, s3backend.NotExist), err == nil && obj.ETag != c.ETag:
		c.err = errLater // it has changed since it was listed
	case errors.Is(err, s3backend.Denied), errors.Is(err, s3backend.CustomerKey):
		c.err = err
	case err != nil:
		return nil, err
	}
	return &obj, nil
}

// hold has an event wait until its object can be read.
func (w *watcher) hold(c *candidate, problems *unread) {
	h, begun := w.held[c.Key].delay(c.Version, shortestHold, longestHold)
	if w.held[c.Key] = h; begun {
		problems.add(c)
	}
}

// unread are objects that were found in one look and cannot be read.
type unread struct {
	n     int
	first candidate
}

func (u *unread) add(c *candidate) {
	if u.n == 0 {
		u.first = *c
	}
	u.n++
}

// note notes them in one line.
func (u *unread) note(w *watcher) {
	if u.n == 0 {
		return
	}
	reason, advice := ui.ExplainFile(w.Target, u.first.Key, u.first.err)
	if w.Owner != "" && u.first.owner != w.Owner {
		advice = "it was uploaded without the ACL; whoever uploaded it runs s3share repair"
	}
	others := ""
	if u.n > 1 {
		others = fmt.Sprintf(", and %d more", u.n-1)
	}
	fmt.Fprintf(w.Errs, "s3share: note: %s%s cannot be read, and is told once it can: %s\n",
		hint.Printable(u.first.path()), others, reason)
	if advice != "" {
		fmt.Fprintf(w.Errs, "s3share: hint: %s\n", advice)
	}
}
