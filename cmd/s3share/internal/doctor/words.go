package doctor

import (
	"fmt"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend/access"
)

// The sentences of doctor: this is their one place.

// consequences tells what a party cannot do without a permission.
var consequences = map[access.Check]string{
	access.CheckList:   "what is there cannot be seen",
	access.CheckGet:    "what is there cannot be read",
	access.CheckPut:    "nothing can be delivered there",
	access.CheckACL:    "S3 refuses uploads that carry the ACL",
	access.CheckDelete: "nothing can be removed or renamed there once it is delivered",
	access.CheckAbort:  "uploads that are given up stay until a lifecycle rule ends them",
}

// action is the permission that a check is about.
var action = map[access.Check]string{
	access.CheckList: access.ListBucket, access.CheckGet: access.GetObject,
	access.CheckPut: access.PutObject,
	access.CheckACL: access.PutObjectACL, access.CheckDelete: access.DeleteObject,
	access.CheckAbort: access.AbortUpload,
}

// reasonWords are sentences by what was found; %s is its detail.
var reasonWords = map[access.Reason]struct{ found, hint string }{
	access.WhyGranted:      {"granted", ""},
	access.WhyNotNeeded:    {"not granted, and not needed", ""},
	access.WhyUntold:       {"cannot be told from here", ""},
	access.WhyKeyRefused:   {ui.KeyRefused, ui.KeyRefusedHint},
	access.WhyACLRefused:   {"refused as soon as an upload carries the ACL bucket-owner-full-control", "a statement of the bucket policy refuses uploads with this ACL; the owner has to take it out, or except the ACL from it"},
	access.WhyOwnUploads:   {"not granted, but who began an upload may abort it", ""},
	access.WhyACLsOff:      {"the bucket's owner owns everything, and ACLs are off", ""},
	access.WhyOwnerAtWrite: {"the bucket's owner owns what carries the ACL", ""},
	access.WhyWriterOwns:   {"who uploads an object owns it; the ACL lets the bucket's owner read it", ""},
	access.WhyOneOwner:     {"all that is there has one owner, which tells nothing yet", ""},
	access.WhyStrangers: {"objects that the bucket's owner cannot read: %s",
		"s3share repair mends them, run by who uploaded them"},
	access.WhyAllReadable: {"the bucket's owner can read all that is there", ""},
	access.WhyEncrypted:   {"by %s", ""},
	access.WhyHeeded:      {"checked by S3", ""},
	access.WhyHeadFirst:   {"not all are checked by this server: a look goes before each change, which leaves an instant", ""},
	access.WhyAbortsAfter: {"uploads that are given up are ended; one begun now, on %s", ""},
	access.WhyNoRule:      {"no rule ends uploads that are given up: the owner pays for their parts", "a lifecycle rule with AbortIncompleteMultipartUpload ends them"},
	access.WhyInTime:      {"right", ""},
	access.WhySkewed: {"%s ahead of S3's",
		"set the clock; timedatectl tells whether it is kept right"},
	access.WhyEncrypting: {"requests are encrypted", ""},
	access.WhyLoopback:   {"not encrypted, and on this machine only", ""},
	access.WhyTLSDemanded: {"everything is refused, perhaps because requests are not encrypted",
		"use an endpoint that begins with https://: many policies refuse all others (aws:SecureTransport)"},
	access.WhyKnown:    {"%s", ""},
	access.WhyVersions: {"%s", ""},
	whyThere:           {"works", ""},
	whyInUse:           {"in use by %s", ""},
	whyRoom:            {"%s free", ""},
	whyNoRoom:          {"only %s free", "make room, or name another disk with --state-dir"},
}

// wholeMinutes leaves out that a time has no seconds.
func wholeMinutes(d string) string {
	if minutes, ok := strings.CutSuffix(d, "m0s"); ok {
		return minutes + "m"
	}
	return d
}

// findingText puts a finding into words, with what can be done about it.
func findingText(t config.Destination, f access.Finding) (found, advice string) {
	switch {
	case f.Reason == access.WhyRefused:
		return fmt.Sprintf("%s is not granted: %s", action[f.Check], consequences[f.Check]), ""
	case f.Reason == access.WhyNotNeeded && f.Check == access.CheckChecksums:
		return "not checked by this server", ""
	case f.Reason == access.WhyNotNeeded &&
		(f.Check == access.CheckDelete || f.Check == access.CheckAbort):
		return "not granted: " + consequences[f.Check], ""
	case f.Reason == whyBroken || f.Reason == access.WhyFailed:
		err := ui.Explain(t, f.Err)
		_, advice = hint.ExitCode(err)
		return err.Error(), advice
	case f.Check == checkRegion && f.Detail != "":
		return f.Detail, ""
	case f.Reason == access.WhySkewed && strings.HasPrefix(f.Detail, "-"):
		return wholeMinutes(strings.TrimPrefix(f.Detail, "-")) +
			" behind S3's", reasonWords[f.Reason].hint
	}
	w := reasonWords[f.Reason]
	if f.Reason == access.WhySkewed {
		f.Detail = wholeMinutes(f.Detail)
	}
	found = w.found
	if strings.Contains(found, "%s") {
		found = fmt.Sprintf(found, f.Detail)
	}
	return found, w.hint
}
