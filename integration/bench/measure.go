package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// slow is how long a run may take for the contender to be asked for it again:
// whoever needs this long needs no third decimal.
const slow = 3 * time.Second

// measure has all contenders do all workloads, by turns. After each workload it
// calls done, and goes no further when that fails.
func measure(ctx context.Context, o *options, done func(*report) error) (_ *report, err error) {
	rep := newReport(ctx, o)
	defer func() { err = errors.Join(err, os.RemoveAll(filepath.Join(o.work, fixtures))) }()
	for i, p := range o.profiles {
		if err := measureProfile(ctx, o, p, i == 0, rep, done); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

func measureProfile(ctx context.Context, o *options, p profile, first bool, rep *report,
	done func(*report) error) (err error) {
	var heaviest int64
	for _, w := range o.workloads {
		if w.want != nil {
			heaviest = max(heaviest, w.bytes)
		}
	}
	srv, err := startServer(p, heaviest, o.work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	for _, w := range o.workloads {
		if w.idle > 0 && !first {
			continue
		}
		b, err := newBench(o, srv, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if err := b.runs(ctx, p, rep); err != nil {
			return err
		}
		rep.Seconds = time.Since(rep.begin).Seconds()
		if err := done(rep); err != nil {
			return err
		}
	}
	return nil
}

// newBench makes what w needs, unless an earlier workload did.
func newBench(o *options, srv *server, w *workload) (*bench, error) {
	b := &bench{o: o, server: srv, workload: w}
	if w.fixture != nil {
		b.fixture = filepath.Join(o.work, fixtures, w.fixture.name)
		if _, err := os.Stat(b.fixture); err != nil {
			if err := os.MkdirAll(b.fixture, 0o700); err != nil {
				return nil, err
			}
			if err := w.fixture.make(b.fixture); err != nil {
				return nil, errors.Join(err, os.RemoveAll(b.fixture))
			}
		}
	}
	var err error
	if w.want != nil {
		b.want, err = w.want(b.fixture)
	}
	return b, err
}

// fixtures is where they are below the work directory.
const fixtures = "fixtures"

// runs has all contenders take turns at the workload and adds their rows to rep.
func (b *bench) runs(ctx context.Context, p profile, rep *report) error {
	rows := make(map[*contender]*row)
	var cs []*contender
	for _, c := range b.o.contenders {
		if c.takes(b.workload, b.o.asked) {
			cs = append(cs, c)
			rows[c] = rep.add(p, b.workload, c)
		}
	}
	if len(cs) == 0 {
		return fmt.Errorf("none of the contenders does %s", b.workload.name)
	}
	runs := b.o.runs
	if b.workload.idle > 0 {
		runs = 1
	}
	for run := range runs {
		if run > 0 && b.o.late(rep) {
			break
		}
		for i := range cs {
			c := cs[(i+run)%len(cs)]
			r := rows[c]
			if r.settled() {
				continue
			}
			s := b.run(ctx, c, b.patience(c, rows, p))
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.Samples = append(r.Samples, s)
			fmt.Fprintf(os.Stderr, "%-5s %-20s %-14s %d/%d  %s\n",
				p.name, b.workload.name, c.name, run+1, runs, s)
		}
	}
	return nil
}

// late reports whether less is done than ought to be by now, as if all workloads
// took the same time.
func (o *options) late(rep *report) bool {
	share := float64(len(rep.groups())) / float64(len(o.profiles)*len(o.workloads))
	return time.Since(rep.begin).Seconds() > o.within.Seconds()*share
}

// least is what every contender may take.
const least = 10 * time.Second

// patience is how long c may take: a peer long enough for it to be seen whether
// s3share reached its goal, and by far; never longer than the flag says.
func (b *bench) patience(c *contender, rows map[*contender]*row, p profile) time.Duration {
	for other, r := range rows {
		if other.name != subject || c.name == subject || len(r.Samples) == 0 || r.failure() != "" {
			continue
		}
		seconds := 3 * r.best().Seconds
		if goal := goals[b.workload.name].in(p.name); goal > 0 {
			seconds = max(seconds, 1.25*r.best().Seconds/goal)
		}
		return min(b.o.timeout, max(least, time.Duration(seconds*float64(time.Second))))
	}
	return b.o.timeout
}

// settled reports whether another run would tell nothing new.
func (r *row) settled() bool {
	return slices.ContainsFunc(r.Samples,
		func(s sample) bool { return s.Err != "" || s.Seconds > slow.Seconds() })
}
