package daemon

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/s3backend"
)

// arrivalBucket is what a folder holds, and what this machine has delivered of it.
type arrivalBucket struct {
	mu      sync.Mutex
	objects map[string]string // ETags
	ours    map[string]bool   // by key and ETag
	fails   bool
	asked   int
}

func (b *arrivalBucket) put(key, etag string, ours bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[key] = etag
	b.ours[key+" "+etag] = ours
}

// List returns pages of 100 objects.
func (b *arrivalBucket) List(_ context.Context,
	in s3backend.ListInput) (page s3backend.Page, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.fails && in.Token != "" {
		return page, errors.New("not answered")
	}
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		switch {
		case !strings.HasPrefix(key, in.Prefix) || in.Token != "" && key <= in.Token:
		case len(page.Objects) == 100:
			page.Next = page.Objects[99].Key
			return page, nil
		default:
			page.Objects = append(page.Objects, s3backend.Object{Key: key, ETag: b.objects[key]})
		}
	}
	return page, nil
}

func (b *arrivalBucket) own() (func(s3backend.Object) bool, func()) {
	return func(o s3backend.Object) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.ours[o.Key+" "+o.ETag]
	}, func() {}
}

func (b *arrivalBucket) notices(show func(string, []string)) *arrivalNotices {
	return &arrivalNotices{
		folders: []*folderArrivals{{folder: "Submissions"}}, list: b.List, offline: func() bool {
			return false
		},
		own: b.own, show: show, shortest: shortestArrivalPause, seed: maphash.MakeSeed(),
	}
}

// TestABatchIsOneNotice has 500 files arrive within a minute, beside others: the desktop shows one
// notice, of those files alone.
func TestABatchIsOneNotice(t *testing.T) {
	b := &arrivalBucket{objects: map[string]string{"Submissions/old": "1"}, ours: map[string]bool{}}
	var batches [][]string
	synctest.Test(t, func(t *testing.T) {
		stop := background(b.notices(func(_ string, paths []string) {
			batches = append(batches, paths)
		}).run)
		time.Sleep(time.Second)
		for i := range 500 {
			b.put(fmt.Sprintf("Submissions/sub/%03d", i), "1", false)
			b.put(fmt.Sprintf("Submissions/ours%03d", i), "1", true)
			time.Sleep(100 * time.Millisecond)
		}
		b.put("Submissions/directory/", "1", false)
		b.put("Submissions/.deliveries/d.json", "1", false)
		b.put("Delivery/elsewhere", "1", false)
		time.Sleep(time.Hour)
		stop()
	})
	if len(batches) != 1 || len(batches[0]) != 500 || batches[0][0] != "Submissions/sub/000" {
		t.Fatalf("%d notices, want one of 500 files", len(batches))
	}

	d := newDesktop(t)
	n := newNotices("/mnt/team", slog.New(slog.DiscardHandler))
	defer n.close()
	n.addArrived("Submissions", batches[0])
	if got := d.next(t); got.summary != "500 files arrived in Submissions" ||
		got.body != "sub/000\nsub/001\nsub/002\nand 497 more" {
		t.Errorf("the notice is %+v", got)
	}
}

// TestEveryArrivalIsShownOnce has files arrive, change and disappear at random, from both parties,
// while listings fail: in the end, each file of the other party's that stayed was shown, with each
// content at most once, and none of ours.
func TestEveryArrivalIsShownOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := &arrivalBucket{objects: map[string]string{"Submissions/f0": "old"},
			ours: map[string]bool{}}
		stays := map[string]bool{}
		var shown []string
		version := 0
		synctest.Test(t, func(t *testing.T) {
			stop := background(b.notices(func(_ string, paths []string) {
				shown = append(shown, paths...)
			}).run)
			defer stop()
			time.Sleep(time.Second)
			for range rapid.IntRange(1, 30).Draw(rt, "steps") {
				key := fmt.Sprint("Submissions/f", rapid.IntRange(0, 150).Draw(rt, "file"))
				switch rapid.IntRange(0, 5).Draw(rt, "what") {
				case 0:
					b.mu.Lock()
					delete(b.objects, key)
					b.mu.Unlock()
					delete(stays, key)
				case 1:
					version++
					b.put(key, fmt.Sprint("ours", version), true)
					delete(stays, key)
				case 2:
					b.mu.Lock()
					b.fails = !b.fails
					b.mu.Unlock()
				default:
					version++
					b.put(key, fmt.Sprint("theirs", version), false)
					stays[key] = true
				}
				time.Sleep(time.Duration(rapid.IntRange(0, 30).Draw(rt, "seconds")) * time.Second)
			}
			b.mu.Lock()
			b.fails = false
			b.mu.Unlock()
			time.Sleep(time.Hour)
		})
		for key := range stays {
			if !slices.Contains(shown, key) {
				rt.Errorf("%s arrived, and no notice has it: %q", key, shown)
			}
		}
		if len(shown) > version {
			rt.Errorf("%d versions arrived, and notices have %d files", version, len(shown))
		}
	})
}

// TestAQuietFolderCostsOneRequestAMinute counts the requests of a quiet day.
func TestAQuietFolderCostsOneRequestAMinute(t *testing.T) {
	b := &arrivalBucket{objects: map[string]string{"Submissions/a": "1"}, ours: map[string]bool{}}
	synctest.Test(t, func(t *testing.T) {
		stop := background(b.notices(func(string, []string) {}).run)
		time.Sleep(24 * time.Hour)
		stop()
	})
	if b.asked < 1300 || b.asked > 1600 {
		t.Errorf("%d requests a day, want some 1,500", b.asked)
	}
}
