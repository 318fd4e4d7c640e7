package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/access"
)

// joinCmd is what s3share join is asked for.
type joinCmd struct {
	invitation   access.Invitation
	name, config string
	dir          string // to mount on, "" for not to
	yes          bool
	flags        config.Layer
}

func newJoin() *cobra.Command {
	var in joinCmd
	cmd := &cobra.Command{
		Use:   "join LINE [DIR]",
		Short: "Join an exchange that another party has set up",
		Long: `Join the exchange that LINE describes. s3share init has printed LINE for the bucket's
owner. join finds your credentials, checks that the owner's policy lets them in, and
adds the exchange to the config file. It writes nothing to the bucket. With DIR it also
mounts the exchange there.

If the config file already has an exchange of this name, join shows what would change,
and asks. It also asks before it sends requests with your credentials to a server on
this machine that only LINE names.

LINE contains no secret. It names the account that owns the bucket: if the bucket ever
belongs to another account, it is refused.
` + exitCodes,
		Example: `  s3share join s3share:team-exchange,owner=111122223333,region=eu-central-1,check=2db4a5e6 ~/exchange
  s3share join --profile team --name team s3share:team-exchange,owner=111122223333,region=eu-central-1,check=2db4a5e6`,
		Args: argRange(1, 2, "the line that the owner got from s3share init"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.invitation, err = access.ParseInvitation(args[0]); err != nil {
				advice := "copy the whole word that s3share init printed"
				if errors.Is(err, access.ErrNewer) {
					advice = "install the newest s3share"
				}
				return hint.Usage(advice, "cannot read the line %q: %w", args[0], err)
			}
			for _, f := range in.invitation.Folders {
				if err := config.CheckFolder(f); err != nil {
					return hint.Usage("", "cannot read the line %q: %w", args[0], err)
				}
			}
			if len(args) == 2 {
				in.dir = args[1]
			}
			ctx, stop := hint.SignalContext()
			defer stop()
			if err := in.run(ctx, cmd.InOrStdin(), ui.NewPrinter(cmd.OutOrStdout())); err != nil {
				return fmt.Errorf("cannot join %s: %w", in.invitation.Bucket, err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	in.flags = config.AddFlags(flags, "profile", config.PayerSetting)
	flags.BoolVarP(&in.yes, "yes", "y", false, "do not ask")
	flags.StringVar(&in.name, "name", "",
		"the exchange's `NAME` in the config file (default: the bucket's)")
	flags.StringVar(&in.config, "config",
		"", "the config `FILE` (default: ~/.config/s3share/config.toml)")
	return cmd
}

func (in *joinCmd) run(ctx context.Context, stdin io.Reader, n ui.Printer) error {
	s, err := connectionFrom(in.flags)
	if err != nil {
		return err
	}
	i := in.invitation
	s.Bucket, s.Region, s.Endpoint, s.Owner, s.Folders = i.Bucket,
		i.Region, i.Endpoint, i.Owner, i.Folders
	s.Payer = s.Payer || i.RequesterPays
	i.RequesterPays = s.Payer
	if err := in.agree(stdin, n, config.NewEntry(i, s.Profile), s); err != nil {
		return err
	}
	if err := in.trust(ctx, stdin, n, s); err != nil {
		return err
	}
	if err := in.check(ctx, n, s); err != nil {
		return ui.Explain(s.Destination(), err)
	}
	l, err := config.AddExchange(in.config, in.name, config.NewEntry(i, s.Profile))
	if err != nil {
		return err
	}
	n.Line("")
	n.Line(fmt.Sprintf("The exchange %q is in %s.", l.Name, l.File))
	if in.dir != "" {
		return mountAdded(n, in.config, l.Name, s.Bucket, in.dir)
	}
	if dir := mountOf(in.config, l.Name); dir != "" {
		n.Line(fmt.Sprintf("It is mounted on %s already.", hint.OneLine(dir)))
		return nil
	}
	n.Line("s3share mount " + config.TOMLKey(l.Name) + " DIR shows it as the folder DIR.")
	return nil
}

// agree asks whether an exchange of the config file is to become another. An owner that it
// names stays where the line names none, and is asked for.
func (in *joinCmd) agree(stdin io.Reader, n ui.Printer, t config.Entry, s *config.Settings) error {
	l, err := config.FindExchange(in.config, in.name, t)
	if err != nil {
		return err
	}
	if s.Owner == "" && l.Owner != "" {
		s.Owner = l.Owner
		n.Line(
			hint.OneLine(
				fmt.Sprintf("The line names no owner. The bucket has to belong to %s, as %s says.",
					l.Owner, l.File)))
	}
	if len(l.Changes) == 0 {
		return nil
	}
	n.Line(fmt.Sprintf("The exchange %q in %s changes:", l.Name, l.File))
	for _, c := range l.Changes {
		n.Line("  " + hint.OneLine(c.String()))
	}
	if in.yes {
		return nil
	}
	return confirm(stdin, n.Out, "Change this?", "say --yes, if that is meant")
}

// check asks S3 what is granted, and makes and changes no object there.
func (in *joinCmd) check(ctx context.Context, n ui.Printer, s *config.Settings) error {
	client, err := connect(ctx, s, s.Owner)
	if err != nil {
		return err
	}
	defer client.CloseIdle()
	if err := client.VerifyBucketSoon(ctx); err != nil {
		return err
	}
	where := "at " + s.Endpoint
	if s.Endpoint == "" {
		where = "in " + client.Region()
	}
	n.Title("The exchange " + s.Bucket + " " + where)
	n.Fact("owner", "%s", orUnknown(s.Owner))
	if s.Payer {
		n.Fact("payer", "%s", "you: your account pays for its requests and for what it downloads")
	}
	id, err := client.Identity(ctx)
	if err == nil { // else it is left out: nothing depends on it
		n.Fact("you", "%s", orUnknown(cmp.Or(id.ARN, id.Account)))
	}
	granted := false
	var odd error // an answer that does not say what is granted
	var rows []string
	width := 0
	for _, f := range s.Folders {
		width = max(width, len(f)+1)
	}
	for _, f := range s.Folders {
		r, err := askRights(ctx, client, f)
		if err != nil && unreachable(err) {
			return err
		}
		odd = cmp.Or(odd, err)
		granted = granted || max(r.List, r.Get, r.Put) == access.Yes
		rows = append(rows, fmt.Sprintf("  %-*s  %s", width, f+"/", r.Words("perhaps %s")))
	}
	if granted || odd != nil {
		n.Line("You may")
		for _, row := range rows {
			n.Line(row)
		}
	}
	if odd != nil {
		n.Line("Some rights could not be found out: " +
			hint.OneLine(ui.Explain(s.Destination(), odd).Error()))
	}
	if !granted && odd == nil {
		advice := "the owner has to let your account in: s3share init " + s.Bucket + " --client " +
			cmp.Or(id.Account, "ACCOUNT") +
			"; if you meant another account, name its profile with --profile"
		return hint.With(errors.New("the bucket's policy does not let this account in"), advice)
	}
	return nil
}

// unreachable reports whether an error says that S3 cannot be asked at all, not only that
// this answer tells nothing.
func unreachable(err error) bool {
	var e *s3backend.Error
	return !errors.As(err, &e) || e.Status() == 0 || errors.Is(err, s3backend.BadLogin) ||
		errors.Is(err, s3backend.NoBucket)
}

// askRights finds out what may be done in a folder, by requests that make and change no
// object. Beside an error are the rights that could be told.
func askRights(ctx context.Context, c *s3backend.Client,
	folder string) (r access.Rights, err error) {
	prefix := folder + "/"
	r.Folder = folder
	list := c.Rights().MayList(ctx, prefix)
	_, put := c.Rights().MayPut(ctx, prefix, s3backend.Upload{})
	for _, asked := range []struct {
		of     *access.Answer
		answer error
	}{{&r.List, list}, {&r.Get, c.Rights().MayGet(ctx, prefix, list)}, {&r.Put, put}} {
		switch {
		case asked.answer == nil:
			*asked.of = access.Yes
		case errors.Is(asked.answer, s3backend.ErrUnknown):
			*asked.of = access.Maybe
		case !errors.Is(asked.answer, s3backend.Denied):
			*asked.of = access.Maybe
			err = cmp.Or(err, asked.answer)
		}
	}
	return r, err
}

func orUnknown(s string) string { return cmp.Or(s, "(this server does not say)") }
