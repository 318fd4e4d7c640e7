package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// moves are n objects that go from old/ to new/.
func (r *rig) moves(n int) (moves []Move) {
	for i := range n {
		obj := r.b.Store(fmt.Sprintf("Delivery/old/%d", i), fmt.Appendf(nil, "data %d", i),
			&s3backend.Header{CacheControl: fmt.Sprint(i)})
		moves = append(moves, Move{From: obj, To: fmt.Sprintf("Delivery/new/%d", i)})
	}
	return moves
}

func (r *rig) wantMoved(n int) {
	r.Helper()
	var keys []string
	for i := range n {
		key := fmt.Sprintf("Delivery/new/%d", i)
		keys = append(keys, key)
		r.wantHolds(key, fmt.Appendf(nil, "data %d", i))
		if h := r.b.Object(key).Header; h.CacheControl != fmt.Sprint(i) {
			r.Errorf("%s has the header %+v", key, h)
		}
	}
	r.wantKeys(keys...)
}

func (r *rig) wantUnmoved(n int) {
	r.Helper()
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprintf("Delivery/old/%d", i))
	}
	r.wantKeys(keys...)
}

func TestMove(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		made, err := r.Move(r.Context(), r.moves(5), nil)
		if err != nil {
			r.Fatal(err)
		}
		for i, obj := range made {
			if want := r.b.Object(fmt.Sprintf("Delivery/new/%d", i)); obj.Key != want.Key ||
				obj.ETag != want.ETag || obj.Size != want.Size {
				r.Errorf("Move told %+v, want %+v", obj, want)
			}
		}
		r.drain()
		r.wantMoved(5)
		r.wantNothing()
	})
}

func TestMoveReplaces(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		moves := r.moves(1)
		moves[0].Over = r.b.Store("Delivery/new/0", []byte("before"), nil)
		if _, err := r.Move(r.Context(), moves, nil); err != nil {
			r.Fatal(err)
		}
		r.drain()
		r.wantMoved(1)
		r.wantNothing()
	})
}

func TestMoveIsTakenBack(t *testing.T) {
	denied := &s3backend.Error{Op: buckettest.Copy, Kind: s3backend.Denied}
	for name, fault := range map[string]func(buckettest.S3) buckettest.S3{
		"refused": func(b buckettest.S3) buckettest.S3 { return buckettest.Fail(b, buckettest.Copy, 3, denied) },
		"another's answer was lost": func(b buckettest.S3) buckettest.S3 {
			return buckettest.LoseReply(buckettest.Deny(b, buckettest.Copy, "Delivery/new/4"),
				buckettest.Copy, 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, fault, func(r *rig) {
				if _, err := r.Move(r.Context(), r.moves(5),
					nil); !errors.Is(err, s3backend.Denied) {
					r.Fatalf("Move = %v, want Denied", err)
				}
				r.drain()
				r.wantUnmoved(5)
				r.wantNothing()
			})
		})
	}
}

// TestMoveOntoTheOtherParty finds a file under the new name that was not there.
func TestMoveOntoTheOtherParty(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		moves := r.moves(1)
		r.b.Store("Delivery/new/0", []byte("theirs"), nil)
		if _, err := r.Move(r.Context(), moves, nil); !errors.Is(err, s3backend.Stale) {
			r.Fatalf("Move = %v, want Stale", err)
		}
		r.drain()
		r.wantHolds("Delivery/new/0", []byte("theirs"))
		r.wantHolds("Delivery/old/0", []byte("data 0"))
		r.wantNothing()
	})
}

// TestMoveWhoseReplyWasLost has S3 copy an object and not say so.
func TestMoveWhoseReplyWasLost(t *testing.T) {
	for name, lose := range map[string]func(buckettest.S3, string,
		int64) buckettest.S3{"lost": buckettest.LoseReply, "tried twice": buckettest.SeemStale} {
		t.Run(name, func(t *testing.T) {
			fault := func(b buckettest.S3) buckettest.S3 { return lose(b, buckettest.Copy, 2) }
			bubble(t, Config{}, fault, func(r *rig) {
				if _, err := r.Move(r.Context(), r.moves(3), nil); err != nil {
					r.Fatal(err)
				}
				r.drain()
				r.wantMoved(3)
				r.wantNothing()
			})
		})
	}
}

// TestMoveOfParts has S3 copy an object that was uploaded by parts, whose copy has another
// ETag, and not say so; or does not answer, while the other party puts a file with the same
// size and time.
func TestMoveOfParts(t *testing.T) {
	header := func(commit string) *s3backend.Header {
		return &s3backend.Header{User: map[string]string{metaMtime: "1700000000.123456789",
			metaCommit: commit}}
	}
	for _, c := range []struct {
		name   string
		lost   bool
		commit string // of the original
		theirs *s3backend.Header
		moved  bool
	}{
		{name: "the answer was lost", lost: true, commit: "a", moved: true},
		{name: "without a commit ID", lost: true},
		{name: "the other party's of the same size and time", commit: "a", theirs: header("b")},
		{name: "the same without commit IDs", theirs: header("")},
	} {
		t.Run(c.name, func(t *testing.T) {
			fault := func(b buckettest.S3) buckettest.S3 {
				return buckettest.Fail(b, buckettest.Copy, 1, &s3backend.Error{Op: buckettest.Copy,
					Kind: s3backend.Other, Err: io.ErrUnexpectedEOF})
			}
			if c.lost {
				fault = func(b buckettest.S3) buckettest.S3 {
					return buckettest.LoseReply(b, buckettest.Copy, 1)
				}
			}
			bubble(t, Config{}, fault, func(r *rig) {
				h := header(c.commit)
				up, err := r.b.CreateUpload(r.Context(), "Delivery/old", h)
				if err != nil {
					r.Fatal(err)
				}
				part, err := r.b.UploadPart(r.Context(), up, 1, bytes.NewReader([]byte("ours")), 4)
				if err != nil {
					r.Fatal(err)
				}
				from, err := r.b.Complete(r.Context(), up, []s3backend.Part{part},
					4, s3backend.Condition{})
				if err != nil {
					r.Fatal(err)
				}
				from.Key, from.Size = "Delivery/old", 4
				want := "ours"
				if c.theirs != nil {
					want = "them"
					r.b.Store("Delivery/new", []byte(want), c.theirs)
				}
				_, err = r.Move(r.Context(), []Move{{From: from, To: "Delivery/new"}}, nil)
				if (err == nil) != c.moved {
					r.Errorf("Move = %v", err)
				}
				r.drain()
				r.wantHolds("Delivery/new", []byte(want))
				if _, there := r.b.Data("Delivery/old"); there == c.moved {
					r.Errorf("the original is there: %v", there)
				}
			})
		})
	}
}

// endedMove is what an earlier process leaves that ended after it had copied the
// first of n objects.
func endedMove(t *testing.T, b *buckettest.Bucket, dir string, n int) {
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, buckettest.Copy, func() error { select {} })
	}
	r := newRig(t, b, dir, Config{}, fault)
	moves := r.moves(n)
	rec := journal.Record{Op: journal.OpMove}
	for _, m := range moves {
		rec.Moves = append(rec.Moves, journal.Move{From: *journal.VersionOf(m.From), To: m.To})
	}
	if err := journal.Append(dir+"/"+movePrefix+"1"+journal.Suffix, rec); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Copy(t.Context(), moves[0].From, moves[0].To,
		nil, s3backend.Condition{}); err != nil {
		t.Fatal(err)
	}
	r.Close()
}

func TestMoveIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		endedMove(t, b, dir, 3)
		r := newRig(t, b, dir, Config{}, nil)
		defer r.Close()
		r.resume()
		synctest.Wait()
		r.drain()
		r.wantMoved(3)
		r.wantNothing()
	})
}

// TestRecoveredMoveMeetsItsOwnCopy: that of the earlier process was on its way still.
func TestRecoveredMoveMeetsItsOwnCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		endedMove(t, b, dir, 3)
		r := newRig(t, b, dir, Config{}, func(b buckettest.S3) buckettest.S3 {
			return buckettest.SeemStale(b, buckettest.Copy, 1)
		})
		defer r.Close()
		r.resume()
		synctest.Wait()
		r.drain()
		r.wantMoved(3)
		r.wantNothing()
	})
}

// TestRecoveredMoveMeetsTheOtherParty finds under the new name a file of the same
// size that is not ours.
func TestRecoveredMoveMeetsTheOtherParty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		endedMove(t, b, dir, 2)
		b.Store("Delivery/new/1", []byte("THEIRS"), nil)
		r := newRig(t, b, dir, Config{}, nil)
		defer r.Close()
		r.resume()
		synctest.Wait()
		r.drain()
		r.wantHolds("Delivery/new/1", []byte("THEIRS"))
		r.wantHolds("Delivery/old/1", []byte("data 1"))
		r.wantNothing()
	})
}

// TestMoveLeavesBehindWhatCannotBeCopied refuses some objects of a move for what they are:
// each of them stays whole under its old name, and all others move.
func TestMoveLeavesBehindWhatCannotBeCopied(t *testing.T) {
	const n = 4
	denied := func(why error) error {
		return &s3backend.Error{Op: buckettest.Copy, Kind: s3backend.Denied, Err: why}
	}
	for name, refusal := range map[string]error{
		"tags": denied(s3backend.ErrTagsRefused), "unreadable": denied(s3backend.ErrSourceRefused),
		"archived": &s3backend.Error{Op: buckettest.Copy, Kind: s3backend.Archived}, "encrypted": &s3backend.Error{Op: buckettest.Copy, Kind: s3backend.CustomerKey},
	} {
		for stays := range 1 << n {
			t.Run(fmt.Sprintf("%s %04b", name, stays), func(t *testing.T) {
				var rules []buckettest.Rule
				var kept []string
				for i := range n {
					if stays>>i&1 == 1 {
						rules = append(rules,
							buckettest.Rule{Op: buckettest.Copy, Key: fmt.Sprintf("Delivery/new/%d",
								i), Do: buckettest.FailWith(refusal)})
						kept = append(kept, fmt.Sprintf("Delivery/old/%d", i))
					}
				}
				bubble(t, Config{}, func(b buckettest.S3) buckettest.S3 {
					return buckettest.Faults(b, rules...)
				}, func(r *rig) {
					told := 0
					_, err := r.Move(r.Context(), r.moves(n), func(made []s3backend.Object) {
						for _, obj := range made {
							if obj.Key != "" {
								told++
							}
						}
					})
					var left *CopyRefusedError
					switch {
					case len(kept) == 0 && err != nil, len(kept) > 0 && !errors.Is(err, refusal):
						t.Errorf("Move = %v", err)
					case errors.As(err, &left) != (len(kept) > 0 && len(kept) < n):
						t.Errorf("Move = %v where %q stay", err, kept)
					case left != nil && !slices.Equal(left.Keys, kept):
						t.Errorf("%q are told to stay, want %q", left.Keys, kept)
					}
					if want := n - len(kept); told != want {
						t.Errorf("%d copies are told of, want %d", told, want)
					}
					r.drain()
					want := slices.Clone(kept)
					for i := range n {
						where := "old"
						if stays>>i&1 == 0 {
							where = "new"
							want = append(want, fmt.Sprintf("Delivery/new/%d", i))
						}
						r.wantHolds(fmt.Sprintf("Delivery/%s/%d", where, i),
							fmt.Appendf(nil, "data %d", i))
					}
					slices.Sort(want)
					r.wantKeys(want...)
					r.wantNothing()
				})
			})
		}
	}
}

// TestMoveOfACopySentTwice has something on the way to S3 send a copy twice, so that the reply is
// that the key is taken. The commit ID shows that it is ours. Equal bytes do not: the other
// party's object stays, and so does ours.
func TestMoveOfACopySentTwice(t *testing.T) {
	for _, tt := range []struct {
		name       string
		twice      bool
		id, theirs string // commit IDs; "" for none
		moved      bool
	}{
		{"sent twice", true, "id", "", true},
		{"sent twice, without an ID", true, "", "", false},
		{"theirs, of equal bytes", false, "id", "", false},
		{"theirs, of equal bytes with an ID", false, "id", "another", false},
		{"theirs, neither with an ID", false, "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fault := func(b buckettest.S3) buckettest.S3 {
				if !tt.twice {
					return b
				}
				twice := func(_ context.Context, _, _ string, send func() error) error {
					return errors.Join(send(), send())
				}
				return buckettest.Faults(b,
					buckettest.Rule{Op: buckettest.Copy, Times: 1, Do: twice})
			}
			header := func(id string) *s3backend.Header {
				if id == "" {
					return nil
				}
				return &s3backend.Header{User: map[string]string{metaCommit: id}}
			}
			bubble(t, Config{}, fault, func(r *rig) {
				from := r.b.Store("Delivery/old", []byte("data"), header(tt.id))
				if !tt.twice {
					r.b.Store("Delivery/new", []byte("data"), header(tt.theirs))
				}
				_, err := r.Move(r.Context(), []Move{{From: from, To: "Delivery/new"}}, nil)
				r.drain()
				if tt.moved {
					if err != nil {
						r.Error(err)
					}
					r.wantKeys("Delivery/new")
				} else {
					if !errors.Is(err, s3backend.Stale) {
						r.Errorf("Move = %v, want that the name is taken", err)
					}
					r.wantKeys("Delivery/new", "Delivery/old")
				}
				r.wantNothing()
			})
		})
	}
}
