package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// TestDigestIsOfWhatS3Holds puts files in one request and in parts, and again when they are
// there already.
func TestDigestIsOfWhatS3Holds(t *testing.T) {
	r := newRig(t)
	all := map[string][]byte{"empty": nil, "small": []byte("123456789"),
		"large": bytes.Repeat([]byte("0123456789abcdef"), 1<<20+1)}
	var sources []Source
	for name, data := range all {
		sources = append(sources,
			Source{Path: r.file(name, data), Prefix: "Delivery/" + name + "/", Name: name})
	}
	for _, want := range []Outcome{Moved, Present} {
		cfg, notes := r.config(r.b)
		cfg.Digest = true
		if total, err := PutSources(t.Context(), cfg, sources); err != nil || total.Failed > 0 {
			t.Fatalf("%+v, error %v", r.told, err)
		}
		notes.Close()
		for _, res := range r.told {
			name := filepath.Base(res.Path)
			sum := sha256.Sum256(all[name])
			crc := s3backend.NewCRC64NVME()
			crc.Write(all[name])
			wanted := Version{ETag: r.b.Object("Delivery/" + name + "/" + name).ETag,
				SHA256:    hex.EncodeToString(sum[:]),
				CRC64NVME: base64.StdEncoding.EncodeToString(crc.Sum(nil))}
			if res.Outcome != want || res.Version == nil || *res.Version != wanted {
				t.Errorf("%s: %v, %+v, want %v, %+v", name, res.Outcome, res.Version, want, wanted)
			}
			// Source: the CRC catalogue's check value of CRC-64/NVME.
			if name == "small" && wanted.CRC64NVME != "rosUhgp5mIg=" {
				t.Errorf("the CRC-64/NVME of 123456789 is %s", wanted.CRC64NVME)
			}
		}
	}
}

// TestDigestNoticesChanges: a part that was sent with other bytes than the file has now.
func TestDigestNoticesChanges(t *testing.T) {
	data := []byte("one two three")
	part := func(n int32, b string) s3backend.Part {
		return s3backend.Part{Number: n, Size: int64(len(b)),
			CRC32: s3backend.FormatCRC32(crc32.ChecksumIEEE([]byte(b)))}
	}
	for _, tt := range []struct {
		name  string
		parts []s3backend.Part
		err   error
	}{
		{"as it was sent", []s3backend.Part{part(1, "one "), part(2, "two three")}, nil},
		{"another byte", []s3backend.Part{part(1, "one "), part(2, "two threE")}, errChanged},
		{"a part less", []s3backend.Part{part(1, "one ")}, errChanged},
	} {
		parts := map[int32]s3backend.Part{}
		for _, p := range tt.parts {
			parts[p.Number] = p
		}
		if _, err := digestParts(t.Context(), bytes.NewReader(data), int64(len(data)),
			parts); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
	}
}

// TestGetVersions: only the version that is wanted is fetched, and it gets its name once its bytes
// are accepted.
func TestGetVersions(t *testing.T) {
	r := newRig(t)
	good := r.b.Store("Delivery/a/good", []byte("good"), nil)
	bad := r.b.Store("Delivery/a/bad", []byte("bad!"), nil)
	old := r.b.Store("Delivery/old", []byte("old"), nil)
	r.b.Store("Delivery/old", []byte("new"), nil)
	refused := errors.New("refused")
	check := func(_ context.Context, file io.ReaderAt, size int64) error {
		data := make([]byte, size)
		if _, err := file.ReadAt(data, 0); err != nil {
			return err
		}
		if string(data) == "bad!" {
			return refused
		}
		return nil
	}
	for range 2 {
		cfg, notes := r.config(r.b)
		total, err := GetVersions(t.Context(), cfg, []Wanted{
			{good, "a/good", check}, {bad, "a/bad", check}, {old, "old", check},
		}, r.dir)
		notes.Close()
		if err != nil || total.Failed != 2 || total.Files+total.Present != 1 {
			t.Errorf("%+v, error %v; told %+v", total, err, r.told)
		}
		for _, res := range r.told {
			if want := map[string]error{bad.Key: refused,
				old.Key: s3backend.Stale}[res.Key]; !errors.Is(res.Err, want) {
				t.Errorf("%s: %v, want %v", res.Key, res.Err, want)
			}
		}
		r.wantFile("a/good", []byte("good"))
		if names := r.names(); len(names) != 2 {
			t.Errorf("the directory has %q", names)
		}
	}
	// A file that is there already, and would be taken for this version, is checked too.
	r.file("a/bad", []byte("bad!"))
	cfg, notes := r.config(r.b)
	defer notes.Close()
	if total, err := GetVersions(t.Context(), cfg, []Wanted{{bad, "a/bad", check}},
		r.dir); err != nil || total.Failed != 1 {
		t.Errorf("%+v, error %v", total, err)
	}
}
