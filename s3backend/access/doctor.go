package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/s3backend"
)

// State is how a check ended.
type State string

// The states, from the best to the worst.
const (
	StateOK      State = "ok"
	StateNote    State = "note"    // worth knowing, and nothing is wrong
	StateUnknown State = "unknown" // it cannot be found out from here
	StateMissing State = "missing" // something the exchange needs
)

// Check names what was looked at.
type Check string

// The checks, in the order in which they are printed.
const (
	CheckIdentity   Check = "identity"
	CheckClock      Check = "clock"
	CheckTLS        Check = "TLS"
	CheckList       Check = "list"
	CheckGet        Check = "get"
	CheckPut        Check = "put"
	CheckACL        Check = "ACL"
	CheckDelete     Check = "delete"
	CheckAbort      Check = "abort"
	CheckOwnership  Check = "ownership"
	CheckReadable   Check = "readable"
	CheckEncryption Check = "encryption"
	CheckConditions Check = "conditions"
	CheckChecksums  Check = "checksums"
	CheckLifecycle  Check = "lifecycle"
	CheckVersions   Check = "versions"
)

// Reason is what a check found; people read a sentence for each.
type Reason string

// The reasons.
const (
	WhyGranted      Reason = "granted"
	WhyRefused      Reason = "refused"
	WhyNotNeeded    Reason = "refused, and not needed here"
	WhyUntold       Reason = "untold"
	WhyFailed       Reason = "failed"         // it could not be asked; Err is why
	WhyKeyRefused   Reason = "key refused"    // KMS lets this account not use the key
	WhyACLRefused   Reason = "ACL refused"    // only what carries the ACL
	WhyOwnUploads   Reason = "own uploads"    // AWS lets who began an upload abort it
	WhyACLsOff      Reason = "ACLs off"       // the bucket's owner owns all
	WhyOwnerAtWrite Reason = "owner at write" // the bucket's owner owns what carries the ACL
	WhyWriterOwns   Reason = "writer owns"
	WhyOneOwner     Reason = "one owner"
	WhyStrangers    Reason = "unreadable" // Detail says how many
	WhyAllReadable  Reason = "all readable"
	WhyEncrypted    Reason = "encrypted" // Detail says by what
	WhyHeeded       Reason = "heeded"
	WhyHeadFirst    Reason = "head first"
	WhyAbortsAfter  Reason = "aborts" // Detail says when
	WhyNoRule       Reason = "no rule"
	WhyInTime       Reason = "in time"
	WhySkewed       Reason = "skewed" // Detail says by how much
	WhyEncrypting   Reason = "over TLS"
	WhyLoopback     Reason = "loopback"
	WhyTLSDemanded  Reason = "TLS demanded"
	WhyKnown        Reason = "known"    // Detail says who
	WhyVersions     Reason = "versions" // Detail says which permissions for versions are granted
)

// Finding is how one check ended.
type Finding struct {
	Check  Check  `json:"check"`
	Folder string `json:"folder,omitempty"` // of the exchange; "" for the bucket
	State  State  `json:"state"`
	Reason Reason `json:"reason"`
	Detail string `json:"detail,omitempty"`
	How    string `json:"how"` // by which request it was found out
	Err    error  `json:"-"`
}

// ExamInput is the exchange that is examined, with the credentials of one party.
type ExamInput struct {
	Client  *s3backend.Client
	Folders []string // the first is what the owner shares, the others are delivered to

	// Left are uploads that earlier probes could not abort, by folder; Examine adds
	// its own.
	Left map[string]s3backend.Upload
}

// Report is all that was found.
type Report struct {
	Findings []Finding
	Needs    []Need
	Who      s3backend.Identity
}

// Need is what a folder lacks.
type Need struct {
	Folder  string
	Actions []string
}

// Worst is the worst state in the report.
func (r Report) Worst() State {
	worst := StateOK
	for _, f := range r.Findings {
		if slices.Index(states, f.State) > slices.Index(states, worst) {
			worst = f.State
		}
	}
	return worst
}

var states = []State{StateOK, StateNote, StateUnknown, StateMissing}

// Statements are what to send to the owner: one for the folders that lack the same.
func (r Report) Statements(bucket, principal string) []Statement {
	var all []Statement
	for i, n := range r.Needs {
		same := func(o Need) bool { return slices.Equal(o.Actions, n.Actions) }
		if slices.ContainsFunc(r.Needs[:i], same) {
			continue
		}
		var folders []string
		for _, o := range r.Needs {
			if same(o) {
				folders = append(folders, o.Folder)
			}
		}
		all = append(all, missingStatement(bucket, principal, n.Actions, folders))
	}
	return all
}

// Examine asks everything that can be asked without writing an object. It takes as
// long as a dozen requests one after another.
func Examine(ctx context.Context, p ExamInput) (Report, error) {
	e := &exam{ExamInput: p, server: p.Client.Server(ctx),
		folders: make([]*folderExam, len(p.Folders))}
	if e.Left == nil {
		e.Left = map[string]s3backend.Upload{}
	}
	g, gctx := errgroup.WithContext(ctx)
	for i, folder := range p.Folders {
		e.folders[i] = &folderExam{exam: e, name: folder, prefix: folder + "/",
			leftover: e.Left[folder]}
		g.Go(func() error { e.folders[i].ask(gctx); return nil })
	}
	var who, clock Finding
	g.Go(func() error { who = e.identity(gctx); return nil })
	g.Go(func() error { clock = e.clock(gctx); return nil })
	g.Go(func() error {
		is, err := e.Client.Ownership().IsOwner(gctx)
		e.owner = err == nil && is
		return nil
	})
	_ = g.Wait() // none of them returns an error
	e.askDeletes(ctx)
	e.report.Findings = append(e.report.Findings, who, clock, e.tls())
	for i, f := range e.folders {
		if f.leftover.ID != "" {
			e.Left[f.name] = f.leftover
		} else {
			delete(e.Left, f.name)
		}
		e.add(f.findings(i == 0 && len(e.folders) > 1))
	}
	e.add([]Finding{e.ownership(ctx), e.readable(ctx), e.encryption(ctx), e.conditions(),
		e.checksums(), e.lifecycle(ctx), e.versions(ctx)})
	return e.report, ctx.Err()
}

// exam is one examination.
type exam struct {
	ExamInput
	server  s3backend.Server
	owner   bool // the bucket is ours
	folders []*folderExam
	report  Report
}

func (e *exam) add(all []Finding) { e.report.Findings = append(e.report.Findings, all...) }

// identity finds out who we are. The policy may not let us ask.
func (e *exam) identity(ctx context.Context) Finding {
	f := Finding{Check: CheckIdentity, How: "GetCallerIdentity"}
	if e.server != s3backend.AmazonS3 {
		f.How = "ListBuckets"
	}
	who, err := e.Client.Identity(ctx)
	e.report.Who = who
	switch {
	case err != nil:
		f.State, f.Reason, f.Err = StateUnknown, WhyFailed, err
	case who.ARN != "":
		f.State, f.Reason, f.Detail = StateOK, WhyKnown, who.ARN
	case who.Account != "":
		f.State, f.Reason, f.Detail = StateOK, WhyKnown, who.Account
	default:
		f.State, f.Reason = StateUnknown, WhyUntold
	}
	return f
}

// Clock skews: S3 refuses requests from 15 minutes on. Source: Amazon S3 API
// Reference, "Authenticating requests".
const (
	skewNoted   = 2 * time.Minute
	skewRefused = 15 * time.Minute
)

func (e *exam) clock(ctx context.Context) Finding {
	f := Finding{Check: CheckClock, State: StateOK, Reason: WhyInTime,
		How: "the date of S3's answer"}
	skew, told := e.Client.Skew(ctx)
	switch {
	case !told:
		f.State, f.Reason = StateUnknown, WhyUntold
	case skew.Abs() >= skewRefused:
		f.State, f.Reason, f.Detail = StateMissing, WhySkewed, skew.Round(10*time.Second).String()
	case skew.Abs() >= skewNoted:
		f.State, f.Reason, f.Detail = StateNote, WhySkewed, skew.Round(10*time.Second).String()
	}
	return f
}

// tls finds out whether requests are encrypted; a policy may refuse those that are not,
// and then refuses everything.
func (e *exam) tls() Finding {
	f := Finding{Check: CheckTLS, State: StateOK, Reason: WhyEncrypting, How: "the endpoint"}
	if !strings.HasPrefix(e.Client.Endpoint(), "http:") {
		return f
	}
	f.State, f.Reason = StateNote, WhyLoopback
	all := true
	for _, d := range e.folders {
		all = all && errors.Is(d.list, s3backend.Denied) && errors.Is(d.put, s3backend.Denied) &&
			errors.Is(d.get, s3backend.Denied)
	}
	if all {
		f.State, f.Reason, f.How = StateMissing, WhyTLSDemanded,
			"everything is refused, and the endpoint is not encrypted"
	}
	return f
}

// denied reports whether err is a refusal, and not ErrUnknown.
func denied(err error) bool {
	return errors.Is(err, s3backend.Denied) && !errors.Is(err, s3backend.ErrUnknown)
}
