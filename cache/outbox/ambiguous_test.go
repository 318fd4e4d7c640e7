package outbox

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// lostCommit closes a new file of which S3 has made the object Delivery/a, and
// whose answer was lost. Its time is not that with which its upload began, if it
// goes by parts.
func (r *rig) lostCommit(data []byte) *Item {
	r.Helper()
	it := r.create("Delivery/a", nil)
	for off := int64(0); off < int64(len(data)); off += parts.Size {
		r.write(it, data[off:min(off+parts.Size, int64(len(data)))], off)
		synctest.Wait()
		time.Sleep(time.Millisecond)
	}
	r.done(it)
	time.Sleep(defaultSettle + time.Millisecond)
	synctest.Wait()
	r.wantKeys("Delivery/a")
	return it
}

// losing loses the first answer to a commit.
func losing(b buckettest.S3) buckettest.S3 {
	return buckettest.LoseReply(buckettest.LoseReply(b, buckettest.Put, 1), buckettest.Complete, 1)
}

// bothSizes runs a test with a file of one request and with one of parts.
func bothSizes(t *testing.T, test func(r *rig, data []byte)) {
	for name, n := range map[string]int{"put": 100, "parts": 2*parts.Size + 100} {
		t.Run(name, func(t *testing.T) {
			recoverable(t, losing, func(r *rig) { test(r, random(1, n)) })
		})
	}
}

// TestLostReplyThenRenamed gives the file another name before it is known that S3
// has it under the old one.
func TestLostReplyThenRenamed(t *testing.T) {
	for _, killed := range []bool{false, true} {
		bothSizes(t, func(r *rig, data []byte) {
			it := r.lostCommit(data)
			r.hold(it)
			if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
				r.Fatal(err)
			}
			r.done(it)
			if killed {
				r = r.again()
				r.resume()
			}
			defer r.Close()
			r.drain()
			r.wantHolds("Delivery/b", data)
			r.wantKeys("Delivery/b")
			r.wantNothing()
		})
	}
}

// TestEndedThenRenamed ends the process while S3 has committed the file, and gives
// it another name, or removes it, in the next one.
func TestEndedThenRenamed(t *testing.T) {
	for _, removed := range []bool{false, true} {
		bothSizes(t, func(r *rig, data []byte) {
			r.lostCommit(data)
			r = r.again()
			defer r.Close()
			it := r.recover()[0]
			r.hold(it)
			if removed {
				it.Drop()
				r.drain()
				r.wantKeys()
				r.wantNothing()
				return
			}
			if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
				r.Fatal(err)
			}
			it.Release()
			r.drain()
			r.wantHolds("Delivery/b", data)
			r.wantKeys("Delivery/b")
			r.wantNothing()
		})
	}
}

// TestLostReplyThenWrittenAgain writes the file again, as long as it was, before it
// is known that S3 has it: what is there is ours to replace, and is not taken for
// what was written since.
func TestLostReplyThenWrittenAgain(t *testing.T) {
	for _, killed := range []bool{false, true} {
		bothSizes(t, func(r *rig, data []byte) {
			it := r.lostCommit(data)
			data = bytes.Clone(data)
			copy(data, "changed")
			r.hold(it)
			r.write(it, []byte("changed"), 0)
			r = r.closed(it, killed)
			defer r.Close()
			r.drain()
			r.wantHolds("Delivery/a", data)
			r.wantKeys("Delivery/a")
			if len(r.conflicted) > 0 {
				r.Errorf("conflicts %q", r.conflicted)
			}
			r.wantNothing()
		})
	}
}

// TestLostReplyThenReplaced gives the name to another file, that is as old, after it
// was given another one: the second file stays.
func TestLostReplyThenReplaced(t *testing.T) {
	bothSizes(t, func(r *rig, data []byte) {
		defer func() { r.Close() }()
		it := r.lostCommit(data)
		r.hold(it)
		if err := it.Rename("Delivery/b.part", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		_, mtime, _, _ := it.Stat()
		r.done(it)
		same := r.create("Delivery/a", data)
		if err := same.SetMtime(mtime); err != nil {
			r.Fatal(err)
		}
		r.done(same)
		<-same.Gone()
		r.hold(it)
		if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		it.Release()
		r.drain()
		r.wantHolds("Delivery/a", data)
		r.wantHolds("Delivery/b", data)
		r.wantKeys("Delivery/a", "Delivery/b")
		if len(r.conflicted) > 0 {
			r.Errorf("conflicts %q", r.conflicted)
		}
		r.wantNothing()
	})
}

// TestLostReplyThenDisplaced renames another file over the one that S3 has.
func TestLostReplyThenDisplaced(t *testing.T) {
	bothSizes(t, func(r *rig, data []byte) {
		defer func() { r.Close() }()
		it := r.lostCommit(data)
		other := r.create("Delivery/b", []byte("other"))
		r.hold(it)
		if err := other.Rename("Delivery/a", s3backend.Object{}, it); err != nil {
			r.Fatal(err)
		}
		it.Drop()
		it.Close()
		r.done(other)
		r.drain()
		r.wantHolds("Delivery/a", []byte("other"))
		r.wantKeys("Delivery/a")
		if len(r.conflicted) > 0 {
			r.Errorf("conflicts %q", r.conflicted)
		}
		r.wantNothing()
	})
}
