package statedir

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// BucketID identifies the bucket that the outbox in a state directory is for. Two buckets of
// the same name, at two servers or of two accounts, are different ones: files written for
// one are never sent to the other.
type BucketID struct {
	// Version is bucketVersion. It is 0 in files of earlier versions, where Endpoint is the
	// setting: "" even if the environment or the profile named an endpoint.
	Version   int    `json:"version"`
	Bucket    string `json:"bucket"`
	Endpoint  string `json:"endpoint,omitempty"`  // as in s3backend.Location, "" for AWS
	Partition string `json:"partition,omitempty"` // of AWS
	// Owner is the account that owns the bucket; "" until it is known.
	Owner string `json:"owner,omitempty"`
}

const (
	// BucketFile is the name of the file in a state directory that has its BucketID as JSON.
	BucketFile    = "exchange.json"
	bucketVersion = 2
)

func bucketOf(s *config.Settings) BucketID {
	return BucketID{bucketVersion, s.Bucket, s.At.Endpoint, s.At.Partition, s.Owner}
}

// same reports whether b and other are one bucket. If one of them has no owner, the owners
// are not compared.
func (b BucketID) same(other BucketID) bool {
	if b.Owner == "" || other.Owner == "" {
		b.Owner, other.Owner = "", ""
	}
	b.Version = other.Version
	return b == other
}

// String names the bucket for people.
func (b BucketID) String() string {
	text := fmt.Sprintf("the bucket %q", b.Bucket)
	switch {
	case b.Endpoint != "":
		text += " at " + hint.Printable(b.Endpoint)
	case b.Partition != "" && b.Partition != s3backend.Partition(""):
		text += " of " + hint.Printable(b.Partition)
	}
	if b.Owner != "" {
		text += " of the account " + hint.Printable(b.Owner)
	}
	return text
}

// otherBucketError is the error for a state directory with undelivered files that are for
// another bucket than the settings name, or for an unknown one.
type otherBucketError struct {
	stateDir     string
	theirs, ours BucketID
	unknown      string // why their bucket is unknown; "" if it is theirs
}

// Error names the directory and both buckets.
func (e *otherBucketError) Error() string {
	if e.unknown != "" {
		return fmt.Sprintf(
			"the state directory %s holds files that wait, and %s: they may be for another bucket than %s",
			hint.Printable(e.stateDir), e.unknown, e.ours)
	}
	return fmt.Sprintf(
		"the state directory %s holds files that wait for %s; they are not sent to %s",
		hint.Printable(e.stateDir), e.theirs, e.ours)
}

func (e *otherBucketError) hint() string {
	const adopt = "if they are for this bucket all the same, s3share recover --adopt with these settings sends them"
	if e.unknown != "" {
		return adopt + "; else name another directory with --state-dir"
	}
	return "deliver them with s3share recover and the settings of that bucket, or name another directory with --state-dir; " + adopt
}

// Bind records the bucket of s as the one that the outbox is for, and fills in s.Owner if the
// record knows it. The caller holds the lock. If files for another or an unknown bucket are
// undelivered, it returns an error with a hint, unless s.Adopt is set.
func Bind(s *config.Settings) error {
	dir, err := privatedir.Open(s.StateDir)
	if err != nil {
		return fmt.Errorf("cannot use the state directory %s: %w",
			s.StateDir, hint.WithoutPath(err))
	}
	defer dir.Close()
	theirs, ours, err := compareBuckets(dir, s)
	if err != nil {
		return err
	}
	s.Owner = cmp.Or(s.Owner, ours.Owner)
	if !theirs.same(ours) && !s.Adopt {
		err = stow(s.StateDir, theirs)
	}
	if err == nil && theirs != ours {
		err = writeBucket(dir, ours)
	}
	if err == nil {
		err = restore(s.StateDir, ours) // always: a process may have ended just before this step
	}
	if err != nil {
		return fmt.Errorf("cannot write to the state directory %s: %w",
			s.StateDir, hint.WithoutPath(err))
	}
	return nil
}

// CheckBucket returns the error that [Bind] would return, and changes nothing. The caller need
// not hold the lock.
func CheckBucket(s *config.Settings) error {
	dir, err := privatedir.Open(s.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot use the state directory %s: %w",
			s.StateDir, hint.WithoutPath(err))
	}
	defer dir.Close()
	_, _, err = compareBuckets(dir, s)
	return err
}

// compareBuckets returns the bucket that the state directory is for, the zero value if that is
// not known, and the bucket that Bind records. An owner that only the settings name is not
// recorded: see NoteOwner.
func compareBuckets(dir *privatedir.Dir, s *config.Settings) (theirs, ours BucketID, err error) {
	ours = bucketOf(s)
	theirs, unknown, err := readBucket(dir, s)
	same := unknown == "" && theirs.same(ours)
	waits := false
	if err == nil && !same && !s.Adopt {
		waits, err = cache.Owes(s.StateDir)
	}
	if err != nil {
		return theirs, ours, fmt.Errorf("cannot read the state directory %s: %w",
			s.StateDir, hint.WithoutPath(err))
	}
	if waits {
		e := &otherBucketError{s.StateDir, theirs, ours, unknown}
		return theirs, ours, hint.With(e, e.hint())
	}
	if ours.Owner = ""; same {
		ours.Owner = theirs.Owner
	}
	return theirs, ours, nil
}

// readBucket reads the bucket file of a state directory. If the bucket is not known, unknown
// is the reason; the outbox may be empty all the same.
func readBucket(dir *privatedir.Dir, s *config.Settings) (b BucketID, unknown string, err error) {
	data, err := dir.ReadFile(BucketFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return BucketID{}, "nothing in it says which bucket they are for", nil
	case err != nil:
		return BucketID{}, "", err
	case json.Unmarshal(data, &b) != nil || b.Bucket == "":
		return BucketID{}, BucketFile + " in it is damaged", nil
	case b.Version > bucketVersion:
		return BucketID{}, "a later version of s3share has used it", nil
	case b.Version == bucketVersion:
		return b, "", nil
	}
	at, known := legacyLocation(b, s)
	if !known {
		return BucketID{Bucket: b.Bucket}, fmt.Sprintf(
			"an earlier version has only noted that they are for a bucket %q", b.Bucket), nil
	}
	return BucketID{0, b.Bucket, at.Endpoint, at.Partition, ""}, "", nil
}

// legacyLocation returns where the bucket of a file of an earlier version is; false if that
// is not known. Such a file has only the endpoint of the settings. If that is empty and the
// directory has a default name, the name was made from the endpoint in the environment. An
// endpoint in a profile left no trace, so while any profile has one, the bucket is not
// taken to be at AWS.
func legacyLocation(b BucketID, s *config.Settings) (s3backend.Location, bool) {
	if b.Endpoint != "" {
		return s3backend.LocationOf(b.Endpoint, s.Region), true
	}
	name := filepath.Base(s.StateDir)
	if e := config.NamedEndpoint(s); e != "" && name == config.ExchangeID(e, b.Bucket) {
		return s3backend.LocationOf(e, s.Region), true
	}
	aws := s3backend.Location{Partition: s3backend.Partition("")}
	return aws, name == config.ExchangeID("", b.Bucket) && s.At == aws &&
		!config.AnyProfileHasEndpoint()
}

func writeBucket(dir *privatedir.Dir, b BucketID) error {
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return dir.WriteFile(BucketFile, append(data, '\n'))
}

// NoteOwner records the account that owns the bucket, once S3 has confirmed it. An owner that
// is recorded already stays. The caller holds the lock.
func NoteOwner(stateDir, owner string) error {
	if owner == "" {
		return nil
	}
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	var b BucketID
	data, err := dir.ReadFile(BucketFile)
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil || b.Owner != "" {
		return err
	}
	b.Owner = owner
	return writeBucket(dir, b)
}

// bucketFiles returns the names of the other files in a state directory that are about one
// bucket. While the directory is for another bucket, they have other names, made by nameFor.
func bucketFiles() []string { return append(cache.StateFiles(), leftoverFile, seenFile) }

// nameFor returns the name of a file about b while the state directory is for another bucket.
func nameFor(name string, b BucketID) string {
	return name + "." + config.ExchangeHash(b.Endpoint+b.Partition, b.Bucket)
}

// stow renames the files about b while the state directory is for another bucket.
func stow(stateDir string, b BucketID) error {
	return renameAll(stateDir,
		func(name string) (from, to string) { return name, nameFor(name, b) })
}

// restore undoes stow for b. It replaces no file.
func restore(stateDir string, b BucketID) error {
	return renameAll(stateDir, func(name string) (from, to string) {
		if _, err := os.Lstat(filepath.Join(stateDir, name)); err == nil {
			return "", ""
		}
		return nameFor(name, b), name
	})
}

// renameAll renames those bucketFiles that exist, from and to what names returns; "" skips one.
func renameAll(stateDir string, names func(string) (from, to string)) error {
	for _, name := range bucketFiles() {
		from, to := names(name)
		if from == "" {
			continue
		}
		if err := os.Rename(filepath.Join(stateDir, from),
			filepath.Join(stateDir, to)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
