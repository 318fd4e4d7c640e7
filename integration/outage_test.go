package integration

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// outage is something that happens to the line in the midst of an upload.
type outage struct {
	name    string
	begin   func(w *wire)
	arrives bool   // though it goes on
	reason  string // that status tells meanwhile, where it does not
}

var outages = []outage{
	{"server down", func(w *wire) { w.cut() }, false, "nothing answers at "},
	{"latency of 500 ms", func(w *wire) {
		w.spoil("latency", "upstream", map[string]any{"latency": 250, "jitter": 50})
		w.spoil("latency", "downstream", map[string]any{"latency": 250, "jitter": 50})
	}, true, ""},
	{"1 MiB/s", func(w *wire) {
		w.spoil("bandwidth", "upstream", map[string]any{"rate": 1024})
		w.spoil("bandwidth", "downstream", map[string]any{"rate": 1024})
	}, true, ""},
	{"a reset each 512 KiB", func(w *wire) {
		w.spoil("limit_data", "upstream", map[string]any{"bytes": 512 << 10})
	}, false, "UploadPart"},
	{"a reset each 20 MiB", func(w *wire) {
		w.spoil("limit_data", "upstream", map[string]any{"bytes": 20 * mib})
	}, true, ""},
	{"half-open", func(w *wire) {
		w.spoil("timeout", "upstream", map[string]any{"timeout": 0})
		w.spoil("timeout", "downstream", map[string]any{"timeout": 0})
	}, false, "no answer from "},
}

// TestOutages spoils the line in the midst of an upload, and copies more files
// then. No copy lies: cp fails with an errno, or the file arrives bit for bit, or
// status and unmount say that it has not and why. When the outage ends, all that cp
// took arrives by itself.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.run(t)
		})
	}
}

func (o outage) run(t *testing.T) {
	direct := newExchange(t, "article")
	behind, g := direct.through(t)
	x, w := behind.over(t)
	m := x.mount(client)
	began := make(chan struct{})
	var once sync.Once
	var parts atomic.Int64
	g.when(func(op string, _ http.ResponseWriter, _ *http.Request) bool {
		if op == "UploadPart" && parts.Add(1) > 2 {
			once.Do(func() {
				go func() { // toxiproxy waits for what is on its way, and that may wait for us
					o.begin(w)
					close(began)
				}()
			})
		}
		return false
	})

	local := t.TempDir()
	files := map[string][]byte{delivery + "large.bin": randomBytes(36 * mib)}
	for i := range 3 {
		files[fmt.Sprintf("%ssmall-%d", delivery, i)] = randomBytes(30_000)
	}
	for key, content := range files {
		if err := os.WriteFile(filepath.Join(local, filepath.Base(key)),
			content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyOne := func(key string) ([]byte, error) {
		return exec.CommandContext(t.Context(), "cp", filepath.Join(local, filepath.Base(key)),
			m.path(key)).CombinedOutput()
	}
	if out, err := copyOne(delivery + "large.bin"); err != nil {
		t.Logf("cp: %v\n%s", err, out) // the outage may come before its end, and may be told
		delete(files, delivery+"large.bin")
	}
	select {
	case <-began:
	case <-time.After(patience):
		t.Fatal("no part went up")
	}
	var copies sync.WaitGroup
	var mu sync.Mutex
	for _, key := range keysOf(files) {
		if !strings.Contains(key, "small") {
			continue
		}
		copies.Go(func() {
			out, err := copyOne(key)
			if err == nil {
				return
			}
			if !says(out, unix.EIO) && !says(out, unix.ETIMEDOUT) {
				t.Errorf("cp during the outage: %v\n%s", err, out)
			}
			mu.Lock()
			defer mu.Unlock()
			delete(files, key)
		})
	}
	copies.Wait()

	if o.arrives {
		for key, content := range files {
			m.awaitDelivered(key)
			direct.awaitObject(key, content)
		}
		w.heal()
		return
	}
	var seen []owedFile
	await(t, fmt.Sprintf("status to tell of %q", o.reason), func() bool {
		o.noLies(t, m, direct, files)
		var err error
		if seen, err = m.owed(); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(seen,
			func(f owedFile) bool { return strings.Contains(f.Reason, o.reason) })
	})
	for _, f := range seen {
		if f.State != "sealed" && f.State != "uploading" {
			t.Errorf("during the outage there is %v", f)
		}
	}
	if out, err := m.run("unmount", "--timeout", "1s", m.dir); err == nil ||
		!strings.Contains(out, "large.bin") {
		t.Errorf("unmount = %v, want it to name what is not delivered\n%s", err, out)
	}
	pause(t, soaking(0*time.Second, time.Minute))
	w.heal()
	for key, content := range files {
		m.awaitDelivered(key)
		direct.awaitObject(key, content)
	}
	o.noLies(t, m, direct, files)
	m.unmount()
	if all := direct.list(); len(all) != len(files) {
		t.Errorf("S3 has %v, want the %d files that cp took", keysOf(all), len(files))
	}
}

// noLies holds what is said to be delivered to what S3 has.
func (o outage) noLies(t *testing.T, m *mount, direct *exchange, files map[string][]byte) {
	t.Helper()
	for key, content := range files {
		if m.fileState(key) != "delivered" {
			continue
		}
		if got, err := direct.get(owner, key); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is said to be delivered, and S3 has %s, %v", key, brief(got), err)
		}
	}
}

// pause lets an outage go on for its own time.
func pause(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// TestStorm has S3 refuse three of four requests as too many, for a while. All
// arrives, and nobody has to do anything.
func TestStorm(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	m := x.mount(client)
	var n atomic.Int64
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return n.Add(1)%4 != 0 && refuse(w, r, http.StatusServiceUnavailable, "SlowDown")
	})
	files := map[string][]byte{delivery + "large.bin": randomBytes(20 * mib)}
	for i := range 8 {
		files[fmt.Sprintf("%s%d", delivery, i)] = randomBytes(20_000)
	}
	for key, content := range files {
		err := os.WriteFile(m.path(key), content, 0o644)
		if err != nil && !errors.Is(err, unix.EIO) {
			t.Errorf("write %s: %v", key, err)
		}
		if err != nil {
			delete(files, key) // it was told
		}
	}
	await(t, "60 requests to be refused or not",
		func() bool { return n.Load() > 60 || len(direct.list()) == len(files) })
	g.when(nil)
	for key, content := range files {
		m.awaitDelivered(key)
		direct.awaitObject(key, content)
	}
}
