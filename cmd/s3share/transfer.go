package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/recording"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// transferCmd is what put and get have in common.
type transferCmd struct {
	verb, past string // "put", "delivered"
	cl         config.CommandLine
	exchange   string
}

func (m *transferCmd) addFlags(cmd *cobra.Command) {
	m.cl.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&m.exchange, "exchange", "e", "",
		"the exchange `NAME` of the config file, or the directory where it is mounted (default: the file's default one)")
	// These are for mounts.
	for _, name := range []string{"cache-dir", "cache-size", "memory", "stage-size",
		"uid", "gid", "umask", "log-file", "options"} {
		_ = cmd.Flags().MarkHidden(name)
	}
}

// transferFunc transfers.
type transferFunc func(context.Context, transfer.Config) (transfer.Total, error)

// run transfers, tells what went wrong, and ends with one line. prepare looks at the arguments,
// before S3 is asked.
func (m *transferCmd) run(cmd *cobra.Command,
	prepare func(*config.Settings) (transferFunc, error)) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	var args []string
	if m.exchange != "" {
		args = []string{m.exchange}
	}
	s, err := control.SettingsOf(ctx, &m.cl, args)
	if err != nil {
		return err
	}
	do, err := prepare(s)
	if err != nil {
		return fmt.Errorf("cannot %s: %w", m.verb, err)
	}
	began := time.Now()
	t, err := m.open(ctx, s, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer t.close()
	total, err := do(ctx, t.config)
	t.end()
	if total.Files > 0 || total.Present > 0 {
		fmt.Fprintln(cmd.OutOrStdout(), m.summary(total, time.Since(began)))
	}
	const again = "run it again: what is there already is not moved again"
	switch {
	case ctx.Err() != nil:
		return hint.With(hint.ErrInterrupted, again)
	case err != nil:
		return ui.Explain(s.Destination(), err)
	case total.Failed > 0:
		return hint.With(fmt.Errorf("%s not %s", ui.Count(total.Failed, "file"), m.past), again)
	case total.Conflicts > 0:
		return hint.With(fmt.Errorf("%s went beside another version",
			ui.Count(total.Conflicts, "file")), ui.MergeHint)
	case total.Files+total.Present == 0:
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "there is nothing to "+m.verb)
		return err
	}
	return nil
}

// openTransfer is an exchange that files are moved to or from.
type openTransfer struct {
	*transferReport
	client *s3backend.Client
	config transfer.Config
	notes  *transfer.Notes
	record *recording.Recording
	errs   io.Writer
	cancel context.CancelFunc
	ended  bool
}

// open connects to the bucket. The caller closes what it returns.
func (m *transferCmd) open(ctx context.Context, s *config.Settings,
	errs io.Writer) (*openTransfer, error) {
	private, err := s.PrivateNames()
	if err != nil {
		return nil, hint.Usage("", "%w", err)
	}
	client, err := s3backend.OpenSoon(ctx, s.Backend())
	if err != nil {
		if ctx.Err() != nil {
			return nil, hint.ErrInterrupted
		}
		return nil, ui.Explain(s.Destination(), err)
	}
	t := &openTransfer{client: client, notes: m.openNotes(s, errs), errs: errs}
	if t.notes != nil { // else that is said already
		if t.record, err = recording.Start(s, client, m.verb, false, nil); err != nil {
			t.notRecorded(err)
		}
	}
	limits, cancel := context.WithCancel(ctx)
	t.cancel = cancel
	go config.EachMinute(limits, func() { client.SetLimits(s.LimitsAt(time.Now())) })
	t.transferReport = &transferReport{transferCmd: m, target: s.Destination(),
		bar: ui.NewTransferBar(errs, m.past)}
	t.config = transfer.Config{
		Bucket: client, Notes: t.notes, Who: config.UserAtHost(), Private: private,
		Meter: &t.bar.Meter, Tell: t.tellAndRecord,
	}
	return t, nil
}

// tellAndRecord takes what became of a file.
func (t *openTransfer) tellAndRecord(r transfer.Result) {
	t.tell(r)
	if r.Outcome != transfer.Moved && r.Outcome != transfer.Present &&
		r.Outcome != transfer.Conflict {
		return
	}
	switch t.verb {
	case "put", "send":
		e := cache.Receipt(receipts.Delivered, r.Object)
		if r.Version != nil {
			e.SHA256, e.CRC64NVME = r.Version.SHA256, r.Version.CRC64NVME
		}
		// It was there already: an earlier process may have been killed before it recorded that.
		e.Late = r.Outcome == transfer.Present
		e.Once = e.Late
		if r.Ours {
			t.record.Record(e)
		}
	case "get":
		if r.Object.ByVersion { // S3 does not hold it under the key any more
			return
		}
		e := cache.Receipt(receipts.Received, r.Object)
		e.Once = true
		t.record.Record(e)
	}
}

func (t *openTransfer) notRecorded(err error) {
	fmt.Fprintf(t.errs,
		"s3share: note: not all is in the log of what was delivered and received: %s\n",
		hint.OneLine(hint.WithoutPath(err).Error()))
}

// end takes the bar away, and tells what is left to tell of files.
func (t *openTransfer) end() {
	if !t.ended {
		t.ended = true
		t.bar.End()
		t.transferReport.end()
	}
}

func (t *openTransfer) close() {
	t.end()
	t.cancel()
	if err := t.record.Close(); err != nil {
		t.notRecorded(err)
	}
	_ = t.notes.Close()
	t.client.CloseIdle()
}

// openNotes opens what earlier transfers have remembered. Without that less is known, which
// is no failure.
func (m *transferCmd) openNotes(s *config.Settings, errs io.Writer) *transfer.Notes {
	err := ui.Explain(s.Destination(), config.FillPaths(s))
	var notes *transfer.Notes
	if err == nil {
		notes, err = transfer.OpenNotes(config.PutNotes(s))
	}
	if err != nil {
		fmt.Fprintf(errs, "s3share: note: nothing is remembered for the next time: %s\n",
			hint.OneLine(hint.WithoutPath(err).Error()))
		return nil
	}
	return notes
}

// summary is the final line.
func (m *transferCmd) summary(t transfer.Total, took time.Duration) string {
	line := ui.MovedText(t.Files, t.Bytes, m.past, took)
	if t.Present > 0 {
		line += fmt.Sprintf("; %s there already", wasText(t.Present))
	}
	if t.Skipped > 0 {
		line += fmt.Sprintf("; %d skipped", t.Skipped)
	}
	return line
}

func wasText(n int) string {
	if n == 1 {
		return "1 was"
	}
	return fmt.Sprintf("%d were", n)
}

// transferReport tells of the files that need a word, each on a line.
type transferReport struct {
	*transferCmd
	target config.Destination
	bar    *ui.TransferBar
	n      int
	hints  []string
}

// maxReported is how many files are told of.
const maxReported = 50

func (m *transferReport) tell(r transfer.Result) {
	line := ""
	switch r.Outcome {
	case transfer.Failed:
		reason, advice := ui.ExplainFile(m.target, r.Key, r.Err)
		line = fmt.Sprintf("s3share: cannot %s %s: %s", m.verb, m.name(r), reason)
		if advice != "" && !slices.Contains(m.hints, advice) {
			m.hints = append(m.hints, advice)
		}
	case transfer.Skipped:
		line = fmt.Sprintf("s3share: note: skipped %s: %s", m.name(r), hint.OneLine(r.Err.Error()))
	case transfer.Conflict:
		line = fmt.Sprintf(
			"s3share: conflict: %s differs from what is there, and went beside it, as %q",
			m.name(r), r.Beside)
	default:
		return
	}
	if m.n++; m.n <= maxReported {
		m.bar.Line(line)
	}
}

// name is what a file is called: where it comes from.
func (m *transferReport) name(r transfer.Result) string {
	if m.verb == "get" {
		return fmt.Sprintf("%q", r.Key)
	}
	return fmt.Sprintf("%q", r.Path)
}

func (m *transferReport) end() {
	if m.n > maxReported {
		m.bar.Line(fmt.Sprintf("s3share: and %d more", m.n-maxReported))
	}
	for _, h := range m.hints {
		m.bar.Line("s3share: hint: " + hint.OneLine(h))
	}
}

// inMount returns the mount that a path is in, and the path there; dir is "" if the exchange is
// named, or the path is named as in a mount. What the path has to name stands in the advice for a
// mount itself.
func (m *transferCmd) inMount(path, what string) (dir, inside string, err error) {
	if m.exchange != "" {
		return "", path, nil
	}
	dir, inside, err = control.MountOf(path)
	switch {
	case err != nil || dir == "":
		return "", path, nil
	case inside == "":
		return "", "", hint.Usage("name "+what+" in it", "%s is the mount itself", path)
	}
	return dir, inside, nil
}

// takeMount takes a path in a mount, if the exchange is not named, for the path in the exchange of
// that mount.
func (m *transferCmd) takeMount(path *string) error {
	dir, inside, err := m.inMount(*path, "a file or a folder")
	if err != nil || dir == "" {
		return err
	}
	if strings.HasSuffix(*path, "/") {
		inside += "/"
	}
	m.exchange, *path = dir, inside
	return nil
}

// exchangePath returns the settings of the exchange that a file is in, and its path there. The file
// is in a mount, whose directory is the third result, or is named as in a mount.
func (m *transferCmd) exchangePath(ctx context.Context,
	file string) (s *config.Settings, name, dir string, err error) {
	dir, name, err = m.inMount(file, "a file")
	if err != nil {
		return nil, "", "", err
	}
	var names []string
	if at := cmp.Or(m.exchange, dir); at != "" {
		names = []string{at}
	}
	s, err = control.SettingsOf(ctx, &m.cl, names)
	return s, name, dir, err
}
