package outbox

import (
	"testing"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// TestWhoseVersionS3Holds compares a version with what was sent, of which some replies were lost.
func TestWhoseVersionS3Holds(t *testing.T) {
	const key, seq = "Delivery/a", 7
	with := func(id string) *s3backend.Header {
		return &s3backend.Header{User: map[string]string{metaCommit: id}}
	}
	lost := func(l journal.Ambiguous) ambiguousCommits {
		if l.Key == "" {
			l.Key = key
		}
		return ambiguousCommits{l}
	}
	for _, c := range []struct {
		name         string
		cur          s3backend.Object
		ambiguous    ambiguousCommits
		sent, upload string
		want         ownership
	}{
		{"nothing is there", s3backend.Object{}, lost(journal.Ambiguous{Commit: "id", Seq: seq}),
			"id", "", notOurs},
		{"the other party's", s3backend.Object{ETag: "e", Size: 3, Header: with("theirs")},
			lost(journal.Ambiguous{Commit: "id", Size: 3, ETag: "e", Seq: seq}), "id", "", notOurs},
		{"the refused request was carried out before", s3backend.Object{ETag: "e", Header: with("id")},
			nil, "id", "", sameContent},
		{"so was the completion of the upload", s3backend.Object{ETag: "e", Header: with("up")},
			nil, "id", "up", sameContent},
		{"no ID is like no other", s3backend.Object{ETag: "e", Header: with("")}, nil, "", "", notOurs},
		{"the reply to an earlier attempt was lost", s3backend.Object{ETag: "e", Header: with("1")},
			lost(journal.Ambiguous{Commit: "1", Seq: seq}), "2", "", sameContent},
		{"of an earlier content", s3backend.Object{ETag: "e", Size: 3, Header: with("1")},
			lost(journal.Ambiguous{Commit: "1", Size: 3, Seq: seq - 1}), "2", "", earlier},
		{"which the other party has appended to", s3backend.Object{ETag: "f", Size: 4, Header: with("1")},
			lost(journal.Ambiguous{Commit: "1", Size: 3, Seq: seq - 1}), "2", "", notOurs},
		{"of the item that had the key", s3backend.Object{ETag: "e", Size: 3, Header: with("1")},
			lost(journal.Ambiguous{Commit: "1", Size: 3, Seq: seq,
				Inherited: true}), "2", "", inherited},
		{"at the earlier key", s3backend.Object{ETag: "e", Size: 3, Header: with("1")},
			lost(journal.Ambiguous{Key: "Delivery/b", Commit: "1",
				Size: 3, Seq: seq}), "2", "", notOurs},
		{"metadata may not be read", s3backend.Object{ETag: "e", Size: 3},
			lost(journal.Ambiguous{Commit: "1", ETag: "e", Size: 3,
				Seq: seq}), "1", "", sameContent},
		{"metadata may not be read, of another ETag", s3backend.Object{ETag: "f", Size: 3},
			lost(journal.Ambiguous{Commit: "1", ETag: "e", Size: 3, Seq: seq}), "1", "", notOurs},
		{"the metadata had no room for the ID", s3backend.Object{ETag: "e", Size: 3, Header: with("")},
			lost(journal.Ambiguous{Commit: "1", ETag: "e", Size: 3,
				Seq: seq}), "", "", sameContent},
	} {
		now := target{entry: entry{key: key}, commits: commits{ambiguous: c.ambiguous}}
		if got := now.whose(c.cur, seq, c.sent, c.upload); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
