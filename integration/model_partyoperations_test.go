package integration

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// partyOperation is a kind of step of sequences with two parties.
type partyOperation struct {
	weight int
	draw   func(g *drawing) step
	do     func(p *partiesRun, s step)
}

// partyTime is the one time that files get.
var partyTime = time.Unix(1_000_000_000, 0)

var partyOperations = map[string]partyOperation{
	"put": {10, func(g *drawing) step {
		return step{who: g.party(), path: g.partyName(), n: g.partySize(), opt: g.options("excl")}
	}, func(p *partiesRun, s step) {
		flags := 0
		if s.has("excl") {
			flags = unix.O_EXCL
		}
		p.put(party(s.who), s.path, s.n, flags)
	}},
	"append": {8, func(g *drawing) step {
		return step{who: g.party(), path: g.partyName(), opt: g.options("create")}
	}, func(p *partiesRun, s step) {
		flags := 0
		if s.has("create") {
			flags = unix.O_CREAT
		}
		p.append(party(s.who), s.path, flags)
	}},
	"save": {6, func(g *drawing) step {
		return step{who: g.party(), path: g.partyName(), n: g.partySize(),
			opt: g.one("temporary", "private", "unlinkfirst")}
	}, func(p *partiesRun, s step) {
		by := party(s.who)
		switch s.opt {
		case "temporary", "private":
			tmp := s.path + map[string]string{"temporary": ".new", "private": ".part"}[s.opt]
			if p.put(by, tmp, s.n, 0) {
				p.rename(by, tmp, s.path)
			}
		case "unlinkfirst":
			p.unlink(by, s.path)
			p.put(by, s.path, s.n, 0)
		}
	}},
	"rename": {6, func(g *drawing) step {
		return step{who: g.party(), path: g.partyName(), to: g.partyName()}
	}, func(p *partiesRun, s step) {
		p.rename(party(s.who), s.path, s.to)
	}},
	"unlink": {4, func(g *drawing) step { return step{who: g.party(), path: g.partyName()} },
		func(p *partiesRun, s step) {
			p.unlink(party(s.who), s.path)
		}},
	"read": {4, func(g *drawing) step { return step{who: g.party(), path: g.partyName()} },
		func(p *partiesRun, s step) {
			r := p.worlds[party(s.who)].readAll(p.name(s.path))
			p.note("%s read %q: %v %q", s.who, s.path, r.errno, marksOf(r.data))
			if r.errno == 0 && !wholeContent(r.data) {
				p.fail("read", "%s reads in %q: %s", s.who, s.path, brief(r.data))
			}
		}},
	"utimes": {5, func(g *drawing) step { return step{who: g.party(), path: g.partyName()} },
		func(p *partiesRun, s step) {
			ts := unix.NsecToTimespec(partyTime.UnixNano())
			w := p.worlds[party(s.who)]
			ok := p.call(party(s.who), fmt.Sprintf("utimes %q", s.path),
				uninterruptedly(func() error {
					return unix.UtimesNanoAt(unix.AT_FDCWD, w.path(p.name(s.path)),
						[]unix.Timespec{ts, ts}, 0)
				}))
			if ok {
				p.mu.Lock()
				p.touchLocked(party(s.who), p.key(s.path))
				p.edited[party(s.who)][p.key(s.path)] = true
				p.mu.Unlock()
			}
		}},
	"plain-put": {6, func(g *drawing) step { return step{path: g.partyName(), n: g.partySize()} },
		func(p *partiesRun, s step) {
			b, _ := p.content(s.n)
			p.change(s.path, b)
		}},
	"plain-delete": {3, func(g *drawing) step { return step{path: g.partyName()} }, func(p *partiesRun, s step) { p.change(s.path, nil) }},
	"open": {4, func(g *drawing) step {
		return step{slot: g.slot(), path: g.partyName(), opt: g.options("create")}
	}, func(p *partiesRun, s step) {
		if _, ok := p.open[s.slot]; ok {
			return
		}
		flags := unix.O_WRONLY | unix.O_APPEND
		if s.has("create") {
			flags |= unix.O_CREAT
		}
		made := s.has("create") && p.worlds[client].lstat(p.name(s.path)).errno == unix.ENOENT
		fd, err := p.worlds[client].openFD(p.name(s.path), flags, 0o644)
		if p.call(client, fmt.Sprintf("open %q %s", s.path, flagsText(flags)), err) {
			if made { // an empty file is a version, too
				p.mu.Lock()
				p.touchLocked(client, p.key(s.path))
				p.mu.Unlock()
			}
			p.worlds[client].files[s.slot] = fd
			p.open[s.slot] = partyFile{path: s.path}
		}
	}},
	"fwrite": {4, func(g *drawing) step { return step{slot: g.slot()} },
		func(p *partiesRun, s step) {
			f, ok := p.open[s.slot]
			if !ok || f.mark != "" {
				return
			}
			b, mark := p.line()
			r := p.worlds[client].write(s.slot, b)
			if !p.call(client, "write of "+mark, errOf(r)) {
				p.stale(client, f.path)
				return
			}
			f.mark = mark
			p.open[s.slot] = f
		}},
	"close": {4, func(g *drawing) step { return step{slot: g.slot()} }, func(p *partiesRun, s step) { p.closeSlot(s.slot) }},
	"wait": {1, func(g *drawing) step { return step{} }, func(p *partiesRun, s step) {
		if len(p.open) == 0 {
			p.quiet(client, p.l.m)
		}
	}},
	"kill": {2, func(g *drawing) step { return step{} }, func(p *partiesRun, _ step) {
		p.note("kill -9 of the client's")
		p.does[p.at] = true
		_ = p.l.m.cmd.Process.Kill()
		p.l.stats.kills.Add(1)
		p.worlds[client].drop()
		p.open = map[int]partyFile{}
		if err := p.l.remount(); err != nil {
			p.fail("mount", "mount again: %v", err)
		}
		p.deliverInterrupted()
	}},
}

// deliverInterrupted sends what was open when the daemon was killed: nobody knows more
// of it than it holds.
func (p *partiesRun) deliverInterrupted() {
	out, err := p.l.m.run("deliver", p.l.m.dir)
	p.note("s3share deliver: %v %s", err, strings.TrimSpace(out))
}

func (p *partiesRun) closeSlot(slot int) {
	f, ok := p.open[slot]
	if !ok {
		return
	}
	delete(p.open, slot)
	if p.call(client, fmt.Sprintf("close of slot %d", slot),
		errOf(p.worlds[client].closeSlot(slot))) && f.mark != "" && !f.gone {
		p.wrote(client, f.path, f.mark, false)
	}
}

func errOf(r result) error {
	if r.errno == 0 {
		return nil
	}
	return r.errno
}

func (g *drawing) party() string { return g.one(string(client), string(client), string(owner)) }

// partyName is one of few: what they do has to meet.
func (g *drawing) partyName() string { return g.one("a", "a", "b", "c.txt") }

func (g *drawing) partySize() int64 { return oneOf[int64](g, 100, 100, 100, 5000) }
