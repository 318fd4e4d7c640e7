package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/manual"
)

// newManual is for those who package s3share, and is not listed.
func newManual() *cobra.Command {
	return &cobra.Command{
		Use:    "manual DIR",
		Short:  "Write the manual pages into DIR/man1 and DIR/man8",
		Hidden: true,
		Long: `Write the manual pages into DIR/man1 and DIR/man8. Their date is
$SOURCE_DATE_EPOCH, in seconds, if that is set.
` + exitCodes,
		Args: argRange(1, 1, "a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			date := time.Now()
			if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
				seconds, err := strconv.ParseInt(epoch, 10, 64)
				if err != nil {
					return hint.Usage("", "SOURCE_DATE_EPOCH=%s is no number of seconds", epoch)
				}
				date = time.Unix(seconds, 0)
			}
			if err := manual.Write(args[0],
				manual.Pages(cmd.Root(), hint.VersionText(), date)); err != nil {
				return fmt.Errorf("cannot write the manual: %w", err)
			}
			return nil
		},
	}
}
