package main

import (
	"bytes"
	"fmt"
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

    make bench                          # the standard workloads
    make bench BENCH="--profiles far"   # with the bucket far away; takes its time
    make bench BENCH=--list             # what else there is

**Read ratios, not seconds.** Bucket, mount and program share one machine, so the seconds say little
about yours. Contenders take turns at each workload, so a ratio within one table holds; one below 1.3
is a tie.

- **Each run is a new mount of a bucket filled anew**, with nothing cached. (Workloads that are warm do
  the same thing twice in one mount; the second time counts.)
- **Time runs until the bytes are in the bucket**, for all that write: until the last object is complete
  under its name, not until close returned. "program s" is when the program was done.
- **A run counts only if it is right**: each byte read is compared, and each object written. Who gives a
  wrong answer, or none in time, has a row that says so.
- **CPU and RSS** are of the mount's own processes. CPU is user and system, for each GiB where data
  moves; RSS is the peak since the mount.
- **"limit"** is no mount but a plain HTTP client that sends the least that would do, in parallel, unsigned and
  unhashed: what the bucket can give, not what a mount could reach. Its CPU holds its checks as well.
- **The bucket** is in memory (integration/bench/memserver), far cheaper than a real one. In the profile
  "far" it is as slow as a bucket in another region. Nothing here is encrypted on the way: TLS costs all the same.
- What took longer than 20 s once was not done again.
`

// document writes the report as Markdown to path, with charts in files beside it.
func (rep *report) document(path string) error {
	var b bytes.Buffer
	b.WriteString(preface)
	fmt.Fprintf(&b, "\nMeasured on %s with `%s`, on %s.\n\n", rep.Date, rep.Command, rep.Machine)
	b.WriteString("| contender | version | set up |\n|---|---|---|\n")
	for _, c := range rep.Contenders {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, cell(c.Version), cell(c.What))
	}
	groups := rep.groups()
	for _, p := range allProfiles {
		var of []group
		for _, g := range groups {
			if g.profile == p.name && g.complete() {
				of = append(of, g)
			}
		}
		if len(of) == 0 {
			continue
		}
		svg, err := chart(p.String(), of)
		if err != nil {
			return err
		}
		image := strings.TrimSuffix(filepath.Base(path), ".md") + "-" + p.name + ".svg"
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), image), svg, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n## %s\n\n![times of each contender](%s)\n\n", rep.Profiles[p.name], image)
		overview(&b, of)
		for _, g := range of {
			rep.section(&b, g)
		}
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// overview tells in one table where s3share stands.
func overview(b *bytes.Buffer, groups []group) {
	b.WriteString("| workload | s3share, s | best peer, s | s3share × best peer | s3share × limit |\n|---|---|---|---|---|\n")
	for _, g := range groups {
		mine, best := "not measured", "-"
		peer, limit := "-", "-"
		if i := slices.IndexFunc(g.rows, func(r *row) bool { return r.Contender == subject }); i >= 0 {
			if mine = "failed"; g.rows[i].failure() == "" {
				mine = fmt.Sprintf("%.3f", g.rows[i].seconds())
				p, l := g.times(g.rows[i])
				peer, limit = ratio(p), ratio(l)
			}
		}
		if r := g.bestPeer(); r != nil {
			best = fmt.Sprintf("%s %.3f", r.Contender, r.seconds())
		}
		fmt.Fprintf(b, "| [%s](#%s) | %s | %s | %s | %s |\n", g.workload, anchor(g), mine, best, peer, limit)
	}
}

func anchor(g group) string { return g.profile + "-" + g.workload }

func (rep *report) section(b *bytes.Buffer, g group) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", anchor(g), rep.Workloads[g.workload])
	heads := slices.Clone(columns)
	heads[0] = "contender"
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(heads, " | "), strings.Repeat("---|", len(heads)))
	for _, r := range g.rows {
		cells := g.cells(r)
		for i := range cells {
			cells[i] = cell(cells[i])
		}
		for len(cells) < len(heads) {
			cells = append(cells, "")
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}

// cell is s as it may stand in a table of Markdown.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
