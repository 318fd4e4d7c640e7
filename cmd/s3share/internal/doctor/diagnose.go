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
	"text/tabwriter"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
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
		found, _ := access.Examine(ctx, access.Patient{Client: client, Folders: s.Folders, Left: left})
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

func (d Diagnosis) Print(out io.Writer) error {
	what := "the bucket " + d.Bucket
	if d.Exchange != d.Bucket {
		what = d.Exchange + ", " + what
	}
	if d.Endpoint != "" {
		what += " at " + d.Endpoint
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, hint.OneLine(what))
	for _, t := range d.Findings {
		check := string(t.Check)
		if t.Folder != "" {
			check = t.Folder + "/ " + check
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t(%s)\n", t.State, hint.OneLine(check), hint.OneLine(t.Found), hint.OneLine(t.How))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := d.Server.print(out); err != nil {
		return err
	}
	hinted := map[string]bool{}
	for _, t := range d.Findings {
		if t.Hint != "" && !hinted[t.Hint] {
			fmt.Fprintf(out, "hint: %s\n", hint.OneLine(t.Hint))
			hinted[t.Hint] = true
		}
	}
	if len(d.Statements) > 0 {
		fmt.Fprintf(out, "\nSend this to the bucket's owner, for the bucket policy:\n\n")
		for _, s := range d.Statements {
			fmt.Fprintln(out, s)
		}
	}
	if d.IAM != nil {
		fmt.Fprintf(out, "\nYour own account has to allow it as well. Its administrator attaches this to your user or role,\nunless an IAM policy allows it already:\n\n%s\n", d.IAM)
	}
	return nil
}
