package access

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/s3backend"
)

// Setup is what an owner wants: a bucket, and a client let in on terms. Ownership
// may be left out: then new buckets have ACLs off, and so have those that are
// adopted. The grant may be left out too: then a client keeps the one it has, and a
// new one gets Folders.
type Setup struct {
	Terms
	KMSKey     string // full ARN of the key for the default encryption; "" for S3's own
	Versioning bool

	// VersionsSaid: Versions is the owner's choice; else a client has that permission if it does
	// now.
	VersionsSaid bool
	UntilSaid    bool // Until is the owner's choice; else a client's access ends when it does now
	Keep         Keep
}

func (s Setup) folders() []string { return []string{s.Shared, s.Delivered} }

// StepState is what is to be done about one thing.
type StepState string

// The states of a step.
const (
	Change StepState = "change"  // it is to be done
	Done   StepState = "done"    // it is so already
	Left   StepState = "left"    // it is not done, for the reason that is given
	byHand StepState = "by hand" // somebody else has to do it
)

// Step is one thing of a plan.
type Step struct {
	What   string    `json:"what"`
	State  StepState `json:"state"`
	Detail string    `json:"detail"` // what it will be, is, or why not

	do func(context.Context, *s3backend.Client) error // of a Change
}

// Plan is what has to be done to a bucket for an exchange, in the order in which
// it is done: the client is let in last.
type Plan struct {
	Setup  Setup // with the ownership that there will be
	Found  Bucket
	Policy Document // as it will be
	Steps  []Step
	// Deletes says what S3 will delete by rules that are new, or delete sooner; "" for nothing.
	Deletes string
	Wider   []string // what is allowed then that is not now, but to a new client, in words

	// As they will be, on AWS.
	encryption types.ServerSideEncryptionRule
	lifecycle  []types.LifecycleRule
}

// Nothing reports whether all is as it should be.
func (p *Plan) Nothing() bool {
	for _, s := range p.Steps {
		if s.State == Change {
			return false
		}
	}
	return true
}

// ErrNotAsWritten is returned where statements that somebody has changed would have to be replaced
// though nobody has said by which grant.
var ErrNotAsWritten = errors.New("somebody has changed the statements of s3share for this client")

// MakePlan compares what is wanted with what was found. Nothing that is there is
// loosened: a setting that is stricter stays, and so does what others have set.
func MakePlan(want Setup, found Bucket) (*Plan, error) {
	if err := checkRegionalName(want.Bucket, found); err != nil {
		return nil, err
	}
	if err := checkNewName(want.Bucket, found); err != nil {
		return nil, err
	}
	asked := want.Ownership
	want.Elsewhere = found.Endpoint != ""
	if !want.Elsewhere {
		want.Ownership = stricter(asked, found)
	}
	said := want.Grant
	now := found.Policy.formOf(want.Terms)
	if !want.UntilSaid {
		want.Until = now.until
	}
	if !want.VersionsSaid {
		want.Versions = now.versions
	}
	switch {
	case said == "" && !now.ours && (want.UntilSaid || want.VersionsSaid):
		return nil, ErrNotAsWritten
	// Statements that somebody has changed stay, unless a grant is given.
	case said != "" || !now.ours:
	case now.grant != "":
		want.Grant = now.grant
	default:
		want.Grant = Folders
	}
	p := &Plan{Setup: want, Found: found}
	p.planBucket(asked)
	if want.Elsewhere {
		p.leaveSettings(asked)
	} else {
		p.planPublicAccess()
		p.planOwnership(asked)
		p.planEncryption()
		p.planLifecycle()
		p.planVersioning()
		p.planPayer()
	}
	p.planFolders()
	if err := p.planPolicy(); err != nil {
		return nil, err
	}
	if before := found.Policy; before != nil && found.NoPolicies == "" {
		p.Wider = before.wider(p.Policy, want.Terms, found.Owner)
	}
	return p, nil
}

// stricter is the ownership there will be: what is asked for, which by default is
// Enforced, unless the bucket is closer to that already.
func stricter(asked Ownership, found Bucket) Ownership {
	rank := map[Ownership]int{Writer: 1, Preferred: 2, Enforced: 3}
	if asked == "" {
		asked = Enforced
	}
	if found.Exists && rank[found.Ownership] > rank[asked] {
		return found.Ownership
	}
	return asked
}

func (p *Plan) step(what string, state StepState, do func(context.Context, *s3backend.Client) error,
	detail string, args ...any) {
	p.Steps = append(p.Steps, Step{what, state, fmt.Sprintf(detail, args...), do})
}

func (p *Plan) planBucket(asked Ownership) {
	where := "in " + p.Found.Region
	if p.Found.Endpoint != "" {
		where = "at " + p.Found.Endpoint
	}
	if p.Found.Exists {
		p.step("bucket", Done, nil, "%s %s", p.Setup.Bucket, where)
		return
	}
	p.step("bucket", Change, createBucket(p.Found, asked), "make %s %s", p.Setup.Bucket, where)
}

// leaveSettings says what is not done on a server that is not AWS: it may take a
// request for one of these settings for one to make, or remove, the bucket.
func (p *Plan) leaveSettings(asked Ownership) {
	const why = "not done: only AWS is known to have this"
	p.step("Block Public Access", Left, nil, why)
	switch {
	case !p.Found.Exists:
		p.step("Object Ownership", Left,
			nil, "requested when the bucket is made; the server may ignore that")
	case asked != "":
		p.step("Object Ownership", Left, nil, why+"; the policy demands the ACL")
	default:
		p.step("Object Ownership", Left, nil, why)
	}
	p.step("encryption", Left, nil, why)
	p.step("incomplete uploads", Left, nil, why)
	if p.Setup.Versioning {
		p.step("versioning", Left, nil, why)
	}
}

func (p *Plan) planPublicAccess() {
	const what = "Block Public Access"
	if b := p.Found.Public; b != nil && isTrue(b.BlockPublicAcls) && isTrue(b.BlockPublicPolicy) &&
		isTrue(b.IgnorePublicAcls) && isTrue(b.RestrictPublicBuckets) {
		p.step(what, Done, nil, "all four blocks")
		return
	}
	if public := p.Found.Policy.public(); len(public) > 0 {
		p.step(what, Left, nil,
			"not done, because a statement of somebody else is public (%s): remove it, and run this again", strings.Join(public, ", "))
		return
	}
	p.step(what, Change, blockPublicAccess, "all four blocks")
}

// staysPublic reports whether Block Public Access is left off for a statement of others.
func (p *Plan) staysPublic() bool { return len(p.Policy.public()) > 0 }

// ErrPublic says that S3 would refuse the policy.
var ErrPublic = errors.New(
	"S3 takes no public policy while Block Public Access is on; remove the public statement first")

// public are the statements that let everybody in.
func (d *Document) public() (names []string) {
	if d == nil {
		return nil
	}
	for i, s := range d.Statement {
		if s.public() {
			names = append(names, d.name(i))
		}
	}
	return names
}

// ownershipWords says what each setting means.
var ownershipWords = map[Ownership]string{
	Enforced:  "enforced: the owner owns every object, ACLs are off",
	Preferred: "preferred: the owner owns what is uploaded with the ACL",
	Writer:    "writer: who uploads owns the object, the ACL lets the owner in",
}

func (p *Plan) planOwnership(asked Ownership) {
	const what = "Object Ownership"
	own, found := p.Setup.Ownership, p.Found.Ownership
	switch {
	case p.Found.Exists && found == own && asked != "" && asked != own:
		p.step(what, Done, nil, "%s; it is stricter than %s, so it stays",
			ownershipWords[own], asked)
	case p.Found.Exists && found == own:
		p.step(what, Done, nil, "%s", ownershipWords[own])
	case p.Found.Exists:
		p.step(what, Change, setOwnership(own), "%s (now %s)", ownershipWords[own], found)
	default:
		p.step(what, Change, setOwnership(own), "%s", ownershipWords[own])
	}
}

func (p *Plan) planVersioning() {
	if !p.Setup.Versioning {
		return
	}
	if p.Found.Versioning == types.BucketVersioningStatusEnabled {
		p.step("versioning", Done, nil, "on")
		return
	}
	p.step("versioning", Change, setVersioning, "on: what is replaced or removed is kept")
}

// planPayer says who pays, where it is not the owner: the setting stays as it is.
func (p *Plan) planPayer() {
	if p.Found.RequesterPays {
		p.step("Requester Pays", Done, nil,
			"on: the client pays for its requests, as its line says")
	}
}

func (p *Plan) planFolders() {
	for _, folder := range p.Setup.folders() {
		if p.Found.Folders[folder] {
			p.step("folder", Done, nil, "%s/", folder)
			continue
		}
		p.step("folder", Change, makeFolder(folder), "make %s/", folder)
	}
}

// ErrPolicyTooLarge says that S3 would refuse the policy.
var ErrPolicyTooLarge = errors.New(
	"the bucket's policy would be larger than the 20 KiB that S3 takes")

// stepPolicy is what the step is called that lets the client in.
const stepPolicy = "policy"

func (p *Plan) planPolicy() error {
	if p.Found.NoPolicies != "" {
		p.step(stepPolicy, Left, nil, "not done: %s", p.Found.NoPolicies)
		return nil
	}
	var now Document
	if p.Found.Policy != nil {
		now = *p.Found.Policy
	}
	p.Policy = now.With(p.Setup.Terms)
	if size := len(p.Policy.Bytes()); size > maxPolicyBytes {
		return fmt.Errorf("%w: it has %d bytes", ErrPolicyTooLarge, size)
	}
	detail := fmt.Sprintf("%s for %s", p.Setup.Grant, p.Setup.Client)
	if p.Setup.Grant == "" {
		detail = fmt.Sprintf("for %s, as somebody has changed it; --grant would replace that",
			p.Setup.Client)
	}
	if p.Setup.Versions && p.Setup.Grant != "" && p.Setup.Grant != Dropbox {
		detail += ", with earlier versions"
	}
	if until := untilWords(p.Setup.Until); until != "" && p.Setup.Grant != "" {
		detail += ", " + until
	}
	if n := p.foreign(); n > 0 {
		detail += fmt.Sprintf("; %s kept", plural(n, "statement of others", "statements of others"))
	}
	if now.Equal(p.Policy) || p.Setup.Elsewhere && now.Equal(p.Policy.withoutACL()) {
		p.step(stepPolicy, Done, nil, "%s", detail)
		return nil
	}
	if public := p.Policy.public(); len(public) > 0 && p.Found.Public != nil &&
		isTrue(p.Found.Public.BlockPublicPolicy) {
		return fmt.Errorf("%w: %s", ErrPublic, strings.Join(public, ", "))
	}
	p.step(stepPolicy, Change, putPolicy(p.Found.Policy, p.Policy), "%s", detail)
	return nil
}

// foreign counts the statements that are not ours.
func (p *Plan) foreign() (n int) {
	for _, s := range p.Policy.Statement {
		if !s.ours() {
			n++
		}
	}
	return n
}

func isTrue(b *bool) bool { return b != nil && *b }

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
