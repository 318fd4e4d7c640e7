package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/recording"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// logCmd is what log and verify have in common: they read the ledger of an exchange.
type logCmd struct {
	transferCmd
	since, pattern string
	asJSON, asCSV  bool
}

func newLog() *cobra.Command {
	m := &logCmd{transferCmd: transferCmd{verb: "log"}}
	cmd := &cobra.Command{
		Use:   "log [EXCHANGE|FOLDER]",
		Short: "List what was delivered and received, and when",
		Long: `List what this user has delivered and received on this machine: the mounts, put, get,
send and receive record it in a ledger in the state directory, which only this user can
read. A line is recorded once S3 has confirmed a delivery, or all bytes of a file were
read. S3 is not asked.

The lines are chained by checksums: "s3share verify" finds which one was changed, and
compares them with what S3 holds. "s3share receipt FILE" prints what both parties can
compare. docs/receipts.md has what is recorded and what may be missing, and when.

EXCHANGE is a name of the config file, or the directory of a mount; FOLDER is a folder in
a mount, or is named as in a mount: Delivery/2026.
` + exitCodes,
		Example: `  s3share log
  s3share log Delivery --since 7d
  s3share log team --name '*.csv' --json`,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error { return m.run(cmd, args) },
	}
	m.addFlags(cmd)
	cmd.Flags().StringVar(&m.since, "since",
		"", "list what happened since `TIME`: 2026-11-30, 2026-11-30T09:00:00Z, or 12h or 7d ago")
	cmd.Flags().StringVar(&m.pattern, "name",
		"", "list files whose name is like `PATTERN`, or whose path is if it has a slash")
	cmd.Flags().BoolVar(&m.asJSON, "json", false, "print JSON, a line for each entry")
	cmd.Flags().BoolVar(&m.asCSV, "csv", false, "print CSV")
	return cmd
}

func (m *logCmd) run(cmd *cobra.Command, args []string) error {
	if m.asJSON && m.asCSV {
		return hint.Usage(helpHint(cmd), "--json and --csv do not go together")
	}
	since, err := parseSince(m.since, time.Now())
	if err != nil {
		return hint.Usage("", "cannot read --since: %w", err)
	}
	if _, err := path.Match(m.pattern, ""); err != nil {
		return hint.Usage("", "cannot read --name: %q is no pattern", m.pattern)
	}
	ctx, stop := hint.SignalContext()
	defer stop()
	s, folder, err := m.place(ctx, args)
	if err != nil {
		return err
	}
	rows, report, err := m.read(ctx, s, folder, since)
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	if err != nil {
		return fmt.Errorf("cannot read the log: %w", err)
	}
	if len(report.Problems) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(),
			"s3share: note: the log is not as it was written: %s; s3share verify tells all\n",
			problemText(report.Problems[0]))
	}
	return m.print(cmd.OutOrStdout(), s, rows)
}

// place returns the settings of the exchange that an argument names, and the key of the folder in
// it, "" for all.
func (m *logCmd) place(ctx context.Context,
	args []string) (s *config.Settings, folder string, err error) {
	name := m.exchange
	if len(args) > 0 {
		folder = args[0]
	}
	if name == "" && folder != "" {
		dir, path, err := control.MountOf(folder)
		switch {
		case err == nil && dir != "":
			name, folder = dir, path
		case !strings.Contains(folder, "/"):
			cl := m.cl
			if s, err := control.SettingsOf(ctx, &cl, []string{folder}); err == nil {
				return s, "", config.FillPaths(s)
			}
			m.cl.Exchange = ""
		}
	}
	var at []string
	if name != "" {
		at = []string{name}
	}
	if s, err = control.SettingsOf(ctx, &m.cl, at); err != nil {
		return nil, "", err
	}
	if folder != "" {
		if folder, err = keyOf(s, folder, false); err != nil {
			return nil, "", err
		}
	}
	return s, folder, config.FillPaths(s)
}

// logRow is an entry with what later ones say of its version.
type logRow struct {
	receipts.Entry
	// when the bucket's owner was seen to be able to read it; zero if he was not
	OwnerRead time.Time
}

// read reads the entries that are asked for.
func (m *logCmd) read(ctx context.Context, s *config.Settings,
	folder string, since time.Time) ([]logRow, receipts.Report, error) {
	if _, err := os.Lstat(s.StateDir); errors.Is(err, fs.ErrNotExist) {
		return nil, receipts.Report{}, nil // reading makes no directory
	}
	l, err := recording.Open(s)
	if err != nil {
		return nil, receipts.Report{}, err
	}
	defer l.Close()
	var rows []logRow
	last := map[string]int{} // the row of a version, by its key and ETag
	report, err := l.Read(ctx, both(mayMatch(m.pattern), mayBeSince(since)),
		func(e *receipts.Entry) error {
			version := string(e.Key) + "\x00" + e.ETag
			switch {
			case e.Event == receipts.Readable:
				if i, ok := last[version]; ok && rows[i].OwnerRead.IsZero() {
					rows[i].OwnerRead = e.Time
				}
				return nil
			case e.Time.Before(since), !m.matches(e, folder):
				return nil
			}
			last[version] = len(rows)
			rows = append(rows, logRow{Entry: *e})
			return nil
		})
	return rows, report, err
}

// matches reports whether an entry is of the folder, and has a name like the pattern. A gap is of
// all names that are not asked for by a pattern.
func (m *logCmd) matches(e *receipts.Entry, folder string) bool {
	key := string(e.Key)
	if e.Event == receipts.Gap {
		return m.pattern == ""
	}
	if folder != "" && key != folder && !strings.HasPrefix(key, folder+"/") {
		return false
	}
	if m.pattern == "" {
		return true
	}
	name := key
	if !strings.Contains(m.pattern, "/") {
		name = path.Base(key)
	}
	ok, _ := path.Match(m.pattern, name)
	return ok
}

// mayMatch returns a function that is false of lines that cannot have a name like the pattern: they
// are not decoded. A part of the pattern that JSON writes as it is has to be in the line.
func mayMatch(pattern string) func(line []byte) bool {
	longest := ""
	for part := range strings.FieldsFuncSeq(pattern, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' ||
			r == '_' || r == '.' || r == ' ')
	}) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	if longest == "" || strings.ContainsAny(pattern, `[\`) {
		return nil
	}
	return func(line []byte) bool { return bytes.Contains(line, []byte(longest)) }
}

// mayBeSince returns a function that is false of lines whose entry is before a time: they are not
// decoded. An entry that says something of an earlier one is decoded, whatever its time is.
func mayBeSince(since time.Time) func(line []byte) bool {
	if since.IsZero() {
		return nil
	}
	const second = "2006-01-02T15:04:05"
	first := since.UTC().Format(second)
	readable := fmt.Appendf(nil, `"event":%q`, receipts.Readable)
	return func(line []byte) bool {
		// in no key: JSON escapes the quotes there
		_, rest, ok := bytes.Cut(line, []byte(`"time":"`))
		at, _, ended := bytes.Cut(rest, []byte(`"`))
		inUTC := ok && ended && len(at) > len(second) && at[len(at)-1] == 'Z'
		return !inUTC || string(at[:len(second)]) >= first || bytes.Contains(line, readable)
	}
}

// both is true of lines of which two functions are true; nil is true of all.
func both(a, b func(line []byte) bool) func(line []byte) bool {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(line []byte) bool { return a(line) && b(line) }
}

// parseSince reads a time: a date, a time as in RFC 3339, or how long ago it was.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{},
		fmt.Errorf(
			"%q is neither a time as 2026-11-30 or 2026-11-30T09:00:00Z, nor how long ago as 12h or 7d", text)
}

func (m *logCmd) print(out io.Writer, s *config.Settings, rows []logRow) error {
	switch {
	case m.asJSON:
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		for _, r := range rows {
			if err := enc.Encode(r.json()); err != nil {
				return err
			}
		}
		return nil
	case m.asCSV:
		return printCSV(out, rows)
	case len(rows) == 0:
		_, err := fmt.Fprintf(out, "nothing is recorded of %s\n", s.Label())
		return err
	}
	for _, r := range rows {
		if _, err := fmt.Fprintln(out, r.words()); err != nil {
			return err
		}
	}
	return nil
}

// words is an entry as people read it.
func (r logRow) words() string {
	at := timeText(r.Time)
	if r.Event == receipts.Gap {
		return at + "  " + gapText(&r.Entry)
	}
	line := fmt.Sprintf("%s  %-9s  %s", at, r.Event, hint.Printable(keyname.Path(string(r.Key))))
	if r.Size >= 0 {
		line += "  " + ui.SizeText(r.Size)
	}
	line += fmt.Sprintf("  by %s (%s)", hint.Printable(r.By), r.How)
	if r.Late {
		line += "  recorded later"
	}
	if !r.OwnerRead.IsZero() {
		line += "  the owner could read it on " + timeText(r.OwnerRead)
	}
	return line
}

// gapText returns what may be missing, for people.
func gapText(e *receipts.Entry) string {
	switch e.Reason {
	case receipts.Torn:
		return "the last line before was cut short, as by a kill, and was taken away"
	case receipts.Killed:
		return "the mount before was killed: what it delivered in its last instant, and what it received last, may be missing"
	case receipts.NotWritten:
		return fmt.Sprintf("%s since %s could not be recorded",
			ui.Count(e.Lost, "event"), timeText(e.From))
	}
	return "something may be missing"
}

// jsonRow is an entry as --json prints it.
type jsonRow struct {
	Schema    int              `json:"schema"`
	N         uint64           `json:"n"`
	Event     receipts.Event   `json:"event"`
	Time      time.Time        `json:"time"`
	Path      jsonbytes.String `json:"path,omitempty"`
	Key       jsonbytes.String `json:"key,omitempty"`
	Size      *int64           `json:"size,omitempty"`
	ETag      string           `json:"etag,omitempty"`
	VersionID string           `json:"version_id,omitempty"`
	SHA256    string           `json:"sha256,omitempty"`
	CRC64NVME string           `json:"crc64nvme,omitempty"`
	Modified  time.Time        `json:"modified,omitzero"`
	Bucket    string           `json:"bucket,omitempty"`
	Principal string           `json:"principal,omitempty"`
	By        string           `json:"by,omitempty"`
	How       string           `json:"how,omitempty"`
	Late      bool             `json:"late,omitempty"`
	OwnerRead time.Time        `json:"owner_read,omitzero"`
	Reason    receipts.Reason  `json:"reason,omitempty"`
	Lost      int              `json:"lost,omitempty"`
	From      time.Time        `json:"from,omitzero"`
	Sum       string           `json:"sum"`
}

func (r logRow) json() jsonRow {
	row := jsonRow{
		1, r.N, r.Event, r.Time, jsonbytes.String(keyname.Path(string(r.Key))), r.Key,
		nil, r.ETag, r.VersionID, r.SHA256, r.CRC64NVME,
		r.Modified, r.Bucket, r.Principal, r.By, r.How, r.Late,
		r.OwnerRead, r.Reason, r.Lost, r.From, r.Sum,
	}
	if r.IsVersion() && r.Size >= 0 {
		row.Size = &r.Size
	}
	return row
}

func printCSV(out io.Writer, rows []logRow) error {
	w := csv.NewWriter(out)
	err := w.Write([]string{"n", "event", "time", "path", "size", "etag", "version_id", "sha256",
		"crc64nvme", "modified", "bucket", "principal", "by", "how", "late", "owner_read",
		"reason", "lost", "sum"})
	date := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for _, r := range rows {
		if err != nil {
			return err
		}
		size, lost, late := "", "", ""
		if r.IsVersion() && r.Size >= 0 {
			size = strconv.FormatInt(r.Size, 10)
		}
		if r.Lost > 0 {
			lost = strconv.Itoa(r.Lost)
		}
		if r.Late {
			late = "late"
		}
		err = w.Write([]string{
			strconv.FormatUint(r.N, 10), string(r.Event), date(r.Time), keyname.Path(string(r.Key)),
			size, r.ETag, r.VersionID, r.SHA256,
			r.CRC64NVME, date(r.Modified), r.Bucket, r.Principal, r.By, r.How, late,
			date(r.OwnerRead), string(r.Reason), lost, r.Sum,
		})
	}
	w.Flush()
	if err == nil {
		err = w.Error()
	}
	return err
}
