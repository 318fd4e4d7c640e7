// Package bucket is what localbucket tells and sets up, on any S3 server: the
// line that names a ready bucket and its three parties, the policies that a
// client is let in with, and the requests that make the bucket.
package bucket

// Kind says which server is behind a line; tests read from it what they may
// expect.
type Kind string

const (
	Local Kind = "localbucket"
	RGW   Kind = "rgw"
)

// Account is one party: its credentials, and the names that policies and ACLs
// know it by.
type Account struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	// AccountID has 12 digits, as AWS's have. On these servers it is the
	// canonical id too: the owner that listings and ACLs show.
	AccountID string `json:"account_id"`
	// Principal is how a bucket policy names the account.
	Principal string `json:"principal"`
}

// Line is the one line of JSON printed when the bucket is ready.
type Line struct {
	Kind     Kind    `json:"kind"`
	Endpoint string  `json:"endpoint"`
	Region   string  `json:"region"`
	Bucket   string  `json:"bucket"`
	Owner    Account `json:"owner"`
	Client   Account `json:"client"`
	Third    Account `json:"third"`
	// AWS says how the bucket is reached as on AWS, where it is.
	AWS *AWS `json:"aws,omitempty"`
}

// AWS is how a program reaches the server by AWS's own host names: the variables
// HTTPS_PROXY and AWS_CA_BUNDLE of its environment.
type AWS struct {
	Proxy     string `json:"proxy"`
	Authority string `json:"authority"` // a file
}

// The account ids of the three parties. They do not change from run to run,
// so that a kept directory keeps its owners.
const (
	OwnerID  = "111122223333"
	ClientID = "444455556666"
	ThirdID  = "777788889999"
)

// Principal is how a policy on a server of this kind names an account.
func (k Kind) Principal(accountID string) string {
	if k == RGW {
		return "arn:aws:iam:::user/" + accountID
	}
	return "arn:aws:iam::" + accountID + ":root"
}

// AccountOf is the account id behind an access key, "" for none.
func (l Line) AccountOf(accessKey string) string {
	for _, a := range []Account{l.Owner, l.Client, l.Third} {
		if a.AccessKeyID == accessKey {
			return a.AccountID
		}
	}
	return ""
}
