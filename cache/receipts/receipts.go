// Package receipts records permanently what was delivered and received.
//
// A [Ledger] is a file of lines to which every process of a user appends. Each line is an [Entry]
// in JSON, with its number, the SHA-256 of the line before it ("prev") and its own ("sum"). So
// [Check] finds which line was changed, replaced or removed since. It cannot find that the last
// lines were removed, or that all lines were rewritten: that takes a sum that was stored elsewhere.
//
// A line is appended by one write(2) under an exclusive flock(2). If the process is killed
// meanwhile, the last line may be truncated. The next append removes the piece and records that
// ([Gap], with the reason [Torn]). A line that is cut anywhere else was changed.
//
// A [Recorder] appends in the background, in order. Its caller never waits. If the disk has no
// room, an entry is recorded later, or counted in a [Gap].
//
// Libraries for transparency logs (transparency-dev/merkle, Tessera, Trillian) prove to others
// that one entry of a large log is in it, by Merkle trees, tiles and signed checkpoints. This
// ledger is read whole by its owner, who needs to know which line was changed. A chain of checksums
// finds that in two hundred lines, and its file is read with jq and sha256sum.
package receipts

import (
	"time"

	"github.com/s3share/s3share/cache/jsonbytes"
)

// Event is what an entry records.
type Event string

// The events.
const (
	Delivered Event = "delivered" // S3 has confirmed a version that this party has made
	Received  Event = "received"  // this party has read all bytes of a version
	// Readable: the bucket's owner was seen to be able to read the version that was delivered or
	// received last under the key.
	Readable Event = "readable"
	Gap      Event = "gap" // entries may be missing before this one; see Entry.Reason
)

// Reason is why there is a gap.
type Reason string

// The reasons of gaps.
const (
	// Torn: the last line was cut short, and was taken away.
	Torn Reason = "torn"
	// NotWritten: the ledger could not be written. Entry.Lost are the entries that are missing.
	NotWritten Reason = "not written"
	// Killed: a mount was killed. What it delivered in its last instant may be missing.
	Killed Reason = "killed"
)

// Entry is a line of a ledger. A field that is not known is empty.
type Entry struct {
	N     uint64    `json:"n"`    // the number of the line, from 1
	Prev  string    `json:"prev"` // the sum of the line before it
	Event Event     `json:"event"`
	Time  time.Time `json:"time"` // when it happened, by the clock of this machine; see Late

	Bucket    string           `json:"bucket,omitempty"`
	Key       jsonbytes.String `json:"key,omitempty"`
	Size      int64            `json:"size"` // bytes; -1 if it is not known
	ETag      string           `json:"etag,omitempty"`
	VersionID string           `json:"version_id,omitempty"`
	SHA256    string           `json:"sha256,omitempty"`    // in hexadecimal digits
	CRC64NVME string           `json:"crc64nvme,omitempty"` // base64, as S3 shows it
	// S3's Last-Modified, or its clock as it answered
	Modified time.Time `json:"modified,omitzero"`
	// whose credentials were used, as S3's or STS's names it
	Principal string `json:"principal,omitempty"`
	By        string `json:"by,omitempty"` // who ran s3share where: user@host
	// the command: mount, put, get, send, receive, verify
	How string `json:"how,omitempty"`
	// Late: it was recorded later than it happened, by another process. Time is then when it was
	// recorded.
	Late bool `json:"late,omitempty"`

	Reason Reason    `json:"reason,omitempty"` // of a gap
	Lost   int       `json:"lost,omitempty"`   // entries that are missing, 0 if that is not known
	From   time.Time `json:"from,omitzero"`    // when the first of them happened

	Sum string `json:"-"` // the SHA-256 of the line up to here, in hexadecimal digits

	// Once leaves the entry out if the ledger has its event of the same version already.
	Once bool `json:"-"`
	// UnlessLast leaves the entry out if the last entry of its event and key is of the same
	// version.
	UnlessLast bool `json:"-"`
}

// IsVersion reports whether the entry is about a version that was delivered or received.
func (e *Entry) IsVersion() bool { return e.Event == Delivered || e.Event == Received }
