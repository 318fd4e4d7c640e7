package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// report is all that a bench found out.
type report struct {
	Command    string            `json:"command"`
	Date       string            `json:"date"`
	Machine    string            `json:"machine"`
	Contenders []described       `json:"contenders"`
	Profiles   map[string]string `json:"profiles"`
	Workloads  map[string]string `json:"workloads"`
	Rows       []*row            `json:"rows"`
}

// described is a contender as the report tells it.
type described struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Version string `json:"version,omitempty"`
}

// row is one contender at one workload.
type row struct {
	Profile   string   `json:"profile"`
	Workload  string   `json:"workload"`
	Contender string   `json:"contender"`
	Bytes     int64    `json:"bytes,omitempty"` // moved by one run
	Samples   []sample `json:"samples"`
}

// sample is one run. Times are in seconds, sizes in bytes.
type sample struct {
	Seconds    float64          `json:"seconds"`     // until all is read, or delivered
	Program    float64          `json:"program"`     // until the program was done
	CPU        float64          `json:"cpu"`         // of the contender's processes
	ProgramCPU float64          `json:"program_cpu"` // of the program
	ServerCPU  float64          `json:"server_cpu"`
	RSS        int64            `json:"rss"` // the contender's peak since its start
	Counts     memserver.Counts `json:"counts"`
	Err        string           `json:"err,omitempty"`
}

func (s sample) String() string {
	if s.Err != "" {
		return "FAILED: " + s.Err
	}
	return fmt.Sprintf("%.3f s, program %.3f s, cpu %.2f s, server's %.2f s, %d MiB", s.Seconds, s.Program, s.CPU, s.ServerCPU, s.RSS/mib)
}

// settled reports whether another run would tell nothing new.
func (r *row) settled() bool {
	return slices.ContainsFunc(r.Samples, func(s sample) bool { return s.Err != "" || s.Seconds > slow.Seconds() })
}

// failure is why the row has no figures, "" if it has.
func (r *row) failure() string {
	for _, s := range r.Samples {
		if s.Err != "" {
			return s.Err
		}
	}
	if len(r.Samples) == 0 {
		return "not run"
	}
	return ""
}

// best is the fastest run.
func (r *row) best() sample {
	return slices.MinFunc(r.Samples, func(a, b sample) int { return cmp.Compare(a.Seconds, b.Seconds) })
}

// median is the median over all runs of what of says.
func (r *row) median(of func(sample) float64) float64 {
	var v []float64
	for _, s := range r.Samples {
		v = append(v, of(s))
	}
	slices.Sort(v)
	n := len(v)
	return (v[n/2] + v[(n-1)/2]) / 2
}

func (r *row) seconds() float64 { return r.median(func(s sample) float64 { return s.Seconds }) }

func newReport(ctx context.Context, o *options) *report {
	rep := &report{
		Command: strings.TrimSpace("bench " + strings.Join(telling(o.args), " ")), Date: time.Now().UTC().Format(time.DateOnly),
		Machine: machine(), Profiles: make(map[string]string), Workloads: make(map[string]string),
	}
	for _, c := range o.contenders {
		rep.Contenders = append(rep.Contenders, described{c.name, c.what, c.tell(ctx)})
	}
	return rep
}

// telling leaves out the flags that say where files are.
func telling(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		switch name {
		case "binary", "work", "json", "from", "update":
			if !joined {
				i++
			}
		default:
			out = append(out, args[i])
		}
	}
	return out
}

// tell asks the contender for its version.
func (c *contender) tell(ctx context.Context) string {
	if c.binary == nil {
		return ""
	}
	path, err := c.binary()
	if err != nil {
		return "not installed"
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	b, err := exec.CommandContext(ctx, path, c.version).Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return string(line)
}

// machine describes what may be told of the machine: what it has, not which it is.
func machine() string {
	kernel, ram := "unknown", uint64(0)
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		parts := strings.SplitN(unix.ByteSliceToString(u.Release[:]), ".", 3)
		kernel = strings.Join(parts[:min(2, len(parts))], ".")
	}
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) == nil {
		ram = uint64(si.Totalram) * uint64(si.Unit) >> 30
	}
	return fmt.Sprintf("%d processors, %d GiB of memory, Linux %s, %s", runtime.NumCPU(), ram, kernel, runtime.Version())
}

// add makes a row.
func (rep *report) add(p profile, w *workload, c *contender) *row {
	rep.Profiles[p.name], rep.Workloads[w.name] = p.String(), w.what
	r := &row{Profile: p.name, Workload: w.name, Contender: c.name, Bytes: w.bytes}
	rep.Rows = append(rep.Rows, r)
	return r
}

// group is the rows of one workload in one profile.
type group struct {
	profile, workload string
	rows              []*row
}

// groups returns the rows as tables show them.
func (rep *report) groups() []group {
	var out []group
	for _, r := range rep.Rows {
		if n := len(out); n == 0 || out[n-1].profile != r.Profile || out[n-1].workload != r.Workload {
			out = append(out, group{profile: r.Profile, workload: r.Workload})
		}
		out[len(out)-1].rows = append(out[len(out)-1].rows, r)
	}
	return out
}

// complete reports whether all contenders had their turn, before an interrupt.
func (g group) complete() bool {
	return !slices.ContainsFunc(g.rows, func(r *row) bool { return len(r.Samples) == 0 })
}

// subject is what the peers are peers of.
const subject = "s3share"

// times returns r's median over that of the best peer, and over the limit; NaN
// where there is none.
func (g group) times(r *row) (peer, limit float64) {
	peer, limit = math.NaN(), math.NaN()
	if best := g.bestPeer(); best != nil {
		peer = r.seconds() / best.seconds()
	}
	for _, o := range g.rows {
		if o.Contender == limitName && o.failure() == "" {
			limit = r.seconds() / o.seconds()
		}
	}
	return peer, limit
}

// bestPeer is the fastest row but s3share's and the limit's, nil if there is none.
func (g group) bestPeer() *row {
	var best *row
	for _, r := range g.rows {
		if r.Contender == subject || r.Contender == limitName || r.failure() != "" {
			continue
		}
		if best == nil || r.seconds() < best.seconds() {
			best = r
		}
	}
	return best
}

// requests tells what a run asked of S3, most first.
func requests(c memserver.Counts) string {
	var out []string
	ops := slices.Collect(maps.Keys(c.Ops))
	slices.SortFunc(ops, func(a, b string) int {
		return cmp.Or(cmp.Compare(c.Ops[b], c.Ops[a]), cmp.Compare(a, b))
	})
	for _, op := range ops {
		out = append(out, fmt.Sprintf("%s %d", op, c.Ops[op]))
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// save keeps the report in a file, unless that has no name.
func (rep *report) save(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(rep, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func load(path string) (*report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rep := new(report)
	return rep, json.Unmarshal(b, rep)
}
