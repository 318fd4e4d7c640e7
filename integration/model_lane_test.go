package integration

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mode is what sequences run in: who mounts what, and how.
type mode struct {
	name    string
	policy  string
	options []string // of s3share mount
	sync    bool
	faults  bool // at S3
	disk    bool // faults of the disk under the outbox and the cache
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
	plain  string // where the plain directories are
	disk   *faultDisk
	run    atomic.Pointer[modelRun]
	stats  *modelStats
}

// modelStats counts what was done in a mode.
type modelStats struct {
	sequences, steps, kills, remounts, faults, failed atomic.Int64
}

func (s *modelStats) String() string {
	return fmt.Sprintf("%d sequences, %d operations, %d kills, %d remounts, %d faults, %d failures",
		s.sequences.Load(), s.steps.Load(), s.kills.Load(), s.remounts.Load(), s.faults.Load(), s.failed.Load())
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
	l.g.after(func(op string, key string) {
		if r := l.run.Load(); r != nil {
			r.stored(op, key)
		}
	})
	options := append([]string{"--memory", "16MiB"}, l.mode.options...)
	if l.disk != nil {
		base := filepath.Join(l.disk.dir, fmt.Sprint(laneNumber.Add(1)))
		options = append(options, "--state-dir", filepath.Join(base, "state"), "--cache-dir", filepath.Join(base, "cache"))
	}
	l.m = l.x.place(l.t, client, options...)
	l.m.lifetime = 24 * time.Hour
	if err := l.m.start(filepath.Dir(l.m.dir)); err != nil {
		l.t.Fatalf("mount: %v\n%s", err, l.m.log)
	}
}

// end kills the daemon; nobody waits for what it would still deliver.
func (l *lane) end() {
	if l.m != nil {
		l.m.kill()
		l.m.life.Close()
		l.m.log = &output{os.DevNull} // what there is to say of it is said
		l.m = nil
	}
}

// remount mounts again after the daemon has ended.
func (l *lane) remount(r *modelRun) {
	<-l.m.ended
	l.m.life.Close()
	n, err := l.m.again(l.t, s3shareBin)
	if err != nil {
		r.fail("mount", "mount again: %v", err)
	}
	l.m = n
	l.stats.remounts.Add(1)
}

// execute runs one sequence, and returns what it found, nil for nothing.
func (l *lane) execute(q sequence) (found *failure) {
	name := fmt.Sprintf("m%d", laneNumber.Add(1))
	plain := filepath.Join(l.plain, name)
	r := &modelRun{
		l: l, dir: delivery + name, begun: time.Now(), files: map[uint64]*modelFile{}, does: map[int]bool{}, aside: map[string]time.Time{},
		real: newWorld("mount", l.m.path(delivery+name)), plain: newWorld("plain", plain),
		whole: map[[sha256.Size]byte]bool{},
	}
	logBefore := int64(len(l.m.log.String()))
	// Whoever waits for a mount that is stuck would wait for ever.
	stuck := time.AfterFunc(2*patience, func() {
		r.stuck.Store(true)
		_ = l.m.cmd.Process.Kill()
	})
	l.run.Store(r)
	faultsBefore, diskBefore := l.g.faultCount(), 0
	if l.disk != nil {
		diskBefore = l.disk.count()
	}
	defer func() {
		stuck.Stop()
		l.stats.faults.Add(l.g.faultCount() - faultsBefore)
		l.g.rules()
		if l.disk != nil {
			l.stats.faults.Add(int64(l.disk.count() - diskBefore))
			l.disk.set()
		}
		l.run.Store(nil)
		thrown := recover()
		r.real.drop()
		r.plain.drop()
		_ = os.RemoveAll(plain)
		l.stats.sequences.Add(1)
		l.stats.steps.Add(int64(len(q)))
		if thrown == nil {
			return
		}
		f, ok := thrown.(*failure)
		if !ok {
			panic(thrown)
		}
		if r.stuck.Load() {
			f.kind = "stuck"
			f.text = "the mount was stuck, and its daemon killed: " + f.text
		}
		log := l.m.log.String()
		log = log[min(logBefore, int64(len(log))):]
		f.text = fmt.Sprintf("%s\nwhat was done:\n%s\nwhat the mount said:\n%s",
			f.text, indent(r.traceText()), indent(log[max(0, len(log)-3000):]))
		for i, s := range q {
			if r.does[i] || i == r.at {
				f.did = append(f.did, s)
			}
		}
		found = f
		l.renew()
	}()
	for _, w := range []*world{r.real, r.plain} {
		if err := uninterruptedly(func() error { return unix.Mkdir(w.root, 0o755) }); err != nil {
			r.fail("mkdir", "%s: make the directory of the sequence: %v", w.name, err)
		}
	}
	for i, s := range q {
		time.Sleep(s.after)
		r.at = i
		r.note("- %s", s)
		operations[s.op].do(r, s)
	}
	r.at = len(q)
	r.finish()
	return nil
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
