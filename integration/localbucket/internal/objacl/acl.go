// Package objacl is the model of an S3 object's access control list: who owns
// the object, who else may do what with it, and how requests and responses
// spell it. It knows neither HTTP servers nor storage.
//
// An ACL is made when an object is created (FromRequest), kept with the object
// as JSON, asked on every access (ACL.Grants) and shown as XML (ACL.XML).
//
// Source of the rules: Amazon S3 User Guide, "Access control list (ACL)
// overview" and "Controlling ownership of objects and disabling ACLs".
package objacl

import "slices"

// Permission is what a grant gives on an object.
type Permission string

const (
	Read        Permission = "READ"
	ReadACP     Permission = "READ_ACP"
	Write       Permission = "WRITE" // without effect on objects; S3 stores it
	WriteACP    Permission = "WRITE_ACP"
	FullControl Permission = "FULL_CONTROL"
)

// The groups a grant can name instead of an account.
const (
	AllUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	AuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
)

// Grant gives one grantee, an account or a group, one permission.
type Grant struct {
	ID         string     `json:"id,omitempty"`  // an account's canonical id
	URI        string     `json:"uri,omitempty"` // a group
	Permission Permission `json:"p"`
}

// ACL is an object's owner and its grants.
type ACL struct {
	Owner  string  `json:"owner"` // canonical id of the account
	Grants []Grant `json:"grants"`
}

// Private is the ACL of an object that only its owner may reach.
func Private(owner string) ACL {
	return ACL{Owner: owner, Grants: []Grant{{ID: owner, Permission: FullControl}}}
}

// Allows reports whether the ACL grants p to the account with the canonical id
// caller. An empty caller is an anonymous request.
func (a ACL) Allows(caller string, p Permission) bool {
	return slices.ContainsFunc(a.Grants, func(g Grant) bool {
		if g.Permission != p && g.Permission != FullControl {
			return false
		}
		switch g.URI {
		case "":
			return caller != "" && g.ID == caller
		case AllUsers:
			return true
		case AuthenticatedUsers:
			return caller != ""
		}
		return false
	})
}

// Named is the ACL with other names for its accounts.
func (a ACL) Named(name func(id string) string) ACL {
	out := ACL{Owner: name(a.Owner)}
	for _, g := range a.Grants {
		if g.ID != "" {
			g.ID = name(g.ID)
		}
		out.Grants = append(out.Grants, g)
	}
	return out
}

// Ownership is a bucket's object ownership setting.
type Ownership string

const (
	Writer    Ownership = "ObjectWriter"
	Preferred Ownership = "BucketOwnerPreferred"
	Enforced  Ownership = "BucketOwnerEnforced"
)
