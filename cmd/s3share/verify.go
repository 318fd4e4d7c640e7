package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/recording"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// verifyCmd is the command verify.
type verifyCmd struct {
	logCmd
	deep   bool
	expect string
}

func newVerify() *cobra.Command {
	m := &verifyCmd{logCmd: logCmd{transferCmd: transferCmd{verb: "verify"}}}
	cmd := &cobra.Command{
		Use:   "verify [PATH]",
		Short: "Check that the log was not changed, and that S3 holds what it says",
		Long: `Check the log of what was delivered and received: that each line is as it was written,
and follows the one before it. A line that was changed, replaced or removed is named.
Then each file of the log in PATH, or in the whole exchange, is compared with what S3
holds: the version that was recorded last is present, or changed, or gone, or it is
unknown, if S3 cannot be asked. --deep reads the bytes of those that are present, and
compares them with the checksums that were recorded, or else with what S3 keeps.

If the bucket's owner is seen to be able to read a file that was delivered, that is
recorded in the log.

With --expect, one file is compared with a checksum that the other party has told you: its
SHA-256 in hexadecimal digits, or its CRC64NVME in base64, as "s3share receipt" prints
them. The bytes that S3 holds are read; the log is not needed for that.

PATH is a folder or a file, in a mount or named as in a mount: Delivery/2026. The exit
status is 1 unless the log is whole and all is present.
` + exitCodes,
		Example: `  s3share verify
  s3share verify Delivery/2026 --deep --exchange team
  s3share verify Delivery/q3.csv --expect 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("expect") {
				return m.verifyExpected(cmd, args)
			}
			return m.run(cmd, args)
		},
	}
	m.addFlags(cmd)
	cmd.Flags().BoolVar(&m.deep, "deep", false, "read the bytes, and compare their checksums")
	cmd.Flags().StringVar(&m.expect, "expect", "", "compare one file with a `CHECKSUM`")
	cmd.Flags().BoolVar(&m.asJSON, "json",
		false, "print JSON, a line for each file and one for the log")
	return cmd
}

func (m *verifyCmd) run(cmd *cobra.Command, args []string) error {
	ctx, stop := hint.SignalContext()
	defer stop()
	s, path, err := m.place(ctx, args)
	if err != nil {
		return err
	}
	rows, report, err := m.read(ctx, s, path, time.Time{})
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	if err != nil {
		return fmt.Errorf("cannot read the log: %w", err)
	}
	if report.Lines == 0 && len(report.Problems) == 0 && !m.asJSON {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "nothing is recorded of %s\n", s.Label())
		return err
	}
	v := &verification{verifyCmd: m, settings: s, report: report, out: cmd.OutOrStdout(),
		errs: cmd.ErrOrStderr()}
	if err := v.printChain(rows); err != nil {
		return err
	}
	last := lastVersions(rows)
	if len(last) > 0 {
		if err := v.compare(ctx, last); err != nil {
			return err
		}
	}
	return v.verdict()
}

// lastVersions returns the last row of each key.
func lastVersions(rows []logRow) (last []logRow) {
	at := map[string]int{}
	for i := range rows {
		if !rows[i].IsVersion() {
			continue
		}
		key := string(rows[i].Key)
		if j, ok := at[key]; ok {
			rows[i].OwnerRead = later(rows[i].OwnerRead, last[j], rows[i])
			last[j] = rows[i]
			continue
		}
		at[key] = len(last)
		last = append(last, rows[i])
	}
	return last
}

// later is when the owner was seen to be able to read a version that was recorded twice.
func later(t time.Time, before, now logRow) time.Time {
	if t.IsZero() && before.ETag == now.ETag {
		return before.OwnerRead
	}
	return t
}

// verification is one run of verify.
type verification struct {
	*verifyCmd
	settings  *config.Settings
	report    receipts.Report
	out, errs io.Writer

	counts map[recording.State]int
	bytes  map[recording.Bytes]int
	files  int
}

// chainJSON is what --json prints of the log.
type chainJSON struct {
	Schema   int           `json:"schema"`
	Log      bool          `json:"log"` // it is about the log
	Whole    bool          `json:"whole"`
	Lines    uint64        `json:"lines"`
	Last     uint64        `json:"last"`
	Sum      string        `json:"sum,omitempty"`
	Problems []problemJSON `json:"problems,omitempty"`
	Torn     int           `json:"torn,omitempty"` // bytes of a last line that was cut short
}

type problemJSON struct {
	Fault receipts.Fault `json:"fault"`
	From  uint64         `json:"from"`
	To    uint64         `json:"to"`
}

// printChain prints whether the log is whole.
func (v *verification) printChain(rows []logRow) error {
	r := v.report
	if v.asJSON {
		c := chainJSON{1, true, len(r.Problems) == 0, r.Lines, r.Last, r.Sum, nil, r.Torn}
		for _, p := range r.Problems {
			c.Problems = append(c.Problems, problemJSON{p.Fault, p.From, p.To})
		}
		return json.NewEncoder(v.out).Encode(c)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(v.out, "the log is not as it was written: %s\n", problemText(p))
	}
	if len(r.Problems) == 0 {
		fmt.Fprintf(v.out, "the log is whole: %s, the last with the sum %s\n",
			ui.Count(int(r.Lines), "line"), r.Sum)
	}
	if r.Torn > 0 {
		fmt.Fprintf(v.out,
			"its last line was cut short, as by a kill, and is taken away before the next one is written\n")
	}
	for _, row := range rows {
		if row.Event == receipts.Gap {
			fmt.Fprintf(v.out, "line %d, of %s: %s\n", row.N,
				timeText(row.Time), gapText(&row.Entry))
		}
	}
	return nil
}

// problemText names the lines that are not as they were written.
func problemText(p receipts.Problem) string {
	lines, was, one := fmt.Sprintf("line %d", p.From), "was", true
	if p.To > p.From {
		lines, was, one = fmt.Sprintf("the lines %d to %d", p.From, p.To), "were", false
	}
	switch p.Fault {
	case receipts.Missing:
		return fmt.Sprintf("%s %s removed", lines, was)
	case receipts.Replaced:
		return fmt.Sprintf("%s %s replaced by another, or the next line was", lines, was)
	case receipts.OutOf:
		return fmt.Sprintf("%s is there again, or in another place", lines)
	}
	if one {
		return lines + " was changed"
	}
	return lines + " were changed or removed"
}

// fileJSON is what --json prints of a file.
type fileJSON struct {
	Schema    int              `json:"schema"`
	N         uint64           `json:"n"`
	Event     receipts.Event   `json:"event"`
	Path      jsonbytes.String `json:"path"`
	Key       jsonbytes.String `json:"key"`
	State     recording.State  `json:"state"`
	Bytes     recording.Bytes  `json:"bytes,omitempty"`
	Compared  string           `json:"compared,omitempty"` // the checksum
	OwnerRead time.Time        `json:"owner_read,omitzero"`
	Error     string           `json:"error,omitempty"`
}

// compare compares files with what S3 holds, and prints those that are not as they were recorded.
func (v *verification) compare(ctx context.Context, rows []logRow) error {
	client, err := s3backend.OpenSoon(ctx, v.settings.Backend())
	if err != nil {
		if ctx.Err() != nil {
			return hint.ErrInterrupted
		}
		return ui.Explain(v.settings.Destination(), err)
	}
	defer client.CloseIdle()
	entries := make([]receipts.Entry, len(rows))
	for i, r := range rows {
		entries[i] = r.Entry
	}
	found, err := recording.Compare(ctx, client, entries, v.deep)
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	if err != nil {
		return fmt.Errorf("what S3 holds is not known: %w",
			ui.Explain(v.settings.Destination(), err))
	}
	seen := v.readable(ctx, client, rows, found)
	v.counts, v.bytes, v.files = map[recording.State]int{}, map[recording.Bytes]int{}, len(found)
	for i, f := range found {
		v.counts[f.State]++
		v.bytes[f.Bytes]++
		read := rows[i].OwnerRead
		if seen[i] {
			read = time.Now().UTC().Truncate(time.Second)
		}
		if err := v.printFile(f, read); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// readable finds out which of the files the bucket's owner is seen to be able to read, of which it
// was not seen before, and records that.
func (v *verification) readable(ctx context.Context, client *s3backend.Client, rows []logRow,
	found []recording.Found) map[int]bool {
	seen := map[int]bool{}
	var at []int // of the files that are asked about
	var versions []receipts.Entry
	for i, f := range found {
		if f.State == recording.Present && rows[i].OwnerRead.IsZero() {
			at, versions = append(at, i), append(versions, f.Entry)
		}
	}
	if len(at) == 0 {
		return seen
	}
	see, err := recording.NewReadable(ctx, client.Ownership(), client)
	if err != nil {
		return seen
	}
	record, err := recording.Start(v.settings, client, "verify", false, nil)
	if err != nil {
		v.noteNotRecorded(err)
	}
	for j, ok := range see.SeeAll(ctx, versions) {
		if seen[at[j]] = ok; ok {
			f := found[at[j]]
			record.Record(receipts.Entry{Event: receipts.Readable, Key: f.Entry.Key,
				ETag: f.Entry.ETag, Size: f.Now.Size, Once: true})
		}
	}
	if err := record.Close(); err != nil {
		v.noteNotRecorded(err)
	}
	return seen
}

func (v *verification) noteNotRecorded(err error) {
	fmt.Fprintf(v.errs, "s3share: note: what was seen is not recorded: %s\n",
		hint.OneLine(err.Error()))
}

func (v *verification) printFile(f recording.Found, read time.Time) error {
	reason := ""
	if f.Err != nil {
		reason, _ = ui.ExplainFile(v.settings.Destination(), string(f.Entry.Key), f.Err)
	}
	path := keyname.Path(string(f.Entry.Key))
	if v.asJSON {
		enc := json.NewEncoder(v.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(fileJSON{1, f.Entry.N, f.Entry.Event, jsonbytes.String(path), f.Entry.Key,
			f.State, f.Bytes, f.How, read, reason})
	}
	word := ""
	switch {
	case f.State == recording.Changed:
		word = fmt.Sprintf("changed: S3 holds another version, of %s", timeText(f.Now.Modified))
	case f.State == recording.Gone:
		word = "gone: S3 holds nothing"
	case f.State == recording.Unknown:
		word = "unknown: " + reason
	case f.Bytes == recording.Different:
		word = "its bytes are not those that were recorded: " + reason
	case f.Bytes == recording.Unsure:
		word = "its bytes are not compared: " + reason
	default:
		return nil
	}
	_, err := fmt.Fprintf(v.out, "%s (line %d, %s on %s): %s\n", hint.Printable(path),
		f.Entry.N, f.Entry.Event, timeText(f.Entry.Time), word)
	return err
}

// verdict ends with one line, and with an error unless all is as it was recorded.
func (v *verification) verdict() error {
	present, same := v.counts[recording.Present], v.bytes[recording.Same]
	if !v.asJSON {
		line := fmt.Sprintf("%d of %s are at S3 as they were recorded", present,
			ui.Count(v.files, "file"))
		if v.files == 1 && present == 1 {
			line = "the file is at S3 as it was recorded"
		}
		if v.deep {
			line += fmt.Sprintf("; the bytes of %d were read and have the checksums", same)
		}
		if v.files > 0 {
			fmt.Fprintln(v.out, line)
		}
	}
	if len(v.report.Problems) > 0 || present < v.files || v.deep && same < present {
		return hint.Silent(hint.ExitFailed)
	}
	return nil
}
