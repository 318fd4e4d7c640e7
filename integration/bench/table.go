package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// columns are the tables' heads; cells returns what stands below.
var columns = []string{"", "median s", "best s", "program s", "MiB/s", "CPU s", "RSS MiB", "× best peer", "× limit", "requests"}

func (g group) cells(r *row) []string {
	if why := r.failure(); why != "" {
		return []string{r.Contender, "failed: " + why}
	}
	rate := "-"
	cpu := fmt.Sprintf("%.2f", r.median(func(s sample) float64 { return s.CPU }))
	if r.Bytes > 0 {
		rate = fmt.Sprintf("%.0f", float64(r.Bytes)/mib/r.seconds())
		cpu = fmt.Sprintf("%.2f/GiB", r.median(func(s sample) float64 { return s.CPU })*gib/float64(r.Bytes))
	}
	peer, limit := g.times(r)
	return []string{
		r.Contender,
		fmt.Sprintf("%.3f", r.seconds()),
		fmt.Sprintf("%.3f", r.best().Seconds),
		fmt.Sprintf("%.3f", r.median(func(s sample) float64 { return s.Program })),
		rate, cpu,
		fmt.Sprintf("%.0f", r.median(func(s sample) float64 { return float64(s.RSS) / mib })),
		ratio(peer), ratio(limit),
		requests(r.best().Counts),
	}
}

func ratio(x float64) string {
	switch {
	case math.IsNaN(x):
		return "-"
	case x < 9.95:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// table writes one workload's rows for a terminal.
func (rep *report) table(w io.Writer, g group) error {
	fmt.Fprintf(w, "\n%s, %s: %s\n", g.profile, g.workload, rep.Workloads[g.workload])
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns, "\t"))
	for _, r := range g.rows {
		fmt.Fprintln(t, strings.Join(g.cells(r), "\t"))
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
		fmt.Fprintf(t, "  %s\t%s\n", star(wl.name, wl.standard), wl.what)
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
