package outbox

import (
	"context"
	"crypto/rand"
	"maps"
	"mime"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/s3share/s3share/cache/filetime"
	"github.com/s3share/s3share/s3backend"
)

// User metadata that carries a file's time and mode, under the names and in the
// forms in which rclone and s3fs write them: seconds since 1970 with a fraction,
// and the decimal of st_mode.
const (
	metaMtime = "mtime"
	metaMode  = "mode"

	// metaType says that we chose the content type from the object's name.
	metaType     = "s3share-type"
	typeIsByName = "by-name"

	regular = 0o100000 // S_IFREG
)

// makeHeader returns the header of the item's object: that of the version it was made from, with
// our commit ID, time and mode.
func (c *content) makeHeader(ctx context.Context, commit string) (*s3backend.Header, error) {
	t := c.object.target()
	from, h := t.base, t.header
	if h == nil && from.ETag != "" {
		obj, err := c.o.bucket.Head(ctx, from.Key)
		switch {
		case err == nil && obj.ETag == from.ETag:
			h = obj.Header
		case err != nil && isTransient(err):
			return nil, err
		}
		c.object.changeTarget(func(t *target) { t.header = h })
	}
	out := s3backend.Header{}
	if h != nil {
		out = *h
	}
	if !c.sameBytes() {
		out = withoutDerived(out)
	}
	byName := h == nil || typeByName(h, from.Key)
	if byName {
		out.ContentType = contentType(t.key)
	}
	_, mtime, _, _ := c.Stat()
	own := []metadata{{metaCommit, commit}, {metaMtime, FormatMtime(mtime)}}
	if t.hasMode {
		own = append(own, metadata{metaMode, strconv.Itoa(regular | int(t.mode&0o7777))})
	}
	out.User = fitMetadata(out.User, append(own, typeMark(byName))...)
	return &out, nil
}

// metadata is one pair of user metadata.
type metadata struct{ key, value string }

// maxMetadata is how much user metadata an object can have: the sum of the bytes of the
// keys, without "x-amz-meta-", and of the values, in UTF-8.
// Source: Amazon S3 User Guide, "Working with object metadata".
const maxMetadata = 2048

// fitMetadata returns the other party's metadata, and as much of ours as there is room for. Ours is
// in the order of importance. An empty value is left out.
func fitMetadata(theirs map[string]string, own ...metadata) map[string]string {
	all := maps.Clone(theirs)
	if all == nil {
		all = map[string]string{}
	}
	for _, m := range own {
		delete(all, m.key)
	}
	room := maxMetadata
	for key, value := range all {
		room -= metadataSize(key, value)
	}
	for _, m := range own {
		if n := metadataSize(m.key, m.value); m.value != "" && n <= room {
			all[m.key] = m.value
			room -= n
		}
	}
	return all
}

// metadataSize returns the number of bytes that S3 counts of a pair. S3 decodes values that are
// encoded as RFC 2047 describes.
func metadataSize(key, value string) int {
	if text, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		value = text
	}
	n := len(key) + len(value)
	for i, r := range value {
		if _, size := utf8.DecodeRuneInString(value[i:]); r == utf8.RuneError && size == 1 {
			n++ // ISO 8859-1
		}
	}
	return n
}

// typeMark returns the metadata that shows whether the content type was chosen from the name.
func typeMark(byName bool) metadata {
	if !byName {
		return metadata{metaType, ""}
	}
	return metadata{metaType, typeIsByName}
}

// typeByName reports whether the content type of the version at key was chosen from its name, and
// not changed since. Then it changes with the name.
func typeByName(h *s3backend.Header, key string) bool {
	return h.User[metaType] == typeIsByName && h.ContentType == contentType(key)
}

// contentType is what an object of this key is, by its name's suffix.
func contentType(key string) string {
	if t := mime.TypeByExtension(strings.ToLower(path.Ext(key))); t != "" {
		return t
	}
	return "application/octet-stream"
}

// FormatMtime returns a time as metadata.
func FormatMtime(t time.Time) string { return filetime.Format(t) }

// MtimeOf returns the time in the metadata of a version; false for none.
func MtimeOf(h *s3backend.Header) (time.Time, bool) {
	if h == nil {
		return time.Time{}, false
	}
	return filetime.Parse(h.User[metaMtime])
}

// ModeOf returns the permission bits in the metadata of a version; false for none. s3fs writes
// st_mode in decimal, five digits for a file, and rclone in octal, six.
func ModeOf(h *s3backend.Header) (uint32, bool) {
	if h == nil {
		return 0, false
	}
	s, base := h.User[metaMode], 10
	if len(s) >= 6 {
		base = 8
	}
	m, err := strconv.ParseUint(s, base, 32)
	if err != nil || m&^0o7777 != regular {
		return 0, false
	}
	return uint32(m & 0o777), true
}

// NewHeader returns the header of a new object: a commit ID of its own, the time of the file, and a
// content type by its name.
func NewHeader(key string, mtime time.Time) *s3backend.Header {
	return &s3backend.Header{
		ContentType: contentType(key),
		User: fitMetadata(nil, metadata{metaCommit, newCommitID()},
			metadata{metaMtime, FormatMtime(mtime)}, typeMark(true)),
	}
}

// SameCommit reports whether both headers have the same commit ID: then the objects are of
// one commit. See metaCommit.
func SameCommit(a, b *s3backend.Header) bool {
	return commitIDOf(a) != "" && commitIDOf(a) == commitIDOf(b)
}

// Recommitted returns h with a commit ID of its own, for another object of the same content. If
// there is no room for one in h, it has none.
func Recommitted(h *s3backend.Header) *s3backend.Header {
	out := *h
	out.User = fitMetadata(h.User, metadata{metaCommit, newCommitID()})
	return &out
}

// metaCommit is the user metadata key of the commit ID, 130 random bits that every object of ours
// carries. Tools of two parties make objects of equal bytes, sizes and times (tar, cp -p). So only
// the ID shows whose an object is, after a commit without a reply. It is made for one content or
// one upload, and is journaled before the request is sent, so that a later process can look for it
// too.
const metaCommit = "s3share-commit"

func newCommitID() string { return strings.ToLower(rand.Text()) }

// commitIDOf returns the commit ID of an object, "" for none.
func commitIDOf(h *s3backend.Header) string {
	if h == nil {
		return ""
	}
	return h.User[metaCommit]
}

// withCommitID returns h with another commit ID. If there was no room for one in h, it has none.
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
