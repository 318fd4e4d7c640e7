package outbox

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// uncertain is a commit of Delivery/a whose outcome is not known to who sent it.
type uncertain struct {
	what  string // is sent
	fault string // befalls it
	grant string // the policy lets us see
	rival string // has put meanwhile, if anybody
}

func (u uncertain) String() string {
	return strings.Join([]string{u.what, u.fault, u.grant, u.rival}, "/")
}

// uncertainCommits are all of them.
func uncertainCommits() (all []uncertain) {
	for _, what := range []string{"put", "put over", "complete", "complete over",
		"touch", "time of an upload"} {
		for _, fault := range []string{"answer lost", "request lost", "tried twice"} {
			if what == "touch" || what == "time of an upload" { // who may not read may not copy
				all = append(all, uncertain{what, fault, "all", "nobody"})
				continue
			}
			for _, grant := range []string{"all", "names and ETags", "nothing"} {
				for _, rival := range []string{"nobody", "twin", "same size and time", "another"} {
					if strings.HasPrefix(what, "complete") &&
						(rival == "twin" || rival == "another") {
						continue // as by put; these take long
					}
					all = append(all, uncertain{what, fault, grant, rival})
				}
			}
		}
	}
	return all
}

func (u uncertain) op() string {
	switch u.what {
	case "put", "put over":
		return buckettest.Put
	case "touch", "time of an upload":
		return buckettest.Copy
	}
	return buckettest.Complete
}

// between is the fault and the policy. The rival acts after the first commit was sent,
// before its sender learns anything.
func (u uncertain) between(rival func()) func(buckettest.S3) buckettest.S3 {
	return func(b buckettest.S3) buckettest.S3 {
		switch u.grant {
		case "nothing":
			b = buckettest.Deny(b, buckettest.List, "")
			fallthrough
		case "names and ETags":
			b = buckettest.Deny(buckettest.Deny(b, buckettest.Head, ""), buckettest.Get, "")
		}
		var n atomic.Int64
		return buckettest.Wrap(b, func(_ context.Context, op, key string, send func() error) error {
			if op != u.op() || n.Add(1) > 1 {
				return send()
			}
			var err error
			if u.fault != "request lost" {
				err = send()
			}
			rival()
			if err == nil {
				err = &s3backend.Error{Op: op, Key: key, Err: errors.New("the answer was lost")}
				if u.fault == "tried twice" {
					err = &s3backend.Error{Op: op, Key: key, Kind: s3backend.Stale,
						Err: errors.New("PreconditionFailed"), Lost: true}
				}
			}
			return err
		})
	}
}

// TestCommitOfUnknownOutcomeIsNeitherLostNorDoubled lets the outcome of each kind of
// commit be unknown, under each grant, and has the other party put bytes of the same
// size with the same time, or even the same bytes, in between. Nobody's bytes are lost,
// and what is ours is not taken for the other party's where that can be told.
func TestCommitOfUnknownOutcomeIsNeitherLostNorDoubled(t *testing.T) {
	when := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for i, u := range uncertainCommits() {
		if strings.HasPrefix(u.what, "complete") && i%5 > 0 && testing.Short() {
			continue
		}
		t.Run(u.String(), func(t *testing.T) {
			small := strings.HasPrefix(u.what, "put") || u.what == "touch"
			size := map[bool]int{true: 100, false: parts.Size + 100}[small]
			ours, theirs := random(1, size), []byte(nil)
			var r *rig
			rival := func() {
				switch u.rival {
				case "twin":
					theirs = ours
				case "same size and time":
					theirs = random(2, size)
				case "another":
					theirs = []byte("theirs")
				default:
					return
				}
				r.b.Store("Delivery/a", theirs,
					&s3backend.Header{User: map[string]string{metaMtime: FormatMtime(when)}})
			}
			synctest.Test(t, func(t *testing.T) {
				r = newRig(t, buckettest.New(), t.TempDir(), Config{Who: "me"}, u.between(rival))
				defer r.Close()
				r.recover()
				var it *Item
				switch {
				case u.what == "touch":
					r.b.Store("Delivery/a", ours, nil)
					it = r.edit("Delivery/a")
				case strings.HasSuffix(u.what, "over"):
					r.b.Store("Delivery/a", []byte("before"), nil)
					it = r.edit("Delivery/a")
					if err := it.Truncate(0); err != nil {
						r.Fatal(err)
					}
					r.write(it, ours, 0)
				default:
					it = r.create("Delivery/a", ours)
					synctest.Wait() // its upload has begun
				}
				if err := it.SetMtime(when); err != nil {
					r.Fatal(err)
				}
				r.done(it)
				r.drain()
				u.judge(r, ours, theirs)
			})
		})
	}
}

// judge fails unless all is where it should be.
func (u uncertain) judge(r *rig, ours, theirs []byte) {
	at := map[string]string{}
	for _, key := range r.b.Keys() {
		data, _ := r.b.Data(key)
		switch {
		case buckettest.Equal(data, ours):
			at["ours"] += " " + key
		case buckettest.Equal(data, theirs):
			at["theirs"] += " " + key
		default:
			r.Errorf("%q holds neither version", key)
		}
		if strings.Count(key, "(conflict") > 1 {
			r.Errorf("a conflict of a conflict: %q", key)
		}
	}
	blind := u.grant == "nothing"
	switch {
	case len(r.conflicted) > 1:
		r.Errorf("conflicts %q", r.conflicted)
	case theirs == nil && len(r.conflicted) > 0 && !(blind && u.fault != "request lost"):
		r.Errorf("conflicts %q, and nobody else has put anything", r.conflicted)
	case theirs == nil && !strings.Contains(at["ours"], " Delivery/a"):
		r.Errorf("ours is at%q", at["ours"])
	case u.rival == "twin":
		if u.grant == "all" && len(r.b.Keys()) != 2 {
			r.Errorf("keys %q, want two versions", r.b.Keys())
		}
	case theirs != nil && (at["theirs"] != " Delivery/a" || len(r.conflicted) != 1 ||
		at["ours"] != " "+r.conflicted[0]):
		r.Errorf("theirs is at%q, ours at%q, conflicts %q", at["theirs"], at["ours"], r.conflicted)
	}
	last := r.delivered[len(r.delivered)-1]
	if now := r.b.Object(last.Key); now.ETag != last.ETag {
		r.Errorf("delivered as %+v, and the bucket holds %+v", last, now)
	}
	r.wantNothing()
}
