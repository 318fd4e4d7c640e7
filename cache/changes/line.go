package changes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/s3share/s3share/cache/jsonbytes"
)

// record is a line of a cursor's file.
type record struct {
	Op   string           `json:"op"`
	ID   uint64           `json:"id,omitempty"`
	Kind Kind             `json:"event,omitempty"`
	Key  jsonbytes.String `json:"key,omitempty"`
	Version
	Own bool `json:"own,omitempty"`
}

// What a line says.
const (
	// the first line: Key is the cursor's identity, ID the greatest number so far
	opCursor = "cursor"
	opKnown  = "known"  // Version was taken, or is not to be told
	opForget = "forget" // the object is gone, which is not to be told
	opBegin  = "begin"  // the event is about to be told
	opEnd    = "end"    // the event was taken
	opTorn   = "torn"   // the line before this one was cut short, as by a kill
)

// A line is {"op":"known",...,"crc":"e3069283"} and a line feed. The checksum is the CRC-32C of all
// that is before `,"crc":`. Earlier programs wrote lines without one.
const (
	crcField  = `,"crc":"`
	lineEnd   = `"}`
	tailBytes = len(crcField) + 8 + len(lineEnd)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func tailOf(body []byte) string {
	return fmt.Sprintf("%s%08x%s", crcField, crc32.Checksum(body, castagnoli), lineEnd)
}

// encode returns the line of a record, with its line feed.
func encode(r record) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	body = body[:len(body)-1]
	return append(append(body, tailOf(body)...), '\n'), nil
}

// decode returns the record of a line, without its line feed. ok is false if the line is not as
// [encode] has made it.
func decode(line []byte) (r record, ok bool) {
	at := len(line) - tailBytes
	if at < 0 || string(line[at:]) != tailOf(line[:at]) {
		return record{}, false
	}
	return r, json.Unmarshal(line, &r) == nil
}

// decodeOld is decode for a line without a checksum. Any other line is refused, even if only one
// byte of its checksum was changed.
func decodeOld(line []byte) (r record, ok bool) {
	if json.Unmarshal(line, &r) != nil {
		return record{}, false
	}
	same, err := json.Marshal(r)
	return r, err == nil && bytes.Equal(same, line)
}

// isTorn reports whether a line that cannot be decoded may be the beginning of one whose writing
// was cut short. After a loss of power, zeros may be where bytes were not written. What has a whole
// checksum was not cut short: it was changed.
func isTorn(line []byte) bool {
	at := bytes.Index(line, []byte(crcField)) // in no key: JSON escapes the quotes there
	return at < 0 || at+tailBytes > len(bytes.TrimRight(line, "\x00"))
}
