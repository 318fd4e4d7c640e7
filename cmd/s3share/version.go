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
		Short: "Tell which s3share this is",
		Args:  argRange(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "s3share %s (%s, %s/%s)\n",
				hint.VersionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
