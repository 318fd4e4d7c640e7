package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/delivery"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// routeFrom returns the route of deliveries from a folder of the exchange. If none is named, it
// is that of this party, or of the other one: the first folder is the owner's, and the second
// the client's. flag is how a folder can be named.
func routeFrom(ctx context.Context, client *s3backend.Client, s *config.Settings,
	folder string, ours bool, flag string) (delivery.Route, error) {
	if folder == "" {
		advice := fmt.Sprintf("say which with --%s; the folders are %s",
			flag, strings.Join(s.Folders, " and "))
		if len(s.Folders) != 2 {
			return delivery.Route{}, hint.Usage(advice,
				"the exchange %s has not two folders, so that it is not known whose deliveries are in which", s.Label())
		}
		owner, err := client.Ownership().IsOwner(ctx)
		if ctx.Err() != nil {
			return delivery.Route{}, hint.ErrInterrupted
		}
		if err != nil {
			return delivery.Route{},
				hint.With(
					fmt.Errorf("it cannot be found out whether this account owns the bucket: %w",
						ui.Explain(s.Destination(), err)), advice)
		}
		folder = s.Folders[1]
		if owner == ours {
			folder = s.Folders[0]
		}
	}
	r := delivery.Route{From: folder, To: folder}
	if i := slices.IndexFunc(s.Folders, func(f string) bool { return f != folder }); i >= 0 {
		r.To = s.Folders[i]
	}
	return r, nil
}

// timeText is a time as people read it.
func timeText(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// partyOf names who sent or received something, as they say themselves.
func partyOf(who string) string {
	if who == "" {
		return "the other party"
	}
	return who
}

// filesText is how much a delivery is.
func filesText(m *delivery.Manifest) string {
	return fmt.Sprintf("%s, %s", ui.Count(len(m.Files), "file"), ui.SizeText(m.Bytes()))
}
