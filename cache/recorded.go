package cache

import (
	"strings"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/s3backend"
)

// recorder is called for each version that was delivered or received; nil if nothing is recorded.
type recorder func(receipts.Entry)

// delivered records that S3 holds a version that was made here. Directories are not recorded.
// found is set if S3 held it already: then an earlier process may have recorded it.
func (record recorder) delivered(obj s3backend.Object, found bool) {
	if record == nil || strings.HasSuffix(obj.Key, "/") {
		return
	}
	e := Receipt(receipts.Delivered, obj)
	e.UnlessLast = found
	record(e)
}

// received records that a version that another has made was read as a whole.
func (record recorder) received(obj s3backend.Object) {
	e := Receipt(receipts.Received, obj)
	e.Once = true // a program may read it again and again
	record(e)
}

// closeReaderLocked ends the reads of the version that S3 holds. If all of it was read, and another
// has made it, it was received.
func (f *File) closeReaderLocked() {
	if f.reader == nil {
		return
	}
	c := f.c
	if c.recorded != nil {
		if obj, whole := f.reader.Whole(); whole && !c.sent.IsOurs(obj.Key, obj.ETag) {
			c.recorded.received(obj)
		}
	}
	f.reader.Close()
	f.reader = nil
}

// Receipt returns the entry of a version, with what S3 has returned of it.
func Receipt(event receipts.Event, obj s3backend.Object) receipts.Entry {
	return receipts.Entry{
		Event: event, Key: jsonbytes.String(obj.Key), Size: obj.Size, ETag: obj.ETag,
		VersionID: obj.Version, Modified: obj.Modified,
	}
}

// emptyETag is the ETag of an empty object.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// MissedReceipts returns the versions that the mounts of a state directory are known to have made.
// An earlier process may have been killed before it recorded the last of them.
func MissedReceipts(stateDir string) []receipts.Entry {
	l, err := ledger.Open(ledgerFile(stateDir))
	if err != nil {
		return nil
	}
	var all []receipts.Entry
	for _, e := range l.Ours() {
		if strings.HasSuffix(e.Key, "/") {
			continue
		}
		size := e.Size
		if size == 0 && e.ETag != emptyETag {
			size = -1 // it was renamed, or an earlier version of s3share has noted it
		}
		all = append(all, receipts.Entry{Event: receipts.Delivered, Key: jsonbytes.String(e.Key),
			Size: size, ETag: e.ETag})
	}
	return all
}
