package outbox

import (
	"crypto/md5" // #nosec G501 -- S3's ETags are made of it, nothing is proved by it
	"encoding/hex"
	"io"
	"strings"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// commits are the commits of an item that S3 has carried out, or may have. They
// are a plain value, in the target of an item.
type commits struct {
	// contentID is the commit ID of the content at the stage's seq contentIDSeq; "" for none yet.
	contentID    string
	contentIDSeq uint64
	committed    confirmed        // while it is still written
	ambiguous    ambiguousCommits // commits whose outcome is unknown
}

// commitID returns the ID of the content as it is at seq. The journal knows it.
func (s *sealing) commitID(seq uint64) (string, error) {
	var id string
	var known bool
	s.object.changeTarget(func(t *target) { id, known = t.idOf(seq) })
	if known {
		return id, nil
	}
	return id, s.log.note(journal.Record{Op: journal.OpTry, Commit: id}) // sent before it is closed
}

// idOf returns the commit ID of the content as it is at seq, and reports whether it was made
// before.
func (c *commits) idOf(seq uint64) (id string, known bool) {
	if c.contentID != "" && c.contentIDSeq == seq {
		return c.contentID, true
	}
	c.contentID, c.contentIDSeq = newCommitID(), seq
	return c.contentID, false
}

// contentETag is the ETag that S3 gives to the content as it is now, where that is known:
// the MD5 of the bytes, or of the MD5s of its parts. An object that is encrypted with a
// key of KMS or of the customer has another.
// Source: Amazon S3 API Reference, Object, ETag.
func (c *content) contentETag() string {
	size := c.stage.Size()
	switch {
	case c.headerOnly():
		etag := c.object.Base().ETag
		if strings.Contains(etag, "-") {
			return ""
		}
		return etag
	case size > parts.Size:
		return c.uploading.upload().ETag(size)
	case !c.stage.Complete() || c.stage.Open() != nil:
		return ""
	}
	defer c.stage.Close()
	sum := md5.New() // #nosec G401 -- see the import
	if n, err := io.Copy(sum, c.stage.Body(0, size, nil)); err != nil || n != size {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}
