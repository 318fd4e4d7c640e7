package daemon

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/delivery"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/s3backend"
)

// Each folder is listed to find what the other party has delivered. Two listings are
// shortestArrivalPause apart while something arrives, and longestArrivalPause if nothing has for 20
// minutes: the pause is the quiet time divided by arrivalQuietShare. A listing of n pages is
// followed by n pauses.
const (
	shortestArrivalPause = 5 * time.Second
	longestArrivalPause  = time.Minute
	arrivalQuietShare    = 20
	// arrivalTimeout bounds the request for one page.
	arrivalTimeout = 30 * time.Second
	// maxArrivalNames is how many objects of a folder are remembered, at some 40 bytes each. No
	// notification is shown of what arrives in a larger one.
	maxArrivalNames = 200_000
	// A batch ends with the first listing that finds nothing new. It is shown longestBatch after it
	// began at the latest, and batchGap after the batch before it at the earliest.
	longestBatch = 10 * time.Minute
	batchGap     = 2 * time.Minute
)

// folderArrivals finds what arrives in one folder.
type folderArrivals struct {
	folder string
	known  map[uint64]uint64 // hashes of keys and ETags; nil before the first listing
	large  bool              // it has too many objects
	batch  map[string]string // ETags by key: what has arrived, and was not shown
	began  time.Time         // when the batch did
	shown  time.Time         // when the last batch was; zero for never
}

// arrivalNotices shows a notification of each batch of files that the other party has delivered.
type arrivalNotices struct {
	folders []*folderArrivals
	list    func(context.Context, s3backend.ListInput) (s3backend.Page, error)
	offline func() bool
	// whether this machine has made a version
	own      func() (is func(s3backend.Object) bool, done func())
	show     func(folder string, paths []string)
	shortest time.Duration // see shortestArrivalPause
	seed     maphash.Seed
}

// keepArrivals shows from now on what arrives.
func (d *mountDaemon) keepArrivals() (stop func()) {
	a := &arrivalNotices{
		list: d.bucket.List, offline: func() bool { return d.bucket.Contact().Offline },
		own: d.ownVersions, show: d.notices.addArrived, shortest: shortestArrivalPause,
		seed: maphash.MakeSeed(),
	}
	for _, folder := range d.settings.Folders {
		a.folders = append(a.folders, &folderArrivals{folder: folder})
	}
	return background(a.run)
}

func (a *arrivalNotices) run(ctx context.Context) {
	for active := time.Now(); ; {
		pages := 0
		if !a.offline() {
			for _, f := range a.folders {
				n, found := a.look(ctx, f)
				if pages += n; found {
					active = time.Now()
				}
				a.flush(f, found, time.Now())
			}
		}
		quiet := time.Since(active)
		pause := min(max(quiet/arrivalQuietShare, a.shortest),
			longestArrivalPause) * time.Duration(max(1, pages/len(a.folders)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// look lists a folder, and adds to its batch what has arrived since the last listing. It returns
// how many requests it made, and whether it has found something. A listing that fails finds
// nothing: the next one does.
func (a *arrivalNotices) look(ctx context.Context, f *folderArrivals) (pages int, found bool) {
	if f.large {
		return 0, false
	}
	known := make(map[uint64]uint64, len(f.known))
	arrived := map[string]string{}
	in := s3backend.ListInput{Prefix: f.folder + "/"}
	for {
		page, err := a.page(ctx, in)
		if pages++; err != nil {
			return pages, false
		}
		for _, obj := range page.Objects {
			if !isDelivered(f.folder, obj.Key) {
				continue
			}
			key, etag := maphash.String(a.seed, obj.Key), maphash.String(a.seed, obj.ETag)
			known[key] = etag
			if was, ok := f.known[key]; f.known != nil && (!ok || was != etag) {
				arrived[obj.Key] = obj.ETag
			}
		}
		if len(known) > maxArrivalNames {
			f.large, f.known, f.batch = true, nil, nil
			return pages, false
		}
		if in.Token = page.Next; in.Token == "" {
			break
		}
	}
	f.known = known
	if len(arrived) > 0 && len(f.batch) == 0 {
		f.batch, f.began = map[string]string{}, time.Now()
	}
	maps.Copy(f.batch, arrived)
	return pages, len(arrived) > 0
}

func (a *arrivalNotices) page(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, arrivalTimeout)
	defer cancel()
	return a.list(ctx, in)
}

// isDelivered reports whether a key is that of a file which a party has delivered, and neither a
// directory nor a manifest or receipt.
func isDelivered(folder, key string) bool {
	return !strings.HasSuffix(key, "/") &&
		!strings.HasPrefix(key, folder+"/"+delivery.Directory+"/")
}

// flush shows a batch that has ended. Only now is it asked what this machine has made: for a moment
// after a delivery, a listing knows of it and this process does not.
func (a *arrivalNotices) flush(f *folderArrivals, found bool, now time.Time) {
	switch {
	case len(f.batch) == 0:
		return
	case found && now.Sub(f.began) < longestBatch:
		return
	case !f.shown.IsZero() && now.Sub(f.shown) < batchGap:
		return
	}
	own, done := a.own()
	defer done()
	var paths []string
	for _, key := range slices.Sorted(maps.Keys(f.batch)) {
		if !own(s3backend.Object{Key: key, ETag: f.batch[key]}) {
			paths = append(paths, keyname.Path(key))
		}
	}
	f.batch = nil
	if len(paths) > 0 {
		f.shown = now
		a.show(f.folder, paths)
	}
}

// ownVersions returns a function that reports whether this machine has made a version, or is about
// to: by this mount, by an earlier one, or by put.
func (d *mountDaemon) ownVersions() (is func(s3backend.Object) bool, done func()) {
	pending := map[string]bool{}
	for _, st := range d.deliveries.Status() {
		pending[st.Key] = true
	}
	var notes *transfer.Notes
	if dir, id := config.PutNotes(d.settings); transfer.HasNotes(dir) {
		var err error
		if notes, err = transfer.OpenNotes(dir, id); err != nil {
			d.log.Debug("what put has sent is not known", "err", err)
		}
	}
	return func(obj s3backend.Object) bool {
		return pending[obj.Key] || d.deliveries.DeliveredHere(obj.Key, obj.ETag) || notes.Made(obj)
	}, func() { _ = notes.Close() }
}
