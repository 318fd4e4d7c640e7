package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// watchLine is an event as `s3share watch --json` prints it.
type watchLine struct {
	ID     uint64 `json:"id"`
	Event  string `json:"event"`
	Path   string `json:"path"`
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	ETag   string `json:"etag"`
	Sender string `json:"sender"`
	Own    bool   `json:"own"`
	Again  bool   `json:"again"`
}

func (l watchLine) String() string { return l.Event + " " + strings.ToValidUTF8(l.Key, "?") }

// watchArgs is a command line that watches a folder of the exchange without a mount.
func (m *mount) watchArgs(folder string, more ...string) []string {
	args := append([]string{"watch", folder, "--bucket", m.x.Bucket, "--region",
		m.x.Region, "--state-dir", m.state}, m.x.endpoint()...)
	return append(args, more...)
}

// lookOnce runs `s3share watch --once` and returns the events.
func (m *mount) lookOnce(t *testing.T, folder string, more ...string) (all []watchLine) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(),
		s3shareBin, m.watchArgs(folder, append([]string{"--once", "--json"}, more...)...)...)
	cmd.Env = m.env
	var out, notes bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &notes
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, &notes)
	}
	for line := range bytes.Lines(out.Bytes()) {
		var l watchLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, l)
	}
	t.Logf("%v notes %s", more, &notes)
	return all
}

func wantEvents(t *testing.T, got []watchLine, want ...string) {
	t.Helper()
	var said []string
	for _, l := range got {
		said = append(said, l.String())
	}
	slices.Sort(said)
	slices.Sort(want)
	if !slices.Equal(said, want) {
		t.Errorf("told %q, want %q", said, want)
	}
}

// TestWatchOnce looks, without a mount, at what both parties do: at what was delivered with the ACL
// and without it, changed and removed, by the other party, by put and by a mount.
func TestWatchOnce(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(owner)
	x.put(client, delivery+"before", []byte("before"), true)
	wantEvents(t, m.lookOnce(t, "Delivery"))
	x.put(client, delivery+"new é\"\n.csv", []byte("new"), true)
	etag := x.put(client, delivery+"before", []byte("after"), true)
	x.put(client, delivery+"closed", []byte("closed"), false)
	m.write(delivery+"ours", []byte("ours"))
	if out, err := m.run("wait", m.dir); err != nil {
		t.Fatalf("wait: %v\n%s", err, out)
	}
	local := filepath.Join(t.TempDir(), "put")
	if err := os.WriteFile(local, []byte("put"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"put", local, "Delivery", "--bucket", x.Bucket, "--region",
		x.Region, "--state-dir", m.state}, x.endpoint()...)
	if out, err := m.run(args...); err != nil {
		t.Fatalf("put: %v\n%s", err, out)
	}
	got := m.lookOnce(t, "Delivery")
	wantEvents(t, got, "created Delivery/new é\"\n.csv", "changed Delivery/before")
	for _, l := range got {
		if l.Event == "changed" && (l.ETag != etag || l.Size != 5 || l.Again || l.Own) {
			t.Errorf("it tells %+v", l)
		}
	}
	x.remove(delivery + "before")
	x.remove(delivery + "ours")
	x.put(client, delivery+"closed", []byte("with the ACL"), true)
	wantEvents(t, m.lookOnce(t, "Delivery"), "removed Delivery/before", "created Delivery/closed")
	wantEvents(t, m.lookOnce(t, "Delivery"))
	wantEvents(t, m.lookOnce(t, "Delivery", "--own", "--existing", "--cursor", "all"),
		"created Delivery/new é\"\n.csv", "created Delivery/closed", "created Delivery/put")
}

// watching is a watch that is killed and started again, and the file into which its command writes.
type watching struct {
	t    *testing.T
	m    *mount
	log  string
	args []string

	mu  sync.Mutex // guards cmd and off
	cmd *exec.Cmd
	off bool
	end chan struct{}
}

// record is a command that reads the file of an event, and writes a line as its last step.
const record = `set -eu
[ "$S3SHARE_EVENT" = removed ] || [ "$(wc -c <"$S3SHARE_PATH")" -eq "$S3SHARE_SIZE" ]
printf '%s\t%s\t%s\t%s\t%s\n' "$S3SHARE_EVENT_NUMBER" "$S3SHARE_EVENT" "$S3SHARE_KEY" "$S3SHARE_ETAG" "$S3SHARE_AGAIN" >>"$0"`

// keepWatching starts a watch again whenever it ends.
func keepWatching(t *testing.T, m *mount, args ...string) *watching {
	w := &watching{t: t, m: m, log: filepath.Join(t.TempDir(), "log"), end: make(chan struct{})}
	w.args = append(args, "--interval", "1s", "--exec", "/bin/sh", "-c", record, w.log)
	go func() {
		defer close(w.end)
		for w.live() {
		}
	}()
	t.Cleanup(w.stop)
	return w
}

// live is one life of the watch. It returns false at the end.
func (w *watching) live() bool {
	w.mu.Lock()
	if w.off {
		w.mu.Unlock()
		return false
	}
	notes, err := os.OpenFile(w.log+".notes", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer notes.Close()
	cmd := exec.Command(s3shareBin, w.args...)
	cmd.Env = w.m.env
	cmd.Stdout, cmd.Stderr = notes, notes
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	w.cmd = cmd
	w.mu.Unlock()
	if err == nil {
		_ = cmd.Wait()
	}
	return true
}

// kill kills the watch, or all its processes.
func (w *watching) kill(all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cmd == nil || w.cmd.Process == nil {
		return
	}
	if all {
		_ = unix.Kill(-w.cmd.Process.Pid, unix.SIGKILL)
	} else {
		_ = w.cmd.Process.Kill()
	}
}

func (w *watching) stop() {
	w.mu.Lock()
	if w.off = true; w.cmd != nil && w.cmd.Process != nil {
		_ = w.cmd.Process.Signal(os.Interrupt)
	}
	w.mu.Unlock()
	<-w.end
	if w.t.Failed() {
		notes, _ := os.ReadFile(w.log + ".notes")
		w.t.Logf("the watches noted:\n%s", notes[max(0, len(notes)-8000):])
	}
}

// lines are the lines that the command has written.
func (w *watching) lines() (all []watchLine) {
	text, err := os.ReadFile(w.log)
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			w.t.Fatalf("the command wrote %q", line)
		}
		l := watchLine{Event: f[1], Key: f[2], ETag: f[3], Again: f[4] != ""}
		if _, err := fmt.Sscan(f[0], &l.ID); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// known is what who keeps what the lines tell knows: ETags by key.
func known(lines []watchLine) map[string]string {
	all := map[string]string{}
	for _, l := range lines {
		if all[l.Key] = l.ETag; l.Event == "removed" {
			delete(all, l.Key)
		}
	}
	return all
}

// awaitKnown waits until the lines tell what the bucket has below a prefix.
func (w *watching) awaitKnown(prefix string) []watchLine {
	w.t.Helper()
	has := map[string]string{}
	for key, etag := range w.m.x.list() {
		if strings.HasPrefix(key, prefix) && !strings.HasSuffix(key, "/") {
			has[key] = etag
		}
	}
	var lines []watchLine
	await(w.t, fmt.Sprintf("the events of %d objects", len(has)), func() bool {
		lines = w.lines()
		told := known(lines)
		for key, etag := range has {
			if told[key] != etag {
				return false
			}
		}
		return len(told) == len(has)
	})
	return lines
}

// changing has the owner put, replace and remove objects until stop is called.
func (x *exchange) changing() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			key := fmt.Sprintf("%s%d/file %d", submissions, i%7, i)
			if i%5 == 4 {
				key = fmt.Sprintf("%sagain-%d", submissions, i%3)
			}
			if _, err := x.tryPut(owner, key, fmt.Appendf(nil, "content %d", i), true); err != nil {
				x.t.Errorf("put %s: %v", key, err)
				return
			}
			if i%11 == 10 {
				x.remove(fmt.Sprintf("%sagain-%d", submissions, rand.IntN(3)))
			}
		}
	}()
	return func() { close(done); <-ended }
}

// TestWatchTellsOnce kills the watch and the daemon of the mount 50 times, while the other party
// delivers: the command is run for each event, and does its work once.
func TestWatchTellsOnce(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	if events := m.lookOnce(t, "Submissions"); len(events) > 0 {
		t.Fatalf("a new watch tells %v", events)
	}
	w := keepWatching(t, m, "watch", m.path(submissions))
	stop := x.changing()
	kills := soaking(8, 50)
	for n := range kills {
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		if n%2 == 0 {
			w.kill(false)
			continue
		}
		m.kill()
		m = m.revive(t)
	}
	stop()
	lines := w.awaitKnown(submissions)
	seen := map[uint64]bool{}
	created := map[string]int{}
	for _, l := range lines {
		if seen[l.ID] {
			t.Errorf("event %d was told twice: %s", l.ID, l)
		}
		seen[l.ID] = true
		if l.Event == "created" {
			created[l.Key]++
		}
	}
	for key, n := range created {
		if n != 1 && !strings.Contains(key, "again-") {
			t.Errorf("%s was created once, and is told %d times", key, n)
		}
	}
	t.Logf("%d events, %d kills", len(lines), kills)
}

// TestWatchKilledWithItsCommand kills all processes of a watch at once: then an event may be told
// twice, and says so.
func TestWatchKilledWithItsCommand(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	m.lookOnce(t, "Submissions")
	w := keepWatching(t, m, "watch", m.path(submissions))
	stop := x.changing()
	for range 20 {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		w.kill(true)
	}
	stop()
	lines := w.awaitKnown(submissions)
	seen := map[uint64]bool{}
	twice := 0
	for _, l := range lines {
		if seen[l.ID] {
			if twice++; !l.Again {
				t.Errorf("event %d was told twice and does not say so: %s", l.ID, l)
			}
		}
		seen[l.ID] = true
	}
	t.Logf("%d events, %d of them twice", len(lines), twice)
}

// TestWatchBurst has thousands of objects arrive at once: each is told once, though the watch is
// killed meanwhile, and it does not take much memory.
func TestWatchBurst(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.place(t, client)
	m.lookOnce(t, "Submissions")
	objects := soaking(1000, 10_000)
	var g errgroup.Group
	g.SetLimit(32)
	for i := range objects {
		g.Go(func() error {
			_, err := x.tryPut(owner, fmt.Sprintf("%s%05d", submissions, i), []byte("x"), true)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(filepath.Join(t.TempDir(), "out"),
		os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	count := func() int {
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, []byte("\n"))
	}
	var most int64
	for life := range 5 {
		cmd := exec.Command(s3shareBin, m.watchArgs("Submissions", "--once", "--json")...)
		cmd.Env, cmd.Stdout, cmd.Stderr = m.env, out, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if life < 4 {
			before := count()
			await(t, "some events", func() bool { return count() > before+objects/10 })
			_ = cmd.Process.Kill()
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for running := true; running; {
			select {
			case err := <-ended:
				if running = false; err != nil && life == 4 {
					t.Error(err)
				}
			case <-time.After(20 * time.Millisecond):
				if peak, err := peakMemory(cmd.Process.Pid); err == nil { // else it ends just now
					most = max(most, peak)
				}
			}
		}
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range bytes.Lines(text) {
		var l watchLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		seen[l.Key]++
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s is told %d times", key, n)
		}
	}
	if len(seen) != objects {
		t.Errorf("%d objects are told, want %d", len(seen), objects)
	}
	if most == 0 || most > 300<<20 {
		t.Errorf("it took %d KiB of memory", most>>10)
	}
	t.Logf("at most %d KiB of memory", most>>10)
}
