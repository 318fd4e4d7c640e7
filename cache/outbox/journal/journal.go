package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Suffix ends the name of a journal. Before it stands the name of the staged file.
const Suffix = ".log"

// Append appends records to the journal at path, all or none. If the disk takes only a part
// of them, that part is cut off again, so that the next line is whole.
func Append(path string, recs ...Record) error {
	lines, err := Encode(recs)
	if err != nil {
		return err
	}
	return AppendLines(path, lines, os.O_CREATE)
}

// Encode returns the lines of records.
func Encode(recs []Record) ([]byte, error) {
	var b []byte
	for _, r := range recs {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		b = append(b, Line(text)...)
	}
	return b, nil
}

// sumDigits is the number of hexadecimal digits at the beginning of a line.
const sumDigits = 8

// Line returns the line of a record that is encoded as text.
func Line(text []byte) []byte {
	return fmt.Appendf(nil, "%0*x %s\n", sumDigits, crc32.ChecksumIEEE(text), text)
}

// Unsealed returns the line of a file that is open. It is as long as the last seal in
// lines, which is at off, so that it can be written over it. It returns nil if there is no seal.
func Unsealed(lines []byte) (open []byte, off int64) {
	at := bytes.LastIndex(lines, []byte(` {"op":"`+OpSeal+`"`)) - sumDigits
	if at < 0 {
		return nil, 0
	}
	seal, _, _ := bytes.Cut(lines[at:], []byte("\n"))
	return Line(fmt.Appendf(nil, "%-*s", len(seal)-sumDigits-1, `{"op":"`+OpOpen+`"}`)), int64(at)
}

// AppendLines appends encoded records as Append does. create is os.O_CREATE if the journal may
// be new, else 0.
func AppendLines(path string, lines []byte, create int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|create, 0o600)
	if err != nil {
		return fmt.Errorf("cannot keep the journal: %w", err)
	}
	n, err := f.Write(lines)
	if err != nil && n > 0 {
		err = errors.Join(err, cutEnd(f, int64(n)))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cannot keep the journal: %w", err)
	}
	return nil
}

// cutEnd removes the last n bytes of a file.
func cutEnd(f *os.File, n int64) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return f.Truncate(end - n)
}

// Overwrite writes line over what the journal at path has at off.
func Overwrite(path string, line []byte, off int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(line, off)
	return errors.Join(err, f.Close())
}

// Remove removes the journal at path. It is no error if there is none.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

var (
	// ErrDamaged is returned for a journal with a line that is not as it was written.
	ErrDamaged = errors.New("journal is damaged")
	// ErrNewer is returned for a journal with a whole line that this program does not
	// understand. It is not safe to ignore the line.
	ErrNewer = errors.New("journal is of a newer s3share")
)

// Read reads the journal at path. A last line that was cut short is removed from the file, so
// that the next line is whole. For any other defect the error is ErrDamaged or ErrNewer, and
// the records before it are returned.
func Read(path string) ([]Record, error) {
	recs, whole, err := Scan(path)
	if err == ErrCut {
		err = os.Truncate(path, whole)
	}
	return recs, err
}

// ErrCut is returned for a journal whose last line was cut short.
var ErrCut = errors.New("journal is cut short")

// Scan reads the journal at path up to the first defect, and changes nothing. whole is the
// number of bytes before the defect.
func Scan(path string) (recs []Record, whole int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	return ScanLines(f, path)
}

// ScanLines is Scan of lines that are read from a reader. path is for error messages.
func ScanLines(from io.Reader, path string) (recs []Record, whole int64, err error) {
	r := bufio.NewReader(from)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			if line != "" {
				return recs, whole, ErrCut
			}
			return recs, whole, nil
		}
		if err != nil {
			return recs, whole, err
		}
		sum, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) != sum {
			return recs, whole, fmt.Errorf("%w: line %d of %s", ErrDamaged, n, path)
		}
		var rec Record
		strict := json.NewDecoder(strings.NewReader(text))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&rec); err != nil || !slices.Contains(ops, rec.Op) {
			return recs, whole, fmt.Errorf("%w: line %d of %s", ErrNewer, n, path)
		}
		recs = append(recs, rec)
		whole += int64(len(line))
	}
}
