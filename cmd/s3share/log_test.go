package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/s3backend"
)

// TestSince reads times as people write them.
func TestSince(t *testing.T) {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"":                     {},
		"12h":                  now.Add(-12 * time.Hour),
		"7d":                   now.AddDate(0, 0, -7),
		"2026-11-01":           time.Date(2026, 11, 1, 0, 0, 0, 0, time.Local),
		"2026-11-01 08:30":     time.Date(2026, 11, 1, 8, 30, 0, 0, time.Local),
		"2026-11-01T08:30:00Z": time.Date(2026, 11, 1, 8, 30, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("parseSince(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "-7d", "7", "2026-13-01"} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("parseSince(%q) = %v", text, got)
		}
	}
}

// TestNoEntryIsPassedOver: a line whose name is like the pattern is decoded, whatever bytes the
// name and the pattern have.
func TestNoEntryIsPassedOver(t *testing.T) {
	part := rapid.StringMatching(`[a-c.é"<\\ _*?]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		pattern := part.Draw(t, "pattern") + part.Draw(t, "rest")
		name := strings.NewReplacer("*", part.Draw(t, "some"), "?", "x", `\`, "").Replace(pattern)
		m := logCmd{pattern: pattern}
		e := receipts.Entry{Event: receipts.Delivered, Key: jsonbytes.String("Delivery/" + name)}
		if !m.matches(&e, "Delivery") {
			return
		}
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if may := mayMatch(pattern); may != nil && !may(line) {
			t.Fatalf("%q is like %q, and its line is passed over: %s", name, pattern, line)
		}
	})
}

// TestLinesBeforeATimeArePassedOver: of a line whose entry is before the time, nothing is decoded,
// and none is passed over that is not before it.
func TestLinesBeforeATimeArePassedOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-720, 720).Draw(t, "zone"))
		since := time.Unix(1_790_000_000, rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).In(zone)
		at := since.Add(
			time.Duration(rapid.Int64Range(-5000, 5000).Draw(t, "ms")) * time.Millisecond)
		if rapid.Bool().Draw(t, "in UTC") { // as the ledger writes it
			at = at.UTC()
		}
		e := receipts.Entry{
			Event: rapid.SampledFrom([]receipts.Event{receipts.Delivered, receipts.Gap,
				receipts.Readable}).Draw(t, "event"),
			Time: at, Key: jsonbytes.String(rapid.SampledFrom([]string{"", "k",
				"\"time\":\"9", "\"event\":\"readable\""}).Draw(t, "key")),
		}
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		decoded := mayBeSince(since)(line)
		if (e.Event == receipts.Readable || !at.Before(since)) && !decoded {
			t.Fatalf("since %s, the line is passed over: %s", since, line)
		}
		if e.Event != receipts.Readable && at.Before(since.Truncate(time.Second)) &&
			at.Location() == time.UTC && decoded {
			t.Fatalf("since %s, the line is decoded: %s", since, line)
		}
	})
}

// TestLogFormats prints what may be in a log, in each form.
func TestLogFormats(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 12, 0, 0, time.Local)
	rows := []logRow{
		{receipts.Entry{N: 1, Event: receipts.Delivered, Time: at, Key: "Delivery/a,\"b\".csv", Size: 2048, ETag: "e", By: "ann@laptop", How: "mount", Sum: "s"}, at.Add(time.Hour)},
		{receipts.Entry{N: 2, Event: receipts.Delivered, Time: at, Key: "Delivery/caf\xe9", Size: -1, By: "ann@laptop", How: "mount", Late: true}, time.Time{}},
		{receipts.Entry{N: 3, Event: receipts.Gap, Time: at, Reason: receipts.NotWritten, Lost: 7, From: at}, time.Time{}},
		{receipts.Entry{N: 4, Event: receipts.Gap, Time: at, Reason: receipts.Torn}, time.Time{}},
		{receipts.Entry{N: 5, Event: receipts.Gap, Time: at, Reason: receipts.Killed}, time.Time{}},
	}
	for i, want := range []string{
		`2026-11-30 09:12  delivered  Delivery/a,"b".csv  2.0 KiB  by ann@laptop (mount)  the owner could read it on 2026-11-30 10:12`,
		"recorded later",
		"2026-11-30 09:12  7 events since 2026-11-30 09:12 could not be recorded",
		"the last line before was cut short, as by a kill, and was taken away",
		"the mount before was killed",
	} {
		if got := rows[i].words(); !strings.Contains(got, want) {
			t.Errorf("the entry %d reads %q, want %q", i+1, got, want)
		}
	}
	var out bytes.Buffer
	if err := printCSV(&out, rows); err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(table) != 6 || table[1][3] != `Delivery/a,"b".csv` ||
		table[1][4] != "2048" || table[2][4] != "" || table[3][17] != "7" {
		t.Errorf("as CSV, %v: %q", err, table)
	}
	for _, r := range rows {
		text, err := json.Marshal(r.json())
		if err != nil {
			t.Fatal(err)
		}
		var back struct {
			Schema int
			Size   *int64
			Key    jsonbytes.String
		}
		if err := json.Unmarshal(text, &back); err != nil || back.Schema != 1 ||
			back.Key != r.Key || (back.Size != nil) != (r.IsVersion() && r.Size >= 0) {
			t.Errorf("as JSON: %s, %v", text, err)
		}
	}
}

// TestReceiptText has only what S3 tells both parties, with a checksum of it.
func TestReceiptText(t *testing.T) {
	obj := s3backend.Object{
		Key: "Delivery/a\n\x1b[2J\xe9.csv", Size: 9, ETag: "e", Version: "v",
		Modified: time.Date(2026, 11, 30,
			9, 12, 0, 0, time.FixedZone("", 3600)), Owner: "them", Class: "GLACIER",
	}
	const want = `s3share receipt 1
bucket:        team
key:           "Delivery/a\n\x1b[2J\xe9.csv"
size:          9 bytes
etag:          e
checksum:      CRC32 y/Q5Jg==
version id:    v
last modified: 2026-11-30T08:12:00Z
`
	got := receiptText("team", obj, "CRC32 y/Q5Jg==")
	text, sum, ok := strings.Cut(got, "sha-256 of the lines above: ")
	if text != want || !ok || len(sum) != 65 {
		t.Errorf("the receipt:\n%s\nwant\n%s", got, want)
	}
	if got := receiptText("team", s3backend.Object{Key: "k"}, ""); !strings.Contains(got,
		"checksum:      none\nversion id:    none\n") {
		t.Errorf("the receipt of what has none:\n%s", got)
	}
}

// TestProblemText names the lines.
func TestProblemText(t *testing.T) {
	for want, p := range map[string]receipts.Problem{
		"line 5 was changed":                                   {Fault: receipts.Changed, From: 5, To: 5},
		"the lines 5 to 7 were changed or removed":             {Fault: receipts.Changed, From: 5, To: 7},
		"the lines 5 to 7 were removed":                        {Fault: receipts.Missing, From: 5, To: 7},
		"line 5 was replaced by another, or the next line was": {Fault: receipts.Replaced, From: 5, To: 5},
		"line 5 is there again, or in another place":           {Fault: receipts.OutOf, From: 5, To: 5},
	} {
		if got := problemText(p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}
