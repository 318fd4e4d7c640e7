package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/delivery"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// receiveCmd is the command receive.
type receiveCmd struct {
	transferCmd
	from, to          string
	wait, asJSON      bool
	timeout, interval time.Duration
}

func newReceive() *cobra.Command {
	m := &receiveCmd{transferCmd: transferCmd{verb: "receive", past: "verified"},
		interval: 10 * time.Second}
	cmd := &cobra.Command{
		Use:   "receive [NAME]",
		Short: "Verify and acknowledge the other party's deliveries",
		Long: `Look for deliveries that the other party has announced with "s3share send", or for the
one called NAME. Of each that was not received yet, every file is compared with the
manifest: it has to be there, with the size and the ETag that were sent, and its bytes
are read and have to have the same SHA-256. If all are as they were sent, a receipt goes
into .deliveries in this party's folder, where the sender sees it. A delivery is
acknowledged once. If the policy does not let this party put the receipt, it is printed,
to be sent by other means.

A file that is missing or is not as it was sent is named, nothing is acknowledged, and
the exit status is 1. A delivery of which files were replaced by a later delivery is
superseded by that one, and is no failure.

With --to, the files are fetched into a directory on the way, by the rules of "s3share
get", and get their names there once they are verified. With --wait, if there is nothing
to receive, wait for the next delivery: that costs two requests each 10 s.
` + exitCodes,
		Example: `  s3share receive
  s3share receive 2026-q3 --to in
  s3share receive --wait --timeout 8h --json`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error { return m.run(cmd, args) },
	}
	m.addFlags(cmd)
	cmd.Flags().StringVar(&m.from, "from",
		"", "the `FOLDER` of the sender (default: the other party's)")
	cmd.Flags().StringVar(&m.to, "to", "", "the `DIR` to fetch the files into")
	cmd.Flags().BoolVar(&m.wait, "wait", false, "wait for the next delivery")
	addTimeout(cmd.Flags(), &m.timeout, " with --wait")
	cmd.Flags().DurationVar(&m.interval, "interval", m.interval,
		"the `TIME` between two looks with --wait, at least 1s")
	cmd.Flags().BoolVar(&m.asJSON, "json", false, "print JSON, a line for each delivery")
	return cmd
}

func (m *receiveCmd) run(cmd *cobra.Command, args []string) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	name := ""
	if len(args) > 0 {
		if name = args[0]; delivery.CheckName(name) != nil {
			return hint.Usage("", "%w", delivery.CheckName(name))
		}
	}
	if m.interval < time.Second {
		return hint.Usage("", "--interval %s is too short: it is at least 1s", m.interval)
	}
	if cmd.Flags().Changed("to") {
		if m.to == "" {
			return hint.Usage("", "--to is empty: it takes the directory to fetch the files into")
		}
		if err := canFetchInto(m.to); err != nil {
			return fmt.Errorf("cannot receive: %w", err)
		}
	}
	s, err := m.exchangeSettings(ctx)
	if err != nil {
		return err
	}
	if m.from != "" && !slices.Contains(s.Folders, m.from) {
		_, err := keyOf(s, m.from, false)
		return errors.Join(err,
			hint.Usage("", "--from takes a folder of the exchange, and not %q", m.from))
	}
	t, err := m.open(ctx, s, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer t.close()
	route, err := routeFrom(ctx, t.client, s, m.from, false, "from")
	if err != nil {
		return fmt.Errorf("cannot receive: %w", err)
	}
	r := &receiving{receiveCmd: m, openTransfer: t, route: route, cmd: cmd, canPut: !s.ReadOnly}
	found, err := r.look(ctx, name)
	switch {
	case ctx.Err() != nil:
		return hint.ErrInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no delivery came in %s", m.timeout)
	case err != nil:
		return fmt.Errorf("cannot receive: %w", ui.Explain(s.Destination(), err))
	case len(found) == 0 && name != "":
		return fmt.Errorf("there is no delivery %q in %s", name, route.From)
	case len(found) == 0 && !m.asJSON:
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "there is nothing to receive in %s\n", route.From)
		return err
	}
	return r.each(ctx, found)
}

// exchangeSettings are those of the exchange that --exchange names, or of the default one.
func (m *transferCmd) exchangeSettings(ctx context.Context) (*config.Settings, error) {
	var args []string
	if m.exchange != "" {
		args = []string{m.exchange}
	}
	return control.SettingsOf(ctx, &m.cl, args)
}

// receiving is one run of receive.
type receiving struct {
	*receiveCmd
	*openTransfer
	route  delivery.Route
	cmd    *cobra.Command
	canPut bool

	all   []*delivery.Delivery // of the last listing
	lines []string             // for people, at the end
}

// look returns the delivery of a name, or all that are to be received. With --wait it waits until
// there is one; the error is context.DeadlineExceeded if none came.
func (r *receiving) look(ctx context.Context, name string) ([]*delivery.Delivery, error) {
	if r.wait && r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	looked := false
	for {
		all, ignored, err := delivery.List(ctx, r.client, r.route)
		switch {
		case err == nil:
			r.all = all
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !looked || !r.wait ||
			!errors.Is(err, s3backend.Other) && !errors.Is(err, s3backend.Busy):
			return nil, err
		}
		if ignored > 0 && !looked {
			fmt.Fprintf(r.cmd.ErrOrStderr(),
				"s3share: note: %s in %s/%s cannot be the name of a delivery, and are ignored\n",
				ui.Count(ignored, "name"), r.route.From, delivery.Directory)
		}
		looked = true
		found := slices.DeleteFunc(slices.Clone(r.all), func(d *delivery.Delivery) bool {
			if name != "" {
				return d.Name != name
			}
			return d.Received() && !d.Receipt.Modified.Before(d.Object.Modified)
		})
		if len(found) > 0 || !r.wait {
			return found, nil
		}
		select {
		case <-time.After(r.interval):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// received is what became of one delivery, as --json prints it.
type received struct {
	Name     string     `json:"name"`
	State    string     `json:"state"` // verified, received, superseded or refused
	Sender   string     `json:"sender,omitempty"`
	Sent     *time.Time `json:"sent,omitempty"`
	Note     string     `json:"note,omitempty"`
	Files    int        `json:"files"`
	Bytes    int64      `json:"bytes"`
	Receipt  bool       `json:"receipt"` // there is one in the bucket
	Problems []problem  `json:"problems,omitempty"`
	Error    string     `json:"error,omitempty"`
	By       []string   `json:"superseded_by,omitempty"`

	line  string // in the place of all this, for people
	hint  string
	total int // conflict copies
}

type problem struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// each receives deliveries one after the other.
func (r *receiving) each(ctx context.Context, found []*delivery.Delivery) error {
	defer r.printLines()
	refused, conflicts := 0, 0
	var advice string
	for _, d := range found {
		out := r.one(ctx, d)
		if ctx.Err() != nil {
			return hint.With(hint.ErrInterrupted,
				"run it again: what is acknowledged already is not read again")
		}
		if out.State == "refused" {
			refused++
			advice = out.hint
		}
		conflicts += out.total
		if err := r.print(out); err != nil {
			return err
		}
	}
	switch {
	case refused > 0:
		return hint.With(fmt.Errorf("%s not received", ui.Count(refused, "delivery")), advice)
	case conflicts > 0:
		return hint.With(fmt.Errorf("%s went beside another version", ui.Count(conflicts, "file")),
			ui.MergeHint)
	}
	return nil
}

func (r *receiving) print(out received) error {
	if r.asJSON {
		enc := json.NewEncoder(r.cmd.OutOrStdout())
		enc.SetEscapeHTML(false)
		return enc.Encode(out)
	}
	for i, p := range out.Problems {
		if i == maxReported {
			r.bar.Line(fmt.Sprintf("s3share: and %d more", len(out.Problems)-maxReported))
			break
		}
		r.bar.Line(fmt.Sprintf("s3share: cannot receive %q of %q: %s", p.Path, out.Name, p.Reason))
	}
	if out.Error != "" {
		r.bar.Line(fmt.Sprintf("s3share: cannot receive %q: %s", out.Name, out.Error))
	}
	if out.line != "" {
		r.lines = append(r.lines, out.line)
		if out.Note != "" {
			r.lines = append(r.lines, "  note: "+hint.OneLine(out.Note))
		}
	}
	return nil
}

// printLines prints what was received, once there is no bar that lines would go through.
func (r *receiving) printLines() {
	r.end()
	for _, line := range r.lines {
		fmt.Fprintln(r.cmd.OutOrStdout(), line)
	}
}

// one receives a delivery.
func (r *receiving) one(ctx context.Context, d *delivery.Delivery) received {
	out := received{Name: d.Name, State: "refused", Receipt: d.Received()}
	refuse := func(err error) received {
		reason, advice := ui.ExplainFile(r.target, d.Object.Key, err)
		out.Error, out.hint = reason, advice
		return out
	}
	if err := delivery.Read(ctx, r.client, r.route, d); err != nil {
		return refuse(err)
	}
	sent := d.Sent()
	out.Sender, out.Sent, out.Note = d.Manifest.Sender, &sent, d.Manifest.Note
	out.Files, out.Bytes = len(d.Manifest.Files), d.Manifest.Bytes()
	if d.Received() {
		receipt, err := delivery.CheckReceipt(ctx, r.client, d)
		if err != nil {
			return refuse(err)
		}
		if out.State = "received"; r.to == "" {
			out.line = fmt.Sprintf("%q was received already: verified by %s on %s",
				d.Name, partyOf(receipt.Receiver), timeText(receipt.Verified))
			return out
		}
	}
	problems, err := r.verify(ctx, d, &out)
	if err != nil {
		out.State = "refused"
		return refuse(err)
	}
	if len(problems) > 0 {
		return r.refused(ctx, d, problems, out)
	}
	r.recordAll(d)
	if !d.Received() {
		out.State = "verified"
		if err := r.acknowledge(ctx, d, &out); err != nil {
			out.State = "refused"
			return refuse(err)
		}
	}
	out.line = fmt.Sprintf("%q: %s, all there and verified; sent by %s on %s", d.Name,
		filesText(d.Manifest), partyOf(d.Manifest.Sender), timeText(sent))
	return out
}

// recordAll records that all files of a delivery were read and verified.
func (r *receiving) recordAll(d *delivery.Delivery) {
	for _, f := range d.Manifest.Files {
		e := cache.Receipt(receipts.Received, r.route.Object(f))
		e.SHA256, e.Once = f.SHA256, true
		r.record.Record(e)
	}
}

// verify compares the files with the manifest, and fetches them if that is asked for.
func (r *receiving) verify(ctx context.Context, d *delivery.Delivery,
	out *received) ([]delivery.Problem, error) {
	if r.to == "" {
		return delivery.Verify(ctx, r.client, r.route, d.Manifest, r.config.Meter)
	}
	problems, total, err := delivery.Fetch(ctx, r.config, r.route, d.Manifest, r.to)
	out.total = total.Conflicts
	return problems, err
}

// refused says which files are not as they were sent, unless later deliveries have replaced all
// of those.
func (r *receiving) refused(ctx context.Context, d *delivery.Delivery, problems []delivery.Problem,
	out received) received {
	if by := delivery.SupersededBy(ctx, r.client, r.route, d, problems, r.all); len(by) > 0 {
		out.State, out.By = "superseded", by
		out.line = fmt.Sprintf("%q is superseded: %s replaced what it had of %s",
			d.Name, quotedList(by), ui.Count(len(problems), "file"))
		return out
	}
	out.State = "refused"
	for _, p := range problems {
		reason, advice := ui.ExplainFile(r.target, r.route.From+"/"+p.Path, p.Err)
		out.Problems = append(out.Problems, problem{p.Path, reason})
		switch {
		case p.OfSender():
			advice = "ask the sender to send what is named anew, under another --name"
		case advice == "":
			advice =
				"mend what is named, then run it again: what is there already is not fetched again"
		}
		out.hint = cmp.Or(out.hint, advice)
	}
	return out
}

// quotedList is names as a sentence has them.
func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return strings.Join(quoted, ", ")
}

// acknowledge puts the receipt, or prints it where that is not granted.
func (r *receiving) acknowledge(ctx context.Context, d *delivery.Delivery, out *received) error {
	receipt := delivery.NewReceipt(d, config.UserAtHost(), time.Now())
	err := error(s3backend.Denied)
	if r.canPut {
		_, err = delivery.Acknowledge(ctx, r.client, r.route, d, receipt)
	}
	if !errors.Is(err, s3backend.Denied) {
		out.Receipt = err == nil
		return err
	}
	text, err := json.Marshal(receipt)
	if err == nil {
		r.bar.Line(
			fmt.Sprintf(
				"s3share: note: the receipt for %q cannot be put into %s; send this line to the sender: %s", d.Name, r.route.To, text))
	}
	return err
}
