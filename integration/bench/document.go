package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// preface stands above the figures.
const preface = `# Benchmarks

<!-- Written by integration/bench (--update); change the text there. -->

What s3share costs and how fast it is, beside other programs that mount a bucket.
To measure on your machine:

    make bench                                               # all of it, near and far
    make bench BENCH="--profiles far --workloads ls_10k"     # a part
    make bench BENCH=--list                                  # what there is
    make bench BENCH=--move                                  # put and get alone, which need no mount

Peers are found in PATH: s3fs and rclone are in Debian. Where geesefs, mount-s3 or goofys are not, BENCH_GEESEFS,
BENCH_MOUNT_S3 and BENCH_GOOFYS name their programs.

**Read ratios, not seconds.** Bucket, mount and program share one machine, so the seconds say little
about yours. Contenders take turns at each workload, so a ratio within one table holds; one below 1.3
is a tie.

- **Each run is a new mount of a bucket filled anew**, with nothing cached. (Where a workload is done a
  second time, that one counts.)
- **Time runs until the bytes are in the bucket**, for all that write: until the last object is complete
  under its name, not until close returned. "program s" is when the program was done. s3share waits 250 ms after
  each last close before it delivers ([why](semantics.md#delivery)), and that counts: of append_1m_to_256m and
  overwrite_1m_of_256m it is nearly all of the time, of create_1000 and write_1g a part. The program waits for none
  of it.
- **A run counts only if it is right**: each byte read is compared, and each object written. Who gives a
  wrong answer has a row that says so.
- **A peer that is far slower is not waited for**: "> 10" means that it was ended after 10 s. What took longer
  than 3 s once was not done again, and second runs are left out where all would take longer than
  --within.
- **CPU and memory** are of the mount's own processes. CPU is user and system, for each GiB where data
  moves; "peak MiB" is the largest resident set since the mount. "moved MiB" are bytes of bodies at the bucket, and
  how many times as much as the program read or wrote that is.
- **✓** where s3share's time is within its goal, in times of the best peer's, its memory within 256 MiB, and its requests
  no more than the fewest of any peer plus one; else what it missed.
- **"limit"** is no mount but a plain HTTP client that sends the least that would do, 32 requests at once, unsigned and
  unhashed: what the bucket can give, not what a mount could reach. "fuse-limit" is a file system that makes up what is read
  and forgets what is written: what the kernel lets through.
- **The bucket** is in memory (integration/bench/memserver), far cheaper than a real one; "server CPU s" is what
  it took. In the profile "far" it is as slow as a bucket in another region. It speaks TLS where the workload says so.
`

// document writes a summary of the report as Markdown to path, and charts and all rows, as JSON,
// to files of the same name beside it.
func (rep *report) document(path string) error {
	var b bytes.Buffer
	b.WriteString(preface)
	fmt.Fprintf(&b, "\nMeasured on %s with `%s`, in %.0f minutes, on %s.\n\n", rep.Date,
		rep.Command, rep.Seconds/60, rep.Machine)
	name := strings.TrimSuffix(filepath.Base(path), ".md")
	fmt.Fprintf(&b,
		"All rows are in [%s.json](%[1]s.json): `bench --from docs/%[1]s.json` prints them as tables, with memory, bytes moved,\n"+
			"and the requests of each contender by operation.\n\n", name)
	b.WriteString("| contender | version | set up |\n|---|---|---|\n")
	for _, c := range rep.Contenders {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, cell(c.Version), cell(c.What))
	}
	var all []group
	for _, g := range rep.groups() {
		if g.complete() {
			all = append(all, g)
		}
	}
	for _, p := range allProfiles {
		of := slices.DeleteFunc(slices.Clone(all),
			func(g group) bool { return g.profile != p.name || g.idle() })
		if len(of) == 0 {
			continue
		}
		svg, err := chart(p.String(), of)
		if err != nil {
			return err
		}
		image := name + "-" + p.name + ".svg"
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), image), svg, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n## %s\n\n", rep.Profiles[p.name])
		overview(&b, of)
		fmt.Fprintf(&b, "\n![times of each contender](%s)\n", image)
	}
	rep.costs(&b, all)
	if err := rep.save(strings.TrimSuffix(path, ".md") + ".json"); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// overview tells in one table where s3share stands.
func overview(b *bytes.Buffer, groups []group) {
	b.WriteString(
		"| workload | s3share, s | best peer, s | × best peer | goal | | × limit | requests | fewest of a peer |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, g := range groups {
		v := g.verdict()
		if v.mine == nil {
			fmt.Fprintf(b, "| %s | failed | | | %s | ✗ | | | |\n", g.workload, ratio(v.goal))
			continue
		}
		least, exact := g.bound()
		best := "-"
		switch {
		case exact:
			best = fmt.Sprintf("%s %.3f", g.bestPeer().Contender, least)
		case !math.IsNaN(least):
			best = fmt.Sprintf("> %.0f", least)
		}
		mark := "✓"
		if !v.reached {
			mark = "✗ " + v.why
		}
		few := "-"
		if n, ok := g.fewest(); ok {
			few = fmt.Sprint(n)
		}
		fmt.Fprintf(b, "| %s | %.3f | %s | %s | %s | %s | %s | %d | %s |\n", g.workload,
			v.mine.seconds(), best, g.overPeer(v.mine),
			ratio(v.goal), mark, g.overLimit(v.mine), v.mine.best().requests(), few)
	}
}

// costs tells what is not time: processors, memory, and doing nothing.
func (rep *report) costs(b *bytes.Buffer, groups []group) {
	var names []string
	peaks := make(map[string]int64)
	for _, g := range groups {
		for _, r := range g.rows {
			if r.Contender == limitName {
				continue
			}
			if !slices.Contains(names, r.Contender) {
				names = append(names, r.Contender)
			}
			peaks[r.Contender] = max(peaks[r.Contender], r.peak())
		}
	}
	find := func(profile, workload, contender string) *row {
		for _, g := range groups {
			if g.profile == profile && g.workload == workload {
				return g.row(contender)
			}
		}
		return nil
	}
	b.WriteString(
		"\n## What it costs\n\nProcessor time of the mount for each GiB, in the profile \"fast\"; the largest resident set in any workload; and\n" +
			"20 s of nothing to do. s3share's goals: " +
			fmt.Sprintf(
				"%g and %g times the best peer's processor time for reading and writing, at most %d MiB\nin any workload, at most %d MiB at idle.\n\n",
				goalReadCPU, goalWriteCPU, goalPeakRSS/mib, goalIdleRSS/mib))
	b.WriteString(
		"| contender | CPU s/GiB read | written | read, TLS | written, TLS | most MiB | idle: MiB | CPU s | wake-ups | requests |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range names {
		cells := []string{name}
		for _, workload := range []string{"read_1g", "write_1g", "read_1g_tls", "write_1g_tls"} {
			if r := find("fast", workload, name); r != nil {
				cells = append(cells, fmt.Sprintf("%.2f", r.cpu()))
			} else {
				cells = append(cells, "-")
			}
		}
		cells = append(cells, fmt.Sprintf("%.0f", float64(peaks[name])/mib))
		if r := find("fast", idleName, name); r != nil {
			cells = append(cells, group{}.idleCells(r)[1:]...)
		} else {
			cells = append(cells, "-", "-", "-", "-")
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
	b.WriteString("\n")
	for _, g := range groups {
		goal := map[string]float64{"read_1g": goalReadCPU, "write_1g": goalWriteCPU}[g.workload]
		mine, best := g.row(subject), g.leastPeer((*row).cpu)
		if goal == 0 || mine == nil || best == nil {
			continue
		}
		x := mine.cpu() / best.cpu()
		mark := "✓"
		if x > goal {
			mark = "✗"
		}
		fmt.Fprintf(b, "- %s, %s: %s times the processor time of %s, goal %g %s\n",
			g.profile, g.workload, ratio(x), best.Contender, goal, mark)
	}
}

// cell is s as it may stand in a table of Markdown.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
