package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// live makes so many changes, with and without S3.
func (p *powered) live(steps int) {
	for range steps {
		p.step()
		switch p.rnd.IntN(12) {
		case 0:
			time.Sleep(time.Duration(p.rnd.IntN(30)) * time.Millisecond)
		case 1:
			p.anotherSyncs()
		case 2:
			p.writeBack()
		case 3:
			p.s3.Lock()
			p.away = p.rnd.IntN(3) > 0
			p.s3.Unlock()
			p.Admission.Reopen()
		}
		p.retire()
	}
}

// note keeps the history for a failure.
func (p *powered) note(format string, args ...any) {
	p.history = append(p.history, fmt.Sprintf("%d: ", p.now())+fmt.Sprintf(format, args...))
}

// ends ends what was promised of keys: from now on something else may be there.
func (p *powered) ends(keys ...string) {
	now := p.now()
	for _, c := range p.claims {
		if c.until == 0 && slices.ContainsFunc(c.keys,
			func(key string) bool { return slices.Contains(keys, key) }) {
			c.until = max(now, c.from+1)
		}
	}
}

func (p *powered) claim(why string, c claim) {
	c.from, c.why = p.now(), why
	p.claims = append(p.claims, &c)
}

// retire forgets files that were delivered.
func (p *powered) retire() {
	p.files = slices.DeleteFunc(p.files, func(f *poweredFile) bool {
		select {
		case <-f.it.Gone():
			return true
		default:
			return false
		}
	})
}

// take keeps a file from being delivered, and reports whether it could.
func (p *powered) take(f *poweredFile) bool {
	if f.open {
		return true
	}
	err := f.it.Hold(p.t.Context())
	if err == nil {
		err = f.it.Open()
	}
	if err != nil && !errors.Is(err, ErrGone) {
		p.t.Fatal(err)
	}
	return err == nil
}

func (p *powered) step() {
	var f *poweredFile
	if len(p.files) > 0 {
		f = p.files[p.rnd.IntN(len(p.files))]
	}
	what := p.rnd.IntN(20)
	switch {
	case f == nil || what < 5:
		p.makes()
	case what < 8:
		p.writes(f)
	case what < 11:
		p.syncs(f)
	case what < 13:
		p.closes(f)
	case what < 15:
		p.renames(f)
	case what < 16:
		p.drops(f)
	case what < 18:
		p.syncsNames()
	default:
		p.restarts()
	}
}

func (p *powered) makes() {
	p.next++
	f := &poweredFile{key: fmt.Sprintf("Delivery/%d", p.next), open: true}
	p.note("make %s", f.key)
	it, err := p.Create(f.key, s3backend.Object{}, s3backend.Object{}, nil, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	f.it = it
	p.files = append(p.files, f)
	p.writes(f)
	if p.rnd.IntN(2) == 0 {
		p.syncs(f)
	}
	if p.rnd.IntN(4) > 0 {
		p.closes(f)
	}
}

func (p *powered) writes(f *poweredFile) {
	if !p.take(f) {
		return
	}
	p.ends(f.names()...)
	size := []int{1 + p.rnd.IntN(2000), 1 + p.rnd.IntN(stage.SlotPayload),
		stage.SlotPayload + p.rnd.IntN(100_000)}[p.rnd.IntN(3)]
	off, data := len(f.content), random(p.rnd.Uint64(), size)
	if len(f.content) > 0 && p.rnd.IntN(3) == 0 {
		off = p.rnd.IntN(len(f.content))
	}
	p.note("write %d bytes at %d of %s", size, off, f.key)
	p.write(f.it, data, int64(off))
	grown := make([]byte, max(len(f.content), off+size))
	copy(grown, f.content)
	copy(grown[off:], data)
	f.content, f.open, f.synced = grown, true, false
	p.claimNamed(f)
}

// claimNamed promises that something is told of a file, once its name is on the disk.
func (p *powered) claimNamed(f *poweredFile) {
	if f.named {
		p.claim("named", claim{keys: f.names(), told: true})
	}
}

// names are those under which a file may be after a power loss.
func (f *poweredFile) names() []string { return append(slices.Clone(f.were), f.key) }

func (p *powered) syncs(f *poweredFile) {
	if f.open || f.it.Open() == nil {
		p.note("sync %s", f.key)
		if err := f.it.Sync(); err != nil {
			p.t.Fatal(err)
		}
		if !f.open {
			f.it.Close()
		}
		f.synced, f.named, f.were = true, true, nil
		p.claimNamed(f)
		p.claim("synced", claim{keys: []string{f.key}, contents: [][]byte{f.content}})
	}
}

func (p *powered) closes(f *poweredFile) {
	if !f.open {
		return
	}
	p.closed[f.key] = append(p.closed[f.key], f.content)
	p.note("close %s", f.key)
	if err := f.it.Seal(); err != nil {
		p.t.Fatal(err)
	}
	p.done(f.it)
	f.open = false
}

// renames gives a file another name, at times that of another.
func (p *powered) renames(f *poweredFile) {
	was := f.open
	if !p.take(f) {
		return
	}
	from := f.key
	p.next++
	to := fmt.Sprintf("Delivery/%d", p.next)
	var other *poweredFile
	for _, g := range p.files {
		if g != f && !g.open && p.rnd.IntN(2) == 0 && p.take(g) {
			other, to = g, g.key
			break
		}
	}
	p.note("rename %s to %s", from, to)
	p.ends(append(f.names(), to)...)
	either := [][]byte{f.content}
	var err error
	if other == nil {
		err = f.it.Rename(to, s3backend.Object{}, nil)
	} else {
		either = append(either, other.content)
		// It has the one or the other from now on, if the other's name is on the disk, or else
		// once the rename is.
		promise := func(now bool) {
			if now && f.synced && other.synced {
				p.claim("renamed over", claim{keys: []string{to}, contents: either})
			}
		}
		promise(len(other.were) == 0)
		if err = f.it.Rename(to, other.it.Over(), other.it); err == nil {
			promise(len(other.were) > 0)
			other.it.Close()
			other.it.Drop()
			p.files = slices.DeleteFunc(p.files, func(g *poweredFile) bool { return g == other })
		}
	}
	if err != nil {
		p.t.Fatal(err)
	}
	f.key, f.were = to, f.names()
	p.claimNamed(f)
	if f.synced {
		p.claim("synced and renamed", claim{keys: f.names(), contents: [][]byte{f.content}})
	}
	p.closed[to] = append(p.closed[to], p.closed[from]...)
	if !was {
		p.done(f.it)
	}
}

func (p *powered) drops(f *poweredFile) {
	if !p.take(f) {
		return
	}
	p.note("remove %s", f.key)
	p.ends(f.names()...)
	f.it.Close()
	f.it.Drop()
	p.files = slices.DeleteFunc(p.files, func(g *poweredFile) bool { return g == f })
	if p.rnd.IntN(2) == 0 {
		if err := p.SyncNames("Delivery/"); err != nil {
			p.t.Fatal(err)
		}
		p.claim("removed, and the names synced", claim{keys: f.names(), gone: true})
	}
}

func (p *powered) syncsNames() {
	p.note("sync the names")
	if err := p.SyncNames("Delivery/"); err != nil {
		p.t.Fatal(err)
	}
	for _, f := range p.files {
		f.named, f.were = true, nil
		p.claimNamed(f)
		if f.synced {
			p.claim("synced and named", claim{keys: []string{f.key}, contents: [][]byte{f.content}})
		}
	}
}

// restarts has another process take over.
func (p *powered) restarts() {
	for _, f := range p.files {
		p.closes(f)
	}
	p.note("restart")
	p.Close()
	p.rig = p.begin(p.b, p.dir)
	items := map[string]*Item{}
	for _, it := range p.recover() {
		items[it.Key()] = it
	}
	p.files = slices.DeleteFunc(p.files, func(f *poweredFile) bool {
		it := items[f.key]
		if it == nil {
			data, ok := p.b.Data(f.key)
			if !ok || !bytes.Equal(data, f.content) {
				p.t.Errorf("seed %d: %q is gone after a restart", p.seed, f.key)
			}
			return true
		}
		f.it = it
		return false
	})
	for _, it := range items {
		it.Resume()
	}
	p.Resume()
}

// anotherSyncs has another program sync a file of its own, which brings the file
// system's journal to the disk, and no bytes of ours.
func (p *powered) anotherSyncs() {
	f, err := os.Create(filepath.Join(p.disk.Dir, "another"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(time.Now().String()); err != nil {
		p.t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		p.t.Fatal(err)
	}
}

// writeBack has the kernel write some file's pages, as it does in its own time.
func (p *powered) writeBack() {
	files, err := os.ReadDir(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range files {
		if p.rnd.IntN(2) == 0 {
			continue
		}
		f, err := os.Open(filepath.Join(p.dir, e.Name()))
		if err != nil {
			continue // it has ended
		}
		_ = unix.SyncFileRange(int(f.Fd()), 0, 0,
			unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
		f.Close()
	}
}
