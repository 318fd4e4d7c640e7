package buckettest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Versions and HeadVersion are requests that only some of the cache makes, as they stand in the
// log.
const (
	Versions    = "ListObjectVersions"
	HeadVersion = "HeadObject of a version"
)

// entry is a version or a delete marker.
type entry struct {
	object
	removed bool
}

// keepLocked adds an entry to the history of a key, and returns its version ID; "" if no versions
// are kept.
func (b *Bucket) keepLocked(key string, o object, removed bool) string {
	if !b.Versioned {
		return ""
	}
	b.nextID++
	o.Version = fmt.Sprintf("version%05d", b.nextID)
	b.history[key] = append(b.history[key], entry{o, removed})
	return o.Version
}

func (b *Bucket) removeLocked(key string) {
	delete(b.objects, key)
	b.keys = nil
	b.keepLocked(key, object{Object: s3backend.Object{Key: key,
		Modified: time.Now().UTC().Truncate(time.Second)}}, true)
}

// findLocked returns what the key of obj holds, or with obj.ByVersion, that version.
func (b *Bucket) findLocked(obj s3backend.Object) (object, bool) {
	if !obj.ByVersion {
		o, ok := b.objects[obj.Key]
		return o, ok
	}
	for _, e := range b.history[obj.Key] {
		if e.Version == obj.Version && !e.removed {
			return e.object, true
		}
	}
	return object{}, false
}

// Versions lists the history of a key, the newest first.
func (b *Bucket) Versions(ctx context.Context, key string) (all []s3backend.Version, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Versions, Key: key, Err: err}) }()
	if err := canceled(ctx, Versions, key); err != nil {
		return nil, err
	}
	for i, e := range b.history[key] {
		v := s3backend.Version{Object: e.Object, Removed: e.removed,
			Latest: i == len(b.history[key])-1}
		v.ByVersion, v.Header = true, nil
		all = append(all, v)
	}
	slices.Reverse(all)
	return all, nil
}

// HeadVersion returns a version with its header.
func (b *Bucket) HeadVersion(ctx context.Context,
	obj s3backend.Object) (now s3backend.Object, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: HeadVersion, Key: obj.Key, Err: err}) }()
	if err := canceled(ctx, HeadVersion, obj.Key); err != nil {
		return now, err
	}
	obj.ByVersion = true
	o, ok := b.findLocked(obj)
	if !ok {
		return now, refuse(HeadVersion, obj.Key, s3backend.NotExist, "NoSuchVersion")
	}
	now = o.Object
	now.ByVersion, now.Header = true, cloneHeader(now.Header)
	return now, nil
}

// VersionTagging returns the tags of a version.
func (b *Bucket) VersionTagging(_ context.Context, obj s3backend.Object) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	obj.ByVersion = true
	o, ok := b.findLocked(obj)
	if !ok {
		return "", refuse("GetObjectTagging", obj.Key, s3backend.NotExist, "NoSuchVersion")
	}
	return o.Header.Tagging, nil
}

// CopiesVersions is true, as of AWS.
func (b *Bucket) CopiesVersions(context.Context) bool { return true }
