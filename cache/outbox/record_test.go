package outbox

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// TestRecordIsJSON: what appendJSON writes is what json.Marshal does, of each field
// alone, of all together, and of all but one.
func TestRecordIsJSON(t *testing.T) {
	mode, sum := uint32(0o640), uint32(1<<32-1)
	full := record{
		Op: opSeal, Name: "17-1", Folder: true, Key: `a/b "<ü>" &\` + "\n\xff\u2028\x7f", Over: &version{Key: "o"}, Base: &version{Size: 3},
		Header: &s3backend.Header{ContentType: "t"}, Leave: []version{{}}, Lost: []lost{{}}, Beside: true, Instead: "x",
		Dirty: [][2]int64{{0, 4096}, {8192, 1 << 40}}, Size: 7, Valid: 8, Mtime: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600)),
		Mode: &mode, Set: true, Killed: true, Boot: "b", Upload: "u", Layout: 9, Grows: 1, Anew: []int32{1}, Parts: []part{{}}, Abort: time.Unix(1, 0), CRC: true,
		Part: &part{num: 1}, S3: &s3backend.Part{}, Sum: &sum, Moves: []moveRecord{{}},
	}
	from := reflect.ValueOf(full)
	check := func(what string, r record) {
		t.Helper()
		got, err := r.appendJSON(nil)
		want, werr := json.Marshal(r)
		if err != nil || werr != nil || string(got) != string(want) {
			t.Errorf("%s: %s, %v\nwant %s, %v", what, got, err, want, werr)
		}
	}
	check("all", full)
	check("none", record{})
	usual := full
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		if from.Field(i).IsZero() {
			t.Fatalf("there is nothing in %s to write", name)
		}
		var one record
		reflect.ValueOf(&one).Elem().Field(i).Set(from.Field(i))
		check(name, one)
		if one.rare() {
			reflect.ValueOf(&usual).Elem().Field(i).SetZero()
		}
	}
	check("all that are not rare", usual)
	if usual.rare() {
		t.Errorf("%+v is rare", usual)
	}
	usual.Mtime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if text, err := usual.appendJSON(nil); err == nil {
		t.Errorf("a time that JSON has no form for is written as %s", text)
	}
}

// TestFormatMtime: as rclone writes it, with nine digits behind the point.
func TestFormatMtime(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Unix(1700000000, 123), "1700000000.000000123"},
		{time.Unix(0, 0), "0.000000000"},
		{time.Unix(1, 999999999), "1.999999999"},
		{time.Unix(-2, 500000000), "-2.500000000"},
	} {
		if got := FormatMtime(c.at); got != c.want {
			t.Errorf("FormatMtime(%v) = %q, want %q", c.at, got, c.want)
		}
		if back, ok := MtimeOf(&s3backend.Header{User: map[string]string{metaMtime: c.want}}); !ok || !back.Equal(c.at) {
			t.Errorf("MtimeOf(%q) = %v, %v, want %v", c.want, back, ok, c.at)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	mode, sum := uint32(0o640), uint32(1<<32-1)
	r := record{Op: opSeal, Boot: "0f9e3a1c-6b47-4b0e-9a53-0d9f2c1f7a10", Size: 4096, Dirty: [][2]int64{{0, 4096}}, Mtime: time.Now(), Mode: &mode, Set: true, Sum: &sum}
	var line []byte
	for b.Loop() {
		line, _ = r.appendLine(line[:0])
	}
}
