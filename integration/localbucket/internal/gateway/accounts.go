package gateway

import (
	"errors"
	"strings"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// accounts are the parties the gateway knows, each of them an AWS account by
// itself whose requests are made by the account's root. It implements the
// gateway's IAM service for a fixed set.
type accounts struct {
	byKey map[string]bucket.Account // by access key id
	ids   map[string]bool           // account ids
	store *store
}

var (
	_ auth.IAMService        = (*accounts)(nil)
	_ auth.PrincipalResolver = (*accounts)(nil)
	_ auth.PolicyEvaluator   = (*accounts)(nil)
)

func newAccounts(s *store, parties ...bucket.Account) *accounts {
	a := &accounts{byKey: map[string]bucket.Account{}, ids: map[string]bool{}, store: s}
	for _, p := range parties {
		a.byKey[p.AccessKeyID] = p
		a.ids[p.AccountID] = true
	}
	return a
}

// id is the account id behind an access key id, "" for nobody.
func (a *accounts) id(accessKey string) string { return a.byKey[accessKey].AccountID }

// known reports whether a canonical id belongs to an account.
func (a *accounts) known(id string) bool { return a.ids[id] }

// GetUserAccount implements auth.IAMService.
func (a *accounts) GetUserAccount(accessKey string) (auth.Account, error) {
	p, ok := a.byKey[accessKey]
	if !ok {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return auth.Account{
		Access: p.AccessKeyID,
		Secret: p.SecretAccessKey,
		Role:   auth.RoleUser,
		Arn:    bucket.Local.Principal(p.AccountID),
	}, nil
}

// ResolveAccounts implements auth.IAMService: it returns those that do not exist.
func (a *accounts) ResolveAccounts(ids []string) ([]string, error) {
	var missing []string
	for _, id := range ids {
		if !a.known(id) {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

// ResolvePrincipals implements auth.PrincipalResolver: it returns those that do
// not exist. The accounts have no users or roles, so only an account's root and
// its bare id do.
func (a *accounts) ResolvePrincipals(arns []string) ([]string, error) {
	var missing []string
	for _, arn := range arns {
		id, isRoot := strings.CutSuffix(strings.TrimPrefix(arn, "arn:aws:iam::"), ":root")
		if !a.known(id) || (!isRoot && id != arn) {
			missing = append(missing, arn)
		}
	}
	return missing, nil
}

// ListUserAccounts implements auth.IAMService.
func (a *accounts) ListUserAccounts() ([]auth.Account, error) {
	return nil, s3err.GetAPIError(s3err.ErrAdminMethodNotSupported)
}

var errFixed = errors.New("the accounts are fixed")

func (a *accounts) CreateAccount(auth.Account) error                  { return errFixed }
func (a *accounts) UpdateUserAccount(string, auth.MutableProps) error { return errFixed }
func (a *accounts) DeleteUserAccount(string) error                    { return errFixed }
func (a *accounts) Shutdown() error                                   { return nil }
