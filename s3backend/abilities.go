package s3backend

import "sync/atomic"

// Ability is something that S3 does in an operation, and whether this server does it.
type Ability struct {
	Operation string    `json:"operation"`
	Ability   string    `json:"ability"` // a header, or what else the operation takes
	Known     Knowledge `json:"known"`
}

// Knowledge is whether a server does something, as its replies have shown.
type Knowledge string

// What can be known. That a request was carried out says nothing of its condition: a
// server may not have read that.
const (
	Does     Knowledge = "yes"
	DoesNot  Knowledge = "no"
	NotTried Knowledge = "not tried"
)

// succeeded is what a server has carried out at least once.
type succeeded struct {
	checksum, partSums, sourceDashes, copyPart, deleteMany atomic.Bool

	noCopyPart atomic.Bool // UploadPartCopy was refused
}

// Abilities returns what the server's replies to this client have shown of what s3share can
// do without. Of AWS, which is documented to do all of it, it is nil.
func (c *Client) Abilities() []Ability {
	if !c.notAWS {
		return nil
	}
	q := &c.quirks
	return []Ability{
		{"PutObject", "If-None-Match",
			knowledge(q.put.absent.isChecked(), q.put.noAbsent.Load() || q.put.absent.isIgnored())},
		{"PutObject", "If-Match",
			knowledge(q.put.match.isChecked(), q.put.noMatch.Load() || q.put.match.isIgnored())},
		{"PutObject, UploadPart", "checksum, taken",
			knowledge(q.worked.checksum.Load(), q.noChecksum.Load())},
		{"CompleteMultipartUpload", "If-None-Match", knowledge(q.complete.absent.isChecked(),
			q.complete.noAbsent.Load() || q.complete.absent.isIgnored())},
		{"CompleteMultipartUpload", "If-Match", knowledge(q.complete.match.isChecked(),
			q.complete.noMatch.Load() || q.complete.match.isIgnored())},
		{"CompleteMultipartUpload", "checksums of parts, taken",
			knowledge(q.worked.partSums.Load(), q.noPartSums.Load())},
		{"CompleteMultipartUpload", "tells the ETag",
			knowledge(q.completeETag.isChecked(), q.completeETag.isIgnored())},
		{"UploadPartCopy", "ranges of an object",
			knowledge(q.worked.copyPart.Load(), q.worked.noCopyPart.Load())},
		{"CopyObject", "If-None-Match", knowledge(q.destination.absent.isChecked(),
			q.destination.noAbsent.Load() || q.destination.absent.isIgnored())},
		{"CopyObject", "If-Match", knowledge(q.destination.match.isChecked(),
			q.destination.noMatch.Load() || q.destination.match.isIgnored())},
		{"CopyObject", "If-Match of the source",
			knowledge(q.source.isChecked(), q.noSourceMatch.Load() || q.source.isIgnored())},
		{"CopyObject", "If-Match of a source in parts", knowledge(q.source.isChecked() &&
			q.worked.sourceDashes.Load(), q.noSourceDashes.Load() || q.source.isIgnored())},
		{"DeleteObject", "If-Match", knowledge(q.delete.match.isChecked(),
			q.delete.noMatch.Load() || q.delete.match.isIgnored())},
		{"DeleteObjects",
			"many keys", knowledge(q.worked.deleteMany.Load(), q.noDeleteMany.Load())},
	}
}

// knowledge is DoesNot where the server has been found not to do it, though it seemed to.
func knowledge(does, doesNot bool) Knowledge {
	switch {
	case doesNot:
		return DoesNot
	case does:
		return Does
	}
	return NotTried
}
