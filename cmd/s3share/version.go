package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of s3share",
		Args:  argRange(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

// versionLine is what the command version and the flag --version print.
func versionLine() string {
	return fmt.Sprintf("s3share %s (%s, %s/%s)", hint.VersionText(), runtime.Version(),
		runtime.GOOS, runtime.GOARCH)
}
