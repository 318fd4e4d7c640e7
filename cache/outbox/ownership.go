package outbox

import "github.com/s3share/s3share/s3backend"

// ownership is whose a version is that S3 holds at the key of a commit.
type ownership int

const (
	notOurs     ownership = iota // the other party's, or nothing
	sameContent                  // the content of this attempt
	earlier                      // an earlier content of the item
	inherited                    // of another item, whose key this one has taken
)

// whose returns whose the version cur is, which S3 holds at the target's key. The content of seq
// was sent there with the commit ID sent, or with that of its upload; either is "" for none.
func (t *target) whose(cur s3backend.Object, seq uint64, sent, upload string) ownership {
	if cur.ETag == "" {
		return notOurs
	}
	same, before, others := false, false, false
	for _, l := range t.ambiguous {
		now := isContentOf(l, seq)
		if now && sent == "" {
			l.Commit = "" // the metadata has no room for it
		}
		if l.Key != t.key || !isResultOf(l, cur) {
			continue
		}
		same = same || now
		// If the size differs, the other party has changed it since.
		before = before || !now && !l.Inherited && l.Size == cur.Size
		others = others || l.Inherited && l.Size == cur.Size
	}
	id := commitIDOf(cur.Header)
	// A request may be repeated on its way, so that only the refusal comes back.
	same = same || id != "" && (id == sent || id == upload)
	switch { // if in doubt, the content is sent again
	case others:
		return inherited
	case before:
		return earlier
	case same:
		return sameContent
	}
	return notOurs
}
