package access

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"slices"
	"strings"
)

// Invitation is what a client has to know of an exchange. Nothing in it is secret.
type Invitation struct {
	Bucket   string
	Region   string // "" where it is to be found out
	Endpoint string // "" for AWS
	Owner    string // the account that owns the bucket, "" where it is not known
	Folders  []string

	RequesterPays bool // whoever asks has to pay for the requests, but for the owner
}

// Invitation is what the client of the plan has to know.
func (p *Plan) Invitation() Invitation {
	return Invitation{
		Bucket: p.Setup.Bucket, Region: p.Found.Region,
		Endpoint: p.Found.Endpoint, Owner: p.Found.Owner,
		Folders: p.Setup.folders(), RequesterPays: p.Found.RequesterPays,
	}
}

// payerRequester is the payer of a bucket with Requester Pays.
const payerRequester = "requester"

// scheme begins an invitation as text.
const scheme = "s3share:"

// DefaultFolders are the folders of an exchange for which nothing else is said.
func DefaultFolders() []string { return []string{"Submissions", "Delivery"} }

// String is the invitation as one word, in letters that no shell and no mail
// program reads as anything else. It ends with a checksum, so that one that was
// cut off or mistyped is known.
func (i Invitation) String() string {
	var b strings.Builder
	b.WriteString(scheme + escape(i.Bucket))
	for _, f := range []struct{ name, value string }{{"owner", i.Owner}, {"region", i.Region},
		{"endpoint", i.Endpoint}} {
		if f.value != "" {
			b.WriteString("," + f.name + "=" + escape(f.value))
		}
	}
	if i.RequesterPays {
		b.WriteString(",payer=" + payerRequester)
	}
	if len(i.Folders) > 0 && !slices.Equal(i.Folders, DefaultFolders()) {
		for _, f := range i.Folders {
			b.WriteString(",folder=" + escape(f))
		}
	}
	return b.String() + ",check=" + checksum(b.String())
}

func checksum(s string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(s))) }

// escape writes everything but letters, digits and a few others as %XX.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("-._/:@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// ErrNewer is returned for an invitation that says what this version does not know.
var ErrNewer = errors.New("a newer s3share made it")

// ParseInvitation reads an invitation. Its error says what is wrong with the text.
func ParseInvitation(text string) (Invitation, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), scheme)
	if !ok {
		return Invitation{}, fmt.Errorf("it has to begin with %s", scheme)
	}
	body, check, ok := cutLast(body, ",check=")
	if !ok {
		return Invitation{}, errors.New("the end of it is missing")
	}
	if check != checksum(scheme+body) {
		return Invitation{},
			errors.New("its checksum is wrong, so a part of it is missing or changed")
	}
	var i Invitation
	for n, part := range strings.Split(body, ",") {
		name, value, has := strings.Cut(part, "=")
		if n == 0 {
			name, value, has = "bucket", part, true
		}
		value, err := url.PathUnescape(value)
		if err != nil || !has || value == "" {
			return Invitation{}, fmt.Errorf("the part %q cannot be read", part)
		}
		switch name {
		case "bucket":
			i.Bucket = value
		case "owner":
			i.Owner = value
		case "region":
			i.Region = value
		case "endpoint":
			i.Endpoint = value
		case "payer":
			if i.RequesterPays = value == payerRequester; !i.RequesterPays {
				return Invitation{}, fmt.Errorf("%w: the payer %q is unknown here", ErrNewer, value)
			}
		case "folder":
			i.Folders = append(i.Folders, value)
		default:
			return Invitation{}, fmt.Errorf("%w: %q is unknown here", ErrNewer, name)
		}
	}
	if i.Folders == nil {
		i.Folders = DefaultFolders()
	}
	return i, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}
