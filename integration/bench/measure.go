package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// slow is how long a run may take for the contender to be asked for it again:
// whoever needs this long needs no third decimal.
const slow = 20 * time.Second

// measure has all contenders do all workloads, by turns. After each workload it
// calls done, and goes no further when that fails.
func measure(ctx context.Context, o *options, done func(*report) error) (*report, error) {
	rep := newReport(ctx, o)
	for _, p := range o.profiles {
		if err := measureProfile(ctx, o, p, rep, done); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

func measureProfile(ctx context.Context, o *options, p profile, rep *report, done func(*report) error) (err error) {
	var heaviest int64
	for _, w := range o.workloads {
		if w.want != nil {
			heaviest = max(heaviest, w.bytes)
		}
	}
	srv, err := startServer(ctx, p, heaviest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	for _, w := range o.workloads {
		b := &bench{o: o, server: srv, workload: w}
		if w.want != nil {
			b.want = w.want()
		}
		rows := make(map[*contender]*row)
		for _, c := range o.contenders {
			if c.name == limitName && w.limit == nil {
				continue
			}
			rows[c] = rep.add(p, w, c)
		}
		for run := range o.runs {
			for i := range o.contenders {
				c := o.contenders[(i+run)%len(o.contenders)]
				r := rows[c]
				if r == nil || r.settled() {
					continue
				}
				s := b.run(ctx, c)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				r.Samples = append(r.Samples, s)
				fmt.Fprintf(os.Stderr, "%-5s %-20s %-14s %d/%d  %s\n", p.name, w.name, c.name, run+1, o.runs, s)
			}
		}
		if err := done(rep); err != nil {
			return err
		}
	}
	return nil
}

// bench is one workload against one server.
type bench struct {
	o        *options
	server   *server
	workload *workload
	want     []memserver.Entry
}

// run has c do the workload once. What goes wrong is in the sample.
func (b *bench) run(ctx context.Context, c *contender) sample {
	limited, cancel := context.WithTimeoutCause(ctx, b.o.timeout, fmt.Errorf("not done in %v", b.o.timeout))
	defer cancel()
	s, check, err := b.try(limited, c)
	if err == nil { // to check is our work, and not in its time
		err = b.verify(ctx, check)
	}
	if cause := context.Cause(limited); cause != nil && err != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if err != nil {
		s.Err = err.Error()
	}
	return s
}

// claim is what a run says it did, to be verified.
type claim struct {
	want []memserver.Entry // is in the folder; nil when nothing had to change
	read map[string]string // the CRC-32C of files, by name
}

func (b *bench) try(ctx context.Context, c *contender) (s sample, done claim, err error) {
	w := b.workload
	if err := b.server.prepare(ctx, w.fills); err != nil {
		return s, done, err
	}
	want, err := b.expect(ctx)
	if err != nil {
		return s, done, err
	}
	kind, where := "limit", b.server.url
	used := func() (usage, error) { return usage{}, nil }
	if c.name != limitName {
		m, err := start(ctx, c, b.server.url, b.o.work)
		if err != nil {
			return s, done, err
		}
		defer func() { err = errors.Join(err, m.close()) }()
		kind, where = "app", m.folder()
		used = func() (usage, error) { return usageOf(m.cmd.Process.Pid) }
	}
	if w.warm {
		if _, err := spawn(ctx, b.o.work, kind, w.name, where); err != nil {
			return s, done, err
		}
	}

	if err := b.server.resetCounts(ctx); err != nil {
		return s, done, err
	}
	server0, err := b.server.cpu(ctx)
	if err != nil {
		return s, done, err
	}
	used0, err := used()
	if err != nil {
		return s, done, err
	}
	out, err := spawn(ctx, b.o.work, kind, w.name, where)
	if err != nil {
		return s, done, err
	}
	end := out.End
	if want != nil {
		if err := b.server.wait(ctx, want); err != nil {
			return s, done, fmt.Errorf("not delivered: %w", err)
		}
		if c.name != limitName {
			end = monotonic()
		}
	}
	used1, err := used()
	if err != nil {
		return s, done, err
	}
	server1, err := b.server.cpu(ctx)
	if err != nil {
		return s, done, err
	}
	if s.Counts, err = b.server.counts(ctx); err != nil {
		return s, done, err
	}
	s.Seconds, s.Program = (end - out.Start).Seconds(), (out.End - out.Start).Seconds()
	s.CPU, s.RSS = used1.cpu-used0.cpu, used1.rss
	s.ServerCPU, s.ProgramCPU = server1-server0, out.cpu
	if c.name == limitName { // its own process is what it costs
		s.CPU, s.RSS, s.ProgramCPU = out.cpu, out.RSS, 0
	}
	return s, claim{want, out.Hashes}, nil
}

// expect returns what the folder must hold in the end, nil if it does not matter.
func (b *bench) expect(ctx context.Context) ([]memserver.Entry, error) {
	if b.workload.changed == "" {
		return b.want, nil
	}
	tree, err := b.server.tree(ctx, "")
	if err != nil {
		return nil, err
	}
	want := slices.Clone(b.want)
	for i, e := range want {
		for _, old := range tree {
			if old.Key == e.Key && old.Key == folder+"/"+b.workload.changed {
				want[i].ETag = old.ETag
			}
		}
	}
	return want, nil
}

// verify compares what was delivered, or what was read, byte for byte.
func (b *bench) verify(ctx context.Context, done claim) error {
	if done.want != nil {
		tree, err := b.server.tree(ctx, "sha256")
		if err != nil {
			return err
		}
		have := make(map[string]string)
		for _, e := range tree {
			have[e.Key] = e.Hash
		}
		for _, e := range done.want {
			if have[e.Key] != e.Hash {
				return fmt.Errorf("wrong bytes in the bucket: %s", e.Key)
			}
		}
	}
	if len(done.read) != b.workload.reads {
		return fmt.Errorf("%d of %d files were read", len(done.read), b.workload.reads)
	}
	if len(done.read) == 0 {
		return nil
	}
	tree, err := b.server.tree(ctx, "crc32c")
	if err != nil {
		return err
	}
	for _, e := range tree {
		name := strings.TrimPrefix(e.Key, folder+"/")
		if got, ok := done.read[name]; ok && got != e.Hash {
			return fmt.Errorf("wrong bytes read: %s", name)
		}
	}
	return nil
}
