package multipart

import (
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// State is an upload as a journal describes it. A nil State is none.
type State struct {
	remote s3backend.Upload
	header *s3backend.Header
	layout parts.Layout
	list   []parts.Part
	done   map[int32]sentPart
}

// Apply returns the state after a record of an upload, of a part, or that the upload was given up.
func (st *State) Apply(r journal.Record) *State {
	switch r.Op {
	case journal.OpUpload:
		l := parts.Layout{Version: r.LayoutVersion, First: r.Layout, Restarts: r.Restarts}
		if st != nil && st.remote.ID == r.Upload {
			st.layout = l // the file was closed
			return st
		}
		return &State{
			remote: s3backend.Upload{Key: r.Key, ID: r.Upload, AbortDate: r.Abort, CRC32: r.CRC},
			header: (*s3backend.Header)(r.Header),
			layout: l, list: r.Parts, done: map[int32]sentPart{},
		}
	case journal.OpPart:
		if st != nil && r.Part != nil && r.S3 != nil && r.Upload == st.remote.ID {
			st.done[r.Part.Num] = sentPart{Part: *r.Part, s3: *r.S3}
		}
	case journal.OpGiveUp:
		return nil
	}
	return st
}

// Sent returns how many bytes S3 has.
func (st *State) Sent() (n int64) {
	if st == nil {
		return 0
	}
	for _, p := range st.done {
		n += p.N
	}
	return n
}

// Restore returns an upload that an earlier process has created; nil for none. Before the commit
// counts a part as sent, it is compared with the content.
func Restore(s *Service, f File, st *State) *Upload {
	if st == nil {
		return nil
	}
	up := newUpload(s, f, st.layout)
	up.once.Do(func() {})
	up.remote, up.header, up.list, up.done = st.remote, st.header, st.list, st.done
	up.recovered, up.noted = true, true
	return up
}
