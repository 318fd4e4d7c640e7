package journal

import (
	"strings"
	"time"

	"github.com/s3share/s3share/cache/filetime"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// Record is one line of a journal. Op selects the fields that count: the comment on a field
// names the Ops that have it. Some JSON keys are older words than the names of their fields. They
// cannot change: journals of earlier versions have them.
type Record struct {
	Op string `json:"op"`

	Name   string `json:"name,omitempty"`   // create: of the staged file, in a slot
	Folder bool   `json:"folder,omitempty"` // create: a directory marker
	// create: it does not count before an obsolete record
	Aside  bool       `json:"aside,omitempty"`
	Key    string     `json:"key,omitempty"`    // create, rename, upload
	Over   *Version   `json:"over,omitempty"`   // create, rename, commit: what the commit replaces
	Base   *Version   `json:"base,omitempty"`   // create: what the content lies over
	Header *RawHeader `json:"header,omitempty"` // create, upload

	Obsolete  []Version   `json:"leave,omitempty"`  // rename, obsolete
	Ambiguous []Ambiguous `json:"lost,omitempty"`   // create, rename, open, remove
	Conflict  bool        `json:"beside,omitempty"` // rename: it becomes a conflict copy
	// Displaced is the staged file that was pending under the new name and is not any more.
	Displaced string `json:"instead,omitempty"` // rename

	Dirty [][2]int64    `json:"dirty,omitempty"` // write, seal: staged ranges
	Size  int64         `json:"size,omitempty"`  // truncate, seal
	Valid int64         `json:"valid,omitempty"` // truncate, seal: how much of the base is left
	Mtime filetime.Time `json:"mtime,omitzero"`  // seal
	Mode  *uint32       `json:"mode,omitempty"`  // create, mode, seal
	Set   bool          `json:"set,omitempty"`   // seal: a program set the time or the mode

	Killed  bool    `json:"killed,omitempty"`  // seal: the file is interrupted
	Why     string  `json:"why,omitempty"`     // seal, refuse: why; empty for a signal
	Rewrite bool    `json:"rewrite,omitempty"` // seal: only writing it from nothing completes it
	Boot    string  `json:"boot,omitempty"`    // seal: of Boot; empty once the bytes are synced
	Sum     *uint32 `json:"sum,omitempty"`     // seal: CRC-32 of all bytes, in a slot
	Commit  string  `json:"commit,omitempty"`  // seal, try: the commit ID of the content

	Upload        string          `json:"upload,omitempty"` // upload, part: its ID
	Layout        int64           `json:"layout,omitempty"` // upload: the size of the first parts
	LayoutVersion int             `json:"grows,omitempty"`  // upload
	Restarts      []int32         `json:"anew,omitempty"`   // upload: where small parts begin again
	Parts         []parts.Part    `json:"parts,omitempty"`  // upload: as planned for an edit
	Abort         time.Time       `json:"abort,omitzero"`   // upload: when the lifecycle aborts it
	CRC           bool            `json:"crc,omitempty"`    // upload: its parts carry checksums
	Part          *parts.Part     `json:"part,omitempty"`   // part
	S3            *s3backend.Part `json:"s3,omitempty"`     // part

	Moves []Move   `json:"moves,omitempty"` // move
	Dir   *DirMove `json:"dir,omitempty"`   // move, of a directory
}

// The steps in the life of a pending file that are journaled.
const (
	OpCreate   = "create"
	OpWrite    = "write"    // bytes were staged over a base, or in a slot
	OpTruncate = "truncate" // the size was changed, over a base or in a slot
	OpMode     = "mode"     // a program set the mode of an open file
	OpOpen     = "open"     // it was sealed, and is being written again
	OpSeal     = "seal"     // it is closed and complete
	OpRefuse   = "refuse"   // a write failed with an error to a program
	OpTry      = "try"      // it is sent before it is closed
	OpRename   = "rename"   // it has another key
	OpObsolete = "leave"    // versions that are deleted after the delivery
	OpCommit   = "commit"   // S3 has the content so far, and the file is still being written
	OpUpload   = "upload"   // a multipart upload has begun
	OpPart     = "part"     // S3 has a part
	OpGiveUp   = "give up"  // the upload is aborted

	// Of renames of objects, which have a journal each.

	OpMove     = "move"
	OpTakeBack = "take back" // it has failed: its copies are removed

	// Of removals, which share one journal.

	OpRemove  = "remove"
	OpRemoved = "removed" // deleted at S3, or not to be deleted any more
)

// Version identifies a version of an object.
type Version struct {
	Key   string `json:"key"`
	ETag  string `json:"etag"`
	Size  int64  `json:"size"`
	Class string `json:"class,omitempty"` // of storage, where it is known
}

// VersionOf returns the version that o is; nil if o has no ETag.
func VersionOf(o s3backend.Object) *Version {
	if o.ETag == "" {
		return nil
	}
	return &Version{o.Key, o.ETag, o.Size, o.Class}
}

// VersionsOf returns the versions of objects that all have ETags.
func VersionsOf(objs []s3backend.Object) (all []Version) {
	for _, o := range objs {
		all = append(all, *VersionOf(o))
	}
	return all
}

// Objects is the inverse of VersionsOf.
func Objects(all []Version) (objs []s3backend.Object) {
	for _, v := range all {
		objs = append(objs, v.Object())
	}
	return objs
}

// Object is the inverse of VersionOf.
func (v *Version) Object() s3backend.Object {
	if v == nil {
		return s3backend.Object{}
	}
	return s3backend.Object{Key: v.Key, ETag: v.ETag, Size: v.Size, Class: v.Class}
}

// ops are all values of Record.Op.
var ops = []string{
	OpCreate, OpWrite, OpTruncate, OpMode, OpOpen, OpSeal, OpRefuse, OpTry, OpRename, OpObsolete,
	OpCommit, OpUpload, OpPart, OpGiveUp,
	OpMove, OpTakeBack, OpRemove, OpRemoved,
}

// Move is an object that gets another key by a copy.
type Move struct {
	From Version  `json:"from"`
	To   string   `json:"to"`
	Over *Version `json:"over,omitempty"`
	// Freed is set if the version that it replaces had been removed here.
	Freed bool `json:"freed,omitempty"`
	// Displaced is the staged file that is pending under To, and ends if the move succeeds.
	Displaced string `json:"instead,omitempty"`
}

// DirMove is the rename of a directory: everything below one prefix gets another prefix.
type DirMove struct {
	From    string   `json:"from"` // prefixes
	To      string   `json:"to"`
	Markers []string `json:"markers,omitempty"` // keys of directory markers below From at S3
}

// Rename returns the new key of an object, and whether the object is below From.
func (d *DirMove) Rename(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, d.From)
	return d.To + rest, ok
}

// Ambiguous is a commit of ours whose outcome is unknown, because its reply was lost. If S3
// carried it out, the object is identified by its commit ID, or by its ETag if its metadata
// may not be read.
type Ambiguous struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	Commit string `json:"commit,omitempty"` // "" if the metadata had no room for one
	ETag   string `json:"etag,omitempty"`   // "" if it is not known
	Mtime  string `json:"mtime,omitempty"`  // written by earlier versions, which had no IDs

	// Inherited is set if it was of another file, whose key this one has taken: of its content
	// nothing is known.
	Inherited bool `json:"inherited,omitempty"`

	// Seq is the stage's change count when it was sent; 0 if that is not known any more. It is
	// not journaled.
	Seq uint64 `json:"-"`
}
