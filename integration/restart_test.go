package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stopTimeout is how long systemd waits after SIGTERM until it kills: TimeoutStopSec of the unit.
const stopTimeout = 90 * time.Second

// TestRestartUnderLoad restarts the daemon as `systemctl restart` does, while programs write, close
// and replace files. Programs get errors only while it restarts. The bucket has each file that was
// closed, and nothing that is half-done.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	l := newRestartLoad(x.mount(client))
	var programs sync.WaitGroup
	for i := range 4 {
		programs.Go(func() { l.write(t, i) })
	}
	rnd := rand.New(rand.NewPCG(l.seed, 1))
	for range soaking(3, 20) {
		enough := l.closed.Load() + 1 + rnd.Int64N(20)
		await(t, "files to be closed", func() bool { return l.closed.Load() >= enough })
		l.restart(t)
	}
	close(l.stop)
	programs.Wait()
	m := l.mount()
	left := m.awaitRest()
	l.check(x, left)
	if len(left) > 0 {
		m.abandon()
	}
}

// restartLoad is what programs do while their daemon restarts.
type restartLoad struct {
	seed     uint64
	stop     chan struct{} // closed when the programs are to end
	closed   atomic.Int64  // files that were closed without an error
	restarts atomic.Int64  // odd while the daemon restarts

	// mu guards the fields below.
	mu     sync.Mutex
	m      *mount
	may    map[string][][]byte // what each object may hold; nil is for none
	errs   map[string]int      // what programs were told
	longer time.Duration       // what the longest stop took
}

func newRestartLoad(m *mount) *restartLoad {
	return &restartLoad{seed: rand.Uint64(), stop: make(chan struct{}),
		m: m, may: map[string][][]byte{}, errs: map[string]int{}}
}

func (l *restartLoad) mount() *mount {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.m
}

// restart ends the daemon by SIGTERM, and starts it again as soon as it has ended.
func (l *restartLoad) restart(t *testing.T) {
	t.Helper()
	m := l.mount()
	l.restarts.Add(1)
	began := time.Now()
	if err := m.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.ended:
	case <-time.After(stopTimeout):
		t.Fatalf("the daemon lives %s after SIGTERM: systemd would kill it\n%s", stopTimeout, m.log)
	}
	took := time.Since(began)
	m.done = true
	m = m.revive(t)
	l.restarts.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.m, l.longer = m, max(l.longer, took)
}

// write writes files until stop is closed: new ones, and some again and again.
func (l *restartLoad) write(t *testing.T, program int) {
	rnd := rand.New(rand.NewPCG(l.seed, uint64(100+program)))
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		default:
		}
		key := fmt.Sprintf("%s%d-%d", delivery, program, i)
		if rnd.IntN(3) == 0 {
			key = fmt.Sprintf("%s%d-again-%d", delivery, program, rnd.IntN(3))
		}
		size := rnd.IntN(100_000)
		if rnd.IntN(12) == 0 {
			size = 6<<20 + rnd.IntN(14<<20) // in parts, most of them
		}
		content := bytes.Repeat(fmt.Appendf(nil, "%s %d ", key, i), 1+size/len(key))
		before := l.restarts.Load()
		whole, err := writeInPieces(l.mount().path(key), content, rnd)
		l.note(key, content, whole, err)
		if err == nil {
			continue
		}
		// the last without a mount
		allowed := []error{unix.ENOTCONN, unix.ECONNABORTED, unix.EIO, fs.ErrNotExist}
		if !slices.ContainsFunc(allowed, func(e error) bool { return errors.Is(err, e) }) {
			t.Errorf("a program is told %v", err)
		}
		if after := l.restarts.Load(); after == before && before%2 == 0 {
			t.Errorf("a program is told %v, and the daemon does not restart", err)
		}
		time.Sleep(10 * time.Millisecond) // as a program does before it tries again
	}
}

// writeInPieces writes a file as programs do. whole is set if it has written and closed it, with an
// error or without.
func writeInPieces(path string, content []byte, rnd *rand.Rand) (whole bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return false, err
	}
	for piece := range slices.Chunk(content, 1+rnd.IntN(1<<20)) {
		if _, err := f.Write(piece); err != nil {
			f.Close()
			return false, err
		}
	}
	return true, f.Close()
}

// note records what S3 may hold after a file was written.
func (l *restartLoad) note(key string, content []byte, whole bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.may[key] = [][]byte{content}
		l.closed.Add(1)
		return
	}
	var no unix.Errno
	errors.As(err, &no)
	l.errs[unix.ErrnoName(no)]++
	if l.may[key] == nil {
		l.may[key] = [][]byte{nil}
	}
	if whole { // only the answer to close may be lost
		l.may[key] = append(l.may[key], content)
	}
}

// check compares the bucket with what the programs have closed. left is what stays in the outbox.
func (l *restartLoad) check(x *exchange, left []owedFile) {
	x.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range left {
		if f.State != "interrupted" {
			x.t.Errorf("%s stays", f)
		}
	}
	objects := x.list()
	for key, may := range l.may {
		var got []byte
		if _, ok := objects[key]; ok {
			var err error
			if got, err = x.get(owner, key); err != nil {
				x.t.Errorf("%s: %v", key, err)
				continue
			}
		}
		if !slices.ContainsFunc(may, func(b []byte) bool { return bytes.Equal(b, got) }) {
			x.t.Errorf("%s has %s, want one of %d contents, the first %s", key, brief(got),
				len(may), brief(may[0]))
		}
		delete(objects, key)
	}
	for key := range objects {
		if key != delivery && key != submissions {
			x.t.Errorf("the bucket has %s as well", key)
		}
	}
	x.t.Logf(
		"%d files closed, %d names tried, errors %v, %d interrupted, the longest stop %s; seed %d",
		l.closed.Load(), len(l.may), l.errs, len(left), l.longer, l.seed)
}
