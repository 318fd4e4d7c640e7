package access

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/s3share/s3share/s3backend"
)

// folderExam is what was found out about one folder.
type folderExam struct {
	*exam
	name, prefix string

	list, get, put, delete, abort, acl error

	leftover s3backend.Upload
	tried    bool // an upload was begun, or refused
	probe    s3backend.UploadProbe
	begin    error // of the upload
}

// ask sends the probes. A large upload is begun, and aborted at once, where that
// can be, or where nothing else would show the encryption key.
func (f *folderExam) ask(ctx context.Context) {
	c := f.Client
	f.list = c.Rights().MayList(ctx, f.prefix)
	f.get = c.Rights().MayGet(ctx, f.prefix, f.list)
	f.abort = c.Rights().MayAbort(ctx, f.prefix)
	f.leftover, f.put = c.Rights().MayPut(ctx, f.prefix, f.leftover)
	f.acl = c.Rights().MayPutACL(ctx, f.prefix, f.list)
	if f.put == nil && f.leftover.ID == "" && (f.abort == nil || c.AWS()) ||
		c.AWS() && s3backend.IsOfKey(f.put) {
		f.tried = true
		f.probe, f.begin = c.Rights().ProbeUpload(ctx, f.prefix)
		f.leftover = f.probe.Leftover
	}
}

// askDeletes sends the folders' probes for deletes. It is called after ask has returned for all
// of them: what a server may be asked depends on whether the bucket keeps versions, which any
// object of any folder shows.
func (e *exam) askDeletes(ctx context.Context) {
	var g sync.WaitGroup
	for _, f := range e.folders {
		g.Go(func() { f.delete = e.Client.Rights().MayDelete(ctx, f.prefix) })
	}
	g.Wait()
}

// findings judges the answers. shared is true for the folder that the owner
// fills: a client need not put there, as it need not get from the others.
func (f *folderExam) findings(shared bool) []Finding {
	needGet, needPut := f.owner || shared, f.owner || !shared
	list := f.judge(CheckList, f.list, true, "ListObjectsV2")
	get := f.judge(CheckGet, f.get, needGet, "GetObject of what is not there, or a byte of what is")
	put := f.judge(CheckPut, f.put, needPut, "UploadPart of no upload")
	acl := f.judge(CheckACL, f.acl, false, "PutObjectAcl of what is not there")
	remove := f.judge(CheckDelete, f.delete, false, "DeleteObject of what is not there")
	abort := f.judge(CheckAbort, f.abort, false, "AbortMultipartUpload of no upload")
	var lacks []string
	if list.State == StateMissing {
		lacks = append(lacks, ListBucket)
	}
	if get.State == StateMissing {
		lacks = append(lacks, GetObject)
	}
	if put.State == StateMissing {
		lacks = append(lacks, PutObject)
		if denied(f.acl) { // each upload carries it
			acl.State, acl.Reason = StateMissing, WhyRefused
		}
		if acl.State != StateOK {
			lacks = append(lacks, PutObjectACL)
		}
	}
	if errors.Is(f.acl, s3backend.ErrACLsOff) {
		acl.State, acl.Reason = StateOK, WhyACLsOff
	}
	if denied(f.acl) && acl.State != StateMissing && f.put == nil && (needPut || f.begin != nil) {
		acl.State, acl.Reason = StateMissing, WhyRefused
		lacks = append(lacks, PutObjectACL)
	}
	if errors.Is(f.put, s3backend.ErrACLRefused) {
		put.How, put.Reason = "CreateMultipartUpload with the ACL", WhyACLRefused
		acl.How, acl.Reason, acl.State = put.How, WhyNotNeeded, StateNote
		if needPut {
			acl.State, acl.Reason = StateMissing, WhyRefused
			lacks = slices.DeleteFunc(lacks, func(a string) bool { return a == PutObject })
		}
	} else if f.put == nil && f.begin == nil && f.tried && acl.State == StateUnknown {
		acl.State, acl.Reason, acl.How, acl.Err = StateOK, WhyGranted,
			"CreateMultipartUpload with the ACL", nil
	}
	if denied(f.begin) {
		put.How, put.Err = "CreateMultipartUpload with the ACL", f.begin
		switch {
		case s3backend.IsOfKey(f.begin):
			put.State, put.Reason = StateMissing, WhyKeyRefused
		case acl.State != StateMissing:
			put.State, put.Reason = StateMissing, WhyACLRefused
		}
	}
	if abort.Reason == WhyNotNeeded && f.Client.AWS() {
		abort.Reason = WhyOwnUploads
	}
	if len(lacks) > 0 {
		f.report.Needs = append(f.report.Needs, Need{f.name, lacks})
	}
	return []Finding{list, get, put, acl, remove, abort}
}

// judge returns the finding for the result of a probe. needed is true if the exchange cannot do
// without.
func (f *folderExam) judge(check Check, err error, needed bool, how string) Finding {
	d := Finding{Check: check, Folder: f.name, How: how, Err: err}
	switch {
	case err == nil:
		d.State, d.Reason = StateOK, WhyGranted
	case errors.Is(err, s3backend.ErrUnknown):
		d.State, d.Reason = StateUnknown, WhyUntold
	case !denied(err):
		d.State, d.Reason = StateUnknown, WhyFailed
	case needed:
		d.State, d.Reason = StateMissing, WhyRefused
	default:
		d.State, d.Reason = StateNote, WhyNotNeeded
	}
	return d
}
