package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/delivery"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// sendCmd is the command send.
type sendCmd struct {
	transferCmd
	name, note, into string
}

func newSend() *cobra.Command {
	m := &sendCmd{transferCmd: transferCmd{verb: "send", past: "sent"}}
	cmd := &cobra.Command{
		Use:   "send FILE...",
		Short: "Send several files as one delivery",
		Long: `Deliver files, and directories with all that is in them, and then announce them to the
other party as one delivery: a manifest lists each file with its size, its SHA-256 and
its ETag. It is put last, when S3 holds all of them, and never replaced. So the other
party, who runs "s3share receive", sees all of the files announced or none. "s3share
sent" tells whether they were received.

The files go into the folder of this party, Submissions of the owner and Delivery of the
client, or to where --into says, and the manifest goes into .deliveries there. Files in a
mount of the exchange that are in that folder already are not sent again: what is not
delivered of them is waited for.

It can be stopped and run again at any time with the same --name and files: then it goes
on, and the manifest is put once. If a file changes while it is sent, is refused, or has
a name under which the other party has put another version, there is no manifest, and
the exit status is 1. Empty directories are not sent, nor symbolic links inside of
directories, nor private names (*.part, .DS_Store).
` + exitCodes,
		Example: `  s3share send report.pdf photos --name 2026-q3 --note "the final version"
  s3share send ~/exchange/Delivery/photos`,
		Args: argRange(1, 1<<20, "files"),
		RunE: func(cmd *cobra.Command, args []string) error { return m.run(cmd, args) },
	}
	m.addFlags(cmd)
	cmd.Flags().StringVar(&m.name, "name",
		"", "the `NAME` of the delivery (default: made of the time)")
	cmd.Flags().StringVar(&m.note, "note", "", "a `TEXT` for the other party")
	cmd.Flags().StringVar(&m.into, "into",
		"", "the `FOLDER` of the exchange, or one below it (default: this party's folder)")
	return cmd
}

func (m *sendCmd) run(cmd *cobra.Command, args []string) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	s, into, err := m.settings(ctx, args)
	if err != nil {
		return err
	}
	errs := cmd.ErrOrStderr()
	if m.name == "" {
		m.name = time.Now().UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
		fmt.Fprintf(errs,
			"s3share: note: this delivery is called %s; to go on after an interruption, say --name %s\n", m.name, m.name)
	}
	t, err := m.open(ctx, s, errs)
	if err != nil {
		return err
	}
	defer t.close()
	folder, _, _ := strings.Cut(into, "/")
	route, err := routeFrom(ctx, t.client, s, folder, true, "into")
	if err != nil {
		return fmt.Errorf("cannot send: %w", err)
	}
	if into == "" {
		into = route.From
	}
	sources, err := m.sources(ctx, cmd, s, route, into, args)
	if err != nil {
		return err
	}
	began := time.Now()
	sent, err := delivery.Sending{
		Transfer: t.config, Route: route, Name: m.name, Note: m.note, Sender: config.UserAtHost(),
	}.Send(ctx, sources)
	t.end()
	again := fmt.Sprintf("run it again with --name %s: what is there already is not sent again",
		hint.ShellQuote(m.name))
	switch {
	case ctx.Err() != nil:
		return hint.With(hint.ErrInterrupted, again)
	case errors.Is(err, delivery.ErrNameTaken), errors.Is(err, delivery.ErrNameUnknown):
		return hint.With(fmt.Errorf("cannot send %q: %w", m.name, err),
			"choose another --name; s3share sent lists those that are taken")
	case errors.Is(err, delivery.ErrIncomplete):
		return hint.With(fmt.Errorf("cannot send %q: %w", m.name, err),
			"mend what is named above, then "+again)
	case errors.Is(err, delivery.ErrEmpty):
		return fmt.Errorf("cannot send: %w", err)
	case err != nil:
		return hint.With(fmt.Errorf("cannot send %q: %w", m.name, ui.Explain(s.Destination(), err)),
			again)
	case sent.Already:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%q was sent already: %s\n", m.name,
			filesText(sent.Manifest))
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s; announced as %q: %s\n",
		m.summary(sent.Total, time.Since(began)), m.name, filesText(sent.Manifest))
	return err
}

// settings checks the command line before S3 is asked. If no exchange is named, it is that of
// the mount that the first file is in. into is the key of --into.
func (m *sendCmd) settings(ctx context.Context,
	files []string) (s *config.Settings, into string, err error) {
	var args []string
	if m.exchange != "" {
		args = []string{m.exchange}
	} else if t, found, err := control.MountWith(ctx, files[0]); err == nil && found &&
		len(m.cl.Flags["bucket"]) == 0 {
		args = []string{t.State.Dir}
	}
	if s, err = control.SettingsOf(ctx, &m.cl, args); err != nil {
		return nil, "", err
	}
	if m.name != "" {
		if err := delivery.CheckName(m.name); err != nil {
			return nil, "", hint.Usage("", "%w", err)
		}
	}
	if err := delivery.CheckNote(m.note); err != nil {
		return nil, "", hint.Usage("", "%w", err)
	}
	if m.into != "" {
		if into, err = folderKey(s, m.into); err != nil {
			return nil, "", err
		}
	}
	if s.ReadOnly {
		return nil, "", hint.Usage("", "the exchange %s is read-only, by its settings", s.Label())
	}
	if err := noneThere(files); err != nil {
		return nil, "", fmt.Errorf("cannot send: %w", err)
	}
	return s, into, nil
}

// sources returns where each file goes. One in a mount of this exchange stays where it is, and
// is waited for if it is not delivered.
func (m *sendCmd) sources(ctx context.Context, cmd *cobra.Command, s *config.Settings,
	route delivery.Route, into string, files []string) ([]transfer.Source, error) {
	var sources []transfer.Source
	var waiting []control.Target
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		source := transfer.Source{Path: file, Prefix: into + "/", Name: filepath.Base(abs)}
		target, found, err := control.MountWith(ctx, file)
		if err != nil {
			return nil, fmt.Errorf("cannot send %s: %w", file, err)
		}
		if found && target.State.Bucket == s.Bucket &&
			target.State.Endpoint == cmp.Or(s.At.Endpoint, s.Endpoint) {
			if target.Path == "" {
				return nil, hint.Usage("name a folder in it", "%s is the mount itself", file)
			}
			if within(target.Path, route.From) {
				key, err := keyOf(s, target.Path, true)
				if err != nil {
					return nil, err
				}
				source.Prefix, source.Name = strings.TrimPrefix(path.Dir(key)+"/",
					"./"), path.Base(target.Path)
				waiting = append(waiting, target)
			}
		}
		sources = append(sources, source)
	}
	if len(waiting) == 0 {
		return sources, nil
	}
	progress := newWaitProgress(cmd.ErrOrStderr(), cmd.ErrOrStderr(), 0)
	return sources, askPlaces(ctx, waiting, "/wait", 0, progress.begin, progress.say)
}

// within reports whether a path in a mount is a folder, or in it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
