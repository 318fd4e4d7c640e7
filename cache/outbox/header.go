package outbox

import (
	"context"
	"fmt"
	"maps"
	"mime"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// User metadata that carries a file's time and mode, under the names and in the
// forms in which rclone and s3fs write them: seconds since 1970 with a fraction,
// and the decimal of st_mode.
const (
	metaMtime = "mtime"
	metaMode  = "mode"

	regular = 0o100000 // S_IFREG
)

// makeHeader returns what travels with the item: what the version it was made
// from had, with our commit ID, time and mode.
func (it *Item) makeHeader(ctx context.Context, commit string) (*s3backend.Header, error) {
	it.mu.Lock()
	from, h := it.base, it.header
	key, mode, hasMode := it.key, it.mode, it.hasMode
	it.mu.Unlock()
	if h == nil && from.ETag != "" {
		obj, err := it.o.bucket.Head(ctx, from.Key)
		switch {
		case err == nil && obj.ETag == from.ETag:
			h = obj.Header
		case err != nil && passing(err):
			return nil, err
		}
		it.mu.Lock()
		it.header = h
		it.mu.Unlock()
	}
	out := s3backend.Header{ContentType: ContentType(key)}
	if h != nil {
		out = *h
	}
	_, mtime, _, _ := it.Stat()
	out.User = maps.Clone(out.User)
	if out.User == nil {
		out.User = map[string]string{}
	}
	out.User[metaCommit] = commit
	out.User[metaMtime] = FormatMtime(mtime)
	if hasMode {
		out.User[metaMode] = strconv.Itoa(regular | int(mode&0o7777))
	}
	return &out, nil
}

// ContentType is what an object of this key is, by its name's suffix.
func ContentType(key string) string {
	if t := mime.TypeByExtension(strings.ToLower(path.Ext(key))); t != "" {
		return t
	}
	return "application/octet-stream"
}

// FormatMtime writes a time as metadata.
func FormatMtime(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// The times from the year 1 to the year 9999. Others the journal cannot hold, nor can
// most programs.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// MtimeOf reads the time that travels with a version; false if none does.
func MtimeOf(h *s3backend.Header) (time.Time, bool) {
	if h == nil {
		return time.Time{}, false
	}
	whole, frac, _ := strings.Cut(h.User[metaMtime], ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec < firstSecond || sec > lastSecond {
		return time.Time{}, false
	}
	nsec, err := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	if err != nil || nsec < 0 {
		nsec = 0
	}
	return time.Unix(sec, nsec), true
}

// ModeOf reads the permission bits that travel with a version; false if none do.
// s3fs writes st_mode in decimal, five digits for a file, rclone in octal, six.
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
