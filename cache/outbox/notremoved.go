package outbox

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// maxNotRemoved is how many removals that S3 has refused are remembered.
const maxNotRemoved = 1000

// notRemoved is the list of the versions that were removed here, and that S3 has refused to
// delete: they are shown again. It is forgotten with the process.
type notRemoved struct {
	mu  sync.Mutex
	all []Status // the oldest first
}

// add adds a version that S3 has refused to delete, and returns its entry. That another version is
// there is no refusal: that one was not to be deleted.
func (n *notRemoved) add(obj s3backend.Object, err error) (Status, bool) {
	if err == nil || errors.Is(err, s3backend.Stale) {
		return Status{}, false
	}
	var whole *s3backend.Error
	if errors.As(err, &whole) && whole.Key == "" { // the refusal of a batch
		one := *whole
		one.Op, one.Key, err = "DeleteObject", obj.Key, &one
	}
	st := Status{Key: obj.Key, State: NotRemoved, Size: obj.Size, Since: time.Now()}
	st.fail(err)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dropLocked(obj.Key)
	if len(n.all) == maxNotRemoved {
		n.all = n.all[1:]
	}
	n.all = append(n.all, st)
	return st, true
}

// drop takes a key off the list: it is removed again, or written anew, or S3 does not hold it.
func (n *notRemoved) drop(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dropLocked(key)
}

func (n *notRemoved) dropLocked(key string) {
	n.all = slices.DeleteFunc(n.all, func(st Status) bool { return st.Key == key })
}

func (n *notRemoved) list() []Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// NotRemoved returns what was removed here, and what S3 has refused to delete, the oldest first.
func (o *Outbox) NotRemoved() []Status { return o.notRemoved.list() }
