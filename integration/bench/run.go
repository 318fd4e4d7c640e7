package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// bench is one workload against one server.
type bench struct {
	o        *options
	server   *server
	workload *workload
	fixture  string // its directory, "" for none
	want     []memserver.Entry
}

// around is how long a run may take but for what is measured: mounting, a first
// run that is not measured, unmounting.
const around = 90 * time.Second

// tooSlow is why a run ended that took longer than it may.
type tooSlow time.Duration

func (d tooSlow) Error() string {
	return fmt.Sprintf("not done in %v", time.Duration(d).Round(time.Second/10))
}

// run has c do the workload once. What goes wrong is in the sample.
func (b *bench) run(ctx context.Context, c *contender, patience time.Duration) sample {
	limited, cancel := context.WithTimeoutCause(ctx, around+patience, tooSlow(around+patience))
	defer cancel()
	s, check, err := b.try(limited, c, patience)
	if err == nil { // to check is our work, and not in its time
		err = b.verify(ctx, check)
	}
	if err != nil {
		s.Err = errorText(err, b.o.work)
		if slow, ok := errors.AsType[tooSlow](err); ok {
			s.Over = time.Duration(slow).Seconds()
		}
	}
	return s
}

// claim is what a run says it did, to be verified.
type claim struct {
	want []memserver.Entry // is in the folder; nil when nothing had to change
	read map[string]string // the CRC-32C of files, by name
}

// try does the workload once: what is measured may take as long as patience.
func (b *bench) try(ctx context.Context,
	c *contender, patience time.Duration) (s sample, done claim, err error) {
	w := b.workload
	if err := b.server.prepare(ctx, w.fills, b.want != nil); err != nil {
		return s, done, err
	}
	want, err := b.expect(ctx)
	if err != nil {
		return s, done, err
	}
	if c.null {
		want = nil
	}
	if c.name == limitName {
		return b.plain(ctx, want, patience)
	}
	m, err := prepareMount(c, b.server, w, b.o.work)
	if err != nil {
		return s, done, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if !w.mounting {
		if err := b.warm(ctx, m); err != nil {
			return s, done, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, tooSlow(patience))
	defer cancel()
	before, err := b.gauge(ctx, m)
	if err != nil {
		return s, done, err
	}
	out := outcome{Start: monotonic()}
	switch {
	case w.idle > 0:
		err = sleep(ctx, w.idle)
		out.End = monotonic()
	case w.mounting:
		err = m.mountAndList(ctx)
		out.End = monotonic()
	default:
		out, err = b.spawn(ctx, "app", m.folder())
	}
	end := out.End
	if err == nil && want != nil {
		if err = b.server.wait(ctx, want); errors.Is(err, errNotThere) {
			err = fmt.Errorf("%w: %w", tooSlow(patience), err)
		}
		end = monotonic()
	}
	if ctx.Err() != nil { // whatever else went wrong did so because of it
		return s, done, context.Cause(ctx)
	}
	if err != nil {
		return s, done, err
	}
	after, err := b.gauge(ctx, m)
	if err != nil {
		return s, done, err
	}
	s = sample{
		Seconds: (end - out.Start).Seconds(),
		Program: (out.End - out.Start).Seconds(), ProgramCPU: out.cpu,
		CPU: after.used.cpu - before.used.cpu, RandomReads: out.RandomReads, Peak: after.used.peak,
		RSS: after.used.rss, Switches: after.used.switches - before.used.switches,
		ServerCPU: after.server - before.server, Counts: after.counts,
	}
	if w.mounting {
		if err := b.app(ctx, m); err != nil { // was it right?
			return s, done, err
		}
	}
	return s, claim{want, out.Hashes}, nil
}

func (b *bench) app(ctx context.Context, m *mount) error {
	_, err := b.spawn(ctx, "app", m.folder())
	return err
}

// warm mounts, and does what the workload does first.
func (b *bench) warm(ctx context.Context, m *mount) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := m.ready(ctx); err != nil {
		return err
	}
	if b.workload.first == nil {
		return nil
	}
	if _, err := b.spawn(ctx, "first", m.folder()); err != nil || !b.workload.remount {
		return err
	}
	if err := m.stop(); err != nil {
		return err
	}
	if err := m.start(ctx); err != nil {
		return err
	}
	return m.ready(ctx)
}

// mountAndList mounts and waits for the first ls.
func (m *mount) mountAndList(ctx context.Context) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "ls", m.folder()).CombinedOutput(); err != nil {
		return fmt.Errorf("ls: %w: %s: %s", err, tail(out), m.log())
	}
	return nil
}

// plain does the workload without a mount.
func (b *bench) plain(ctx context.Context, want []memserver.Entry,
	patience time.Duration) (s sample, done claim, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, tooSlow(patience))
	defer cancel()
	before, err := b.gauge(ctx, nil)
	if err != nil {
		return s, done, err
	}
	where := b.server.url
	if b.workload.tls {
		where = b.server.tls
	}
	out, err := b.spawn(ctx, "limit", where)
	if err == nil && want != nil {
		err = b.server.wait(ctx, want)
	}
	if err != nil {
		return s, done, err
	}
	after, err := b.gauge(ctx, nil)
	if err != nil {
		return s, done, err
	}
	seconds := (out.End - out.Start).Seconds()
	return sample{
		// The cost is that of its own process.
		Seconds: seconds, Program: seconds, CPU: out.cpu, Peak: out.RSS,
		ServerCPU: after.server - before.server, Counts: after.counts, RandomReads: out.RandomReads,
	}, claim{want, out.Hashes}, nil
}

// gauge is what has been used so far.
type gauge struct {
	used   usage
	server float64
	counts memserver.Counts
}

// gauge reads m's use and the server's. Read for the first time, it begins the
// counts.
func (b *bench) gauge(ctx context.Context, m *mount) (g gauge, err error) {
	if m != nil && m.exited != nil {
		if g.used, err = usageOf(m.cmd.Process.Pid); err != nil {
			return g, err
		}
	}
	if g.server, err = b.server.cpu(ctx); err != nil {
		return g, err
	}
	g.counts, err = b.server.takeCounts(ctx)
	return g, err
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
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
			if have[e.Key] != e.Hash && e.Hash != "" {
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
