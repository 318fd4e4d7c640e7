package access

import (
	"strings"
	"time"
)

// IAM is the identity-based policy by which an account lets a user or role of its own do
// what the terms grant. AWS asks an account other than the bucket's owner for both: the
// bucket policy, and this one.
// Source: IAM User Guide, "Cross-account policy evaluation logic".
func (t Terms) IAM() Document {
	t.Until = time.Time{} // the bucket policy says that
	return t.iam(t.allStatements())
}

// iam makes the Allows of the terms those of whoever the policy is attached to.
func (t Terms) iam(all []Statement) Document {
	var d Document
	for _, s := range all {
		if s.Effect == Allow {
			s.Sid, s.Principal = strings.TrimSuffix(s.Sid, mark(t.Client)), nil
			d.Statement = append(d.Statement, s)
		}
	}
	return d
}

// MountIAM is IAM for what a mount of these folders needs, whatever the grant is: the first
// is read, and the others are delivered to.
func MountIAM(bucket, principal string, folders []string) Document {
	t := Terms{Bucket: bucket, Client: principal, Grant: Folders}
	puts := folders
	if len(folders) > 1 {
		puts = folders[1:]
	}
	return t.iam(t.statements(t.objects(folders...), t.objects(puts...), nil))
}

// KeyUse is what IAM has to allow besides where a KMS key encrypts the objects.
func KeyUse(key string) Statement {
	return Statement{Sid: sidPrefix + "UsesKey", Effect: Allow,
		Action: keyActions, Resource: Strings{key}}
}
