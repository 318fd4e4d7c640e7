package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

func newReceipt() *cobra.Command {
	m := &transferCmd{verb: "receipt"}
	cmd := &cobra.Command{
		Use:   "receipt FILE",
		Short: "Print what S3 says of a file, the same on both sides",
		Long: `Print the receipt of a file: its bucket, key, size, ETag, checksum, version ID and time,
as S3 tells them now, and the SHA-256 of that text. Both parties get the same text, byte
for byte, as long as S3 holds the same version: so they can compare it, or its last line
alone.

FILE is a file in a mount, or is named as in a mount: Delivery/q3.csv. It is one request.
If the policy does not let this account read the file, there is no receipt.
` + exitCodes,
		Example: `  s3share receipt ~/exchange/Delivery/q3.csv
  s3share receipt Delivery/q3.csv --exchange team`,
		Args: argRange(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return printReceipt(cmd, m, args[0])
		},
	}
	m.addFlags(cmd)
	return cmd
}

func printReceipt(cmd *cobra.Command, m *transferCmd, file string) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	s, name, dir, err := m.exchangePath(ctx, file)
	if err != nil {
		return err
	}
	if dir != "" {
		target, err := control.FindTarget(ctx, file)
		switch {
		case err != nil:
			return fmt.Errorf("cannot make a receipt: %w", err)
		case len(target.State.Pending) > 0:
			return hint.With(fmt.Errorf("%q is not delivered yet", file),
				"s3share wait "+hint.ShellQuote(file)+" waits for that")
		}
	}
	key, err := keyOf(s, name, false)
	if err == nil && isFolder(name, key) {
		err = errFolder(name, "receipts")
	}
	if err != nil {
		return err
	}
	client, err := s3backend.OpenSoon(ctx, s.Backend())
	if err != nil {
		return ui.Explain(s.Destination(), err)
	}
	defer client.CloseIdle()
	obj, sum, err := client.HeadSum(ctx, key)
	switch {
	case ctx.Err() != nil:
		return hint.ErrInterrupted
	case errors.Is(err, s3backend.NotExist) && isDirectory(ctx, client, key):
		return errFolder(name, "receipts")
	case errors.Is(err, s3backend.NotExist):
		return fmt.Errorf("S3 holds no %q", key)
	case err != nil:
		reason, advice := ui.ExplainFile(s.Destination(), key, err)
		return hint.With(fmt.Errorf("there is no receipt for %q: %s", key, reason), advice)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), receiptText(s.Bucket, obj, sum))
	return err
}

// receiptText is the receipt of a version. It has only what S3 tells both parties.
func receiptText(bucket string, obj s3backend.Object, sum string) string {
	or := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	var b strings.Builder
	fmt.Fprintf(&b, "s3share receipt 1\n")
	fmt.Fprintf(&b, "bucket:        %s\n", bucket)
	fmt.Fprintf(&b, "key:           %s\n", strconv.QuoteToGraphic(obj.Key))
	fmt.Fprintf(&b, "size:          %d bytes\n", obj.Size)
	fmt.Fprintf(&b, "etag:          %s\n", or(obj.ETag))
	fmt.Fprintf(&b, "checksum:      %s\n", or(sum))
	fmt.Fprintf(&b, "version id:    %s\n", or(obj.Version))
	fmt.Fprintf(&b, "last modified: %s\n", obj.Modified.UTC().Format(time.RFC3339))
	digest := sha256.Sum256([]byte(b.String()))
	fmt.Fprintf(&b, "sha-256 of the lines above: %s\n", hex.EncodeToString(digest[:]))
	return b.String()
}
