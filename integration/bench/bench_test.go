package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/s3share/s3share/integration/bench/memserver"
)

var update = flag.Bool("update", false, "write testdata anew")

// light are the workloads that a unit test can do: each is tried as a program on
// a plain directory, and as a client of a memserver, and both must come to what
// the bench expects of a mount.
func light() []*workload {
	return slices.DeleteFunc(allWorkloads(), func(w *workload) bool {
		size, count := w.bytes, 0
		for _, f := range w.fills {
			size += int64(f.Count) * f.Size
			count += f.Count
		}
		return size > 64*mib || count > 1000 || strings.HasSuffix(w.name, "_p16") || w.app == nil
	})
}

// fixtureOf makes w's fixture, if it needs one, and returns its directory.
func fixtureOf(t *testing.T, w *workload) string {
	t.Helper()
	if w.fixture == nil {
		return ""
	}
	dir := t.TempDir()
	if err := w.fixture.make(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wanted is what w wants to find, nil for nothing.
func wanted(t *testing.T, w *workload, fixture string) []memserver.Entry {
	t.Helper()
	if w.want == nil {
		return nil
	}
	want, err := w.want(fixture)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// namesIn returns the files that a fill makes, with their bytes.
func namesIn(f memserver.Fill) map[string][]byte {
	out := make(map[string][]byte)
	for i := range f.Count {
		name := f.Key
		if strings.Contains(name, "%") {
			name = fmt.Sprintf(name, i)
		}
		out[name] = memserver.Random(f.Size, f.Seed+int64(i))
	}
	return out
}

func TestAppsOnDirectory(t *testing.T) {
	if len(light()) < 6 {
		t.Fatalf("only %d workloads are light enough to be tried", len(light()))
	}
	for _, w := range light() {
		t.Run(w.name, func(t *testing.T) {
			a := &app{dir: t.TempDir(), tmp: t.TempDir(), fixture: fixtureOf(t, w),
				hashes: make(map[string]string)}
			for _, f := range w.fills {
				for name, b := range namesIn(f) {
					if err := os.MkdirAll(filepath.Dir(a.path(name)), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(a.path(name), b, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.app(a); err != nil {
				t.Fatal(err)
			}
			if len(a.hashes) != w.reads {
				t.Errorf("%d files were read, want %d", len(a.hashes), w.reads)
			}
			for _, e := range wanted(t, w, a.fixture) {
				b, err := os.ReadFile(a.path(strings.TrimPrefix(e.Key, folder+"/")))
				if err == nil && e.Size < 0 { // any will do
					continue
				}
				sum := sha256.Sum256(b)
				if err != nil || int64(len(b)) != e.Size || hex.EncodeToString(sum[:]) != e.Hash {
					t.Fatalf("%s: %d bytes, %v, want %d, %s", e.Key, len(b), err, e.Size, e.Hash)
				}
			}
		})
	}
}

func TestLimitsOnServer(t *testing.T) {
	for _, w := range light() {
		if w.limit == nil {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			h := httptest.NewServer(memserver.New(memserver.Config{Buckets: []string{bucket}}))
			defer h.Close()
			a := &app{fixture: fixtureOf(t, w), hashes: make(map[string]string)}
			b := &bench{server: &server{url: h.URL}, workload: w, want: wanted(t, w, a.fixture)}
			if err := b.server.prepare(t.Context(), w.fills, w.want != nil); err != nil {
				t.Fatal(err)
			}
			if err := w.limit(newS3Client(t.Context(), h.URL), a); err != nil {
				t.Fatal(err)
			}
			done := claim{b.want, a.hashes}
			if w.reads == 0 {
				done.read = nil
			}
			if err := b.verify(t.Context(), done); err != nil {
				t.Error(err)
			}
			if w.want != nil {
				if err := b.server.wait(t.Context(), b.want); err != nil {
					t.Error(err)
				}
				if err := b.verify(t.Context(), claim{append(b.want,
					memserver.Entry{Key: "none", Hash: "x"}), nil}); err == nil {
					t.Error("an object that is missing was verified")
				}
			}
		})
	}
}

// TestCompose lets the plain client put an object together of parts, as the
// workloads do that are too heavy here.
func TestCompose(t *testing.T) {
	h := httptest.NewServer(memserver.New(memserver.Config{Buckets: []string{bucket}}))
	defer h.Close()
	s, c := &server{url: h.URL}, newS3Client(t.Context(), h.URL)
	const size = 12 * mib
	if err := s.prepare(t.Context(),
		[]memserver.Fill{{Key: "old.bin", Count: 1, Size: size, Pattern: true}}, true); err != nil {
		t.Fatal(err)
	}
	if err := c.compose("old.bin", inFlight, copied(0, size), body([]byte("tail"))); err != nil {
		t.Fatal(err)
	}
	if err := c.rename("old.bin", "new.bin"); err != nil {
		t.Fatal(err)
	}
	if err := c.putParts("big.bin", 20*mib, 2); err != nil {
		t.Fatal(err)
	}
	a := &app{hashes: make(map[string]string)}
	for name, n := range map[string]int64{"new.bin": size + 4, "big.bin": 20 * mib} {
		if err := c.getParts(name, n, 2, a); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{server: s, workload: &workload{reads: 2}}
	want := []memserver.Entry{
		entryOf("new.bin", edited(size, []byte("tail"), size)),
		entryOf("big.bin", edited(20*mib, nil, 0)),
	}
	if err := b.verify(t.Context(), claim{want, a.hashes}); err != nil {
		t.Error(err)
	}
	if err := s.wait(t.Context(), want); err != nil {
		t.Error(err)
	}
	a.hashes["new.bin"] = "00000000"
	if err := b.verify(t.Context(), claim{nil, a.hashes}); err == nil {
		t.Error("wrong bytes were verified")
	}
}

func TestPattern(t *testing.T) {
	const size = 3*mib + 100
	want := edited(size, nil, 0)
	if bytes.Equal(want[:mib], want[mib:2*mib]) ||
		bytes.Equal(want[4096:8192], want[mib+4096:mib+8192]) {
		t.Error("two pieces are the same")
	}
	for _, bs := range []int{mib, 128 << 10, 4 << 10} {
		var got bytes.Buffer
		if err := pattern(&got, size, bs); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("pattern in writes of %d differs from memserver.Pattern", bs)
		}
	}
}

func TestUsage(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	own, err := usageOf(os.Getpid())
	if err != nil || own.cpu <= 0 || own.peak <= int64(status("/proc/self", "VmHWM"))<<10 {
		t.Errorf("usageOf(own) = %+v, %v; a child should be in it", own, err)
	}
	pid := cmd.Process.Pid
	if u, err := usageOf(pid); err != nil || u.rss <= 0 || u.peak < u.rss || u.switches <= 0 {
		t.Errorf("usageOf(sleep) = %+v, %v", u, err)
	}
	cmd.Process.Kill()
	cmd.Wait() // it was killed
	if _, err := usageOf(pid); err == nil {
		t.Error("usageOf a process that is gone succeeded")
	}
	if !mounted("/") || mounted(t.TempDir()) {
		t.Errorf("mounted: / %v, a new directory %v", mounted("/"), mounted(t.TempDir()))
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args string
		err  string
		want int // workloads
	}{
		{"", "", 35},
		{"--workloads all", "", len(allWorkloads())},
		{"--workloads read_1g,ls_10k", "", 2},
		{"--workloads none", `no workload "none"`, 0},
		{"--profiles near", `no profile "near"`, 0},
		{"--contenders s3share,tape", `no contender "tape"`, 0},
		{"--runs 0", "at least 1", 0},
		{"more", "no arguments", 0},
	} {
		o, err := parse(strings.Fields(tt.args))
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("parse(%q) = %v, want %q", tt.args, err, tt.err)
			}
		case err != nil || len(o.workloads) != tt.want:
			t.Errorf("parse(%q) = %v, want %d workloads", tt.args, err, tt.want)
		}
	}
	got := telling([]string{"--runs", "5", "--binary", "x", "--json=y",
		"-update", "z", "--profiles=far"})
	if want := []string{"--runs", "5", "--profiles=far"}; !slices.Equal(got, want) {
		t.Errorf("telling = %q, want %q", got, want)
	}
}

func TestReport(t *testing.T) {
	rep, err := load("testdata/results.json")
	if err != nil {
		t.Fatal(err)
	}
	groups := rep.groups()
	g := groups[0]
	if best := g.bestPeer(); best == nil || best.Contender != "s3fs" {
		t.Errorf("best peer = %+v, want s3fs", best)
	}
	if peer, limit := g.overPeer(g.rows[0]), g.rows[0].times(g.row(limitName)); peer != "0.50" ||
		limit != 4 {
		t.Errorf("times = %v, %v, want 0.50, 4", peer, limit)
	}
	if peer := (group{rows: g.rows[:1]}).overPeer(g.rows[0]); peer != "-" {
		t.Errorf("times of no peer = %v, want -", peer)
	}
	for i, want := range []string{"reached", "missed: time, requests, memory", "reached",
		"missed: 1 GETs, requests"} {
		if got := groups[i].verdict().String(); got != want {
			t.Errorf("%s: %s, want %s", groups[i].workload, got, want)
		}
	}
	if got := groups[2].overPeer(groups[2].rows[0]); got != "< 0.10" {
		t.Errorf("times of a peer that was not waited for = %s, want < 0.10", got)
	}
	path := filepath.Join(t.TempDir(), "results.md")
	if err := rep.document(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/results.md", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/results.md")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the document differs from testdata/results.md (renew it with -update): %v\n%s",
			err, got)
	}
	if kept, err := load(strings.TrimSuffix(path, ".md") + ".json"); err != nil ||
		!reflect.DeepEqual(kept, rep) {
		t.Errorf("the rows beside the document are %+v, %v; want the report's", kept, err)
	}
	svg, err := os.ReadFile(strings.TrimSuffix(path, ".md") + "-fast.svg")
	if err != nil || !bytes.HasPrefix(svg, []byte("<svg")) {
		t.Errorf("the chart is no SVG: %v, %.40q", err, svg)
	}
	for _, label := range []string{">2 s<", ">4 s<", ">0.75 s<",
		">12.5 s<", ">write_1g<", ">s3share<"} {
		if !bytes.Contains(svg, []byte(label)) {
			t.Errorf("the chart has no %s", label)
		}
	}
}
