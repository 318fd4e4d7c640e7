package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/access"
)

// initCmd is what s3share init is asked for.
type initCmd struct {
	ownerFlags
	yes, widen, dryRun, json  bool
	terraform, cloudFormation bool
	name, config              string
	remove                    string // who is let in no more, "" for nobody
	dir                       string // to mount on, "" for not to

	done bool // the plan is carried out
}

func newInit() *cobra.Command {
	var in initCmd
	cmd := &cobra.Command{
		Use:   "init BUCKET [DIR] --client ACCOUNT",
		Short: "Set up an exchange, and let a client in",
		Long: `Set up BUCKET as an exchange, or let one more client into it, and print the command
that the client runs. It is for the bucket's owner.

The bucket is created in the region that --region or the profile names; if you already
own it, it is used as it is. Public access is blocked, ACLs are off, new objects are
encrypted, requests without TLS are refused, incomplete uploads are removed after seven
days, and the bucket policy lets the client in. The plan is shown first (with --json
--yes, afterwards). If you run init again, it changes only what is no longer as it
should be. Statements and rules of others stay, and no setting is loosened.

If a client that already has access, by whatever statement, could do more than now,
init shows that and asks about it separately; with --yes it needs --widen too.
Without --grant, a client's statements that somebody has changed stay as they are.

--grant chooses what the client may do:

    dropbox   put into Delivery; read nothing
    folders   get from both, put into Delivery (what a new client gets)
    article   get and put in both
    full      get, put and delete in both

All of them may list.

With --until the client's access ends by itself. S3 refuses it from then on, and what
was delivered stays. To let the client in again, run init with a later date, or with
--until never. With --client-versions, the client may also list and get what was
replaced or removed, if the bucket keeps versions. With --keep 90d, S3 deletes each
object of both folders for good 90 days after it was put there, whoever put it there.
Without these flags, all of that stays as it is. docs/access.md says more about them.

On a server that is not AWS only the bucket, its folders and the policy are set up;
docs/access.md explains why, and what that means.

The exchange is also added to your config file, and mounted if DIR is given.

With --remove, the statements of s3share for that account, and for its users and
roles, are removed from the policy, and nothing else is changed. If other statements
still let it in, they are listed, and the exit status is 1.
` + exitCodes,
		Example: `  s3share init team-exchange --client 444455556666 --region eu-central-1
  s3share init team-exchange --client 444455556666 --until 2027-01-31 --keep 90d
  s3share init team-exchange --client arn:aws:iam::444455556666:role/delivery --grant dropbox --dry-run
  s3share init team-exchange --client 444455556666 --terraform > exchange.tf
  s3share init team-exchange --remove 444455556666`,
		Args: argRange(1, 2, "a bucket"),
		RunE: in.command,
	}
	in.register(cmd.Flags())
	return cmd
}

// register adds the flags of init.
func (in *initCmd) register(flags *pflag.FlagSet) {
	in.ownerFlags.register(flags)
	flags.StringVar(&in.kms,
		"kms", "", "the full `ARN` of the KMS key that new objects are encrypted with")
	flags.BoolVar(&in.versioning, "versioning", false, "keep what is replaced or removed")
	flags.StringVar(&in.keep, "keep", "",
		"the `TIME` after which S3 deletes objects for good, like 90d, or forever (default: unchanged)")
	flags.BoolVarP(&in.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&in.widen, "widen", false,
		"agree that a client that already has access may do more than now")
	flags.BoolVar(&in.dryRun, "dry-run", false, "show what would be changed, and change nothing")
	flags.BoolVar(&in.json, "json", false, "for scripts; changes nothing without --yes")
	flags.BoolVar(&in.terraform, "terraform",
		false, "print the plan as Terraform's configuration, and change nothing")
	flags.BoolVar(&in.cloudFormation, "cloudformation", false,
		"print the plan as a template of CloudFormation, and change nothing")
	flags.StringVar(&in.remove, "remove", "", "revoke the access of an `ACCOUNT`, user or role")
	flags.StringVar(&in.name, "name", "",
		"the exchange's `NAME` in the config file (default: the bucket's)")
	flags.StringVar(&in.config, "config",
		"", "the config `FILE` (default: ~/.config/s3share/config.toml)")
}

// command carries out init with these arguments.
func (in *initCmd) command(cmd *cobra.Command, args []string) error {
	in.bucket = args[0]
	if len(args) == 2 {
		in.dir = args[1]
	}
	ctx, stop := hint.SignalContext()
	defer stop()
	if err := in.checkFlags(); err != nil {
		return err
	}
	if err := in.run(ctx, cmd.InOrStdin(), cmd.OutOrStdout()); err != nil {
		if in.remove != "" {
			return fmt.Errorf("cannot take %s out of %s: %w", in.remove, in.bucket, err)
		}
		return fmt.Errorf("cannot set up %s: %w", in.bucket, err)
	}
	return nil
}

// checkFlags refuses flags that contradict each other.
func (in *initCmd) checkFlags() error {
	var forms []string
	for _, f := range []struct {
		name string
		said bool
	}{{"--json", in.json}, {"--terraform", in.terraform}, {"--cloudformation", in.cloudFormation}} {
		if f.said {
			forms = append(forms, f.name)
		}
	}
	if len(forms) > 1 {
		return hint.Usage("", "%s print the plan in different forms: say one of them",
			strings.Join(forms, " and "))
	}
	return nil
}

func (in *initCmd) run(ctx context.Context, stdin io.Reader, out io.Writer) error {
	s, err := in.settings()
	if err != nil {
		return err
	}
	if err := checkBucketToSetUp(s); err != nil {
		return err
	}
	if in.remove != "" {
		return in.revoke(ctx, s, stdin, out)
	}
	folders, err := config.FoldersOf(in.config, in.name, in.bucket) // before anything is changed
	if err != nil {
		return err
	}
	if len(in.folders) == 0 { // what was chosen before stays
		in.folders = folders
	}
	if _, err := in.setup(s.Region, s.NotAWS()); err != nil {
		return err
	}
	client, plan, err := in.plan(ctx, s)
	if err != nil {
		return explainSetup(s.Destination(), err)
	}
	defer client.CloseIdle()
	if in.terraform || in.cloudFormation { // whoever applies it is asked nothing of ours
		if err := in.checkWidening(plan); err != nil {
			return err
		}
	}
	switch {
	case in.terraform:
		return printed(out)(plan.Terraform())
	case in.cloudFormation:
		return printed(out)(plan.CloudFormation())
	case in.json && (in.dryRun || !in.yes):
		return writeJSON(out, plan)
	}
	return in.carryOut(ctx, s, client, plan, stdin, out)
}

// checkBucketToSetUp refuses what cannot be the name of a bucket that is set up.
func checkBucketToSetUp(s *config.Settings) error {
	if err := config.CheckBucket(s.Bucket); err != nil {
		return hint.Usage("", "%w", err)
	}
	if s3backend.IsAccessPoint(s.Bucket) {
		return hint.Usage("name the bucket behind it",
			"an access point has no settings of a bucket")
	}
	if err := access.CheckBucketName(s.Bucket); err != nil && !s.NotAWS() {
		return hint.Usage("", "%w", err)
	}
	return nil
}

// carryOut shows the plan, asks, and changes what it says.
func (in *initCmd) carryOut(ctx context.Context, s *config.Settings, client *s3backend.Client,
	plan *access.Plan, stdin io.Reader, out io.Writer) error {
	n := ui.NewPrinter(out)
	if !in.json {
		if err := in.show(n, plan); err != nil {
			return err
		}
	}
	if in.dryRun {
		in.showLine(n, plan)
		return nil
	}
	if !plan.Nothing() {
		if err := in.ask(stdin, out, plan); errors.Is(err, errDeclined) {
			in.showLine(n, plan)
			return err
		} else if err != nil {
			return err
		}
		err := plan.Apply(ctx, client, func(done access.Step) {
			switch {
			case in.json:
			case done.State == access.Left:
				n.Line("- " + hint.OneLine(done.What+": "+done.Detail))
			default:
				n.Step(done.What+": "+done.Detail, nil)
			}
		})
		if err != nil {
			return explainSetup(s.Destination(), err)
		}
		in.done = true
	}
	return in.finish(n, s, plan)
}

// checkWidening refuses a plan by which somebody may do more than now, unless that is wanted.
func (in *initCmd) checkWidening(plan *access.Plan) error {
	if len(plan.Wider) == 0 || in.widen {
		return nil
	}
	return hint.With(fmt.Errorf("this would allow more than now: %s",
		strings.Join(plan.Wider, "; ")),
		"if that is meant, say --widen; --dry-run shows all of it")
}

// ask has the owner agree to the plan, and by itself to what it allows beyond what is
// allowed now.
func (in *initCmd) ask(stdin io.Reader, out io.Writer, plan *access.Plan) error {
	if in.yes {
		return in.checkWidening(plan)
	}
	if len(plan.Wider) > 0 && !in.widen {
		if err := confirm(stdin, out, "Allow more than now?", lookOnly); err != nil {
			return err
		}
	}
	if plan.Deletes != "" {
		if err := confirm(stdin, out, "Have objects deleted for good?", lookOnly); err != nil {
			return err
		}
	}
	return confirm(stdin, out, "Change this?", lookOnly)
}

// plan looks at the bucket and compares.
func (in *initCmd) plan(ctx context.Context,
	s *config.Settings) (*s3backend.Client, *access.Plan, error) {
	if s.Region == "" && !s.NotAWS() {
		s.Region = access.RegionOfName(s.Bucket) // "" for most
	}
	client, err := connect(ctx, s, "")
	if err != nil {
		return nil, nil, err
	}
	setup, err := in.setup(client.Region(), !client.AWS())
	if err != nil {
		return nil, nil, err
	}
	found, err := access.Look(ctx, client, setup)
	if err != nil {
		return nil, nil, err
	}
	if client.AWS() && setup.Client == accountRoot(setup.Client, found.Owner) {
		return nil, nil, hint.Usage("name the other party's account",
			"the client %s is the bucket's own account", found.Owner)
	}
	if setup.KMSKey != "" {
		if err := access.CheckKey(setup.KMSKey, found.Region); err != nil {
			return nil, nil, hint.Usage("", "%w", err)
		}
	}
	plan, err := access.MakePlan(setup, found)
	return client, plan, err
}

// accountRoot is all of an account, in the partition of a principal.
func accountRoot(principal, account string) string {
	f := strings.SplitN(principal, ":", 3)
	return strings.Join(f[:min(2, len(f))], ":") + ":iam::" + account + ":root"
}

// connect reaches the bucket of s without asking it for anything.
func connect(ctx context.Context, s *config.Settings, owner string) (*s3backend.Client, error) {
	cfg := s.Backend()
	cfg.ExpectedOwner = owner
	return s3backend.Connect(ctx, cfg)
}

// show tells the plan to people.
func (in *initCmd) show(n ui.Printer, plan *access.Plan) error {
	who := ""
	if plan.Found.Owner != "" {
		who = ", of the account " + plan.Found.Owner
	}
	n.Title("The exchange " + plan.Setup.Bucket + who)
	if err := plan.Write(n.Out); err != nil {
		return err
	}
	n.Line("")
	showRights(n, access.LintTerms(plan.Policy, plan.Setup.Terms), plan.Setup.Client)
	if plan.Ended() {
		n.Line("")
		n.Line(
			"The client's access has ended. --until with a later date, or never, lets it in again.")
	}
	if plan.Deletes != "" {
		n.Line("")
		n.Line("This deletes objects of both parties:")
		n.Line("  " + hint.OneLine(plan.Deletes))
	}
	if len(plan.Wider) > 0 {
		n.Line("")
		n.Line("This allows more than now:")
		for _, more := range plan.Wider {
			n.Line("  " + hint.OneLine(more))
		}
	}
	if findings := plan.Remarks(); len(findings) > 0 {
		n.Line("")
		n.Line("Statements that s3share did not write stay as they are. About them:")
		showFindings(n, findings)
	}
	n.Line("")
	if plan.Nothing() {
		n.Line("There is nothing to do.")
	}
	return nil
}

// finish writes the owner's config, mounts, and tells the client's line.
func (in *initCmd) finish(n ui.Printer, s *config.Settings, plan *access.Plan) error {
	i := plan.Invitation()
	l, err := config.AddExchange(in.config, in.name, config.NewEntry(i, s.Profile))
	if err != nil {
		in.showLine(n, plan) // the client can join all the same
		return hint.With(fmt.Errorf("the bucket is set up, but the config file is not written: %w",
			err),
			"once that is mended, run the same command again: it changes nothing more at S3")
	}
	if in.json {
		if err := writeJSON(n.Out, plan); err != nil {
			return err
		}
	} else {
		n.Line(fmt.Sprintf("The exchange %q is in %s.", l.Name, l.File))
		for _, c := range l.Changes {
			n.Line("  " + hint.OneLine(c.String()))
		}
	}
	if in.json {
		return in.mount(ui.NewPrinter(io.Discard), s, l.Name)
	}
	err = in.mount(n, s, l.Name)
	in.showLine(n, plan) // which the owner needs also where the mount fails
	return err
}

// mount mounts the exchange, if a directory is named.
func (in *initCmd) mount(n ui.Printer, s *config.Settings, name string) error {
	if in.dir == "" {
		return nil
	}
	return mountAdded(n, in.config, name, s.Bucket, in.dir)
}

// showLine prints the client's line.
func (in *initCmd) showLine(n ui.Printer, plan *access.Plan) {
	if in.json {
		return
	}
	when := "The client runs"
	if !plan.Nothing() && (in.dryRun || !in.done) {
		when = "When that is done, the client runs"
	}
	n.Line(when)
	n.Line("")
	n.Line("    s3share join " + plan.Invitation().String())
}

// explainSetup is explain for an owner: nobody else can let them in.
func explainSetup(t config.Destination, err error) error {
	if errors.Is(err, access.ErrNotAsWritten) {
		return hint.With(err, "say --grant too: it replaces what they have changed")
	}
	if errors.Is(err, access.ErrNotYours) {
		return hint.With(access.ErrNotYours,
			"take another name, or other credentials with --profile")
	}
	if errors.Is(err, s3backend.Denied) {
		var e *s3backend.Error
		if errors.As(err, &e) {
			return hint.With(fmt.Errorf("these credentials may not do %s", e.Op),
				"docs/access.md lists what the owner's own user needs by IAM")
		}
	}
	return ui.Explain(t, err)
}
