package doctor

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/access"
)

var update = flag.Bool("update", false, "write what is printed to testdata and docs/screens.md")

// diagnosisOf is what doctor tells of such findings.
func diagnosisOf(findings []access.Finding, needs ...access.Need) Diagnosis {
	report := access.Report{Findings: findings, Needs: needs}
	d := Diagnosis{Exchange: "team", Bucket: "team-exchange", Worst: report.Worst()}
	d.Statements = report.Statements("team-exchange", "arn:aws:iam::444455556666:root")
	for _, f := range findings {
		t := reportedCheck{Finding: f}
		t.Found, t.Hint = findingText(config.Destination{Bucket: "team-exchange"}, f)
		d.Findings = append(d.Findings, t)
	}
	return d
}

// wellFindings is an exchange of the client's in which nothing is wrong.
func wellFindings() []access.Finding {
	ok := func(check access.Check, why access.Reason, detail, how string) access.Finding {
		return access.Finding{Check: check, State: access.StateOK,
			Reason: why, Detail: detail, How: how}
	}
	in := func(folder string, state access.State, why access.Reason,
		checks ...access.Check) (all []access.Finding) {
		for _, check := range checks {
			all = append(all, access.Finding{Check: check, Folder: folder, State: state,
				Reason: why, How: "a request of what is not there"})
		}
		return all
	}
	all := []access.Finding{
		ok(checkFUSE, whyThere, "", "/dev/fuse, fusermount3"), ok(checkStateDir,
			whyThere, "", "a file made and removed there"),
		ok(checkDisk, whyRoom, "81.0 GiB", "statfs /home/ann"), ok(checkEndpoint,
			whyThere, "", "HeadBucket"), ok(checkCredentials, whyThere, "", "HeadBucket"),
		ok(checkBucket, whyThere, "", "HeadBucket"), ok(checkRegion,
			whyThere, "eu-central-1", "HeadBucket"),
		ok(access.CheckIdentity, access.WhyKnown,
			"arn:aws:iam::444455556666:user/ann", "GetCallerIdentity"),
		ok(access.CheckClock, access.WhyInTime, "", "the date of S3's answer"), ok(access.CheckTLS,
			access.WhyEncrypting, "", "the endpoint"),
	}
	all = append(all,
		in("Submissions", access.StateOK, access.WhyGranted, access.CheckList, access.CheckGet)...)
	all = append(all, in("Submissions", access.StateNote, access.WhyNotNeeded,
		access.CheckPut, access.CheckACL)...)
	all = append(all, in("Delivery", access.StateOK, access.WhyGranted, access.CheckList,
		access.CheckGet, access.CheckPut, access.CheckACL)...)
	all = append(all, in("Delivery", access.StateNote, access.WhyNotNeeded, access.CheckDelete)...)
	all = append(all, in("Delivery", access.StateNote, access.WhyOwnUploads, access.CheckAbort)...)
	return append(all,
		ok(access.CheckOwnership, access.WhyACLsOff, "", "GetBucketOwnershipControls"),
		ok(access.CheckReadable, access.WhyAllReadable,
			"", "ListObjectsV2 with owners, then HeadObject or GetObjectAcl"),
		ok(access.CheckEncryption, access.WhyEncrypted, "AES256", "CreateMultipartUpload"),
		ok(access.CheckConditions, access.WhyHeeded, "", "the server: AmazonS3"),
		access.Finding{Check: access.CheckLifecycle, State: access.StateUnknown,
			Reason: access.WhyUntold, How: "CreateMultipartUpload"},
		access.Finding{Check: access.CheckVersions, State: access.StateNote,
			Reason: access.WhyVersions, How: "ListObjectVersions, and HeadObject of a version",
			Detail: "s3:ListBucketVersions is not granted, s3:GetObjectVersion is not granted"})
}

// set changes the findings of checks in a folder.
func set(all []access.Finding, folder string, state access.State, why access.Reason,
	checks ...access.Check) []access.Finding {
	for i := range all {
		for _, check := range checks {
			if all[i].Folder == folder && all[i].Check == check {
				all[i].State, all[i].Reason = state, why
			}
		}
	}
	return all
}

func diagnoses() map[string]Diagnosis {
	faults := set(wellFindings(), "Delivery", access.StateMissing, access.WhyRefused,
		access.CheckPut, access.CheckACL)
	clock := set(wellFindings(), "", access.StateMissing, access.WhySkewed, access.CheckClock)
	for i := range clock {
		if clock[i].Check == access.CheckClock {
			clock[i].Detail = (20 * time.Minute).String()
		}
	}
	gone := wellFindings()[:4]
	gone = append(gone, access.Finding{Check: checkCredentials, State: access.StateOK,
		Reason: whyThere, How: "HeadBucket"}, access.Finding{Check: checkBucket,
		State: access.StateMissing, Reason: whyBroken, How: "HeadBucket",
		Err: &s3backend.Error{Op: "Open", Kind: s3backend.NoBucket, Err: errors.New("no")}})
	return map[string]Diagnosis{
		"doctor-fine":   diagnosisOf(wellFindings()),
		"doctor-faults": diagnosisOf(faults, access.Need{Folder: "Delivery", Actions: []string{access.PutObject, access.PutObjectACL}}),
		"doctor-clock":  diagnosisOf(clock),
		"doctor-bucket": diagnosisOf(gone),
	}
}

// TestScreens compares what doctor prints with the texts in testdata, which docs/screens.md
// shows too.
func TestScreens(t *testing.T) {
	for name, d := range diagnoses() {
		for _, width := range []int{80, 120} {
			p := ui.PageOf(width)
			d.print(p, false)
			testhome.CheckScreen(t, *update, fmt.Sprintf("%s-%d", name, width), p.String(), width)
		}
	}
	p := ui.PageOf(80)
	diagnoses()["doctor-fine"].print(p, true)
	testhome.CheckScreen(t, *update, "doctor-verbose-80", p.String(), 80)
}

// TestNothingIsLeftOut gives each check each state and reason: the short form names every check,
// and what is wrong comes before what is fine.
func TestNothingIsLeftOut(t *testing.T) {
	for why := range reasonWords {
		for _, state := range []access.State{access.StateOK,
			access.StateNote, access.StateUnknown, access.StateMissing} {
			all := wellFindings()
			for i := range all {
				one := append([]access.Finding{}, all...)
				one[i].State, one[i].Reason, one[i].Detail = state, why, "1"
				d := diagnosisOf(one)
				p := ui.PageOf(0)
				d.print(p, false)
				text := p.String()
				for _, f := range d.Findings {
					if !strings.Contains(text, string(f.Check)) {
						t.Fatalf("%s, %s: no word of %s:\n%s", state, why, f.Check, text)
					}
				}
				first := "nothing is wrong"
				if state == access.StateMissing {
					first = "1 thing is wrong"
				}
				lines := strings.Split(text, "\n")
				if strings.TrimSpace(lines[1]) != first ||
					state == access.StateMissing && !strings.HasPrefix(lines[2], "  wrong: ") {
					t.Fatalf("%s, %s of %s: it begins with\n%s", state, why, all[i].Check, text)
				}
			}
		}
	}
}
