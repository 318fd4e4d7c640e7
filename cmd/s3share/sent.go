package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/delivery"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

func newSent() *cobra.Command {
	m := &transferCmd{verb: "list", past: "read"}
	var from string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sent [NAME]",
		Short: "List the deliveries that were sent, and which were received",
		Long: `List what this party has announced with "s3share send", or the delivery called NAME:
when it was sent, and whether the other party has received it, which is when it has
verified each file and put a receipt. Where the policy does not let this account read,
the times are those of the objects.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := hint.SignalContext()
			defer stop()
			s, err := m.exchangeSettings(ctx)
			if err != nil {
				return err
			}
			t, err := m.open(ctx, s, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer t.close()
			route, err := routeFrom(ctx, t.client, s, from, true, "from")
			if err != nil {
				return fmt.Errorf("cannot list what was sent: %w", err)
			}
			all, err := sentDeliveries(ctx, t.client, route, args)
			switch {
			case ctx.Err() != nil:
				return hint.ErrInterrupted
			case err != nil:
				return fmt.Errorf("cannot list what was sent: %w", ui.Explain(s.Destination(), err))
			case len(all) == 0 && len(args) > 0:
				return fmt.Errorf("there is no delivery %q in %s", args[0], route.From)
			case asJSON:
				return writeJSON(cmd.OutOrStdout(), all)
			case len(all) == 0:
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "nothing was sent from %s\n", route.From)
				return err
			}
			for _, d := range all {
				fmt.Fprintln(cmd.OutOrStdout(), d.words())
			}
			return nil
		},
	}
	m.addFlags(cmd)
	cmd.Flags().StringVar(&from, "from", "", "the `FOLDER` of the sender (default: this party's)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// sentDelivery is a delivery and its receipt, as --json prints it.
type sentDelivery struct {
	Name     string     `json:"name"`
	Sent     time.Time  `json:"sent"`            // by S3's clock
	Files    int        `json:"files,omitempty"` // 0: the manifest may not be read
	Bytes    int64      `json:"bytes,omitempty"`
	Received *time.Time `json:"received,omitempty"` // when the receipt was put, by S3's clock
	Receiver string     `json:"receiver,omitempty"`
	Verified *time.Time `json:"verified,omitempty"` // by the receiver's clock
	Error    string     `json:"error,omitempty"`
}

// words is what people read of it.
func (d sentDelivery) words() string {
	line := fmt.Sprintf("%q", d.Name)
	if d.Files > 0 {
		line += fmt.Sprintf(": %s, %s,", ui.Count(d.Files, "file"), ui.SizeText(d.Bytes))
	}
	line += " sent on " + timeText(d.Sent)
	switch {
	case d.Error != "":
		return line + "; " + d.Error
	case d.Received == nil:
		return line + "; not received yet"
	case d.Verified == nil:
		return line + "; received and verified, says a receipt of " + timeText(*d.Received)
	}
	return fmt.Sprintf("%s; received and verified by %s on %s",
		line, partyOf(d.Receiver), timeText(*d.Verified))
}

// sentDeliveries reads the manifests and receipts of a route, or those of the delivery that is
// named.
func sentDeliveries(ctx context.Context, client *s3backend.Client, route delivery.Route,
	names []string) ([]sentDelivery, error) {
	listed, _, err := delivery.List(ctx, client, route)
	if err != nil {
		return nil, err
	}
	var found []*delivery.Delivery
	for _, d := range listed {
		if len(names) == 0 || d.Name == names[0] {
			found = append(found, d)
		}
	}
	all := make([]sentDelivery, len(found))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, d := range found {
		group.Go(func() (err error) {
			all[i], err = readSent(ctx, client, route, d)
			return err
		})
	}
	return all, group.Wait()
}

func readSent(ctx context.Context, client *s3backend.Client, route delivery.Route,
	d *delivery.Delivery) (sentDelivery, error) {
	s := sentDelivery{Name: d.Name, Sent: d.Sent()}
	if d.Received() {
		s.Received = &d.Receipt.Modified
	}
	var bad *delivery.InvalidError
	err := delivery.Read(ctx, client, route, d)
	switch {
	case errors.Is(err, s3backend.Denied):
		return s, nil
	case errors.As(err, &bad):
		s.Error = hint.OneLine(err.Error())
		return s, nil
	case err != nil:
		return s, err
	}
	s.Files, s.Bytes = len(d.Manifest.Files), d.Manifest.Bytes()
	d.Manifest.Files = nil // as many as are listed may be large together
	if !d.Received() {
		return s, nil
	}
	receipt, err := delivery.CheckReceipt(ctx, client, d)
	switch {
	case errors.Is(err, s3backend.Denied):
	case errors.Is(err, delivery.ErrOtherManifest), errors.As(err, &bad):
		s.Error = hint.OneLine(err.Error())
	case err != nil:
		return s, err
	default:
		s.Receiver, s.Verified = receipt.Receiver, &receipt.Verified
	}
	return s, nil
}
