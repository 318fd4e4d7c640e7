// Bench measures mounts of an S3 bucket against each other: s3share, and those
// of s3fs, rclone, geesefs, mount-s3 and goofys that it finds. It brings the bucket
// along (see memserver), so that all that is measured is the mounts' own doing.
//
//	bench                                  all that is compared, near and far
//	bench --profiles far --workloads ls_10k,read_1g --contenders s3share,limit
//	bench --workloads read_1g --runs 5     one of them, more often
//	bench --move                           put and get beside rclone copy, without a mount
//	bench --list                           all workloads and contenders
//	bench --update docs/benchmarks.md      write the results down, with charts
//	bench memserver --profile far          only the bucket, to try things on
//
// For each workload, contenders take turns, run after run, so that what else the
// machine does meets them all alike. Each run is a new mount of a bucket filled
// anew. A run counts only if every byte read was right, or every byte written is
// in the bucket: time runs until the last object is there, not until close
// returned. The contender "limit" is no mount but a plain HTTP client that sends
// the fewest requests that would do, in parallel; "fuse-limit" is a file system with
// nothing behind it.
//
// The program under test runs as one process, the programs that use the mount and
// the bucket as others: bench starts itself for these.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt,
		syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "memserver":
			return serve(ctx, args[1:])
		case "nullfs":
			return serveNothing(ctx, args[1:])
		case "app", "first", "limit": // children of a bench, see child.go
			return child(ctx, args[0], args[1:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.list {
		return list(os.Stdout)
	}
	if o.from != "" {
		rep, err := load(o.from)
		if err != nil {
			return err
		}
		for _, g := range rep.groups() {
			if err := rep.table(os.Stdout, g); err != nil {
				return err
			}
		}
		return rep.update(o)
	}
	if o.move {
		return o.moves(ctx)
	}
	// After an interrupt, rep has what was measured until then.
	rep, err := o.results(ctx, func(rep *report) error {
		gs := rep.groups()
		return errors.Join(rep.table(os.Stdout, gs[len(gs)-1]), rep.save(o.json))
	})
	if err != nil {
		return err
	}
	if err := rep.update(o); err != nil || !o.all {
		return err
	}
	return o.moves(ctx)
}

// update writes the document, if one is asked for.
func (rep *report) update(o *options) error {
	if o.update == "" {
		return nil
	}
	return rep.document(o.update)
}

// options are bench's flags.
type options struct {
	binary     string
	work       string
	runs       int
	within     time.Duration
	timeout    time.Duration
	profiles   []profile
	workloads  []*workload
	contenders []*contender
	asked      bool // for these contenders, by name
	list       bool
	update     string
	json       string
	from       string
	args       []string
	all        bool // no workload was named
	move       bool // measure put and get alone
	moveTo     string
}

func parse(args []string) (*options, error) {
	o := &options{args: args}
	var profiles, workloads, contenders string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "bin/s3share", "the s3share to measure")
	f.StringVar(&o.work,
		"work", "", "where mounts, caches and logs go (default: a new temporary directory)")
	f.IntVar(&o.runs, "runs", 2, "how often each contender does each workload")
	f.DurationVar(&o.within, "within", 25*time.Minute,
		"leave out second runs as far as needed to be done in this time")
	f.DurationVar(&o.timeout, "timeout", 90*time.Second, "what one run may take")
	f.StringVar(&profiles, "profiles", "fast,far", "how far away the bucket is")
	f.StringVar(&workloads, "workloads", "", "names, or all (default: all but the extra ones)")
	f.StringVar(&contenders, "contenders",
		"", "names, s3share among them or not (default: what is installed)")
	f.BoolVar(&o.list, "list", false, "tell what there is and stop")
	f.StringVar(&o.update, "update", "",
		"write the results to this Markdown `file`, charts beside it")
	f.StringVar(&o.json, "json", "", "keep the results in this `file`")
	f.BoolVar(&o.move, "move", false, "measure put and get beside rclone copy, and no mount")
	f.StringVar(&o.moveTo, "move-update", "", "write what --move measures to this Markdown `file`")
	f.StringVar(&o.from, "from", "", "measure nothing, take the results from this `file`")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 || o.runs < 1 {
		return nil, fmt.Errorf("usage: bench [flags]; no arguments, and --runs at least 1")
	}
	var err error
	if o.profiles, err = pick("profile", allProfiles, profiles,
		nil, func(p profile) string { return p.name }); err != nil {
		return nil, err
	}
	o.workloads, err = pick("workload", allWorkloads(), workloads,
		func(w *workload) bool { return !w.extra }, func(w *workload) string { return w.name })
	if err != nil {
		return nil, err
	}
	o.asked, o.all = contenders != "", workloads == ""
	o.contenders, err = pick("contender", allContenders(o.binary), contenders,
		func(c *contender) bool {
			return c.optional == nil || c.optional()
		}, func(c *contender) string { return c.name })
	return o, err
}

// pick returns those of all whose names are in the list names; for an empty list
// those that are standard; and for "all" all.
func pick[T any](what string, all []T, names string, standard func(T) bool,
	name func(T) string) ([]T, error) {
	var out []T
	if names == "" || names == "all" {
		for _, v := range all {
			if names == "all" || standard == nil || standard(v) {
				out = append(out, v)
			}
		}
		return out, nil
	}
	for n := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(v T) bool { return name(v) == n })
		if i < 0 {
			return nil, fmt.Errorf("no %s %q; see --list", what, n)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// results measures, and calls done after each workload.
func (o *options) results(ctx context.Context, done func(*report) error) (*report, error) {
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return nil, fmt.Errorf("fusermount3 is needed to mount and unmount: %w", err)
	}
	if o.work == "" {
		dir, err := os.MkdirTemp("", "s3share-bench-")
		if err != nil {
			return nil, err
		}
		defer os.Remove(dir) // kept when something is left in it
		o.work = dir
	}
	return measure(ctx, o, done)
}
