package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/s3backend"
)

// ownership finds out whose the objects are. Only the owner of a bucket at AWS is asked
// for the setting; elsewhere the replies and the listing show it.
func (e *exam) ownership(ctx context.Context) Finding {
	f := Finding{Check: CheckOwnership, State: StateOK, How: "GetBucketOwnershipControls"}
	if e.owner && e.server == s3backend.AmazonS3 {
		bucket := e.Client.Bucket()
		out, err := e.Client.API().GetBucketOwnershipControls(ctx,
			&s3.GetBucketOwnershipControlsInput{Bucket: &bucket})
		if err == nil && out.OwnershipControls != nil && len(out.OwnershipControls.Rules) > 0 {
			f.Reason = map[types.ObjectOwnership]Reason{
				types.ObjectOwnershipBucketOwnerEnforced:  WhyACLsOff,
				types.ObjectOwnershipBucketOwnerPreferred: WhyOwnerAtWrite,
				types.ObjectOwnershipObjectWriter:         WhyWriterOwns,
			}[out.OwnershipControls.Rules[0].ObjectOwnership]
			return f
		}
	}
	for _, d := range e.folders {
		if errors.Is(d.acl, s3backend.ErrACLsOff) {
			f.Reason, f.How = WhyACLsOff, "PutObjectAcl of what is not there"
			return f
		}
	}
	f.How = "the owners in ListObjectsV2"
	owners := map[string]bool{}
	for _, d := range e.folders {
		page, err := e.Client.List(ctx, s3backend.ListInput{Prefix: d.prefix, Owner: true})
		if err != nil {
			continue
		}
		for _, o := range page.Objects {
			owners[o.Owner] = true
		}
	}
	switch {
	case len(owners) > 1:
		f.Reason = WhyWriterOwns
	case len(owners) == 1:
		f.State, f.Reason = StateUnknown, WhyOneOwner
	default:
		f.State, f.Reason = StateUnknown, WhyUntold
	}
	return f
}

// readable finds out whether the bucket's owner can read all that is there.
func (e *exam) readable(ctx context.Context) Finding {
	f := Finding{Check: CheckReadable, State: StateOK, Reason: WhyAllReadable,
		How: "ListObjectsV2 with owners, then HeadObject or GetObjectAcl"}
	s := Survey{Client: e.Client, Folders: e.Folders, Owner: e.owner, Most: surveyed}
	r, err := s.Run(ctx)
	switch {
	case len(r.Unreadable) > 0:
		f.State, f.Reason, f.Detail = StateMissing, WhyStrangers, fmt.Sprint(len(r.Unreadable))
	case denied(err), r.Unsure > 0:
		f.State, f.Reason = StateUnknown, WhyUntold
	case err != nil:
		f.State, f.Reason, f.Err = StateUnknown, WhyFailed, err
	case r.Cut:
		f.Detail = fmt.Sprint(r.Listed)
	}
	return f
}

// surveyed is how many objects doctor looks at; repair looks at all.
const surveyed = 10_000

// encryption finds out how objects are stored, as the answer to an upload, or an object
// there, says.
func (e *exam) encryption(ctx context.Context) Finding {
	f := Finding{Check: CheckEncryption, State: StateOK, Reason: WhyEncrypted,
		How: "CreateMultipartUpload"}
	for _, d := range e.folders {
		switch {
		case s3backend.IsOfKey(d.begin):
			f.State, f.Reason, f.Err = StateMissing, WhyKeyRefused, d.begin
			return f
		case d.probe.Encryption != "":
			f.Detail = d.probe.Encryption
			if d.probe.KMSKey != "" {
				f.Detail += " with the key " + d.probe.KMSKey
			}
			return f
		}
	}
	if e.owner && e.server == s3backend.AmazonS3 {
		f.How = "GetBucketEncryption"
		bucket := e.Client.Bucket()
		out, err := e.Client.API().GetBucketEncryption(ctx,
			&s3.GetBucketEncryptionInput{Bucket: &bucket})
		if err == nil && out.ServerSideEncryptionConfiguration != nil {
			for _, r := range out.ServerSideEncryptionConfiguration.Rules {
				if by := r.ApplyServerSideEncryptionByDefault; by != nil {
					f.Detail = string(by.SSEAlgorithm)
					return f
				}
			}
		}
	}
	f.State, f.Reason = StateUnknown, WhyUntold
	return f
}

// conditions finds out whether S3 itself keeps one party from overwriting the other's
// change unseen. It is known of servers, not tried out: that would take an object.
func (e *exam) conditions() Finding {
	return e.known(CheckConditions, WhyHeeded, WhyHeadFirst)
}

func (e *exam) checksums() Finding {
	return e.known(CheckChecksums, WhyHeeded, WhyNotNeeded)
}

func (e *exam) known(check Check, good, less Reason) Finding {
	f := Finding{Check: check, State: StateOK, Reason: good, How: "the server: " + string(e.server)}
	switch e.server {
	case s3backend.AmazonS3, s3backend.Versity:
	case s3backend.Ceph:
		f.State, f.Reason = StateNote, less
	case s3backend.Unknown:
		f.State, f.Reason, f.How = StateUnknown, WhyUntold, "the server, which is not known"
	default:
		f.State, f.Reason = StateUnknown, WhyUntold
	}
	return f
}

// lifecycle finds out whether uploads that are given up are ended.
func (e *exam) lifecycle(ctx context.Context) Finding {
	f := Finding{Check: CheckLifecycle, State: StateOK, Reason: WhyAbortsAfter,
		How: "CreateMultipartUpload"}
	tried := false
	for _, d := range e.folders {
		tried = tried || d.tried && d.begin == nil
		if at := d.probe.AbortDate; !at.IsZero() {
			f.Detail = at.Format(time.DateOnly)
			return f
		}
	}
	if tried && e.server == s3backend.AmazonS3 {
		f.State, f.Reason = StateNote, WhyNoRule
		return f
	}
	f.State, f.Reason = StateUnknown, WhyUntold
	return f
}
