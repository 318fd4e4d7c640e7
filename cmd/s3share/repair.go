package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/access"
)

// repairCmd is what repair was asked for.
type repairCmd struct {
	dryRun, asJSON bool
}

func newRepair() *cobra.Command {
	var (
		cl   config.CommandLine
		plan repairCmd
	)
	cmd := &cobra.Command{
		Use:   "repair [EXCHANGE|DIR]",
		Short: "Let the bucket's owner read what was uploaded without the ACL",
		Long: `Find the objects in an exchange's folders that the bucket's owner cannot read
because another tool uploaded them without the ACL, and set it. Only the account that
uploaded them can do that: if you are the owner, repair lists them and prints what to
send to the other party. It never touches an object that another account owns. If ACLs
are off, the bucket's owner owns all objects, and there is nothing to do.

repair sets only the ACL (PutObjectAcl). If that is refused, S3 copies the object
onto itself, with its metadata, unless somebody has changed it meanwhile. You can stop
repair and run it again at any time: it touches no object twice.

EXCHANGE and the settings are those of s3share mount; DIR is where one is mounted.
` + exitCodes + `
An object left that the owner cannot read is a failure.`,
		Example: `  s3share repair --dry-run
  s3share repair team`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			s, err := control.SettingsOf(ctx, &cl, args)
			if err == nil {
				err = plan.run(ctx, s, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if ctx.Err() != nil {
				return hint.ErrInterrupted
			}
			return err
		},
	}
	cl.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&plan.dryRun, "dry-run", false, "list the objects, change nothing")
	cmd.Flags().BoolVar(&plan.asJSON, "json", false, "print JSON, a line for each object")
	return cmd
}

// repaired is what became of one object.
type repaired struct {
	Key      string `json:"key"`
	Size     int64  `json:"size"`
	Owner    string `json:"owner,omitempty"` // the id of the account that uploaded it
	Repaired bool   `json:"repaired"`
	By       string `json:"by,omitempty"` // the request
	Error    string `json:"error,omitempty"`
}

func (p repairCmd) run(ctx context.Context, s *config.Settings, out, errs io.Writer) error {
	client, err := s3backend.OpenSoon(ctx, s.Backend())
	if err != nil {
		return ui.Explain(s.Destination(), err)
	}
	defer client.CloseIdle()
	owner, err := client.Ownership().IsOwner(ctx)
	survey := access.Survey{Client: client, Folders: s.Folders, Owner: err == nil && owner}
	bar := ui.NewCountBar(errs, "looking at objects")
	survey.Looked = bar.At
	found, err := survey.Run(ctx)
	bar.End()
	if err != nil && !errors.Is(err, s3backend.Denied) {
		return ui.Explain(s.Destination(), err)
	}
	if err != nil {
		return hint.With(ui.Explain(s.Destination(), err),
			"without s3:ListBucket nobody can find them")
	}
	if found.Cut {
		fmt.Fprintf(errs,
			"s3share: note: there are more than these; run it again when they are repaired\n")
	}
	slices.SortFunc(found.Unreadable,
		func(a, b s3backend.Object) int { return strings.Compare(a.Key, b.Key) })
	if found.Nameless && found.Listed > 0 {
		return hint.With(
			fmt.Errorf("which of %s are ours cannot be found out, so nothing is changed",
				ui.Count(found.Listed, "object")),
			"it takes s3:ListAllMyBuckets, which this account's administrator grants by IAM; or the bucket's owner runs s3share repair to see what he cannot read")
	}
	if survey.Owner || p.dryRun {
		return p.list(out, found, survey.Owner)
	}
	return p.mend(ctx, s.Destination(), client, found, out, errs)
}

// list tells what cannot be read; it fails if that is anything.
func (p repairCmd) list(out io.Writer, found access.Result, owner bool) error {
	for _, o := range found.Unreadable {
		p.tell(out, repaired{Key: o.Key, Size: o.Size, Owner: o.Owner})
	}
	n := len(found.Unreadable)
	if !p.asJSON {
		if n == 0 {
			fmt.Fprintln(out, allReadable(found))
		} else {
			fmt.Fprintf(out, "the bucket's owner cannot read %s of %d\n",
				ui.Count(n, "object"), found.Listed)
		}
		if n > 0 && owner {
			fmt.Fprintf(out,
				"\nOnly the account that uploaded them can repair that. Send this to the other party:\n\n"+
					"  We cannot read objects that you uploaded, because they came without the ACL\n"+
					"  bucket-owner-full-control. Please run: s3share repair\n")
		}
	}
	if n > 0 {
		return hint.Silent(hint.ExitFailed)
	}
	return nil
}

// allReadable says that there is nothing to repair.
func allReadable(found access.Result) string {
	if found.Listed == 0 {
		return "there is no object to repair"
	}
	return "the bucket's owner can read " + ui.Count(found.Listed, "object") +
		": there is nothing to repair"
}

// mend grants the ACL on each object.
func (p repairCmd) mend(ctx context.Context, t config.Destination, client *s3backend.Client,
	found access.Result, out, errs io.Writer) error {
	if len(found.Unreadable) == 0 && !p.asJSON {
		_, err := fmt.Fprintln(out, allReadable(found))
		return err
	}
	bar := ui.NewCountBar(errs, "granting the ACL")
	lines := out
	if hint.WritesToTerminal(out) {
		lines = bar.Above()
	}
	failed, done, bytes, began := 0, 0, int64(0), time.Now()
	err := access.MendAll(ctx, client, found.Unreadable,
		func(o s3backend.Object, way access.Way, err error) {
			r := repaired{Key: o.Key, Size: o.Size, Owner: o.Owner,
				Repaired: err == nil, By: string(way)}
			if err != nil {
				failed++
				r.Error, _ = ui.ExplainFile(t, o.Key, err)
			} else {
				bytes += o.Size
			}
			done++
			p.tell(lines, r)
			bar.Set(done, len(found.Unreadable))
		})
	bar.End()
	if !p.asJSON {
		fmt.Fprintln(out,
			ui.RepairedText(done-failed, len(found.Unreadable), bytes, time.Since(began)))
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%s could not be repaired", ui.Count(failed, "object"))
	}
	return err
}

// tell prints what was done about one object, on one line.
func (p repairCmd) tell(out io.Writer, r repaired) {
	if p.asJSON {
		_ = json.NewEncoder(out).Encode(r)
		return
	}
	what := ""
	switch {
	case r.Error != "":
		what = "not repaired: " + r.Error
	case r.Repaired:
		what = "repaired"
	}
	fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%s  %s  %s", hint.Printable(r.Key),
		ui.SizeText(r.Size), what), " "))
}
