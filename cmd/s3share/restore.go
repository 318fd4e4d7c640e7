package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

func newRestore() *cobra.Command {
	m := &transferCmd{verb: "restore"}
	var version string
	cmd := &cobra.Command{
		Use:   "restore FILE[@VERSION]",
		Short: "Bring an earlier version of a file back",
		Long: `Make an earlier version of a file the current one: S3 gets a new version with the same
bytes and metadata, and with an ACL that lets the bucket's owner read it. Without
@VERSION, restore the version before the current one, or the last one if the file was
removed. While versioning is on, what was current stays an earlier version, so that a
second "s3share restore FILE" undoes the first.

If the other party changes the file meanwhile, nothing is restored. Neither is a file
with a change on this machine that is not delivered yet.

FILE is a file in a mount, or is named as in a mount: Delivery/q3.csv. It may be removed.
VERSION is a version ID, or its beginning as "s3share versions" lists it. If there is a
file of the whole name, "@" included, that file is meant. With --version, FILE is always
the whole name.
` + exitCodes,
		Example: `  s3share restore ~/exchange/Delivery/q3.csv
  s3share restore Delivery/q3.csv@3sL4kqtJ --exchange team
  s3share restore "Delivery/plan@home.txt" --version 3sL4kqtJ`,
		Args: argRange(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return restore(cmd, m, args[0], version)
		},
	}
	m.addFlags(cmd)
	cmd.Flags().StringVar(&version, "version",
		"", "the `VERSION` to restore; FILE is then the whole name of the file")
	return cmd
}

func restore(cmd *cobra.Command, m *transferCmd, file, flag string) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	s, name, dir, err := m.exchangePath(ctx, file)
	if err != nil {
		return err
	}
	if s.ReadOnly {
		return fmt.Errorf("cannot restore: %w",
			hint.Usage("", "the exchange %s is read-only, by its settings", s.Label()))
	}
	if _, err := fileKey(s, name); err != nil {
		return fmt.Errorf("cannot restore: %w", err)
	}
	t, err := m.open(ctx, s, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer t.close()
	h, err := historyOf(ctx, t.client, s, name, flag)
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	if err != nil {
		return explainVersions(s, m.verb, h.key, err)
	}
	if err := nothingWaits(ctx, s, dir, h); err != nil {
		return err
	}
	now, err := current(ctx, t.client, h)
	if err != nil {
		return explainVersions(s, m.verb, h.key, err)
	}
	old, err := toRestore(ctx, t.client, h)
	if err != nil {
		return err
	}
	if now.ETag != "" && old.Version == now.Version {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%q is that version already\n", h.key)
		return err
	}
	is, err := t.client.Versioning(ctx)
	if sentence := h.overwritten(old, is, err == nil); sentence != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "s3share: note: %s\n", sentence)
	}
	made, err := transfer.Restore(ctx, t.config, t.client, old, now, s.StateDir)
	t.end()
	if err != nil {
		return notRestored(ctx, s, h, err)
	}
	t.record.Record(cache.Receipt(receipts.Delivered, made))
	text := fmt.Sprintf("%q is the version %s again", h.key, old.Version)
	if !old.Modified.IsZero() {
		text += ", of " + timeText(old.Modified)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

// nothingWaits refuses to restore a file that has a change on this machine.
func nothingWaits(ctx context.Context, s *config.Settings, dir string, h history) error {
	waiting, err := pendingHere(ctx, s, dir, h.path, h.key)
	switch {
	case err != nil:
		return fmt.Errorf("cannot restore %q: whether a change of it waits here is not known: %w",
			h.key, err)
	case len(waiting) > 0:
		return hint.With(fmt.Errorf(
			"cannot restore %q: it has a change on this machine that is not delivered yet", h.key),
			"s3share wait "+hint.ShellQuote(filepath.Join(dir, h.path))+" waits for that")
	}
	return nil
}

// current returns what the key holds now.
func current(ctx context.Context, client *s3backend.Client, h history) (s3backend.Object, error) {
	if h.refused == nil {
		return h.now(), nil
	}
	now, err := s3backend.HeadOrList(ctx, client, h.key)
	if errors.Is(err, s3backend.NotExist) {
		err = nil
	}
	return now, err
}

// toRestore returns the version that was named, or the one before the current one.
func toRestore(ctx context.Context, client *s3backend.Client, h history) (s3backend.Object, error) {
	if h.id != "" {
		old, err := h.find()
		if err != nil {
			err = fmt.Errorf("cannot restore: %w", err)
		}
		return old, err
	}
	old, ok := h.before()
	if ok {
		return old, nil
	}
	sentence, advice := keepsNone(ctx, client, h)
	if sentence == "" {
		return old, fmt.Errorf("cannot restore %q: it has no earlier version", h.key)
	}
	return old, hint.With(fmt.Errorf("cannot restore %q: it has no earlier version; %s",
		h.key, sentence), advice)
}

// notRestored is the error of a restore that failed with err.
func notRestored(ctx context.Context, s *config.Settings, h history, err error) error {
	switch {
	case errors.Is(err, transfer.ErrNotKnown):
		return hint.With(explainVersions(s, "restore", h.key, err),
			"s3share versions "+hint.ShellQuote(h.path)+" shows it")
	case ctx.Err() != nil:
		return hint.ErrInterrupted
	case errors.Is(err, s3backend.Stale):
		return hint.With(fmt.Errorf("cannot restore %q: the other party has changed it meanwhile",
			h.key),
			"s3share versions "+hint.ShellQuote(h.path)+
				" lists what there is now; then restore it again")
	}
	return explainVersions(s, "restore", h.key, err)
}
