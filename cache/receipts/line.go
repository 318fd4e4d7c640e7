package receipts

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A line is {"n":1,"prev":"...",...,"sum":"..."} and a line feed. The sum is the SHA-256 of all
// that is before `,"sum":`.
const (
	headField = `{"n":`
	prevField = `,"prev":"`
	sumField  = `,"sum":"`
	lineEnd   = `"}`

	sumDigits = 2 * sha256.Size
	tailBytes = len(sumField) + sumDigits + len(lineEnd)

	// maxLine bounds a line: a key has 1,024 bytes, of which JSON makes six each at most.
	maxLine = 64 << 10
)

// noSum is the prev of the first line.
var noSum = strings.Repeat("0", sumDigits)

var errTooLong = errors.New("the entry is too long for the ledger")

// encode returns the line of an entry, with its line feed, and sets e.Sum.
func encode(e *Entry) ([]byte, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	body = body[:len(body)-1]
	e.Sum = sumOf(body)
	line := append(append(append(append(body, sumField...), e.Sum...), lineEnd...), '\n')
	if len(line) > maxLine {
		return nil, errTooLong
	}
	return line, nil
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// link is what connects a line to its neighbours.
type link struct {
	n         uint64
	prev, sum string
}

// split divides a line, without its line feed, into what its sum is of and the sum. ok is false
// if it has not the form of a line.
func split(line []byte) (body []byte, sum string, ok bool) {
	at := len(line) - tailBytes
	if at < len(headField) || !bytes.HasSuffix(line, []byte(lineEnd)) ||
		!bytes.HasPrefix(line[at:], []byte(sumField)) {
		return nil, "", false
	}
	return line[:at], string(line[at+len(sumField) : at+len(sumField)+sumDigits]), true
}

// parseLink returns the link of a line, without its line feed. ok is false if the line is not as
// it was written.
func parseLink(line []byte) (l link, ok bool) {
	body, sum, ok := split(line)
	if !ok || sumOf(body) != sum {
		return link{}, false
	}
	n, prev, ok := parseHead(body)
	return link{n, prev, sum}, ok
}

// parseUnended is parseLink for a last line without its line feed. zeros is how many are in the
// place of bytes that a loss of power has kept from being written.
func parseUnended(piece []byte) (l link, zeros int, ok bool) {
	line := bytes.TrimRight(piece, "\x00")
	l, ok = parseLink(line)
	return l, len(piece) - len(line), ok
}

// parseHead returns the number of a line, and the sum of the one before it.
func parseHead(line []byte) (n uint64, prev string, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(headField))
	if !ok {
		return 0, "", false
	}
	digits, rest, ok := bytes.Cut(rest, []byte(prevField))
	if !ok || len(rest) <= sumDigits || rest[sumDigits] != '"' {
		return 0, "", false
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	return n, string(rest[:sumDigits]), err == nil
}

// linkAfter is the link that the line after this one is written with. If the line was changed,
// the next one follows it as it is now.
func linkAfter(line []byte) (l link, known bool) {
	if l, ok := parseLink(line); ok {
		return l, true
	}
	n, _, ok := parseHead(line)
	return link{n: n, sum: sumOf(line)}, ok
}

// isTorn reports whether an unterminated last line may be the beginning of the line that was
// appended after l. A whole line with something behind it is none: that was changed. After a loss
// of power, zeros may be where bytes were not written.
func isTorn(piece []byte, l link) bool {
	piece = bytes.TrimRight(piece, "\x00")
	head := fmt.Appendf(nil, `%s%d%s%s"`, headField, l.n+1, prevField, l.sum)
	n := min(len(head), len(piece))
	return bytes.Equal(head[:n], piece[:n]) &&
		!bytes.Contains(piece, []byte{0}) && wholeLine(piece) < 0
}

// wholeLine returns the length of the whole line that a piece begins with, -1 if there is none.
func wholeLine(piece []byte) int {
	for at := 0; ; {
		i := bytes.Index(piece[at:], []byte(sumField))
		if i < 0 || at+i+tailBytes > len(piece) {
			return -1
		}
		if _, ok := parseLink(piece[:at+i+tailBytes]); ok {
			return at + i + tailBytes
		}
		at += i + len(sumField)
	}
}
