package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// Sending is a delivery that is to be sent.
type Sending struct {
	Transfer transfer.Config
	Route
	Name   string
	Sender string
	Note   string
}

// Sent is the outcome of a Sending.
type Sent struct {
	Total    transfer.Total
	Manifest *Manifest
	Already  bool // the same delivery was sent before, and nothing was done
}

var (
	// ErrNameTaken is returned if a delivery of other files has the name.
	ErrNameTaken = errors.New("a delivery of this name was sent already, with other files")
	// ErrNameUnknown is returned if a delivery has the name, and its manifest may not be read.
	ErrNameUnknown = errors.New(
		"a delivery of this name is there already, and this account may not read which files it has")
	// ErrIncomplete is returned if a file is not delivered: then no manifest is put.
	ErrIncomplete = errors.New("not every file is delivered, so the delivery is not announced")
	// ErrEmpty is returned if there is no file to send.
	ErrEmpty = errors.New("there is no file to send")

	errTooMany = fmt.Errorf("there are more than %d files, which is too many for one delivery",
		maxFiles)
)

// lostError is the error for files that the bucket does not hold any more as they were put.
type lostError struct {
	path string
	n    int // further ones
}

func (e *lostError) Error() string {
	if e.n == 0 {
		return fmt.Sprintf(
			"%q is not in the bucket any more as it was put, so the delivery is not announced",
			e.path)
	}
	return fmt.Sprintf(
		"%q and %d more are not in the bucket any more as they were put, so the delivery is not announced", e.path, e.n)
}

// Send puts files, and their manifest once S3 holds all of them. It may be ended at any point
// and called again with the same name and files: then it goes on, and it puts one manifest at
// most. Each source's prefix has to be in the sender's folder.
//
// The error is ErrIncomplete if a file was refused, which Transfer.Tell has been told of.
func (s Sending) Send(ctx context.Context, sources []transfer.Source) (Sent, error) {
	if err := CheckName(s.Name); err != nil {
		return Sent{}, err
	}
	cfg := s.Transfer
	cfg.Digest, cfg.NoConflicts, cfg.Exclude = true, true, s.Exclude
	if more, err := transfer.MoreThan(ctx, cfg, sources, maxFiles); more || err != nil {
		return Sent{}, cmp.Or(err, errTooMany)
	}
	before, err := s.before(ctx)
	if err != nil {
		return Sent{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cfg.Refuse, cfg.PresentOnly = s.refuse, before != nil
	m := &Manifest{Version: formatVersion, Name: s.Name, Sender: s.Sender, Note: s.Note}
	cfg.Tell = func(r transfer.Result) {
		if f, ok := s.file(&r); ok {
			m.Files = append(m.Files, f)
		}
		if len(m.Files) > maxFiles { // files that have come since they were counted
			cancel(errTooMany)
		}
		if s.Transfer.Tell != nil {
			s.Transfer.Tell(r)
		}
	}
	total, err := transfer.PutSources(ctx, cfg, sources)
	sent := Sent{Total: total, Manifest: m}
	switch {
	case err != nil:
		return sent, err
	case before != nil && (total.Failed > 0 || !sameFiles(before.Manifest.Files, m.Files)):
		return sent, ErrNameTaken
	case before != nil:
		sent.Manifest, sent.Already = before.Manifest, true
		return sent, nil
	case total.Failed > 0 || len(m.Files) < total.Files+total.Present:
		return sent, ErrIncomplete
	case len(m.Files) == 0:
		return sent, ErrEmpty
	}
	if err := s.confirm(ctx, m.Files); err != nil {
		return sent, err
	}
	return sent, s.announce(ctx, &sent)
}

// refuse returns an error for a file that no manifest can have.
func (s Sending) refuse(key string) error {
	return CheckPath(s.From, strings.TrimPrefix(key, s.From+"/"))
}

// before returns the delivery that has the name, nil if there is none.
func (s Sending) before(ctx context.Context) (*Delivery, error) {
	obj, err := s3backend.HeadOrList(ctx, s.Transfer.Bucket, s.manifestKey(s.Name))
	switch {
	case errors.Is(err, s3backend.NotExist), errors.Is(err, s3backend.Denied): // then the condition of the request decides
		return nil, nil
	case err != nil:
		return nil, err
	}
	d := &Delivery{Name: s.Name, Object: obj}
	if err := Read(ctx, s.Transfer.Bucket, s.Route, d); errors.Is(err, s3backend.Denied) {
		return nil, ErrNameUnknown
	} else if err != nil {
		return nil, err
	}
	return d, nil
}

// file returns the entry of the manifest for a file that S3 holds. A result whose file no
// manifest can have becomes a failure.
func (s Sending) file(r *transfer.Result) (File, bool) {
	path, ok := strings.CutPrefix(r.Key, s.From+"/")
	if r.Version == nil || !ok {
		return File{}, false
	}
	f := File{
		Path: path, Size: r.Size, SHA256: r.Version.SHA256, CRC64NVME: r.Version.CRC64NVME,
		ETag: r.Version.ETag, VersionID: r.Version.ID,
	}
	if err := f.check(s.From); err != nil {
		r.Outcome, r.Err = transfer.Failed, err
		return File{}, false
	}
	return f, true
}

// confirm asks S3 whether it holds all files still: those that were sent first may have been
// replaced meanwhile. What the policy lets nobody ask is taken from the answers to the uploads.
func (s Sending) confirm(ctx context.Context, files []File) error {
	byKey := map[string]File{}
	for _, f := range files {
		byKey[s.From+"/"+f.Path] = f
	}
	keys := slices.Sorted(maps.Keys(byKey))
	found, unknown, err := transfer.Current(ctx, s.Transfer.Bucket, keys)
	if err != nil {
		return err
	}
	var lost []string
	for _, key := range keys {
		if obj, ok := found[key]; ok && obj.ETag != byKey[key].ETag || !ok && unknown == 0 {
			lost = append(lost, byKey[key].Path)
		}
	}
	if len(lost) > 0 {
		return &lostError{lost[0], len(lost) - 1}
	}
	return nil
}

// announce puts the manifest.
func (s Sending) announce(ctx context.Context, sent *Sent) error {
	m := sent.Manifest
	m.Created = time.Now().UTC().Truncate(time.Second)
	data, err := m.Encode(s.From)
	if err != nil {
		return err
	}
	_, first, err := putOnce(ctx, s.Transfer.Bucket, s.manifestKey(s.Name), data)
	if err != nil && (errors.Is(err, s3backend.Stale) && errors.Is(err, s3backend.Denied)) {
		return ErrNameUnknown
	}
	if err != nil || first {
		return err
	}
	// Another process has put one meanwhile.
	before, err := s.before(ctx)
	switch {
	case err != nil:
		return err
	case before == nil || !sameFiles(before.Manifest.Files, m.Files):
		return ErrNameTaken
	}
	sent.Manifest, sent.Already = before.Manifest, true
	return nil
}

// sameFiles reports whether two manifests list the same content and the same versions.
func sameFiles(a, b []File) bool {
	if len(a) != len(b) {
		return false
	}
	versions := map[string]File{}
	for _, f := range a {
		f.VersionID, f.CRC64NVME = "", "" // may be known once, and not the other time
		versions[f.Path] = f
	}
	for _, f := range b {
		f.VersionID, f.CRC64NVME = "", ""
		if versions[f.Path] != f {
			return false
		}
	}
	return true
}
