package outbox

import (
	"crypto/md5" // #nosec G501 -- S3's ETags are made of it, nothing is proved by it
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// metaCommit is the user metadata key of the commit ID, 130 random bits that every
// object of ours carries. Two parties' tools make objects of equal bytes, sizes and
// times (tar, cp -p), so none of these tells whose an object is; the ID does, where the
// answer to a commit was lost. It is made for one content, or one upload, and is in the
// journal before the request goes out, so that a later process can ask for it too.
const metaCommit = "s3share-commit"

func newCommitID() string { return strings.ToLower(rand.Text()) }

// commitIDOf is the ID that travels with an object, "" for none.
func commitIDOf(h *s3backend.Header) string {
	if h == nil {
		return ""
	}
	return h.User[metaCommit]
}

// withCommitID returns h with another ID. Where there was no room for one, there is
// none.
func withCommitID(h *s3backend.Header, id string) *s3backend.Header {
	if commitIDOf(h) == "" {
		return h
	}
	out := *h
	out.User = map[string]string{}
	for k, v := range h.User {
		out.User[k] = v
	}
	out.User[metaCommit] = id
	return &out
}

// commitID returns the ID of the content as it is at seq. The journal knows it.
func (it *Item) commitID(seq uint64) (string, error) {
	it.mu.Lock()
	id, known := it.commitIDLocked(seq)
	it.mu.Unlock()
	if known {
		return id, nil
	}
	return id, it.note(journal.Record{Op: journal.OpTry, Commit: id}) // sent before it is closed
}

// commitIDLocked is commitID, and reports whether the ID was made before.
func (it *Item) commitIDLocked(seq uint64) (id string, known bool) {
	if it.contentID != "" && it.contentIDSeq == seq {
		return it.contentID, true
	}
	it.contentID, it.contentIDSeq = newCommitID(), seq
	return it.contentID, false
}

// contentETag is the ETag that S3 gives to the content as it is now, where that is known:
// the MD5 of the bytes, or of the MD5s of its parts. An object that is encrypted with a
// key of KMS or of the customer has another.
// Source: Amazon S3 API Reference, Object, ETag.
func (it *Item) contentETag() string {
	size := it.stage.Size()
	switch {
	case it.onlyHeader():
		if strings.Contains(it.base.ETag, "-") {
			return ""
		}
		return it.base.ETag
	case size > parts.Size:
		return it.upload().etag(size)
	case !it.stage.Complete() || it.stage.Open() != nil:
		return ""
	}
	defer it.stage.Close()
	sum := md5.New() // #nosec G401 -- see the import
	if n, err := io.Copy(sum, it.stage.Body(0, size, nil)); err != nil || n != size {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// etag is the ETag of the object that the upload's parts make, if S3 has all of size
// bytes.
func (up *transfer) etag(size int64) string {
	if up == nil {
		return ""
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	list := up.parts
	if !up.layout.IsZero() {
		list = up.layout.Plan(size)
	}
	sum := md5.New() // #nosec G401 -- see the import
	for _, p := range list {
		d, ok := up.done[p.Num]
		part, err := hex.DecodeString(d.s3.ETag)
		if !ok || err != nil || len(part) != md5.Size {
			return ""
		}
		sum.Write(part)
	}
	if parts.End(list) != size {
		return ""
	}
	return fmt.Sprintf("%x-%d", sum.Sum(nil), len(list))
}
