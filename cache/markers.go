package cache

import (
	"context"
	"strings"
	"sync"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// markers has the directories whose markers are pending, and makes and removes markers. Its methods
// take prefixes, which are the markers' keys.
type markers struct {
	out     *outbox.Outbox
	names   *meta.Cache
	grants  *grants.Policy
	removed *removedDirs

	// making is held by whoever makes a marker, or drops one that is not needed. Take it before mu;
	// the outbox writes to the disk under it.
	making sync.Mutex

	// mu guards the fields below. Cache.mu may be held; take it before removedDirs.mu.
	mu      sync.Mutex
	pending map[string]*outbox.Item
	kept    map[string]bool // those of them that createKept has made
}

func newMarkers(out *outbox.Outbox, names *meta.Cache, policy *grants.Policy,
	removed *removedDirs) *markers {
	return &markers{out: out, names: names, grants: policy, removed: removed,
		pending: map[string]*outbox.Item{}, kept: map[string]bool{}}
}

// recovered takes a marker that an earlier process left pending.
func (m *markers) recovered(it *outbox.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending[it.Key()] = it
}

func (m *markers) itemAt(prefix string) *outbox.Item {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pending[prefix]
}

// pendingAt reports whether a directory's marker is pending.
func (m *markers) pendingAt(prefix string) bool { return m.itemAt(prefix) != nil }

// pendingBelow reports whether the marker of any directory below one is pending, except below the
// key but.
func (m *markers) pendingBelow(prefix, but string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.pending {
		if p != prefix && strings.HasPrefix(p, prefix) &&
			(but == "" || !strings.HasPrefix(p, but)) {
			return true
		}
	}
	return false
}

// under lists the prefixes of pending markers that begin with prefix.
func (m *markers) under(prefix string) (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.pending {
		if strings.HasPrefix(p, prefix) {
			all = append(all, p)
		}
	}
	return all
}

// create makes a directory's marker, unless it is pending or in S3.
func (m *markers) create(prefix string) error {
	m.making.Lock()
	defer m.making.Unlock()
	if m.pendingAt(prefix) {
		return nil
	}
	var it *outbox.Item
	there := m.out.CancelRemove(prefix) // S3 holds the marker still
	if !there {
		var err error
		if it, err = m.out.CreateFolder(prefix); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.removed.madeAgain(prefix)
	if it != nil {
		m.pending[prefix] = it
	}
	m.mu.Unlock()
	if there {
		m.names.PutMarker(prefix)
		return nil
	}
	it.Release()
	return nil
}

// createKept is create for a directory that S3 would forget with the last entry in it: the marker
// is needed for as long as the directory is empty.
func (m *markers) createKept(prefix string) error {
	err := m.create(prefix)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[prefix] = m.pending[prefix] != nil
	return err
}

// dropKept drops a marker that createKept has made for the directory of a key, which has an entry
// at the key now.
func (m *markers) dropKept(key string) {
	prefix, _ := keyname.Split(key)
	m.making.Lock()
	defer m.making.Unlock()
	m.mu.Lock()
	it := m.pending[prefix]
	if !m.kept[prefix] {
		it = nil
	}
	m.mu.Unlock()
	if it == nil || m.out.Private(key) || !it.DropUnsent() {
		return
	}
	m.forget(prefix)
}

// delivered notes that S3 has the marker of an item.
func (m *markers) delivered(it *outbox.Item, prefix string) {
	m.names.PutMarker(prefix)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pending[prefix] == it {
		delete(m.pending, prefix)
		delete(m.kept, prefix)
	}
}

func (m *markers) forget(prefix string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pending, prefix)
	delete(m.kept, prefix)
}

// remove drops the pending marker of a directory. If S3 has a marker (inS3), or may have received
// the pending one meanwhile, it is removed there by removeInS3. After an error, nothing has
// changed.
func (m *markers) remove(ctx context.Context, prefix string,
	inS3 bool, removeInS3 func(s3backend.Object) error) error {
	it := m.itemAt(prefix)
	var denied error
	if it != nil {
		held, err := holdOrGone(ctx, it)
		if err != nil {
			return err
		}
		if !held || it.MayBeThere() {
			denied, inS3 = m.grants.CanDelete(ctx, prefix), true
		}
		if !held {
			it = nil
		}
	}
	err := denied
	if err == nil && inS3 {
		err = removeInS3(s3backend.Object{Key: prefix})
	}
	switch {
	case it == nil:
		return err
	case err != nil:
		it.Release()
		return err
	}
	m.forget(prefix)
	it.Drop()
	return nil
}
