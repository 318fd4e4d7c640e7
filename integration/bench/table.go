package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// columns are the tables' heads; cells returns what stands below.
var columns = []string{
	"", "s", "best s", "program s", "MiB/s", "CPU s", "server CPU s", "peak MiB",
	"moved MiB", "× best peer", "× limit", "requests", "of which",
}

func (g group) cells(r *row) []string {
	if o := r.over(); o > 0 {
		return []string{r.Contender, fmt.Sprintf("> %.0f", o)}
	}
	if why := r.failure(); why != "" {
		return append(padded([]string{r.Contender, "failed"}, len(columns)-1), why)
	}
	rate, cpu := "-", fmt.Sprintf("%.2f", r.cpu())
	if r.Bytes > 0 {
		rate = fmt.Sprintf("%.0f", float64(r.Bytes)/mib/r.seconds())
		cpu += "/GiB"
	}
	best := r.best()
	bytes := float64(best.Counts.Received + best.Counts.Sent)
	moved := fmt.Sprintf("%.1f", bytes/mib)
	if r.Bytes > 0 && bytes > 0 {
		moved += fmt.Sprintf(" = %s×", ratio(bytes/float64(r.Bytes)))
	}
	return []string{
		r.Contender,
		fmt.Sprintf("%.3f", r.seconds()),
		fmt.Sprintf("%.3f", best.Seconds),
		fmt.Sprintf("%.3f", r.median(func(s sample) float64 { return s.Program })),
		rate, cpu,
		fmt.Sprintf("%.2f", r.median(func(s sample) float64 { return s.ServerCPU })),
		fmt.Sprintf("%.0f", float64(r.peak())/mib),
		moved,
		g.overPeer(r), g.overLimit(r),
		fmt.Sprint(best.requests()), requests(best.Counts),
	}
}

// padded is cells with empty ones up to n: a table of text keeps its columns only
// where every row has all.
func padded(cells []string, n int) []string {
	return append(cells, make([]string, n-len(cells))...)
}

// overPeer is r's time in times of the best peer's, as a table has it.
func (g group) overPeer(r *row) string {
	least, exact := g.bound()
	s := ratio(r.seconds() / least)
	if !exact && s != "-" {
		s = "< " + s
	}
	return s
}

// overLimit is r's time in times of the limits'.
func (g group) overLimit(r *row) string {
	s := ratio(r.times(g.row(limitName)))
	if null := g.row(nullName); null != nil {
		s += fmt.Sprintf(", FUSE %s", ratio(r.times(null)))
	}
	return s
}

func ratio(x float64) string {
	switch {
	case math.IsNaN(x):
		return "-"
	case x < 0.0995:
		return fmt.Sprintf("%.3f", x)
	case x < 9.95:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// table writes one workload's rows for a terminal.
func (rep *report) table(w io.Writer, g group) error {
	fmt.Fprintf(w, "\n%s, %s: %s\n", g.profile, g.workload, rep.Workloads[g.workload])
	if g.idle() {
		return g.idleTable(w)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns, "\t"))
	for _, r := range g.rows {
		fmt.Fprintln(t, strings.Join(padded(g.cells(r), len(columns)), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if v := g.verdict(); v.mine != nil && g.bestPeer() != nil {
		fmt.Fprintf(w, "goal %s: %s\n", ratio(v.goal), v)
	}
	return nil
}

// String is the verdict's mark.
func (v verdict) String() string {
	if v.reached {
		return "reached"
	}
	return "missed: " + v.why
}

// idleColumns are the heads of the table of mounts that do nothing.
var idleColumns = []string{"", "MiB resident", "CPU s", "wake-ups", "requests"}

func (g group) idle() bool { return g.workload == idleName }

func (g group) idleCells(r *row) []string {
	if why := r.failure(); why != "" {
		return []string{r.Contender, "failed: " + why}
	}
	s := r.best()
	return []string{r.Contender, fmt.Sprintf("%.0f", float64(s.RSS)/mib),
		fmt.Sprintf("%.2f", s.CPU), fmt.Sprint(s.Switches), requests(s.Counts)}
}

func (g group) idleTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(idleColumns, "\t"))
	for _, r := range g.rows {
		fmt.Fprintln(t, strings.Join(g.idleCells(r), "\t"))
	}
	return t.Flush()
}

// list tells all profiles, workloads and contenders; a star marks what is left out
// when nobody asks for it.
func list(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "profiles")
	for _, p := range allProfiles {
		fmt.Fprintf(t, "  %s\t%s\n", p.name, p)
	}
	fmt.Fprintln(t, "workloads (* only when asked for)")
	for _, wl := range allWorkloads() {
		fmt.Fprintf(t, "  %s\t%s\n", star(wl.name, !wl.extra), wl.what)
	}
	fmt.Fprintln(t, "contenders (* only when asked for, or not installed)")
	for _, c := range allContenders("bin/s3share") {
		fmt.Fprintf(t, "  %s\t%s\n", star(c.name, c.optional == nil || c.optional()), c.what)
	}
	return t.Flush()
}

func star(name string, standard bool) string {
	if standard {
		return name
	}
	return name + " *"
}
