package access

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// dashed is an account id as the console shows it.
var dashed = regexp.MustCompile(`^(\d{4})-(\d{4})-(\d{4})$`)

// ClientPrincipal is how a policy names a client that people name by its account
// id or by an ARN. The region gives the partition of an account. Servers that are
// not AWS have names of their own, which are taken as they are.
func ClientPrincipal(name, region string, elsewhere bool) (string, error) {
	switch name = dashed.ReplaceAllString(name, "$1$2$3"); {
	case isAccountID(name):
		return "arn:" + s3backend.Partition(region) + ":iam::" + name + ":root", nil
	case elsewhere && name != "" && !strings.ContainsAny(name, "*? \t\n"):
		return name, nil
	}
	f := strings.SplitN(name, ":", 6)
	if len(f) != 6 || f[0] != "arn" {
		return "", fmt.Errorf("%q is neither an account id, which has 12 digits, nor an ARN", name)
	}
	kind, _, _ := strings.Cut(f[5], "/")
	switch {
	case strings.ContainsAny(name, "*?"):
		return "", fmt.Errorf("%q has a wildcard, which S3 takes in no principal", name)
	case !isAccountID(f[4]):
		return "", fmt.Errorf("%q has no account id in it", name)
	case f[2] == "iam" && (kind == "root" || kind == "user" || kind == "role"),
		f[2] == "sts" && kind == "assumed-role":
		return name, nil
	}
	return "", fmt.Errorf("%q is no account, user or role", name)
}

// mayBe reports whether a name in a policy may mean a client, or somebody of it: all of its
// account, a user or role of an account that is the client, a session of a role, and any
// name of which that cannot be read off.
func mayBe(name, client string) bool {
	if accountOf(name) == accountOf(client) || strings.ContainsAny(name, "*?$") {
		return true
	}
	n, isARN := identityOf(name)
	c, clientIsARN := identityOf(client)
	switch {
	case !isARN || !clientIsARN:
		return isARN != clientIsARN // two access keys of another server are two users
	case n.account != c.account:
		return false
	case n.kind == "root" || c.kind == "root":
		return true
	case n.kind == "role" && c.kind == "assumed-role", n.kind == "assumed-role" && c.kind == "role":
		return n.role() == c.role()
	case n.kind == "user", n.kind == "role", n.kind == "assumed-role":
		return false
	}
	return true // a federated user has rights of the user who asked for the session
}

// arnParts are what the ARN of an account, a user or a role says of it.
type arnParts struct{ account, kind, name string } // 444455556666, "role", "path/delivery"

func identityOf(principal string) (p arnParts, found bool) {
	if isAccountID(principal) {
		return arnParts{account: principal, kind: "root"}, true
	}
	f := strings.SplitN(principal, ":", 6)
	if len(f) != 6 || f[0] != "arn" {
		return p, false
	}
	p.account = f[4]
	p.kind, p.name, _ = strings.Cut(f[5], "/")
	return p, true
}

// role is the name of a role, or of the one that a session is of, without its path.
func (p arnParts) role() string {
	if p.kind == "assumed-role" {
		role, _, _ := strings.Cut(p.name, "/")
		return role
	}
	return p.name[strings.LastIndexByte(p.name, '/')+1:]
}

// partitionOfARN is the partition in an ARN, "" for what is none.
func partitionOfARN(arn string) string {
	if f := strings.SplitN(arn, ":", 3); len(f) == 3 && f[0] == "arn" {
		return f[1]
	}
	return ""
}

// CheckKey refuses what does not name a KMS key by its full ARN: an alias, or the
// key's id alone, means another key, or none, in the client's account.
func CheckKey(arn, region string) error {
	f := strings.SplitN(arn, ":", 6)
	switch {
	case len(f) != 6 || f[0] != "arn" || f[2] != "kms" || !strings.HasPrefix(f[5], "key/"):
		return fmt.Errorf(
			"%q is not the full ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID): in the client's account anything else means another key", arn)
	case region != "" && f[3] != region:
		return fmt.Errorf("the key is in the region %s, and the bucket in %s", f[3], region)
	}
	return nil
}
