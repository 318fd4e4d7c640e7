// Package doctor checks an exchange from where a person stands: this machine, the
// credentials, the clock, the endpoint, and what the bucket's policy grants. [Diagnose]
// asks and changes nothing; [Diagnosis.Print], or JSON, is what a person or a script reads.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/access"
)

// Diagnosis is what doctor tells.
type Diagnosis struct {
	Exchange   string             `json:"exchange"`
	Bucket     string             `json:"bucket"`
	Endpoint   string             `json:"endpoint,omitempty"`
	Worst      access.State       `json:"worst"`
	Findings   []reportedCheck    `json:"findings"`
	Statements []access.Statement `json:"statements,omitempty"` // for the bucket policy
	IAM        *access.Document   `json:"iam,omitempty"`        // for our own user or role
	Server     *serverTable       `json:"server,omitempty"`     // not of AWS
}

// reportedCheck is a finding in words.
type reportedCheck struct {
	access.Finding
	Found string `json:"found"`
	Hint  string `json:"hint,omitempty"`
	Error string `json:"error,omitempty"`
}

// Diagnose checks everything, as far as it gets.
func Diagnose(ctx context.Context, s *config.Settings) Diagnosis {
	d := Diagnosis{Exchange: s.Label(), Bucket: s.Bucket}
	report := access.Report{Findings: checkMachine(s)}
	d.Endpoint = cmp.Or(s.At.Endpoint, s.Endpoint)
	client, findings := checkBucketAccess(ctx, s)
	report.Findings = append(report.Findings, findings...)
	if client != nil {
		defer client.CloseIdle()
		left := statedir.ReadLeftovers(s.StateDir)
		found, _ := access.Examine(ctx,
			access.ExamInput{Client: client, Folders: s.Folders, Left: left})
		statedir.WriteLeftovers(s.StateDir, left)
		d.Server = newServerTable(ctx, client, s.StateDir)
		report.Needs = found.Needs
		report.Findings = append(report.Findings, found.Findings...)
		server := client.Server(ctx)
		us := principalOf(found.Who, server, client.Region())
		d.Statements = report.Statements(s.Bucket, us)
		if server == s3backend.AmazonS3 && len(d.Statements) > 0 {
			iam := access.MountIAM(s.Bucket, us, s.Folders)
			d.IAM = &iam
		}
	}
	d.Worst = report.Worst()
	for _, f := range report.Findings {
		t := reportedCheck{Finding: f}
		t.Found, t.Hint = findingText(s.Destination(), f)
		if f.Err != nil {
			t.Error = hint.OneLine(f.Err.Error())
		}
		d.Findings = append(d.Findings, t)
	}
	return d
}

// principalOf is how a policy names who we are.
func principalOf(who s3backend.Identity, server s3backend.Server, region string) string {
	partition := s3backend.Partition(region)
	switch {
	case who.Account == "":
		return "arn:" + partition + ":iam::YOUR-ACCOUNT:root"
	case server == s3backend.Ceph:
		return "arn:aws:iam:::user/" + who.Account
	}
	if f := strings.SplitN(who.ARN, ":", 3); len(f) == 3 {
		partition = f[1]
	}
	return "arn:" + partition + ":iam::" + who.Account + ":root"
}

// Print writes the diagnosis for people: the verdict, what is wrong, what is worth knowing, and
// what is fine in a line for each area; with verbose, each check and how it was made.
func (d Diagnosis) Print(out io.Writer, verbose bool) error {
	p := ui.NewPage(out)
	d.print(p, verbose)
	return p.Flush(out)
}

func (d Diagnosis) print(p *ui.Page, verbose bool) {
	what := "the bucket " + d.Bucket
	if d.Exchange != d.Bucket {
		what = d.Exchange + ", " + what
	}
	if d.Endpoint != "" {
		what += " at " + d.Endpoint
	}
	p.Line(0, ui.Span{Code: ui.Bold, Text: what})
	p.Line(2, d.verdict())
	if verbose {
		for _, t := range d.Findings {
			p.Line(2, t.label(),
				ui.Span{Text: fmt.Sprintf(" %s: %s (%s)", t.name(), t.Found, t.How)})
			t.printHint(p)
		}
	} else {
		d.printShort(p)
	}
	if verbose {
		d.Server.print(p)
	}
	if len(d.Statements) > 0 {
		p.Line(0)
		p.Line(0, ui.Span{Text: "Send this to the bucket's owner, for the bucket policy:"})
		p.Line(0)
		for _, s := range d.Statements {
			p.Verbatim(fmt.Sprint(s))
		}
	}
	if d.IAM != nil {
		p.Line(0)
		p.Line(0,
			ui.Span{Text: "Your own account has to allow it as well. Its administrator attaches this to your user or role, unless an IAM policy allows it already:"})
		p.Line(0)
		p.Verbatim(fmt.Sprint(d.IAM))
	}
}

// verdict says whether something is wrong, and what to do first.
func (d Diagnosis) verdict() ui.Span {
	n := 0
	for _, t := range d.Findings {
		if t.State == access.StateMissing {
			n++
		}
	}
	switch {
	case n == 0:
		return ui.Span{Code: ui.Green, Text: "nothing is wrong"}
	case n == 1 && len(d.Statements) > 0:
		return ui.Span{Code: ui.Red,
			Text: "1 thing is wrong; ask the owner for the statement below"}
	case n == 1:
		return ui.Span{Code: ui.Red, Text: "1 thing is wrong"}
	case len(d.Statements) > 0:
		return ui.Span{Code: ui.Red,
			Text: fmt.Sprintf("%d things are wrong; ask the owner for the %s below",
				n, plural(len(d.Statements), "statement"))}
	}
	return ui.Span{Code: ui.Red, Text: fmt.Sprintf("%d things are wrong", n)}
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

// printShort lists what is wrong and what is worth knowing, and folds the rest.
func (d Diagnosis) printShort(p *ui.Page) {
	for _, state := range []access.State{access.StateMissing, access.StateNote} {
		for _, t := range d.Findings {
			if t.State == state && !t.fine() {
				p.Line(2, t.label(), ui.Span{Text: " " + t.name() + ": " + t.Found})
				t.printHint(p)
			}
		}
	}
	var order []string
	fine, untold := map[string][]string{}, []string{}
	for _, t := range d.Findings {
		switch {
		case t.State == access.StateUnknown && t.Reason == access.WhyUntold:
			untold = append(untold, t.name())
		case t.State == access.StateUnknown:
			p.Line(2, t.label(), ui.Span{Text: " " + t.name() + ": " + t.Found})
			t.printHint(p)
		case t.fine():
			area := t.area()
			if fine[area] == nil {
				order = append(order, area)
			}
			fine[area] = append(fine[area], t.short())
		}
	}
	if len(untold) > 0 {
		p.Line(2, ui.Span{Code: ui.Yellow, Text: "unknown:"},
			ui.Span{Text: " " + strings.Join(untold, ", ") + " (cannot be told from here)"})
	}
	for _, area := range order {
		p.Line(2, ui.Span{Code: ui.Green, Text: "ok:"},
			ui.Span{Text: " " + area + " (" + strings.Join(fine[area], ", ") + ")"})
	}
}

// fine reports whether a finding needs no word of its own: all is as it has to be, or what is
// not granted is not needed.
func (t reportedCheck) fine() bool {
	if t.State != access.StateNote {
		return t.State == access.StateOK
	}
	switch t.Reason {
	case access.WhyNotNeeded:
		return consequences[t.Check] != t.consequence()
	case access.WhyOwnUploads, access.WhyLoopback, whyInUse:
		return true
	}
	return false
}

// consequence is what a finding says that a party cannot do; "" for nothing.
func (t reportedCheck) consequence() string {
	_, what, _ := strings.Cut(t.Found, "not granted: ")
	return what
}

// label is the finding's state, in its colour.
func (t reportedCheck) label() ui.Span {
	switch t.State {
	case access.StateOK:
		return ui.Span{Code: ui.Green, Text: "ok:"}
	case access.StateMissing:
		return ui.Span{Code: ui.Red, Text: "wrong:"}
	}
	return ui.Span{Code: ui.Yellow, Text: string(t.State) + ":"}
}

// name is what was checked.
func (t reportedCheck) name() string {
	if t.Folder != "" {
		return t.Folder + "/ " + string(t.Check)
	}
	return string(t.Check)
}

// area is what the check is about: this machine, a folder, or the bucket.
func (t reportedCheck) area() string {
	switch {
	case t.Folder != "":
		return t.Folder + "/"
	case t.Check == checkFUSE || t.Check == checkStateDir || t.Check == checkDisk:
		return "this machine"
	case t.Check == access.CheckOwnership || t.Check == access.CheckReadable ||
		t.Check == access.CheckEncryption ||
		t.Check == access.CheckConditions || t.Check == access.CheckChecksums ||
		t.Check == access.CheckLifecycle ||
		t.Check == access.CheckVersions || t.Check == checkBucket || t.Check == checkRegion:
		return "the bucket"
	}
	return "the connection"
}

// short is a fine finding in a word or two.
func (t reportedCheck) short() string {
	switch {
	case t.State == access.StateNote && t.Reason == access.WhyNotNeeded:
		return string(t.Check) + " not needed"
	case t.Check == checkBucket:
		return "bucket found"
	case t.Detail != "" && t.Reason == whyRoom:
		return string(t.Check) + " with " + t.Found
	case t.Detail != "" &&
		(t.Reason == access.WhyKnown || t.Check == checkRegion || t.Reason == access.WhyEncrypted):
		return string(t.Check) + " " + t.Found
	}
	return string(t.Check)
}

func (t reportedCheck) printHint(p *ui.Page) {
	if t.Hint != "" && t.State != access.StateOK {
		p.Line(4, ui.Span{Code: ui.Bold, Text: "to do:"}, ui.Span{Text: " " + t.Hint})
	}
}
