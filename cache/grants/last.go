package grants

import (
	"errors"

	"github.com/s3share/s3share/s3backend"
)

// Right is what is known of a permission.
type Right string

// What may be known of it. The zero Right is unknown.
const (
	Granted Right = "granted"
	Refused Right = "refused"
)

// FolderRights is what is known of one of the exchange's folders.
type FolderRights struct {
	List   Right `json:"list,omitempty"`
	Get    Right `json:"get,omitempty"`
	Put    Right `json:"put,omitempty"`
	Delete Right `json:"delete,omitempty"`
}

// errLast is the reason for what S3 has refused an earlier process.
var errLast = errors.New("the policy granted it to nobody here when S3 could be asked last")

func rightOf(err error) Right {
	switch {
	case err == nil:
		return Granted
	case refused(err):
		return Refused
	}
	return ""
}

// asError is what S3 would answer where it refuses the operation.
func (r Right) asError(op string) error {
	if r != Refused {
		return nil
	}
	return &s3backend.Error{Op: op, Kind: s3backend.Denied, Err: errLast}
}

// Last returns what is known of each folder, by what S3 has answered, or else by what it had
// answered before: see [Config].
func (p *Policy) Last() map[string]FolderRights {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]FolderRights{}
	for _, folder := range p.cfg.Folders {
		r := p.cfg.Last[folder]
		if f := p.of(folder); f != nil {
			if q := f.reading; !q.at.IsZero() {
				r.List, r.Get = rightOf(q.list), rightOf(q.err)
			}
			if q := f.putting; !q.at.IsZero() {
				r.Put = rightOf(q.err)
			}
		}
		if g, ok := p.delete[folder]; ok {
			r.Delete = rightOf(g.err)
		}
		all[folder] = r
	}
	return all
}

// Reachable is called when S3 can be asked again: it is asked what it has not answered yet.
func (p *Policy) Reachable() { p.refresh((*query).due) }

// useLastLocked takes what S3 has answered an earlier process for the first answer to a query: it
// cannot be asked now, and is asked again as soon as it can.
func (p *Policy) useLastLocked(folder string, q *query) {
	if !q.at.IsZero() {
		return
	}
	last := p.cfg.Last[folder]
	if q == p.of(folder).putting {
		q.answer = answer{err: last.Put.asError("PutObject")}
	} else {
		q.answer = answer{err: last.Get.asError("GetObject"),
			list: last.List.asError("ListObjectsV2")}
	}
}
