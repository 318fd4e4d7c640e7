package access

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/s3backend"
)

// maxUnreadable is how many objects one Survey finds: a listing may have no end.
const maxUnreadable = 100_000

// lookers is how many objects are looked at, or mended, at once.
const lookers = 16

// Survey looks for objects that the bucket's owner cannot read: those that another
// account has uploaded without the ACL. The owner finds them by reading, and whoever
// uploaded them by their ACL, of those objects alone that a listing shows to be his own:
// that an ACL can be read proves nothing, since a policy may grant it for all that the
// bucket's owner owns. Where ACLs are off all objects are the bucket's owner's.
type Survey struct {
	Client  *s3backend.Client
	Folders []string
	Owner   bool // it is made by the bucket's owner
	Most    int  // objects to look at; 0 for all

	// Looked is called now and then with the number of objects listed so far; nil
	// for nobody.
	Looked func(n int)

	mu  sync.Mutex
	who string // how listings name us, "" if that is not known
}

// Result is what a survey came to.
type Result struct {
	Unreadable []s3backend.Object
	Listed     int
	Unsure     int  // of which it is not known
	Nameless   bool // all are of those, since it is not known which are ours
	Cut        bool // there are more objects than Most, or than can be found at once
}

// Run lists the folders and looks at what may be unreadable. What it found stands
// beside its error.
func (s *Survey) Run(ctx context.Context) (Result, error) {
	var r Result
	owner := ""
	var err error
	if s.Owner {
		if owner, err = s.Client.Ownership().BucketOwner(ctx); err != nil {
			return r, err
		}
	} else if s.who, err = s.Client.Ownership().CanonicalID(ctx); errors.Is(err,
		s3backend.Denied) || errors.Is(err, s3backend.ErrUnknown) {
		r.Nameless = true
	} else if err != nil {
		return r, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookers)
	for _, folder := range s.Folders {
		in := s3backend.ListInput{Prefix: folder + "/", Owner: true}
		for !r.Cut {
			var page s3backend.Page
			if page, err = s.Client.List(gctx, in); err != nil {
				break
			}
			for _, o := range page.Objects {
				if r.Cut = s.Most > 0 && r.Listed == s.Most || s.full(&r); r.Cut {
					break
				}
				r.Listed++
				switch {
				case s.Owner && o.Owner == owner && owner != "",
					!s.Owner && s.who != "" && o.Owner != s.who:
					continue
				case r.Nameless:
					r.Unsure++
					continue
				}
				g.Go(func() error { return s.look(gctx, o, &r) })
			}
			if s.Looked != nil {
				s.Looked(r.Listed)
			}
			if in.Token = page.Next; in.Token == "" {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if werr := g.Wait(); werr != nil {
		err = werr
	}
	return r, err
}

// full reports whether as much was found as one Survey finds.
func (s *Survey) full(r *Result) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(r.Unreadable) >= maxUnreadable
}

// look adds an object to the result if the bucket's owner cannot read it.
func (s *Survey) look(ctx context.Context, o s3backend.Object, r *Result) error {
	if s.Owner {
		_, err := s.Client.Head(ctx, o.Key)
		return s.note(o, r, errors.Is(err, s3backend.Denied), err)
	}
	shared, err := s.Client.Ownership().Shared(ctx, o)
	return s.note(o, r, err == nil && !shared, err)
}

func (s *Survey) note(o s3backend.Object, r *Result, unreadable bool, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case unreadable:
		r.Unreadable = append(r.Unreadable, o)
	case err == nil, errors.Is(err, s3backend.NotExist), errors.Is(err, s3backend.Denied):
	case errors.Is(err, s3backend.ErrUnknown):
		r.Unsure++
	default:
		return err // the network, or the login: the others would meet it too
	}
	return nil
}

// Way is how an object was mended.
type Way string

// The ways, the first of which leaves the object's bytes alone.
const (
	byACL  Way = "PutObjectAcl"
	byCopy Way = "CopyObject"
)

// Mend lets the bucket's owner read an object of ours: it grants the ACL, or where
// that is refused copies the object onto itself with it. What was mended before, or
// is gone, is no error. Stale: the object has changed meanwhile, or is another account's
// by now.
func mend(ctx context.Context, c *s3backend.Client, o s3backend.Object) (Way, error) {
	switch owner, err := c.Ownership().OwnerOf(ctx, o.Key); {
	case errors.Is(err, s3backend.NotExist):
		return byACL, nil
	case errors.Is(err, s3backend.Denied), err == nil && owner != o.Owner:
		return byACL, &s3backend.Error{Op: string(byACL), Key: o.Key, Kind: s3backend.Stale,
			Err: errors.New("it belongs to another account by now")}
	case err != nil:
		return byACL, err
	}
	err := c.Ownership().GrantOwner(ctx, o.Key)
	switch {
	case err == nil || errors.Is(err, s3backend.NotExist):
		return byACL, nil
	case !errors.Is(err, s3backend.Denied) && !errors.Is(err, s3backend.ErrUnknown):
		return byACL, err
	}
	if _, again := c.Rewrite(ctx, o); again != nil {
		if errors.Is(again, s3backend.ErrUnknown) {
			return byACL, err
		}
		return byCopy, again
	}
	return byCopy, nil
}

// MendAll mends objects, many at once, and reports each as it is done. It goes on
// after one that fails; its error is the context's.
func MendAll(ctx context.Context, c *s3backend.Client, all []s3backend.Object,
	done func(s3backend.Object, Way, error)) error {
	var g errgroup.Group
	g.SetLimit(lookers)
	var mu sync.Mutex // held while done is called
	for _, o := range all {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			way, err := mend(ctx, c, o)
			if ctx.Err() != nil && err != nil {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			done(o, way, err)
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
	return ctx.Err()
}
