package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// move is a transfer without a mount, from or to a directory.
type move struct {
	name, what string
	put        bool
	count      int
	size       int64
}

var allMoves = []move{
	{"put_1g", "put one file of 1 GiB", true, 1, gib},
	{"put_2000", "put 2,000 files of 16 KiB", true, 2000, 16 << 10},
	{"get_1g", "get one file of 1 GiB", false, 1, gib},
	{"get_2000", "get 2,000 files of 16 KiB", false, 2000, 16 << 10},
}

// mover is a program that moves whole files.
type mover struct {
	name, what string
	binary     func() (string, error)
	// args moves between a directory and the folder.
	args func(m move, url, dir, home string) []string
}

func rcloneCopy(more ...string) func(move, string, string, string) []string {
	return func(m move, url, dir, _ string) []string {
		from, to := ":s3:"+bucket+"/"+folder, dir
		if m.put {
			from, to = to, from
		}
		return append([]string{"copy", from, to, "--s3-provider",
			"Other", "--s3-env-auth", "--s3-endpoint", url,
			"--s3-region", region, "--s3-force-path-style", "--s3-no-check-bucket"}, more...)
	}
}

func allMovers(binary string) []mover {
	return []mover{
		{subject, "as it comes", func() (string, error) {
			abs, err := filepath.Abs(binary)
			if err != nil {
				return "", err
			}
			return exec.LookPath(abs)
		}, func(m move, url, dir, home string) []string {
			flags := []string{"--bucket", bucket, "--endpoint-url", url, "--region",
				region, "--folder", folder, "--state-dir", filepath.Join(home, "state")}
			if !m.put {
				return append([]string{"get", folder, dir}, flags...)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "*")) // the pattern is fine
			return append(append([]string{"put"}, append(files, folder)...), flags...)
		}},
		{"rclone", "copy, as it comes", inPath("rclone"), rcloneCopy()},
		{"rclone:tuned",
			"copy with 32 transfers, 16 chunks of 16 MiB at once, 16 streams a file, no hash of bodies", inPath("rclone"),
			rcloneCopy("--transfers", "32", "--checkers", "32", "--s3-upload-concurrency",
				"16", "--s3-chunk-size", "16M", "--s3-upload-cutoff", "16M",
				"--multi-thread-streams", "16", "--multi-thread-cutoff", "32M", "--s3-no-head",
				"--s3-disable-checksum", "--fast-list")},
	}
}

// moved is what one run has cost.
type moved struct {
	seconds, cpu float64
	peak         int64 // bytes
	requests     int64
}

// measureMoves measures put and get beside their peers, and writes a table for each profile.
func measureMoves(ctx context.Context, o *options, w io.Writer) (err error) {
	if o.work == "" {
		dir, err := os.MkdirTemp("", "s3share-bench-")
		if err != nil {
			return err
		}
		defer os.Remove(dir) // kept when something is left in it
		o.work = dir
	}
	var movers []mover
	for _, m := range allMovers(o.binary) {
		if _, err := m.binary(); err == nil {
			movers = append(movers, m)
		} else if m.name == subject {
			return err
		}
	}
	fmt.Fprintln(w, "| program | set up |\n|---|---|")
	for _, m := range movers {
		fmt.Fprintf(w, "| %s | %s |\n", m.name, m.what)
	}
	for _, p := range o.profiles {
		if err := measureMovesAt(ctx, o, p, movers, w); err != nil {
			return err
		}
	}
	return nil
}

func measureMovesAt(ctx context.Context, o *options, p profile,
	movers []mover, w io.Writer) (err error) {
	srv, err := startServer(p, gib, o.work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	fmt.Fprintf(w,
		"\n## %s\n\n| | program | s | s3share's time is × | CPU s | peak MiB | requests |\n|---|---|---|---|---|---|---|\n", p)
	for _, m := range allMoves {
		fix, err := m.fixture(o.work)
		if err != nil {
			return err
		}
		best := map[string]moved{}
		for run := range o.runs {
			for i := range movers {
				by := movers[(i+run)%len(movers)]
				got, err := oneMove(ctx, o, srv, fix, by)
				if err != nil {
					return fmt.Errorf("%s by %s: %w", m.name, by.name, err)
				}
				fmt.Fprintf(os.Stderr, "%-5s %-10s %-14s %d/%d  %.2f s\n", p.name,
					m.name, by.name, run+1, o.runs, got.seconds)
				if had, ok := best[by.name]; !ok || got.seconds < had.seconds {
					best[by.name] = got
				}
			}
		}
		for _, by := range movers {
			b := best[by.name]
			ratio := ""
			if by.name != subject {
				ratio = fmt.Sprintf("%.2f", best[subject].seconds/b.seconds)
			}
			fmt.Fprintf(w, "| %s | %s | %.2f | %s | %.1f | %d | %d |\n", m.what, by.name, b.seconds,
				ratio, b.cpu, b.peak>>20, b.requests)
		}
		if err := os.RemoveAll(fix.dir); err != nil {
			return err
		}
	}
	return nil
}

// oneMove has a program do a move once, and checks every byte.
func oneMove(ctx context.Context, o *options, srv *server, m *moveFixture,
	by mover) (_ moved, err error) {
	home, err := os.MkdirTemp(o.work, "move-")
	if err != nil {
		return moved{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	dir := filepath.Join(home, "files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return moved{}, err
	}
	fills := []memserver.Fill{{Key: "f%05d", Count: m.count, Size: m.size, Seed: seedSmall}}
	if m.put {
		fills, dir = []memserver.Fill{}, m.dir
	}
	if err := srv.prepare(ctx, fills, m.put); err != nil {
		return moved{}, err
	}
	if err := srv.resetCounts(ctx); err != nil {
		return moved{}, err
	}
	binary, err := by.binary()
	if err != nil {
		return moved{}, err
	}
	rctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	cmd := exec.CommandContext(rctx, binary, by.args(m.move, srv.url, dir, home)...)
	cmd.Env = append(environment(), "HOME="+home, "RCLONE_CONFIG="+os.DevNull)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return moved{}, err
	}
	done, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- peakUntil(done, cmd.Process.Pid) }()
	err = cmd.Wait()
	got := moved{seconds: time.Since(begin).Seconds()}
	close(done)
	got.peak = <-peak
	if err != nil {
		return moved{}, fmt.Errorf("%w: %s", err, out.Bytes()[:min(out.Len(), 1000)])
	}
	got.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	counts, err := srv.takeCounts(ctx)
	if err != nil {
		return moved{}, err
	}
	for _, n := range counts.Ops {
		got.requests += n
	}
	return got, m.check(ctx, srv, dir)
}

// peakUntil is the largest resident set of a process, in bytes. What wait4 tells of it is no
// less than that of its parent was.
func peakUntil(done chan struct{}, pid int) (peak int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // none once it has ended
		for line := range strings.Lines(string(status)) {
			var kib int64
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
				peak = max(peak, kib<<10)
			}
		}
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// moveFixture is the files of a move, and their hashes.
type moveFixture struct {
	move
	dir  string
	sums []string
}

func (m move) file(i int) string { return fmt.Sprintf("f%05d", i) }

func (m move) fixture(work string) (*moveFixture, error) {
	dir, err := os.MkdirTemp(work, "files-")
	if err != nil {
		return nil, err
	}
	f := &moveFixture{move: m, dir: dir}
	for i := range m.count {
		b := memserver.Random(m.size, seedSmall+int64(i))
		sum := sha256.Sum256(b)
		f.sums = append(f.sums, hex.EncodeToString(sum[:]))
		if m.put {
			if err := os.WriteFile(filepath.Join(dir, m.file(i)), b, 0o600); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// check compares every byte that was moved.
func (m *moveFixture) check(ctx context.Context, srv *server, dir string) error {
	if !m.put {
		for i, want := range m.sums {
			f, err := os.Open(filepath.Join(dir, m.file(i)))
			if err != nil {
				return err
			}
			h := sha256.New()
			_, err = io.Copy(h, f)
			f.Close()
			if err != nil || hex.EncodeToString(h.Sum(nil)) != want {
				return fmt.Errorf("%s is wrong, error %v", m.file(i), err)
			}
		}
		return nil
	}
	tree, err := srv.tree(ctx, "sha256")
	if err != nil {
		return err
	}
	tree = slices.DeleteFunc(tree,
		func(e memserver.Entry) bool { return strings.HasSuffix(e.Key, "/") })
	if len(tree) != m.count {
		return fmt.Errorf("the bucket has %d objects, want %d", len(tree), m.count)
	}
	for i, e := range tree {
		if e.Hash != m.sums[i] {
			return fmt.Errorf("%s is wrong", e.Key)
		}
	}
	return nil
}

const movePreface = `# Benchmarks of put and get

<!-- Written by integration/bench (--move-update); change the text there. -->

What [s3share put and get](semantics.md#put-and-get-without-a-mount) take beside rclone copy, of Debian, in one run:

    make bench BENCH=--move

As in the [benchmarks of mounts](benchmarks.md), read ratios, not seconds: bucket and program share one machine. Each
run begins with an empty directory or an empty folder, and counts only if every byte is right; the best of the
runs is shown. s3share syncs each file that it fetches to the disk, which rclone does not.

`

// moves measures put and get, and shows the tables.
func (o *options) moves(ctx context.Context) error {
	var text bytes.Buffer
	text.WriteString(movePreface)
	fmt.Fprintf(&text, "Measured on %s with `bench %s`, on %s.\n\n",
		time.Now().Format(time.DateOnly), strings.Join(o.args, " "), machine())
	err := measureMoves(ctx, o, io.MultiWriter(os.Stdout, &text))
	if err != nil || o.moveTo == "" {
		return err
	}
	return os.WriteFile(o.moveTo, text.Bytes(), 0o644)
}
