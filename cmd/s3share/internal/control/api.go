// Package control connects commands and daemons: the JSON types of a daemon's control socket,
// the client, and the search for the daemon of a file or mount that a person named.
//
// [State] is the status of a daemon. [FindTarget] and [FindTargetOrOutbox] return the mount
// that a name is in; [AllTargets] returns all mounts of this user. If no daemon answers,
// [ReadOutbox] reads the outbox from disk. [Register] records where an outbox is. The server
// is in package daemon. The JSON stays as it is, since daemons and commands of different
// versions speak to each other.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// ConfirmTimeout is how long S3 may take to say what it holds.
const ConfirmTimeout = 5 * time.Second

// FileRequest names a file or a directory, and says how long its asker waits.
type FileRequest struct {
	Path    jsonbytes.String `json:"path"` // below the mountpoint; "" for all
	Timeout time.Duration    `json:"timeout,omitempty"`
	Waiting bool             `json:"waiting,omitempty"` // for what waits alone: S3 is not asked
}

// FileAnswer is what became of it.
type FileAnswer struct {
	Files int             `json:"files"`          // how many it was done to
	Left  []outbox.Status `json:"left,omitempty"` // what it was not done to
	// Unresolved is what was delivered beside the other party's version, and what S3 has refused
	// to delete.
	Unresolved []outbox.Status `json:"beside,omitempty"`
	// File is what is known of the path, where nothing of it waits.
	File  *FileState `json:"file,omitempty"`
	Error string     `json:"error,omitempty"` // why it ended otherwise
}

// FileState is what is known of a path of which nothing waits. The daemon of an earlier
// version says nothing of it: then it is not known.
type FileState struct {
	State cache.Presence `json:"state"`
	At    time.Time      `json:"at"` // when S3 said so
	Words
}

// Problem is why f is no answer to somebody who wants to do something with the file at
// p: that it is not known, or that there is none. It is nil where S3 holds it.
func (f *FileState) Problem(do string, p Target) error {
	const unknown = "it is not known whether %s is delivered: %w"
	switch {
	case f == nil:
		return fmt.Errorf(unknown, p, errOtherVersion)
	case f.State == cache.Delivered || f.State == cache.Directory:
		return nil
	case f.State == cache.Absent:
		return fmt.Errorf("cannot %s %s: there is no such file in the exchange", do, p)
	case f.State == cache.Removed:
		return fmt.Errorf("cannot %s %s: there is no such file in the exchange, it was removed", do,
			p)
	case f.State == cache.Removing:
		return fmt.Errorf("cannot %s %s: it is removed here, and S3 is told later", do, p)
	}
	return hint.With(fmt.Errorf(unknown, p, errors.New(f.Reason)), f.Hint)
}

// Sentence says what is known of what people call name.
func (f *FileState) Sentence(name string) string {
	what := ""
	switch {
	case f == nil:
		return "it is not known whether " + name + " is delivered"
	case f.State == cache.Delivered:
		what = name + " is delivered"
	case f.State == cache.Directory:
		what = "all below " + name + " is delivered"
	case f.State == cache.Absent || f.State == cache.Removed:
		return "there is no " + name
	case f.State == cache.Removing:
		return name + " is removed here, and S3 is told later"
	case f.Reason == "":
		return "it is not known whether " + name + " is delivered"
	default:
		return "it is not known whether " + name + " is delivered: " + hint.OneLine(f.Reason)
	}
	if f.Reason != "" {
		what += fmt.Sprintf(", as S3 confirmed at %s; it cannot be asked again now: %s",
			ClockText(f.At), hint.OneLine(f.Reason))
	}
	return what
}

// Words are an error as people are told it.
type Words struct {
	Reason string `json:"reason,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Code   string `json:"code,omitempty"` // S3's own
}

// OutcomesRequest asks what became of files that waited.
type OutcomesRequest struct {
	Paths []jsonbytes.String `json:"paths"`
}

// maxOutcomes is how many paths one request names: it must not be longer than MaxRequest.
const maxOutcomes = 200

// The states of a mount's connection to S3.
const (
	Online   = "online"  // S3 answers, and takes the credentials
	Offline  = "offline" // requests end without an answer of S3's, or with its own failure
	Login    = "login"   // S3 refuses the credentials, or there are none
	Refused  = "refused" // the bucket is gone, or another account's
	NoAnswer = "unknown" // S3 was asked, and has not answered yet
)

// Connection is what a mount knows of its connection to S3.
type Connection struct {
	State    string    `json:"state"`
	Answered time.Time `json:"answered,omitzero"` // when S3 took the credentials and answered last
	Since    time.Time `json:"since,omitzero"`    // when it began not to
	Words
}

// ClockText is a time as people read it: the date only where it is not today's.
func ClockText(t time.Time) string {
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format("2006-01-02 15:04")
}

// MaxRequest bounds what a request brings, in bytes.
const MaxRequest = 1 << 20

// Schema is the version of what s3share status --json prints, which docs/status-json.md
// documents. It grows when a field changes its meaning or goes; a new field leaves it as it is.
const Schema = 1

// State is what a daemon tells about itself.
type State struct {
	Schema   int                   `json:"schema,omitempty"` // of status --json alone
	Version  string                `json:"version"`
	PID      int                   `json:"pid"`
	Dir      string                `json:"dir"` // the mountpoint
	Mounted  bool                  `json:"mounted"`
	Daemon   string                `json:"daemon"` // whether a process delivers: see outboxes.go
	Since    time.Time             `json:"since"`
	Exchange string                `json:"exchange,omitempty"`
	Bucket   string                `json:"bucket"`
	Region   string                `json:"region"`
	Endpoint string                `json:"endpoint,omitempty"`
	Folders  []string              `json:"folders"`
	ReadOnly bool                  `json:"read_only"`
	Payer    bool                  `json:"requester_pays,omitempty"`
	StateDir string                `json:"state_dir"`
	CacheDir string                `json:"cache_dir,omitempty"`
	LogFile  string                `json:"log_file,omitempty"`
	Login    s3backend.LoginMethod `json:"login"`
	// Paused is why nothing is delivered at present.
	Paused  *Pause          `json:"paused,omitempty"`
	Pending []outbox.Status `json:"owed"` // the oldest first
	// Unresolved has conflict copies, and what S3 has refused to delete.
	Unresolved []outbox.Status `json:"beside,omitempty"`
	// Path is what was asked about; Pending, Unresolved and File are limited to it.
	Path string `json:"path,omitempty"`
	// File is what is known of Path where nothing of it waits.
	File     *FileState          `json:"file,omitempty"`
	Requests map[string]int64    `json:"requests"`
	Server   []s3backend.Ability `json:"server,omitempty"` // what was learnt of the server
	Limits   *Limits             `json:"limits,omitempty"` // absent where no daemon answers
	// Arrivals is absent where they are not announced.
	Arrivals *Arrivals `json:"arrivals,omitempty"`
	// Thumbnails is absent where no program is limited.
	Thumbnails *Thumbnails `json:"thumbnails,omitempty"`
	// Connection is what the mount knows of its connection to S3.
	Connection *Connection `json:"connection,omitempty"`
}

// Arrivals is what a mount has told programs that watch its directories of the other party's
// changes.
type Arrivals struct {
	Watched   int   `json:"watched"`   // directories
	Announced int64 `json:"announced"` // changes since the mount began
	Failed    int64 `json:"failed"`    // changes that could not be announced
	Skipped   int64 `json:"skipped"`   // changes that were too many at once
}

// Thumbnails is how often programs that make thumbnails, or index files, have opened large files
// since the mount began.
type Thumbnails struct {
	Files   int64 `json:"files"`   // opens of which part of the file may be downloaded
	Refused int64 `json:"refused"` // of these, opens in which a read was refused
}

// MarshalJSON writes the names of files as [jsonbytes.String] does.
func (st State) MarshalJSON() ([]byte, error) {
	type fields State
	return json.Marshal(struct {
		fields
		Dir      jsonbytes.String `json:"dir"`
		StateDir jsonbytes.String `json:"state_dir"`
		CacheDir jsonbytes.String `json:"cache_dir,omitempty"`
		LogFile  jsonbytes.String `json:"log_file,omitempty"`
		Path     jsonbytes.String `json:"path,omitempty"`
	}{
		fields(st), jsonbytes.String(st.Dir), jsonbytes.String(st.StateDir),
		jsonbytes.String(st.CacheDir),
		jsonbytes.String(st.LogFile), jsonbytes.String(st.Path),
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (st *State) UnmarshalJSON(b []byte) error {
	type fields State
	in := struct {
		*fields
		Dir      jsonbytes.String `json:"dir"`
		StateDir jsonbytes.String `json:"state_dir"`
		CacheDir jsonbytes.String `json:"cache_dir"`
		LogFile  jsonbytes.String `json:"log_file"`
		Path     jsonbytes.String `json:"path"`
	}{fields: (*fields)(st)}
	err := json.Unmarshal(b, &in)
	st.Dir, st.StateDir, st.CacheDir = string(in.Dir), string(in.StateDir), string(in.CacheDir)
	st.LogFile, st.Path = string(in.LogFile), string(in.Path)
	return err
}

// Undelivered are the statuses that S3 has yet to confirm. Private names are not
// among them: they are never sent.
func Undelivered(all []outbox.Status) []outbox.Status {
	var left []outbox.Status
	for _, st := range all {
		if st.State != outbox.Local && st.State != outbox.Conflict &&
			st.State != outbox.NotRemoved && st.State != outbox.Delivered {
			left = append(left, st)
		}
	}
	return left
}

// The phases of an unmount, in their order. All but the last repeat.
const (
	PhaseDelivering = "delivering" // what is owed goes out; the mount still serves
	PhaseFinishing  = "finishing"  // the mount is undone; what came last goes out
	PhaseEnded      = "ended"      // the last event; Outcome tells how it went
)

// How an unmount ended.
const (
	OutcomeUnmounted = "unmounted" // if Left is not empty, that stays in the outbox
	OutcomeLeft      = "left"      // not all can be delivered; still mounted
	OutcomeCancelled = "stays"     // whoever asked has taken it back; still mounted
	OutcomeBusy      = "busy"      // a program holds the mount; still mounted
	OutcomeFailed    = "failed"    // for the reason in Error; still mounted
)

// Event is one line of the answer to POST /unmount.
type Event struct {
	Phase string `json:"phase"`
	Files int    `json:"files"` // not delivered yet
	Bytes int64  `json:"bytes"` // of these files
	Sent  int64  `json:"sent"`  // bytes of Bytes that S3 has
	// InFlight is how many more bytes of Bytes are on their way.
	InFlight   int64           `json:"in_flight,omitempty"`
	Speed      int64           `json:"speed,omitempty"`      // bytes a second
	Done       int             `json:"done,omitempty"`       // files delivered since it was asked
	DoneBytes  int64           `json:"done_bytes,omitempty"` // bytes of these
	Waiting    string          `json:"waiting,omitempty"`    // why nothing is delivered at present
	Outcome    string          `json:"outcome,omitempty"`
	Error      string          `json:"error,omitempty"`
	Left       []outbox.Status `json:"left,omitempty"`
	Unresolved []outbox.Status `json:"beside,omitempty"` // as those of FileAnswer
}

// UnmountRequest is the body of POST /unmount.
type UnmountRequest struct {
	ID      string        `json:"id,omitempty"` // by which it is taken back
	Keep    bool          `json:"keep"`         // what cannot be delivered may stay in the outbox
	Timeout time.Duration `json:"timeout"`      // for delivering, in nanoseconds; 0 is without end
}

// CancelUnmountRequest takes an unmount back. Its events tell whether it came in time.
type CancelUnmountRequest struct {
	ID string `json:"id"`
}

// LimitRequest is the body of POST /limit. With neither field, nothing is changed.
type LimitRequest struct {
	Set     *Limits `json:"set,omitempty"`
	Default bool    `json:"default,omitempty"` // go back to what the settings say
}

// Limits are how many bytes a second a mount sends and receives at most; 0 for no limit.
type Limits struct {
	Upload   int64 `json:"upload,omitempty"`
	Download int64 `json:"download,omitempty"`
	Live     bool  `json:"live,omitempty"` // set by s3share limit, not by the settings
}

// PauseRequest is the body of POST /pause.
type PauseRequest struct {
	Pause bool `json:"pause"` // else deliveries go on
}

// PauseAnswer is what became of it.
type PauseAnswer struct {
	Paused *Pause `json:"paused,omitempty"` // nil where deliveries go on
	Was    bool   `json:"was,omitempty"`    // they were paused before
	Files  int    `json:"files"`            // that wait
	Error  string `json:"error,omitempty"`
}

// HandoverAnswer is the answer to POST /handover.
type HandoverAnswer struct {
	Ends bool `json:"ends"` // the daemon stops delivering, and gives its state directory up
}

// LoginRequest is the body of POST /login.
type LoginRequest struct {
	Code string `json:"code,omitempty"` // of an MFA device
}

// LoginAnswer is what became of it.
type LoginAnswer struct {
	Files int    `json:"files"` // that are tried again
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

// Runs reports whether a daemon answers for it.
func (st *State) Runs() bool { return st.Daemon == "" || st.Daemon == DaemonRuns }

// Label is what people call the exchange.
func (st *State) Label() string {
	if st.Exchange != "" {
		return st.Exchange
	}
	return st.Bucket
}

// Pause is why everything waits, in a state.
type Pause struct {
	Words
	// By is PausedByCommand or PausedByMetered where deliveries are paused, since Since; "" where
	// S3 is the reason.
	By    string    `json:"by,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// By whom deliveries are paused.
const (
	PausedByCommand = "command" // s3share pause
	PausedByMetered = "metered" // the connection is metered
)

// NewPause returns the pause of deliveries to the mount on dir, or to the exchange of that name,
// because of why.
func NewPause(why *outbox.SuspendedError, dir string) *Pause {
	p := &Pause{By: PausedByCommand, Since: why.Since}
	p.Reason = "paused since " + ClockText(why.Since)
	p.Hint = "s3share resume " + hint.ShellQuote(dir) + " goes on"
	if why.Metered {
		p.By = PausedByMetered
		p.Reason += ", as the connection is metered"
		p.Hint =
			"it goes on when NetworkManager reports that the connection is not metered; s3share resume " + hint.ShellQuote(dir) + " sends on this one"
	}
	return p
}

// Whether a process delivers what waits.
const (
	DaemonRuns     = "running"    // and answers
	DaemonEnded    = "ended"      // nobody delivers it
	daemonSilent   = "silent"     // its process is there, and does not answer
	daemonRecovers = "recovering" // s3share recover delivers it
	DaemonUnknown  = "unknown"    // a mount of which nobody knows the outbox
)

// limitTo leaves in a state that was read from an outbox what is at path or below it.
func (st *State) limitTo(path string) {
	if path == "" {
		return
	}
	other := func(o outbox.Status) bool { return !cache.Below(path)(o) }
	st.Path = path
	st.Pending = slices.DeleteFunc(st.Pending, other)
	st.Unresolved = slices.DeleteFunc(st.Unresolved, other)
	st.File = &FileState{State: cache.Unknown,
		Words: Words{Reason: st.DaemonText() + ", and nothing of it waits in the outbox"}}
}

// Rows are the files to tell people of.
func (st *State) Rows() []outbox.Status { return slices.Concat(st.Pending, st.Unresolved) }

// UnknownOutcomes is for who cannot ask.
func UnknownOutcomes(paths []string) []FileState {
	all := make([]FileState, len(paths))
	for i := range all {
		all[i].State = cache.Unknown
	}
	return all
}
