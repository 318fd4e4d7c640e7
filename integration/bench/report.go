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
	Seconds    float64           `json:"seconds"` // that all took
	Rows       []*row            `json:"rows"`

	begin time.Time
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
	Seconds    float64 `json:"seconds"`     // until all is read, or delivered
	Program    float64 `json:"program"`     // until the program was done
	CPU        float64 `json:"cpu"`         // of the contender's processes
	ProgramCPU float64 `json:"program_cpu"` // of the program
	ServerCPU  float64 `json:"server_cpu"`
	// Peak is the contender's largest resident set since its start.
	Peak int64 `json:"peak"`
	RSS  int64 `json:"rss"` // its resident set in the end
	// Switches is how often its threads went to sleep by themselves.
	Switches int64            `json:"switches"`
	Counts   memserver.Counts `json:"counts"`
	// RandomReads is how many random reads the program did.
	RandomReads int64  `json:"random_reads,omitempty"`
	Err         string `json:"err,omitempty"`
	// Over is how long it was given, if it was not done in that time.
	Over float64 `json:"over,omitempty"`
}

// requests is how many there were.
func (s sample) requests() (n int64) {
	for _, k := range s.Counts.Ops {
		n += k
	}
	return n
}

func (s sample) String() string {
	if s.Err != "" {
		return "FAILED: " + s.Err
	}
	text := fmt.Sprintf("%.3f s, program %.3f s, cpu %.2f s, server's %.2f s, %d MiB",
		s.Seconds, s.Program, s.CPU, s.ServerCPU, s.Peak/mib)
	if n := float64(s.RandomReads); n > 0 {
		text += fmt.Sprintf(", %.0f random reads a second, %.0f µs of cpu each",
			n/s.Program, s.CPU/n*1e6)
	}
	return text
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

// over is the time after which a run of the row was ended, 0 if none was.
func (r *row) over() float64 {
	for _, s := range r.Samples {
		if s.Over > 0 {
			return s.Over
		}
	}
	return 0
}

// peer reports whether the row is one of those that s3share is held against.
func (r *row) peer() bool {
	return r.Contender != subject && r.Contender != limitName && r.Contender != nullName
}

// best is the fastest run.
func (r *row) best() sample {
	return slices.MinFunc(r.Samples,
		func(a, b sample) int { return cmp.Compare(a.Seconds, b.Seconds) })
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
		begin:   time.Now(),
		Command: strings.TrimSpace("bench " + strings.Join(telling(o.args), " ")),
		Date:    time.Now().UTC().Format(time.DateOnly),
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
	if c.version == "" {
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
	return fmt.Sprintf("%d processors, %d GiB of memory, Linux %s, %s", runtime.NumCPU(),
		ram, kernel, runtime.Version())
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
		if n := len(out); n == 0 || out[n-1].profile != r.Profile ||
			out[n-1].workload != r.Workload {
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

// row is that of a contender, nil if it has none with figures.
func (g group) row(contender string) *row {
	for _, r := range g.rows {
		if r.Contender == contender && r.failure() == "" {
			return r
		}
	}
	return nil
}

// times is r's median over another's; NaN if that has none.
func (r *row) times(other *row) float64 {
	if other == nil {
		return math.NaN()
	}
	return r.seconds() / other.seconds()
}

// bestPeer is the fastest row but s3share's and the limits', nil if there is none.
func (g group) bestPeer() *row {
	return g.leastPeer((*row).seconds)
}

// leastPeer is the peer's row with the least of what of says.
func (g group) leastPeer(of func(*row) float64) *row {
	var best *row
	for _, r := range g.rows {
		if r.peer() && r.failure() == "" && (best == nil || of(r) < of(best)) {
			best = r
		}
	}
	return best
}

// bound is how long each peer took at least: the best one's time, or less, that
// of one that was ended before it was done. NaN if no peer took part.
func (g group) bound() (seconds float64, exact bool) {
	seconds = math.NaN()
	if best := g.bestPeer(); best != nil {
		seconds, exact = best.seconds(), true
	}
	for _, r := range g.rows {
		if o := r.over(); r.peer() && o > 0 && !(seconds <= o) {
			seconds, exact = o, false
		}
	}
	return seconds, exact
}

// fewest is the least number of requests of any peer; ok is false if none is known.
func (g group) fewest() (n int64, ok bool) {
	r := g.leastPeer(func(r *row) float64 { return float64(r.best().requests()) })
	if r == nil {
		return 0, false
	}
	return r.best().requests(), true
}

// verdict is how s3share did in a group.
type verdict struct {
	mine    *row
	goal    float64
	times   float64 // of the best peer, NaN if that is not known
	exact   bool    // else times is less than that
	reached bool
	why     string // else what is missing
}

func (g group) verdict() verdict {
	v := verdict{mine: g.row(subject), goal: goals[g.workload].in(g.profile), times: math.NaN()}
	if v.mine == nil {
		v.why = "failed"
		return v
	}
	least, exact := g.bound()
	v.times, v.exact = v.mine.seconds()/least, exact
	var missing []string
	if v.goal > 0 && !math.IsNaN(v.times) && v.times > v.goal {
		missing = append(missing, "time")
	}
	if n := v.mine.best().Counts.Ops["GetObject"]; goals[g.workload].noGets && n > 0 {
		missing = append(missing, fmt.Sprintf("%d GETs", n))
	}
	if n, ok := g.fewest(); ok && v.mine.best().requests() > n+moreRequests {
		missing = append(missing, "requests")
	}
	if v.mine.peak() > goalPeakRSS {
		missing = append(missing, "memory")
	}
	v.why = strings.Join(missing, ", ")
	v.reached = v.why == ""
	return v
}

// peak is the largest resident set of all runs.
func (r *row) peak() (n int64) {
	for _, s := range r.Samples {
		n = max(n, s.Peak)
	}
	return n
}

// cpu is the contender's processor time, for a GiB where bytes move.
func (r *row) cpu() float64 {
	s := r.median(func(s sample) float64 { return s.CPU })
	if r.Bytes > 0 {
		s *= gib / float64(r.Bytes)
	}
	return s
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

// save writes the report to a file as JSON, one row a line, unless path is empty.
func (rep *report) save(path string) error {
	if path == "" {
		return nil
	}
	head := *rep
	head.Rows = nil
	b, err := json.MarshalIndent(&head, "", "\t")
	if err != nil {
		return err
	}
	b, ok := bytes.CutSuffix(b, []byte("null\n}"))
	if !ok {
		panic("rows are not the last field of a report")
	}
	b = append(b, '[')
	for i, r := range rep.Rows {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, "\n\t\t"...), line...)
	}
	return os.WriteFile(path, append(b, "\n\t]\n}\n"...), 0o644)
}

func load(path string) (*report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rep := new(report)
	return rep, json.Unmarshal(b, rep)
}
