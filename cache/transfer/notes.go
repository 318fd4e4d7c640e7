package transfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/s3share/s3share/cache/filestamp"
	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/s3backend"
)

// Notes are what transfers of one exchange remember on this machine, in a directory that is
// this user's alone: a file of lines with the versions that were put and fetched, and a file
// for each large upload that is not complete. Several processes may use them at a time.
// Nothing is lost with them but what they save: a version of ours that is not remembered is
// taken for the other party's, and stays.
type Notes struct {
	dir *privatedir.Dir
	id  string // of the bucket: the directory may be used for others too

	// mu guards the fields below.
	mu     sync.Mutex
	file   *os.File
	known  map[string]version
	beside map[string]string // ETags of conflict copies, by their keys
}

const (
	// NotesFile is the name of the file that changes when something is noted.
	NotesFile = "versions"
	// maxVersions is how many versions are remembered; the file is begun anew beyond twice
	// that.
	maxVersions = 200_000
)

// version is a line: what is remembered under a name.
type version struct {
	// Name is a key, of Put, or a path and the key it was fetched from, of Get.
	Name  jsonbytes.String `json:"name"`
	ETag  string           `json:"etag"`
	Stamp string           `json:"stamp,omitempty"` // of the local file then; see filestamp.Of
	// Beside is where the version went, if not under its name.
	Beside jsonbytes.String `json:"beside,omitempty"`
	// Sending is of the commit that Put has begun since. An object that has its commit ID is
	// ours, though the process ended before it could note the ETag.
	Sending *s3backend.Header `json:"sending,omitempty"`
}

// OpenNotes opens the notes in a directory, which is made if it is not there. id tells the
// bucket from all others.
func OpenNotes(dir, id string) (*Notes, error) {
	d, err := privatedir.OpenOrCreate(dir)
	if err != nil {
		return nil, err
	}
	n := &Notes{dir: d, id: id, known: map[string]version{}, beside: map[string]string{}}
	if err := n.read(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return n, nil
}

// HasNotes reports whether there are notes in a directory.
func HasNotes(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, NotesFile))
	return err == nil
}

// Close lets go of the files.
func (n *Notes) Close() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(n.file.Close(), n.dir.Close())
}

func (n *Notes) read() (err error) {
	if n.file, err = n.dir.OpenFile(NotesFile, os.O_RDWR|os.O_CREATE|os.O_APPEND); err != nil {
		return err
	}
	lines, last := 0, byte('\n')
	scan := bufio.NewScanner(n.file)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		lines++
		var v version
		if json.Unmarshal(scan.Bytes(), &v) == nil && v.Name != "" { // a torn line is none
			n.keepLocked(v)
		}
	}
	if err := scan.Err(); err != nil {
		return err
	}
	if st, err := n.file.Stat(); err == nil && st.Size() > 0 {
		var end [1]byte
		_, _ = n.file.ReadAt(end[:], st.Size()-1)
		last = end[0]
	}
	if lines > 2*maxVersions { // what is forgotten costs a conflict copy at most
		clear(n.known)
		return n.file.Truncate(0)
	}
	if last != '\n' {
		_, err = n.file.Write([]byte("\n"))
	}
	return err
}

func (n *Notes) keepLocked(v version) {
	n.known[string(v.Name)] = v
	if v.Beside != "" && strings.HasPrefix(string(v.Name), n.name("")) {
		n.beside[string(v.Beside)] = v.ETag
	}
}

// name is how a key or a path is remembered of this bucket.
func (n *Notes) name(s string) string { return n.id + " " + s }

// of returns what is remembered, and reports whether a version is.
func (n *Notes) of(name string) (version, bool) {
	if n == nil {
		return version{}, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	v := n.known[n.name(name)]
	return v, v.ETag != ""
}

// Made reports whether Put is known to have made a version. With its header it is known of one too
// that was sent and not confirmed.
func (n *Notes) Made(obj s3backend.Object) bool {
	if n == nil {
		return false
	}
	v, ok := n.of(obj.Key)
	n.mu.Lock()
	beside := n.beside[obj.Key]
	n.mu.Unlock()
	if obj.ETag != "" && beside == obj.ETag {
		return true
	}
	if ok && v.ETag == obj.ETag && v.Beside == "" {
		return true
	}
	return v.Sending != nil && outbox.SameCommit(obj.Header, v.Sending)
}

// sending notes that a commit is about to be sent, beside what is remembered.
func (n *Notes) sending(name string, h *s3backend.Header) {
	if n == nil {
		return
	}
	v, _ := n.of(name)
	v.Sending = h
	n.write(name, v)
}

// remember notes a version under a name. An error is none of the transfer's.
func (n *Notes) remember(name string, v version) {
	if n != nil && v.ETag != "" {
		n.write(name, v)
	}
}

func (n *Notes) write(name string, v version) {
	v.Name = jsonbytes.String(n.name(name))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known[string(v.Name)] == v {
		return
	}
	line, err := json.Marshal(v)
	if err != nil {
		return
	}
	if _, err := n.file.Write(append(line, '\n')); err == nil {
		n.keepLocked(v)
	}
}

// uploadNote is the file of an upload that is not complete: a line that says what it is of,
// and a line for each part that S3 has.
type uploadNote struct {
	dir  *privatedir.Dir
	name string
	file *os.File

	mu sync.Mutex // guards writes to file
}

// uploadHead is the first line.
type uploadHead struct {
	Key    jsonbytes.String  `json:"key"`
	Size   int64             `json:"size"`
	Mtime  int64             `json:"mtime"` // of the file, in ns since 1970
	Header *s3backend.Header `json:"header"`
	Upload s3backend.Upload  `json:"upload"`
}

// upload opens the note of an upload to key, for this process alone. It is nil where that
// cannot be: another process sends there, or nothing is remembered.
func (n *Notes) upload(key string) *uploadNote {
	if n == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(n.name(key)))
	name := "upload-" + hex.EncodeToString(sum[:16])
	f, err := openLocked(
		func() (*os.File, error) { return n.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND) },
		func() (os.FileInfo, error) { return os.Lstat(filepath.Join(n.dir.Path(), name)) },
	)
	if err != nil {
		return nil
	}
	return &uploadNote{dir: n.dir, name: name, file: f}
}

// read returns what an earlier process has noted.
func (u *uploadNote) read() (head uploadHead, parts []s3backend.Part) {
	if u == nil {
		return head, nil
	}
	data, err := io.ReadAll(io.NewSectionReader(u.file, 0, 64<<20))
	if err != nil {
		return head, nil
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		var p s3backend.Part
		switch {
		case i == 0:
			if json.Unmarshal(line, &head) != nil {
				return uploadHead{}, nil
			}
		case json.Unmarshal(line, &p) == nil && p.Number > 0:
			parts = append(parts, p)
		}
	}
	return head, parts
}

// begin notes a new upload in the place of any other.
func (u *uploadNote) begin(head uploadHead) error {
	if u == nil {
		return nil
	}
	if err := u.file.Truncate(0); err != nil {
		return err
	}
	return u.write(head)
}

func (u *uploadNote) sent(p s3backend.Part) {
	if u != nil {
		_ = u.write(p) // it would be sent again
	}
}

func (u *uploadNote) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	_, err = u.file.Write(append(line, '\n'))
	return err
}

// close lets go of the note, and removes it where keep is not set.
func (u *uploadNote) close(keep bool) {
	if u == nil {
		return
	}
	if !keep {
		_ = u.dir.Remove(u.name)
	}
	_ = u.file.Close()
}

// unchangedSince reports whether the file is as it was when v was remembered: where neither the
// ETag nor a checksum can, as with encryption keys of KMS.
func (v version) unchangedSince(st os.FileInfo) bool {
	return v.Stamp != "" && v.Stamp == filestamp.Of(st)
}
