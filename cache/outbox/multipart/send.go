package multipart

import (
	"context"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// suspendedError is returned for a part that was not sent, since no request may begin.
type suspendedError struct{ why error }

func (e *suspendedError) Error() string { return e.why.Error() }
func (e *suspendedError) Unwrap() error { return e.why }

// send sends one part, or has S3 copy it.
func (up *Upload) send(ctx context.Context, p parts.Part) error {
	if !p.Copied {
		if err := up.f.Owner.Materialize(ctx, p.Off, p.Off+p.N); err != nil {
			return err
		}
	}
	if err := up.s.Await(ctx); err != nil {
		return err
	}
	n := p.N
	if p.Copied {
		n = 0
	}
	ticket, err := up.s.Limiter.Acquire(ctx, up.f.Progress, n)
	if err != nil {
		return err
	}
	defer func() { ticket.Done(err) }()
	if why := up.s.Suspended(); why != nil {
		err = &suspendedError{why}
		return err
	}
	up.f.Progress.Begin(ticket)
	seq := up.f.Content.Changes() // what is written from now on is sent again
	var got s3backend.Part
	if p.Copied {
		got, err = up.s.Bucket.CopyPart(ctx, up.remote, p.Num, up.f.Base, p.Off, p.N)
		if err != nil && up.refusesCopy(ctx, err) {
			err = &CopyRefusedError{err}
		}
	} else {
		body := up.f.Content.Body(p.Off, p.N, ticket)
		got, err = up.s.Bucket.UploadPart(ctx, up.remote, p.Num, body, p.N)
	}
	if err != nil {
		if ctx.Err() != nil {
			up.partCut.Store(true)
		}
		return err
	}
	if err := up.f.Owner.Note(journal.Record{Op: journal.OpPart, Upload: up.remote.ID, Part: &p,
		S3: &got}); err != nil {
		up.s.Log.Debug("a part that S3 has will be sent again by a later process",
			"key", up.remote.Key, "err", err)
	}
	up.f.Progress.AddSent(p.N, p.Copied)
	up.add(sentPart{Part: p, seq: seq, s3: got})
	return nil
}
