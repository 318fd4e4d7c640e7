package s3backend

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What the policy grants is found out by requests that make and change no object on any server:
// they are about a key, a version or an upload that does not exist, read what is there, or begin
// an upload, which is aborted at once. The refusal of a key that does not exist proves nothing,
// though: a client that may not list is refused in any case, and a condition on an object's tags
// refuses everybody.
//
// Each May... returns nil for granted, Denied for refused, [ErrUnknown] if the server's replies do
// not show which, and any other error if it could not be asked.

// ErrUnknown is the error of a question that the server's replies do not answer.
var ErrUnknown = errors.New("the answer does not tell")

// ErrACLsOff says that the bucket takes no ACLs but the one that every upload
// carries: its owner owns all that is in it.
var ErrACLsOff = errors.New("the bucket's ACLs are off")

// ErrACLRefused is the reason of a Denied error if an upload would be allowed but for the ACL that
// each of ours carries: s3:PutObjectAcl is not granted for it, or a condition refuses it.
var ErrACLRefused = errors.New(
	"it is refused for the ACL that lets the bucket's owner read it (s3:PutObjectAcl)")

// Rights finds out what the policy grants, by requests that make and change no object.
type Rights struct{ c *Client }

// Rights returns what finds out the rights of the client's credentials.
func (c *Client) Rights() Rights { return Rights{c} }

// randomKey returns a key with this prefix and a random end, so that no object has it.
func randomKey(prefix string) string { return prefix + ".s3share-" + rand.Text() }

// noUpload is an upload id that no upload has.
const noUpload = "s3share-no-such-upload"

// MayList reports whether the folder with this prefix may be listed, as a mount does.
func (r Rights) MayList(ctx context.Context, prefix string) error {
	_, err := r.c.List(ctx, ListInput{Prefix: prefix, Delimiter: "/", Max: 1})
	return err
}

// MayGet reports whether objects with this prefix may be read, as far as the policy
// goes: the ACL of an object may refuse it still. It reads a byte of some that are there;
// if there are none, only the reply that a key does not exist is an answer: a client that may not
// get is refused. mayList is the result of MayList for the same prefix: a client that may not
// list is refused what does not exist, whatever else is granted.
// Source: Amazon S3 API Reference, GetObject, "Permissions".
func (r Rights) MayGet(ctx context.Context, prefix string, mayList error) error {
	if errors.Is(mayList, Denied) {
		return errors.Join(ErrUnknown, mayList)
	}
	err := r.mayGetSome(ctx, prefix)
	if !errors.Is(err, ErrUnknown) {
		return err
	}
	missing := r.readByte(ctx, randomKey(prefix))
	switch {
	// Ceph RGW 16 answers so to everybody who may list.
	case isGone(missing) && (!r.c.notAWS || r.c.isVersity(ctx)):
		return nil
	case missing == nil, isGone(missing), errors.Is(missing, Denied):
		return errors.Join(ErrUnknown, missing)
	}
	return missing
}

// mayGetSome reads a byte of what is there, to find out whether it may be read: of some objects of
// each owner, since everybody may read his own. It is Denied where none of an owner's may. What is
// archived may be read as far as the policy goes. That the folder's own object may not be read
// counts at AWS alone: versitygw judges "Delivery/" as the key "Delivery", which "Delivery/*" in a
// policy is not about.
func (r Rights) mayGetSome(ctx context.Context, prefix string) error {
	page, err := r.c.List(ctx, ListInput{Prefix: prefix, Owner: true, Max: sampled})
	if err != nil {
		return errors.Join(ErrUnknown, err)
	}
	refusals, tried, read := map[string]error{}, map[string]int{}, map[string]bool{}
	for _, o := range page.Objects {
		own := r.c.notAWS && o.Key == prefix
		if own && len(page.Objects) > 1 {
			continue
		}
		if read[o.Owner] || tried[o.Owner] == maxTries ||
			tried[o.Owner] == 0 && len(tried) == maxOwners {
			continue
		}
		tried[o.Owner]++
		switch err := r.readByte(ctx, o.Key); {
		case err == nil, errors.Is(err, Archived):
			read[o.Owner] = true
		case errors.Is(err, Denied) && own:
		case errors.Is(err, Denied):
			refusals[o.Owner] = err
		// It is encrypted with a customer's key.
		case isGone(err), statusOf(err) == http.StatusBadRequest:
		default:
			return err
		}
	}
	var no error
	for owner, err := range refusals {
		if !read[owner] {
			no = err
		}
	}
	switch {
	case no == nil && len(read) > 0:
		return nil
	case no == nil:
		return ErrUnknown
	}
	// What we may read may be our own. The bucket's owner may read by the policy, and
	// is kept out by an ACL alone; anybody else is let in by the policy alone.
	if is, err := r.c.Ownership().IsOwner(ctx); err == nil && is {
		return nil
	}
	return no
}

const (
	// sampled is how many objects are listed to choose from.
	sampled = 100
	// maxOwners is how many owners' objects are tried to read, and maxTries how many of
	// one owner: a condition on tags may refuse some of them.
	maxOwners, maxTries = 3, 3
)

// readByte reads the first byte under key.
func (r Rights) readByte(ctx context.Context, key string) error {
	const op = "GetObject"
	first := "bytes=0-0"
	out, err := r.c.s3.GetObject(ctx,
		&s3.GetObjectInput{Bucket: &r.c.bucket, Key: &key, Range: &first})
	if err != nil {
		err = wrapError(ctx, op, key, err)
		if statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
			return nil // it is empty
		}
		return err
	}
	r.c.versions.note(val(out.VersionId))
	return out.Body.Close()
}

// MayPut reports whether objects with this prefix may be made. It sends a part of an
// upload that nobody has. Where the policy demands the ACL of each upload, a server
// may refuse that part for having none; so a refusal is proved by beginning an upload
// with the ACL, which is aborted at once. left is an upload that could not be
// aborted, which nobody sees and which the bucket's lifecycle rule ends: hand it back
// as earlier, and at most one is left of a prefix.
//
// AWS asks for the permission to send the ACL, which no part carries, when an upload
// begins: so there one is begun in any case. ErrACLRefused where it is the ACL alone.
func (r Rights) MayPut(ctx context.Context,
	prefix string, earlier Upload) (left Upload, err error) {
	if r.c.notAWS {
		err = r.mayPutPart(ctx, Upload{Key: randomKey(prefix), ID: noUpload})
		if !errors.Is(err, Denied) {
			return earlier, err
		}
	}
	if earlier.ID != "" {
		if again := r.c.Abort(ctx, earlier); again != nil {
			// Its part would be seen by nobody either.
			if part := r.mayPutPart(ctx, earlier); errors.Is(part, Denied) {
				return earlier, errors.Join(ErrUnknown, part)
			}
			return earlier, nil
		}
	}
	try, err := r.ProbeUpload(ctx, prefix)
	switch {
	case !errors.Is(err, Denied):
	case r.c.notAWS && r.c.isCeph(ctx):
		// Ceph RGW 16 does not see the ACL of an upload that begins.
		err = r.mayPutWrongMD5(ctx, prefix)
	case !r.c.notAWS && !IsOfKey(err) &&
		r.mayPutPart(ctx, Upload{Key: randomKey(prefix), ID: noUpload}) == nil:
		err = errors.Join(ErrACLRefused, err)
	}
	return try.Leftover, err
}

// mayPutWrongMD5 sends an object with the MD5 of other bytes, which no server that checks it
// stores. It is sent to Ceph RGW alone, which was seen to check it.
func (r Rights) mayPutWrongMD5(ctx context.Context, prefix string) error {
	const op = "PutObject"
	key, size, sum := randomKey(prefix), int64(1), "AAAAAAAAAAAAAAAAAAAAAA=="
	_, err := r.c.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &r.c.bucket, Key: &key, Body: bytes.NewReader([]byte{0}),
		ContentLength: &size, ContentMD5: &sum,
	}, payload(""))
	if err = wrapError(ctx, op, key, err); codeOf(err) == "BadDigest" {
		return nil
	}
	return err
}

// mayPutPart sends a part to an upload.
func (r Rights) mayPutPart(ctx context.Context, up Upload) error {
	const op = "UploadPart"
	number, size := int32(1), int64(0)
	in := &s3.UploadPartInput{
		Bucket: &r.c.bucket, Key: &up.Key, UploadId: &up.ID, PartNumber: &number,
		Body: bytes.NewReader(nil), ContentLength: &size,
	}
	if !r.c.notAWS { // a bucket with Object Lock may want one before all else
		in.ChecksumCRC32 = opt(FormatCRC32(0))
	}
	// a policy may refuse what is not signed
	_, err := r.c.s3.UploadPart(ctx, in, payload(emptySum))
	if err = wrapError(ctx, op, up.Key, err); isGone(err) {
		return nil
	}
	return err
}

// UploadProbe is what the reply to CreateMultipartUpload shows of the bucket.
type UploadProbe struct {
	Encryption string    // as objects are stored: "AES256", "aws:kms"; "" if the reply does not say
	KMSKey     string    // the key's ARN, for aws:kms
	AbortDate  time.Time // when a lifecycle rule would end the upload; zero where none does
	Leftover   Upload    // the upload, where it could not be aborted
	Abort      error     // why not
}

// ProbeUpload begins an upload with the ACL, as every large file does, and aborts it.
// Its error is why it could not begin: Denied also where the encryption key refuses
// this account.
func (r Rights) ProbeUpload(ctx context.Context, prefix string) (UploadProbe, error) {
	const op = "CreateMultipartUpload"
	key := randomKey(prefix)
	ctx, release := outlive(ctx, createGrace)
	defer release()
	out, err := r.c.s3.CreateMultipartUpload(ctx,
		&s3.CreateMultipartUploadInput{Bucket: &r.c.bucket, Key: &key})
	if err != nil {
		return UploadProbe{}, wrapError(ctx, op, key, err)
	}
	up := Upload{Key: key, ID: val(out.UploadId)}
	t := UploadProbe{Encryption: string(out.ServerSideEncryption), KMSKey: val(out.SSEKMSKeyId),
		AbortDate: val(out.AbortDate)}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if t.Abort = r.c.Abort(late, up); t.Abort != nil {
		t.Leftover = up
	}
	return t, nil
}

// MayAbort reports whether the policy lets uploads be aborted. AWS lets whoever began
// an upload abort it all the same.
func (r Rights) MayAbort(ctx context.Context, prefix string) error {
	const op = "AbortMultipartUpload"
	key, id := randomKey(prefix), noUpload
	_, err := r.c.s3.AbortMultipartUpload(ctx,
		&s3.AbortMultipartUploadInput{Bucket: &r.c.bucket, Key: &key, UploadId: &id})
	if err = wrapError(ctx, op, key, err); isGone(err) {
		return nil
	}
	return err
}

// MayDelete reports whether the policy lets objects with this prefix be deleted: it asks to
// delete a version that does not exist of a key that does not exist. A server that ignores the
// condition, as Ceph RGW 16, would leave a delete marker in a bucket that keeps versions: such a
// server is not asked.
func (r Rights) MayDelete(ctx context.Context, prefix string) error {
	const op = "DeleteObject"
	if r.c.notAWS && !r.c.isVersity(ctx) && r.mayKeepVersions(ctx, prefix) {
		if err := r.c.allow(ctx, op); err != nil && !r.c.versions.known() {
			return err // it may be asked once S3 is back
		}
		return ErrUnknown
	}
	key, etag := randomKey(prefix), strconv.Quote(noETag)
	_, err := r.c.s3.DeleteObject(ctx,
		&s3.DeleteObjectInput{Bucket: &r.c.bucket, Key: &key, IfMatch: &etag})
	err = wrapError(ctx, op, key, err)
	if isGone(err) || isUnmet(err) {
		return nil
	}
	return err
}

// mayKeepVersions reports whether the bucket may keep versions. If it does, replies about objects
// have version IDs.
func (r Rights) mayKeepVersions(ctx context.Context, prefix string) bool {
	if !r.c.versions.known() {
		if page, err := r.c.List(ctx, ListInput{Prefix: prefix, Max: 1}); err == nil &&
			len(page.Objects) == 1 {
			_, _ = r.c.Head(ctx, page.Objects[0].Key) // notes the version ID
		}
	}
	return r.c.versions.mayBeKept()
}

// MayPutACL reports whether the policy lets the ACL of objects with this prefix be set, which AWS
// requires if an upload carries one. A server that does not know the request might take it for an
// upload, and the reply of Ceph RGW 16 is the same in either case: so only AWS and versitygw are
// asked, and for others the error is ErrUnknown. AWS refuses a key that does not exist in either
// case; then MayPut decides. The error is ErrACLsOff if the bucket has no ACLs. mayList is the
// result of MayList for the same prefix.
func (r Rights) MayPutACL(ctx context.Context, prefix string, mayList error) error {
	if r.c.notAWS && !r.c.isVersity(ctx) {
		return ErrUnknown
	}
	err := r.c.Ownership().putACL(ctx, randomKey(prefix))
	switch {
	case isGone(err):
		return nil
	case codeOf(err) == "AccessControlListNotSupported":
		return ErrACLsOff
	case err == nil || errors.Is(err, Denied) && (mayList != nil || !r.c.notAWS):
		return errors.Join(ErrUnknown, err)
	}
	return err
}
