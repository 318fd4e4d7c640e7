package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// mode is what sequences run in: who mounts what, and how.
type mode struct {
	name    string
	policy  string
	options []string // of s3share mount
	sync    bool
	faults  bool // at S3
	disk    bool // faults of the disk under the outbox and the cache
	parties bool // both change the same files
	asked   bool // only where MODEL_MODE names it: it still finds what is not mended
}

// rights are what the mount's party may do in Delivery.
func (m mode) rights() rights { return granted[m.policy][delivery] }

var modes = []mode{
	{name: "default", policy: "full"},
	{name: "sync", policy: "full", options: []string{"-o", "sync"}, sync: true},
	{name: "article", policy: "article"},
	{name: "folders", policy: "folders"},
	{name: "dropbox", policy: "dropbox"},
	{name: "faults", policy: "full", faults: true},
	{name: "faults-sync", policy: "full", options: []string{"-o", "sync"}, sync: true, faults: true},
	{name: "parties", policy: "full", parties: true, asked: true},
	{name: "parties-sync", policy: "full", options: []string{"-o", "sync"}, sync: true, parties: true, asked: true},
	{name: "disk", policy: "full", disk: true},
	{name: "faults-article", policy: "article", faults: true},
}

// lane is a mount on which sequences run one after the other, each in a directory of
// its own. After a finding it is given up for a new one.
type lane struct {
	t      *testing.T
	mode   mode
	rights rights
	direct *exchange // for plain clients
	x      *exchange // for the mount
	g      *gateway
	m      *mount
	other  *mount // of the owner, where both parties change files
	plain  string // where the plain directories are
	disk   *faultDisk
	watch  atomic.Pointer[func(party, passed)] // is told of each request
	stats  *modelStats
}

// modelStats counts what was done in a mode.
type modelStats struct {
	sequences, steps, kills, remounts, faults, failed atomic.Int64
}

func (s *modelStats) String() string {
	return fmt.Sprintf("%d sequences, %d operations, %d kills, %d remounts, %d faults, %d failures",
		s.sequences.Load(), s.steps.Load(), s.kills.Load(), s.remounts.Load(),
		s.faults.Load(), s.failed.Load())
}

// laneNumber keeps the names of all lanes' directories apart: programs that hold
// files of one path in two mounts are a case of its own.
var laneNumber atomic.Int64

func newLane(t *testing.T, m mode, stats *modelStats) *lane {
	l := &lane{t: t, mode: m, rights: m.rights(), stats: stats}
	l.plain = plainDirectory(t)
	if m.disk {
		l.disk = newFaultDisk(t)
	}
	l.renew()
	return l
}

// plainDirectory is a directory on a file system that holds every time and name.
func plainDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "s3share-model-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// renew makes a new exchange with a new mount.
func (l *lane) renew() {
	l.t.Helper()
	l.end()
	l.direct = newExchange(l.t, l.mode.policy)
	l.x, l.g = l.direct.through(l.t)
	options := append([]string{"--memory", "16MiB"}, l.mode.options...)
	if l.disk != nil {
		base := filepath.Join(l.disk.dir, fmt.Sprint(laneNumber.Add(1)))
		options = append(options, "--state-dir", filepath.Join(base, "state"), "--cache-dir",
			filepath.Join(base, "cache"))
	}
	l.m = l.mount(l.x, l.g, client, options)
	if l.mode.parties {
		x, g := l.direct.through(l.t)
		l.other = l.mount(x, g, owner, options)
	}
}

func (l *lane) mount(x *exchange, g *gateway, by party, options []string) *mount {
	l.t.Helper()
	g.watch(func(p passed) {
		if watch := l.watch.Load(); watch != nil {
			(*watch)(by, p)
		}
	})
	m := x.place(l.t, by, options...)
	m.lifetime = 24 * time.Hour
	if err := m.start(filepath.Dir(m.dir)); err != nil {
		l.t.Fatalf("mount: %v\n%s", err, m.log)
	}
	if !l.mode.faults && !l.mode.disk { // their rules count the requests of programs
		watchTree(l.t, m.path(strings.TrimSuffix(delivery, "/")))
	}
	return m
}

// end kills the daemons; nobody waits for what they would still deliver.
func (l *lane) end() {
	for _, m := range []*mount{l.m, l.other} {
		if m != nil {
			m.kill()
			m.life.Close()
			m.log = &output{os.DevNull} // what there is to say of it is said
		}
	}
	l.m, l.other = nil, nil
}

// remount mounts again after the daemon has ended.
func (l *lane) remount() error {
	<-l.m.ended
	l.m.life.Close()
	n, err := l.m.again(l.t, s3shareBin)
	if err != nil {
		return err
	}
	l.m = n
	l.stats.remounts.Add(1)
	return nil
}

// runner is one sequence on its way.
type runner interface {
	tracing() *tracer
	begin()
	do(s step)
	finish()
	end() // whatever has happened
}

func (t *tracer) tracing() *tracer { return t }

// newRun is a run in a directory of its own.
func (l *lane) newRun() runner {
	name := fmt.Sprintf("m%d", laneNumber.Add(1))
	if l.mode.parties {
		return l.newPartiesRun(name)
	}
	return l.newModelRun(name)
}

// execute runs one sequence, and returns what it found, nil for nothing.
func (l *lane) execute(q sequence) (found *failure) {
	r := l.newRun()
	t := r.tracing()
	logBefore := int64(len(l.m.log.String()))
	// Whoever waits for a mount that is stuck would wait for ever.
	stuck := time.AfterFunc(3*patience, func() {
		t.stuck.Store(true)
		_ = l.m.cmd.Process.Kill()
	})
	faultsBefore := l.faultCount()
	defer func() {
		stuck.Stop()
		l.stats.faults.Add(l.faultCount() - faultsBefore)
		l.g.rules()
		if l.disk != nil {
			l.disk.set()
		}
		thrown := recover()
		r.end()
		l.stats.sequences.Add(1)
		l.stats.steps.Add(int64(len(q)))
		if thrown == nil {
			return
		}
		f, ok := thrown.(*failure)
		if !ok {
			panic(thrown)
		}
		if t.stuck.Load() {
			f.kind = "stuck"
			f.text = "the mount was stuck, and its daemon killed: " + f.text
		}
		log := l.m.log.String()
		log = log[min(logBefore, int64(len(log))):]
		f.text = fmt.Sprintf("%s\nwhat was done:\n%s\nwhat the mount said:\n%s",
			f.text, indent(t.traceText()), indent(log[max(0, len(log)-3000):]))
		for i, s := range q {
			if t.does[i] || i == t.at {
				f.did = append(f.did, s)
			}
		}
		found = f
		l.renew()
	}()
	r.begin()
	for i, s := range q {
		time.Sleep(s.after)
		t.at = i
		t.note("- %s", s)
		r.do(s)
	}
	t.at = len(q)
	r.finish()
	return nil
}

// faultCount is how many requests and operations on the disk were spoilt.
func (l *lane) faultCount() int64 {
	n := l.g.faultCount()
	if l.disk != nil {
		n += int64(l.disk.count())
	}
	return n
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
