package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// rawFS serves the kernel's requests through go-fuse's tree of inodes, and has each READDIR begin
// at the offset that it carries.
//
// Without it, go-fuse keeps an entry that had no room in an answer for the next request. It keeps
// an error that came behind some entries as well, and never forgets it: after an interrupted
// listing, each answer that is full loses the entry that had no room. It also loses entries if the
// kernel reads a part of an answer again with less room.
// Source: go-fuse 2.12.1, fs/bridge.go, readDirMaybeLookup.
type rawFS struct{ fuse.RawFileSystem }

// seekMark is set in the offset of each READDIR that go-fuse gets. No entry has such an offset, so
// that go-fuse drops what it has kept, and calls Seekdir.
const seekMark = 1 << 62

func (r rawFS) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn,
	out *fuse.DirEntryList) fuse.Status {
	return r.RawFileSystem.ReadDir(cancel, withSeek(in), out)
}

func (r rawFS) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn,
	out *fuse.DirEntryList) fuse.Status {
	return r.RawFileSystem.ReadDirPlus(cancel, withSeek(in), out)
}

func withSeek(in *fuse.ReadIn) *fuse.ReadIn {
	marked := *in
	marked.Offset |= seekMark
	return &marked
}
