package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// TestVerifyNamesWhatDiffers changes one thing in the bucket or in the manifest, and has it
// refused by the name of its file, in a stream and into a directory.
func TestVerifyNamesWhatDiffers(t *testing.T) {
	key := func(i int) string { return fmt.Sprintf("Delivery/set/%d", i) }
	for _, tt := range []struct {
		name string
		do   func(r *rig, m *Manifest)
		want error  // nil: nothing is refused
		text string // if the error is no variable
	}{
		{"nothing", func(*rig, *Manifest) {}, nil, ""},
		{"a missing file", func(r *rig, _ *Manifest) { r.b.Discard(key(2)) }, ErrMissing, ""},
		{"another version of the same size", func(r *rig, _ *Manifest) { r.b.Store(key(2), bytesOf(99, 102), nil) }, ErrReplaced, ""},
		{"another size", func(r *rig, _ *Manifest) { r.b.Store(key(2), bytesOf(2, 101), nil) }, nil, "it has 101 bytes in the bucket, and 102 were sent"},
		{"a manifest with another size", func(_ *rig, m *Manifest) { m.Files[2].Size = 50 }, nil, "it has 102 bytes in the bucket, and 50 were sent"},
		{"a flipped byte", func(r *rig, m *Manifest) { // with the ETag of what is there
			data := bytesOf(2, 102)
			data[50] ^= 1
			m.Files[2].ETag = r.b.Store(key(2), data, nil).ETag
		}, ErrBytes, ""},
		{"an empty file that is another version", func(r *rig, m *Manifest) { m.Files[0].ETag = "other" }, ErrReplaced, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.file("set/0", nil)
			for i := 1; i < 5; i++ {
				r.file(fmt.Sprint("set/", i), bytesOf(i, 100+i))
			}
			r.mustSend("q3")
			m := r.read("q3").Manifest
			tt.do(r, m)
			into := filepath.Join(t.TempDir(), "in")
			fetched, _, err := Fetch(t.Context(), transfer.Config{Bucket: r.b}, toOwner, m, into)
			if err != nil {
				t.Fatal(err)
			}
			wrong := "set/2"
			if strings.HasPrefix(tt.name, "an empty") {
				wrong = "set/0"
			}
			for how, problems := range map[string][]Problem{"Verify": r.verify(r.b, m),
				"Fetch": fetched} {
				switch {
				case tt.want == nil && tt.text == "":
					if len(problems) > 0 {
						t.Errorf("%s refuses %+v", how, problems)
					}
				case len(problems) != 1 || problems[0].Path != wrong:
					t.Errorf("%s refuses %+v, want %s", how, problems, wrong)
				case tt.want != nil && !errors.Is(problems[0].Err, tt.want), tt.text != "" &&
					problems[0].Err.Error() != tt.text:
					t.Errorf("%s says %v, want %v%s", how, problems[0].Err, tt.want, tt.text)
				}
			}
			st, err := os.Stat(filepath.Join(into, wrong))
			if at := r.b.Object(key(2)).Modified; err == nil && !st.ModTime().Equal(at) {
				t.Errorf("%s is of %s, want %s, when S3 got it", wrong, st.ModTime(), at)
			}
			if there := err == nil; there != (len(fetched) == 0) {
				t.Errorf("%s in the directory: %v", wrong, there)
			}
		})
	}
}

// TestAcknowledgedOnce: the first receiver puts the receipt, and all later ones find it.
func TestAcknowledgedOnce(t *testing.T) {
	r := newRig(t)
	r.file("set/a", []byte("one"))
	r.mustSend("q3")
	for i, want := range []bool{true, false, false} {
		d := r.read("q3")
		if first, err := Acknowledge(t.Context(), r.b, toOwner,
			d, NewReceipt(d, "bob@host", d.Sent())); first != want || err != nil {
			t.Errorf("receiver %d: first %v, error %v", i, first, err)
		}
	}
	d := r.read("q3")
	if receipt, err := CheckReceipt(t.Context(), r.b, d); err != nil ||
		receipt.Receiver != "bob@host" || receipt.Files != 1 || receipt.Bytes != 3 {
		t.Errorf("the receipt is %+v, error %v", receipt, err)
	}
	// The sender puts another manifest under the name, which no s3share does.
	d.Manifest.Note = "another"
	data, err := d.Manifest.Encode("Delivery")
	if err != nil {
		t.Fatal(err)
	}
	r.b.Store(toOwner.manifestKey("q3"), data, nil)
	d = r.read("q3")
	if _, err := Acknowledge(t.Context(),
		r.b, toOwner, d, NewReceipt(d, "bob@host", d.Sent())); !errors.Is(err, ErrOtherManifest) {
		t.Errorf("a receipt for another manifest: %v", err)
	}
}

// TestListPairsManifestsAndReceipts lists what both folders hold, whoever made it.
func TestListPairsManifestsAndReceipts(t *testing.T) {
	r := newRig(t)
	for key := range maps.Keys(map[string]bool{
		"Delivery/.deliveries/": true, "Delivery/.deliveries/a.json": true, "Delivery/.deliveries/b.json": true,
		"Delivery/.deliveries/\x1b[2J.json": true, "Delivery/.deliveries/.json": true, "Delivery/.deliveries/notes.txt": true,
		"Delivery/.deliveries/x.received.json": true, "Delivery/.deliveries/below/c.json": true,
		"Submissions/.deliveries/b.received.json": true, "Submissions/.deliveries/z.json": true,
	}) {
		r.b.Store(key, []byte("x"), nil)
	}
	all, ignored, err := List(t.Context(), r.b, toOwner)
	var got []string
	for _, d := range all {
		got = append(got, fmt.Sprint(d.Name, " ", d.Received()))
	}
	slices.Sort(got)
	if want := []string{"a false", "b true"}; err != nil ||
		!slices.Equal(got, want) || ignored != 3 {
		t.Errorf("%q and %d ignored, error %v; want %q and 3", got, ignored, err, want)
	}
}

// TestFlippedByteOfAManifestIsTold flips a bit of each byte of a manifest: either it is refused, or
// a file is not as it has it, or all that decides which bytes are right is as it was sent.
func TestFlippedByteOfAManifestIsTold(t *testing.T) {
	r := newRig(t)
	r.file("set/a", bytesOf(1, 100))
	r.file("set/b", nil)
	r.mustSend("q3")
	sent := r.read("q3").Manifest
	text, err := sent.Encode("Delivery")
	if err != nil {
		t.Fatal(err)
	}
	same := func(m *Manifest) bool {
		return slices.EqualFunc(m.Files, sent.Files, func(a, b File) bool {
			return a.Path == b.Path && a.Size == b.Size && a.SHA256 == b.SHA256 && a.ETag == b.ETag
		})
	}
	accepted := 0
	for i := range text {
		damaged := bytes.Clone(text)
		damaged[i] ^= 1 << (i % 8)
		m, err := Parse(damaged, "Delivery", "q3")
		if err != nil || len(r.verify(r.b, m)) > 0 {
			continue
		}
		if accepted++; !same(m) {
			t.Errorf("accepted with the byte %d flipped:\n%s", i, damaged)
		}
	}
	t.Logf(
		"%d of %d flips are in what describes the delivery, such as its time, or between the fields", accepted, len(text))
}

// TestManifestRoundTrip: what Encode writes Parse reads, and unknown fields are ignored.
func TestManifestRoundTrip(t *testing.T) {
	r := newRig(t)
	r.file("set/ü b.csv", []byte("one"))
	sent := r.mustSend("q3").Manifest
	data, _ := r.b.Data(toOwner.manifestKey("q3"))
	more := bytes.Replace(data, []byte(`"version": 1,`),
		[]byte(`"version": 1, "colour": {"deep": ["red"]},`), 1)
	more = bytes.ReplaceAll(more, []byte(`"path":`), []byte(`"tags": [1], "path":`))
	if bytes.Equal(data, more) {
		t.Fatal("nothing is replaced")
	}
	m, err := Parse(more, "Delivery", "q3")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(sent)
	b, _ := json.Marshal(m)
	if !bytes.Equal(a, b) {
		t.Errorf("%s is read as %s", a, b)
	}
	f := m.Files[0]
	// sha256sum of "one", and the CRC-64/NVME of it by another implementation.
	if f.Path != "set/ü b.csv" || f.Size != 3 ||
		f.SHA256 != "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" ||
		f.ETag != r.b.Object("Delivery/set/ü b.csv").ETag || f.CRC64NVME == "" {
		t.Errorf("the manifest has %+v", f)
	}
	if m.Note != "as agreed" || m.Sender != "ann@host" || m.Created.IsZero() {
		t.Errorf("the manifest is %+v", m)
	}
}

// TestHostileManifest: what no sender may write is refused.
func TestHostileManifest(t *testing.T) {
	file := func(path string) string {
		return fmt.Sprintf(`{"path": %q, "size": 1, "sha256": %q, "etag": "e"}`,
			path, strings.Repeat("ab", 32))
	}
	manifest := func(files ...string) string {
		return `{"version": 1, "name": "q3", "created": "2026-11-30T07:00:00Z", "files": [` +
			strings.Join(files, ",") + `]}`
	}
	if _, err := Parse([]byte(manifest(file("a/b"))), "Delivery", "q3"); err != nil {
		t.Fatalf("a good manifest is refused: %v", err)
	}
	for name, text := range map[string]string{
		"no JSON":               "hello",
		"two values":            manifest(file("a")) + "{}",
		"a list":                "[]",
		"no version":            strings.Replace(manifest(file("a")), `"version": 1, `, "", 1),
		"a later version":       strings.Replace(manifest(file("a")), `"version": 1`, `"version": 2`, 1),
		"another name":          strings.Replace(manifest(file("a")), `"q3"`, `"q4"`, 1),
		"no time":               strings.Replace(manifest(file("a")), "2026-11-30T07:00:00Z", "0001-01-01T00:00:00Z", 1),
		"no files":              manifest(),
		"files that are none":   strings.Replace(manifest(), "[]", `{"a": 1}`, 1),
		"up":                    manifest(file("../Submissions/a")),
		"up in the middle":      manifest(file("a/../../b")),
		"a dot":                 manifest(file("./a")),
		"an absolute path":      manifest(file("/etc/passwd")),
		"an empty element":      manifest(file("a//b")),
		"a directory":           manifest(file("a/")),
		"an empty path":         manifest(file("")),
		"a manifest":            manifest(file(".deliveries/q2.json")),
		"a control character":   manifest(strings.Replace(file("a"), `"a"`, `"\u001b[2J"`, 1)),
		"a C1 character":        manifest(strings.Replace(file("a"), `"a"`, `"\u009b2J"`, 1)),
		"a long key":            manifest(file(strings.Repeat("a", 1020))),
		"one twice":             manifest(file("a"), file("a")),
		"a file and directory":  manifest(file("a/b"), file("a")),
		"a negative size":       manifest(strings.Replace(file("a"), `"size": 1`, `"size": -1`, 1)),
		"sizes that overflow":   manifest(strings.Replace(file("a"), `"size": 1`, `"size": 4611686018427387904`, 1), file("b")),
		"a size that is none":   manifest(strings.Replace(file("a"), `"size": 1`, `"size": 1.5`, 1)),
		"a short checksum":      manifest(strings.Replace(file("a"), "abab", "ab", 1)),
		"capitals":              manifest(strings.Replace(file("a"), "abab", "ABAB", 1)),
		"no ETag":               manifest(strings.Replace(file("a"), `"etag": "e"`, `"etag": ""`, 1)),
		"a quoted ETag":         manifest(strings.Replace(file("a"), `"etag": "e"`, `"etag": "\"e\""`, 1)),
		"a bad CRC":             manifest(strings.Replace(file("a"), `"etag"`, `"crc64nvme": "AAAA", "etag"`, 1)),
		"a note that scrolls":   strings.Replace(manifest(file("a")), `"name"`, `"note": "\u001bc", "name"`, 1),
		"a sender of two lines": strings.Replace(manifest(file("a")), `"name"`, `"sender": "a\nb", "name"`, 1),
		"no UTF-8":              strings.Replace(manifest(file("a")), `"a"`, "\"a\xff\"", 1),
		"too many files":        manifest(strings.Repeat("{},", maxFiles) + "{}"),
		"a list of numbers":     manifest("1"),
		"a sender that is none": strings.Replace(manifest(file("a")), `"name"`, `"sender": {"a": 1}, "name"`, 1),
		"a time that is none":   strings.Replace(manifest(file("a")), "2026-11-30T07:00:00Z", "yesterday", 1),
		"a long path":           manifest(file("/" + strings.Repeat("ü", 1<<20))),
		"a long name":           strings.Replace(manifest(file("a")), `"q3"`, `"`+strings.Repeat("q", 1<<20)+`"`, 1),
		"too long":              manifest(file("a")) + strings.Repeat(" ", maxDocument),
	} {
		m, err := Parse([]byte(text), "Delivery", "q3")
		var bad *InvalidError
		if m != nil || !errors.As(err, &bad) {
			t.Errorf("%s: %+v, error %v", name, m, err)
		}
		if err != nil && strings.Count(err.Error(), "not valid") != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "Go ") || len(text) > 1000 ||
			!utf8.ValidString(text) {
			t.Errorf("%s: people are told %.1000s", name, text)
		}
	}
}

// TestNames of deliveries.
func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"q3": true, "Q3 2026, final (2)": true, "größe": true, strings.Repeat("a", 100): true,
		"": false, "a/b": false, "..": false, ".hidden": false, " a": false, "a ": false, "a\nb": false,
		"a\x00": false, "a\xff": false, "q3.received": false, strings.Repeat("a", 101): false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestReadIsBounded: a manifest that is too long is not read.
func TestReadIsBounded(t *testing.T) {
	r := newRig(t)
	d := &Delivery{Name: "q3",
		Object: s3backend.Object{Key: toOwner.manifestKey("q3"), Size: maxDocument + 1, ETag: "e"}}
	var bad *InvalidError
	if err := Read(t.Context(), r.b, toOwner, d); !errors.As(err, &bad) || r.b.Count("") > 0 {
		t.Errorf("error %v after %d requests", err, r.b.Count(""))
	}
}
