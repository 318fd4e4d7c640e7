package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/s3backend"
)

// TestParseExpected draws bytes: each of their checksums is read as what it is, and compares equal
// to that of the same bytes alone. What is cut, or has a digit that is none, is refused.
func TestParseExpected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		sum := sha256.Sum256(content)
		crc := s3backend.NewCRC64NVME()
		crc.Write(content)
		for name, text := range map[string]string{
			"SHA-256":   hex.EncodeToString(sum[:]),
			"CRC64NVME": base64.StdEncoding.EncodeToString(crc.Sum(nil)),
		} {
			forms := []string{text}
			if name == "SHA-256" {
				forms = append(forms, strings.ToUpper(text))
			}
			for _, form := range forms {
				e, err := parseExpected(form)
				if err != nil || e.name != name {
					t.Fatalf("%q is read as %q, %v", form, e.name, err)
				}
				e.hash.Write(content)
				if e.of(e.hash.Sum(nil)) != e.text {
					t.Fatalf("%q is not the checksum of the bytes it is of", form)
				}
				e.hash.Write([]byte("x"))
				if e.of(e.hash.Sum(nil)) == e.text {
					t.Fatalf("%q is the checksum of other bytes", form)
				}
			}
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			for _, bad := range []string{text[:at], text[:at] + "!" + text[at+1:], text + "0", ""} {
				if _, err := parseExpected(bad); err == nil {
					t.Fatalf("%q is taken for a checksum", bad)
				}
			}
		}
	})
}
