package main

import (
	"context"
	"errors"
	"io"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend/access"
)

// revoke takes the statements of s3share for a client out of the policy.
func (in *initCmd) revoke(ctx context.Context, s *config.Settings,
	stdin io.Reader, out io.Writer) error {
	if in.client != "" || in.grant != "" || in.ownership != "" || in.kms != "" || in.versioning ||
		in.until != "" || in.keep != "" || in.terraform || in.cloudFormation ||
		in.json || in.dir != "" {
		return hint.Usage("say init BUCKET --remove ACCOUNT, with --yes or --dry-run",
			"--remove only takes a client out of the policy")
	}
	in.client = in.remove
	if _, err := access.ClientPrincipal(in.remove, s.Region, s.NotAWS()); err != nil {
		return hint.Usage("", "cannot read --remove: %w", err)
	}
	client, err := connect(ctx, s, "")
	if err != nil {
		return explainSetup(s.Destination(), err)
	}
	defer client.CloseIdle()
	setup, err := in.setup(client.Region(), !client.AWS())
	if err != nil {
		return err
	}
	found, err := access.Look(ctx, client, setup)
	switch {
	case err != nil:
		return explainSetup(s.Destination(), err)
	case !found.Exists:
		return errors.New("there is no such bucket")
	case found.NoPolicies != "":
		return errors.New(found.NoPolicies)
	}
	plan, left := access.PlanRemoval(setup, found)
	n := ui.NewPrinter(out)
	n.Title("The exchange " + plan.Setup.Bucket)
	if err := plan.Write(n.Out); err != nil {
		return err
	}
	if !in.dryRun && !plan.Nothing() {
		if !in.yes {
			if err := confirm(stdin, out, "Change this?", lookOnly); err != nil {
				return err
			}
		}
		if err := plan.Apply(ctx, client,
			func(done access.Step) { n.Step(done.What+": "+done.Detail, nil) }); err != nil {
			return explainSetup(s.Destination(), err)
		}
	}
	n.Line("What stays:")
	for _, what := range plan.Staying() {
		n.Line("  " + hint.OneLine(what))
	}
	if len(left) > 0 {
		return hint.With(access.StillIn(setup.Client, left), "take those out of the policy by hand")
	}
	return nil
}
