package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/doctor"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend/access"
)

func newDoctor() *cobra.Command {
	var (
		cl     config.CommandLine
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "doctor [EXCHANGE|DIR]",
		Short: "Check an exchange, and show what is missing",
		Long: `Check an exchange from this machine: the machine itself, the credentials, the clock,
the endpoint, and what the bucket's policy grants in each folder. This creates and
changes no object: doctor asks about objects and uploads that do not exist, lists
those that do, reads a byte of some, and may begin an upload that it aborts at once.
The verdict comes first, then what is wrong and what is worth knowing, then one line
for each area in which all is fine. --verbose lists each check, and how it was made.

If the policy lacks something, doctor also prints the statement to send to the bucket's
owner, who can add it to the bucket policy.

EXCHANGE and the settings are those of s3share mount; DIR is where one is mounted.
` + exitCodes + `
Something missing is a failure.`,
		Example: `  s3share doctor
  s3share doctor team --json
  s3share doctor --bucket team-exchange --profile team`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			s, err := control.SettingsOf(ctx, &cl, args)
			if err != nil {
				return err
			}
			d := doctor.Diagnose(ctx, s)
			if ctx.Err() != nil {
				return hint.ErrInterrupted
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				err = enc.Encode(d)
			} else {
				err = d.Print(cmd.OutOrStdout(), cmd.Flags().Changed("verbose"))
			}
			if err == nil && d.Worst == access.StateMissing {
				err = hint.Silent(hint.ExitFailed)
			}
			return err
		},
	}
	cl.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().Lookup("verbose").Usage = "list each check, and how it was made"
	return cmd
}
