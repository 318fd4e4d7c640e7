package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/cmd/s3share/internal/watch"
	"github.com/s3share/s3share/s3backend"
)

// withExec puts a "--" behind the --exec of a watch: what follows is the command, with its flags.
func withExec(args []string) []string {
	i := slices.Index(args, "--exec")
	if i < 0 || args[0] != "watch" || slices.Contains(args[:i], "--") {
		return args
	}
	return slices.Insert(slices.Clone(args), i+1, "--")
}

// watchCmd is the command watch.
type watchCmd struct {
	transferCmd
	exec     bool
	interval time.Duration
	cfg      watch.Config
}

func newWatch() *cobra.Command {
	m := watchCmd{transferCmd: transferCmd{verb: "watch"}}
	cmd := &cobra.Command{
		Use:   "watch [FOLDER] [--exec CMD ARG...]",
		Short: "Tell each arrival, change and removal once, or run a command for it",
		Long: `Tell of each object that the other party creates, changes or removes in FOLDER or
below it, or in the whole exchange: a line for each, or CMD is run for it. An object is
told when it is whole, as all objects in S3 are, and can be read.

Each event is told once, across restarts of this command, of the mount and of the
machine: a cursor in the state directory knows what was told. What happens while nobody
watches is told by the next watch. The first watch of a folder begins with what is there
then, or tells that too with --existing. An event is done when its line is written, or
when CMD has ended with 0; else CMD is run again for it, by and by. What this machine has
sent itself is not told, unless by --own.

FOLDER is a folder in a mount, or is named as in a mount: Submissions. CMD finds in its
environment S3SHARE_EVENT (created, changed or removed), S3SHARE_PATH, S3SHARE_KEY,
S3SHARE_SIZE, S3SHARE_ETAG, S3SHARE_MODIFIED, S3SHARE_SENDER, S3SHARE_AGAIN and others:
docs/watch.md has all, and what is promised. All that follows --exec is the command; no
shell reads it.

The bucket is listed every five seconds: a request for each thousand objects, and no more
than one a second on average. Each object that is told takes a HeadObject besides.
Ctrl-C ends it at any time, and nothing is lost. --once looks once, for cron.
` + exitCodes,
		Example: `  s3share watch ~/exchange/Submissions
  s3share watch Submissions --json --exchange team
  s3share watch ~/exchange/Delivery --exec import --quiet`,
		Args: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			if dash < 0 {
				dash = len(args)
			}
			if m.exec && len(args) == dash {
				return hint.Usage(helpHint(cmd), "--exec needs a command")
			}
			if m.exec {
				m.cfg.Exec = args[dash:]
				args = args[:dash]
			}
			return argRange(0, 1, "")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.run(cmd, args[:len(args)-len(m.cfg.Exec)])
		},
	}
	m.addFlags(cmd)
	flags := cmd.Flags()
	// no bytes are moved
	for _, name := range []string{"limit-upload", "limit-download", "limit-times",
		"private", "read-only"} {
		_ = flags.MarkHidden(name)
	}
	flags.BoolVar(&m.exec, "exec", false, "run the command that follows for each event")
	flags.BoolVar(&m.cfg.JSON, "json", false, "print JSON, a line for each event")
	flags.BoolVar(&m.cfg.Once, "once", false, "look once, tell what is new, and end")
	flags.BoolVar(&m.cfg.Own, "own", false, "tell also what this machine has sent itself")
	flags.BoolVar(&m.cfg.Existing, "existing",
		false, "at the first watch of a folder, tell also what is there already")
	flags.StringVar(&m.cfg.Cursor, "cursor",
		"", "keep in mind under this `NAME` what was told: for several watches of one folder")
	flags.DurationVar(&m.interval, "interval", 5*time.Second,
		"the `TIME` between two looks, a second at least")
	return cmd
}

func (m *watchCmd) run(cmd *cobra.Command, args []string) error {
	switch {
	case m.cfg.JSON && m.exec:
		return hint.Usage(helpHint(cmd), "--json and --exec do not go together")
	case m.interval < time.Second:
		return hint.Usage("", "cannot read --interval: %s is less than a second", m.interval)
	}
	if m.exec {
		if _, err := exec.LookPath(m.cfg.Exec[0]); err != nil {
			return hint.Usage("", "cannot run %s: %w", m.cfg.Exec[0], hint.Innermost(err))
		}
	}
	ctx, stop := hint.SignalContext()
	defer stop()
	s, folder, err := m.settings(ctx, args)
	if err != nil {
		return err
	}
	cfg := m.cfg
	cfg.Interval, cfg.Target, cfg.Errs = m.interval, s.Destination(), cmd.ErrOrStderr()
	if err := m.place(&cfg, s, folder); err != nil {
		return fmt.Errorf("cannot watch: %w", err)
	}
	if cfg.Private, err = s.PrivateNames(); err != nil {
		return hint.Usage("", "%w", err)
	}
	client, err := s3backend.OpenSoon(ctx, s.Backend())
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	if err != nil {
		return ui.Explain(s.Destination(), err)
	}
	defer client.CloseIdle()
	cfg.Bucket = client
	cfg.Owner, _ = client.Ownership().BucketOwner(ctx) // who may not know it is told no sender
	if err := watch.Run(ctx, cfg); err != nil {
		return fmt.Errorf("cannot watch %s: %w", cmp.Or(folder, s.Label()), err)
	}
	return nil
}

// settings are those of the exchange that FOLDER is in, with its path in there: "" for all. A
// folder in a mount is named by where it is.
func (m *watchCmd) settings(ctx context.Context,
	args []string) (s *config.Settings, folder string, err error) {
	if len(args) > 0 {
		folder = args[0]
	}
	place := m.exchange
	if place == "" && folder != "" {
		dir, path, err := control.MountOf(folder)
		if err == nil && dir != "" {
			place, folder = dir, path
		}
	}
	var at []string
	if place != "" {
		at = []string{place}
		if dir, path, err := control.MountOf(place); err == nil && path == "" {
			m.cfg.Mount = dir
		}
	}
	s, err = control.SettingsOf(ctx, &m.cl, at)
	return s, folder, err
}

// place fills in what is watched, and where the cursor is.
func (m *watchCmd) place(cfg *watch.Config, s *config.Settings, folder string) error {
	for _, name := range s.Folders {
		cfg.Prefixes = append(cfg.Prefixes, name+"/")
	}
	if folder != "" {
		key, err := keyOf(s, folder, false)
		if err != nil {
			return err
		}
		cfg.Prefixes = []string{key + "/"}
	}
	if err := config.FillPaths(s); err != nil {
		return err
	}
	cfg.StateDir = s.StateDir
	cfg.NotesDir, cfg.NotesID = config.PutNotes(s)
	cfg.ID = cmp.Or(s.At.Endpoint, s.At.Partition) + " " + s.Bucket
	return nil
}
