package cache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// TestExclusiveCreateAsksS3 has the other party take a name right after it was looked up,
// under each grant that there may be to ask.
func TestExclusiveCreateAsksS3(t *testing.T) {
	away := &s3backend.Error{Op: buckettest.Head, Kind: s3backend.Busy, Err: errors.New("SlowDown")}
	for _, c := range []struct {
		name  string
		fault func(buckettest.S3) buckettest.S3
		want  error
	}{
		{"HeadObject answers", func(b buckettest.S3) buckettest.S3 { return b }, ErrExist},
		{"HeadObject is refused", func(b buckettest.S3) buckettest.S3 { return buckettest.Deny(b, buckettest.Head, "") }, ErrExist},
		{"HeadObject fails", func(b buckettest.S3) buckettest.S3 { return buckettest.Fail(b, buckettest.Head, 1, away) }, s3backend.Busy},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.fault, func(r *rig) {
				if _, err := r.Stat(r.Context(),
					"Delivery/lock"); !errors.Is(err, s3backend.NotExist) {
					t.Fatalf("Stat = %v, want NotExist", err)
				}
				r.b.Store("Delivery/lock", []byte("theirs"), nil)
				if _, err := r.Create(r.Context(), "Delivery/lock",
					nil, true, OpenMode{}); !errors.Is(err, c.want) {
					t.Errorf("Create with O_EXCL = %v, want %v", err, c.want)
				}
			})
		})
	}
}

// TestManyExclusiveCreatesCostFewRequests is cp of a directory's files, which creates each
// with O_EXCL. A name that was found taken is looked at anew all the same.
func TestManyExclusiveCreatesCostFewRequests(t *testing.T) {
	heads := 0
	count := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(_ context.Context, op, _ string, send func() error) error {
			if op == buckettest.Head {
				heads++
			}
			return send()
		})
	}
	bubble(t, count, func(r *rig) {
		r.b.Store("Delivery/d/file", nil, nil)
		create := func(path string) {
			h, err := r.Create(r.Context(), path, nil, true, OpenMode{})
			if err != nil {
				t.Fatalf("Create %q: %v", path, err)
			}
			h.Release()
		}
		for i := range 500 {
			create(fmt.Sprintf("Delivery/d/%d", i))
		}
		if heads != manyCreated {
			t.Errorf("500 files cost %d HeadObject, want %d", heads, manyCreated)
		}
		heads = 0
		r.exclusives = exclusives{} // another program
		create("Delivery/d/one~")   // a private name
		if err := r.Mkdir(r.Context(), "Delivery/new", nil); err != nil {
			t.Fatal(err)
		}
		h, err := r.Create(r.Context(), "Delivery/new/file", nil, true, OpenMode{})
		if err != nil {
			t.Fatal(err)
		}
		h.Release()
		if heads != 0 {
			t.Errorf("a private file, and one in a new directory, cost %d HeadObject, want 0",
				heads)
		}
	})
}

// TestTheOtherPartysTimeIsTheSameAfterARemount has S3 tell of the other party's file when
// its name is asked for: what is shown of it since is shown at the next mount, too.
func TestTheOtherPartysTimeIsTheSameAfterARemount(t *testing.T) {
	b, cfg := buckettest.New(), Config{Folders: []string{"Delivery"},
		StateDir: t.TempDir(), Memory: 16 << 20}
	begin := func() *Cache {
		c, err := New(b, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := begin()
	if _, err := c.Stat(t.Context(), "Delivery/theirs"); !errors.Is(err, s3backend.NotExist) {
		t.Fatalf("Stat = %v, want NotExist", err)
	}
	want := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	b.Store("Delivery/theirs", []byte("theirs"),
		&s3backend.Header{User: map[string]string{"mtime": outbox.FormatMtime(want),
			"mode": "33152"}})
	if _, err := c.Create(t.Context(), "Delivery/theirs", nil,
		true, OpenMode{}); !errors.Is(err, ErrExist) {
		t.Fatalf("Create with O_EXCL = %v, want ErrExist", err)
	}
	for _, when := range []string{"once S3 has told", "after a remount"} {
		a, err := c.Stat(t.Context(), "Delivery/theirs")
		if err != nil || !a.Mtime.Equal(want) || !a.HasMode || a.Mode != 0o600 {
			t.Errorf("%s: Stat = %v %o, %v, want %v 600", when, a.Mtime, a.Mode, err, want)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = begin()
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
