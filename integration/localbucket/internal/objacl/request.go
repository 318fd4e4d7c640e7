package objacl

import (
	"errors"
	"fmt"
	"strings"
)

// What a request's ACL can be refused for. The server gives each its S3 code.
var (
	ErrCanned       = errors.New("no such canned ACL")
	ErrGrant        = errors.New("malformed or unknown grantee")
	ErrBoth         = errors.New("a canned ACL and grants in one request")
	ErrNotSupported = errors.New("the bucket does not allow ACLs")
	ErrMalformed    = errors.New("malformed ACL document")
)

// Canned ACLs that objects take.
const (
	CannedPrivate      = "private"
	CannedPublicRead   = "public-read"
	CannedPublicWrite  = "public-read-write"
	CannedAuthRead     = "authenticated-read"
	CannedExecRead     = "aws-exec-read" // EC2's bundle reader does not exist here
	CannedOwnerRead    = "bucket-owner-read"
	CannedOwnerControl = "bucket-owner-full-control"
)

// grantHeaders are the headers that grant one permission each, in the order in
// which their grants are listed.
var grantHeaders = []struct {
	Name       string
	Permission Permission
}{
	{"x-amz-grant-full-control", FullControl},
	{"x-amz-grant-read", Read},
	{"x-amz-grant-read-acp", ReadACP},
	{"x-amz-grant-write", Write},
	{"x-amz-grant-write-acp", WriteACP},
}

// Request is what a request says about the ACL of the object it makes.
type Request struct {
	// Header returns a request header, "" when it is absent.
	Header func(name string) string
	// Known reports whether a canonical id belongs to an account.
	Known func(id string) bool

	Caller      string // canonical ids
	BucketOwner string
	Ownership   Ownership
}

// New returns the ACL, and with it the owner, of an object that the request
// creates.
func (r Request) New() (ACL, error) {
	canned := r.Header("x-amz-acl")
	asked := canned != "" || r.hasGrants()
	if r.Ownership == Enforced {
		if asked && (canned != CannedOwnerControl || r.hasGrants()) {
			return ACL{}, ErrNotSupported
		}
		return Private(r.BucketOwner), nil
	}
	owner := r.Caller
	if r.Ownership == Preferred && canned == CannedOwnerControl {
		owner = r.BucketOwner
	}
	if !asked {
		return Private(owner), nil
	}
	return r.forOwner(owner)
}

// Replace returns the ACL that a PutObjectAcl with headers gives an object of
// owner. Without any ACL header it is ErrMalformed: the ACL is in the body.
func (r Request) Replace(owner string) (ACL, error) {
	if r.Ownership == Enforced {
		return ACL{}, ErrNotSupported
	}
	if r.Header("x-amz-acl") == "" && !r.hasGrants() {
		return ACL{}, ErrMalformed
	}
	return r.forOwner(owner)
}

func (r Request) hasGrants() bool {
	for _, h := range grantHeaders {
		if r.Header(h.Name) != "" {
			return true
		}
	}
	return false
}

// forOwner reads the canned ACL or the grants of the request.
func (r Request) forOwner(owner string) (ACL, error) {
	canned := r.Header("x-amz-acl")
	if canned != "" && r.hasGrants() {
		return ACL{}, ErrBoth
	}
	if canned != "" {
		return r.canned(owner, canned)
	}
	acl := ACL{Owner: owner}
	for _, h := range grantHeaders {
		v := r.Header(h.Name)
		if v == "" {
			continue
		}
		grants, err := r.grants(v, h.Permission)
		if err != nil {
			return ACL{}, err
		}
		acl.Grants = append(acl.Grants, grants...)
	}
	return acl, nil
}

func (r Request) canned(owner, name string) (ACL, error) {
	acl := Private(owner)
	add := func(g Grant) { acl.Grants = append(acl.Grants, g) }
	switch name {
	case CannedPrivate, CannedExecRead:
	case CannedPublicRead:
		add(Grant{URI: AllUsers, Permission: Read})
	case CannedPublicWrite:
		add(Grant{URI: AllUsers, Permission: Read})
		add(Grant{URI: AllUsers, Permission: Write})
	case CannedAuthRead:
		add(Grant{URI: AuthenticatedUsers, Permission: Read})
	case CannedOwnerRead:
		if owner != r.BucketOwner {
			add(Grant{ID: r.BucketOwner, Permission: Read})
		}
	case CannedOwnerControl:
		if owner != r.BucketOwner {
			add(Grant{ID: r.BucketOwner, Permission: FullControl})
		}
	default:
		return ACL{}, fmt.Errorf("%w: %q", ErrCanned, name)
	}
	return acl, nil
}

// grants parses a grant header: id="...", uri="..." in any number. Grants by
// e-mail address are refused: no account has one.
func (r Request) grants(header string, p Permission) ([]Grant, error) {
	var out []Grant
	for item := range strings.SplitSeq(header, ",") {
		kind, value, ok := strings.Cut(strings.TrimSpace(item), "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		g := Grant{Permission: p}
		switch {
		case ok && kind == "id" && r.Known(value):
			g.ID = value
		case ok && kind == "uri" && isGroup(value):
			g.URI = value
		default:
			return nil, fmt.Errorf("%w: %q", ErrGrant, item)
		}
		out = append(out, g)
	}
	return out, nil
}

func isGroup(uri string) bool { return uri == AllUsers || uri == AuthenticatedUsers }
