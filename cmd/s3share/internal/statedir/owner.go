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

// Claim is which bucket the outbox in a state directory belongs to: what was written for
// one is never sent to another that has the same name.
type Claim struct {
	// Version is claimVersion; 0 in files of earlier versions, whose Endpoint is the
	// setting, "" also where the environment or the profile named one.
	Version   int    `json:"version"`
	Bucket    string `json:"bucket"`
	Endpoint  string `json:"endpoint,omitempty"`  // as s3backend.Location has it, "" for AWS
	Partition string `json:"partition,omitempty"` // AWS's
	Owner     string `json:"owner,omitempty"`     // the account that owns the bucket; "" until it is known
}

const (
	// ClaimName is the file in a state directory that has its claim.
	ClaimName    = "exchange.json"
	claimVersion = 2
)

func claimOf(s *config.Settings) Claim {
	return Claim{claimVersion, s.Bucket, s.At.Endpoint, s.At.Partition, s.Owner}
}

// ofOneBucket reports whether two claims are of one bucket. An owner that is not known
// makes no difference.
func (c Claim) ofOneBucket(d Claim) bool {
	if c.Owner == "" || d.Owner == "" {
		c.Owner, d.Owner = "", ""
	}
	c.Version = d.Version
	return c == d
}

// String names the bucket for people.
func (c Claim) String() string {
	text := fmt.Sprintf("the bucket %q", c.Bucket)
	switch {
	case c.Endpoint != "":
		text += " at " + hint.Printable(c.Endpoint)
	case c.Partition != "" && c.Partition != s3backend.Partition(""):
		text += " of " + hint.Printable(c.Partition)
	}
	if c.Owner != "" {
		text += " of the account " + hint.Printable(c.Owner)
	}
	return text
}

// An otherBucketError says that what waits in a state directory is for another bucket
// than the settings name, or that it cannot be told for which it is.
type otherBucketError struct {
	stateDir   string
	for_, ours Claim
	unknown    string // why it cannot be told; "" if it is for_
}

func (e *otherBucketError) Error() string {
	if e.unknown != "" {
		return fmt.Sprintf("the state directory %s holds files that wait, and %s: it cannot be told that they are for %s",
			hint.Printable(e.stateDir), e.unknown, e.ours)
	}
	return fmt.Sprintf("the state directory %s holds files that wait for %s; they are not sent to %s",
		hint.Printable(e.stateDir), e.for_, e.ours)
}

func (e *otherBucketError) hint() string {
	const adopt = "if they are for this bucket all the same, s3share recover --adopt with these settings sends them"
	if e.unknown != "" {
		return adopt + "; else name another directory with --state-dir"
	}
	return "deliver them with s3share recover and the settings of that bucket, or name another directory with --state-dir; " + adopt
}

// ClaimState makes the state directory, which is locked, that of the bucket of s. It
// refuses one in which something waits for another, or for nobody knows which, unless
// s.adopt says that it is for this one.
func ClaimState(s *config.Settings) error {
	dir, err := privatedir.Open(s.StateDir)
	if err != nil {
		return fmt.Errorf("cannot use the state directory %s: %w", s.StateDir, hint.WithoutPath(err))
	}
	defer dir.Close()
	theirs, ours, err := compareClaims(dir, s)
	if err != nil {
		return err
	}
	s.Owner = cmp.Or(s.Owner, ours.Owner)
	if !theirs.ofOneBucket(ours) && !s.Adopt {
		err = putAside(s.StateDir, theirs)
	}
	if err == nil && theirs != ours {
		err = writeClaim(dir, ours)
	}
	if err == nil {
		err = takeBack(s.StateDir, ours) // always: a process may have ended just before it
	}
	if err != nil {
		return fmt.Errorf("cannot write to the state directory %s: %w", s.StateDir, hint.WithoutPath(err))
	}
	return nil
}

// CheckClaim is ClaimState without changing anything.
func CheckClaim(s *config.Settings) error {
	dir, err := privatedir.Open(s.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot use the state directory %s: %w", s.StateDir, hint.WithoutPath(err))
	}
	defer dir.Close()
	_, _, err = compareClaims(dir, s)
	return err
}

// compareClaims returns the claim in the state directory, the zero value where it cannot be
// told, and the one that it may get. The owner that only the settings name is not in it: see
// NoteOwner.
func compareClaims(dir *privatedir.Dir, s *config.Settings) (theirs, ours Claim, err error) {
	ours = claimOf(s)
	theirs, unknown, err := readClaim(dir, s)
	same := unknown == "" && theirs.ofOneBucket(ours)
	waits := false
	if err == nil && !same && !s.Adopt {
		waits, err = cache.Owes(s.StateDir)
	}
	if err != nil {
		return theirs, ours, fmt.Errorf("cannot read the state directory %s: %w", s.StateDir, hint.WithoutPath(err))
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

// readClaim reads the claim in a state directory. unknown is why it cannot be told of
// which bucket the outbox is; nothing need wait in it.
func readClaim(dir *privatedir.Dir, s *config.Settings) (c Claim, unknown string, err error) {
	data, err := dir.ReadFile(ClaimName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Claim{}, "nothing in it says which bucket they are for", nil
	case err != nil:
		return Claim{}, "", err
	case json.Unmarshal(data, &c) != nil || c.Bucket == "":
		return Claim{}, ClaimName + " in it is damaged", nil
	case c.Version > claimVersion:
		return Claim{}, "a later version of s3share has used it", nil
	case c.Version == claimVersion:
		return c, "", nil
	}
	at, known := earlierLocation(c, s)
	if !known {
		return Claim{Bucket: c.Bucket}, fmt.Sprintf("an earlier version has only noted that they are for a bucket %q", c.Bucket), nil
	}
	return Claim{0, c.Bucket, at.Endpoint, at.Partition, ""}, "", nil
}

// earlierLocation is where the bucket of an earlier version's claim is, as far as that
// can be known: the claim has only the setting. Where that was empty, a default
// directory has a name that was made of the environment's endpoint. A profile's left no
// trace; no such outbox is one of AWS's while any profile has an endpoint.
func earlierLocation(c Claim, s *config.Settings) (s3backend.Location, bool) {
	if c.Endpoint != "" {
		return s3backend.LocationOf(c.Endpoint, s.Region), true
	}
	name := filepath.Base(s.StateDir)
	if e := config.NamedEndpoint(s); e != "" && name == config.ExchangeID(e, c.Bucket) {
		return s3backend.LocationOf(e, s.Region), true
	}
	aws := s3backend.Location{Partition: s3backend.Partition("")}
	return aws, name == config.ExchangeID("", c.Bucket) && s.At == aws && !config.AnyProfileHasEndpoint()
}

func writeClaim(dir *privatedir.Dir, c Claim) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return dir.WriteFile(ClaimName, append(data, '\n'))
}

// NoteOwner notes the bucket's owner once S3 has confirmed it.
func NoteOwner(stateDir, owner string) error {
	if owner == "" {
		return nil
	}
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	var c Claim
	data, err := dir.ReadFile(ClaimName)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || c.Owner != "" {
		return err
	}
	c.Owner = owner
	return writeClaim(dir, c)
}

// What else a state directory knows of a bucket is put aside while it serves another: what
// was sent to the one is not in the other.

func aboutBucket() []string { return append(cache.StateFiles(), leftFile) }

// asideName is the name of a file while the state directory is not that of c.
func asideName(name string, c Claim) string {
	return name + "." + config.ExchangeHash(c.Endpoint+c.Partition, c.Bucket)
}

func putAside(stateDir string, c Claim) error {
	return renameAll(stateDir, func(name string) (from, to string) { return name, asideName(name, c) })
}

// takeBack takes back what was put aside of c, and replaces nothing.
func takeBack(stateDir string, c Claim) error {
	return renameAll(stateDir, func(name string) (from, to string) {
		if _, err := os.Lstat(filepath.Join(stateDir, name)); err == nil {
			return "", ""
		}
		return asideName(name, c), name
	})
}

// renameAll renames the files about a bucket as names says, those that are there.
func renameAll(stateDir string, names func(string) (from, to string)) error {
	for _, name := range aboutBucket() {
		from, to := names(name)
		if from == "" {
			continue
		}
		if err := os.Rename(filepath.Join(stateDir, from), filepath.Join(stateDir, to)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
