package objacl

import (
	"encoding/xml"
	"errors"
	"reflect"
	"strings"
	"testing"
)

const (
	owner  = "111122223333" // of the bucket
	client = "444455556666"
	third  = "777788889999"
)

func known(id string) bool { return id == owner || id == client || id == third }

func TestAllows(t *testing.T) {
	for _, tt := range []struct {
		grant  Grant
		caller string
		need   Permission
		want   bool
	}{
		{Grant{ID: client, Permission: FullControl}, client, Read, true},
		{Grant{ID: client, Permission: FullControl}, client, WriteACP, true},
		{Grant{ID: client, Permission: FullControl}, owner, Read, false},
		{Grant{ID: owner, Permission: Read}, owner, Read, true},
		{Grant{ID: owner, Permission: Read}, owner, ReadACP, false},
		{Grant{URI: AllUsers, Permission: Read}, third, Read, true},
		{Grant{URI: AllUsers, Permission: Read}, "", Read, true},
		{Grant{URI: AllUsers, Permission: Read}, "", ReadACP, false},
		{Grant{URI: AuthenticatedUsers, Permission: Read}, third, Read, true},
		{Grant{URI: AuthenticatedUsers, Permission: Read}, "", Read, false},
		{Grant{ID: "", Permission: Read}, "", Read, false}, // nobody is no account
	} {
		acl := ACL{Owner: client, Grants: []Grant{tt.grant}}
		if got := acl.Allows(tt.caller, tt.need); got != tt.want {
			t.Errorf("%+v.Allows(%q, %s) = %v, want %v", tt.grant, tt.caller, tt.need, got, tt.want)
		}
	}
}

func TestNew(t *testing.T) {
	all := func(id string) Grant { return Grant{ID: id, Permission: FullControl} }
	for _, tt := range []struct {
		ownership Ownership
		headers   string // name=value; name=value
		want      ACL
		err       error
	}{
		{Writer, "", ACL{client, []Grant{all(client)}}, nil},
		{Writer, "x-amz-acl: private", ACL{client, []Grant{all(client)}}, nil},
		{Writer, "x-amz-acl: bucket-owner-full-control", ACL{client, []Grant{all(client), all(owner)}}, nil},
		{Writer, "x-amz-acl: bucket-owner-read", ACL{client, []Grant{all(client), {ID: owner, Permission: Read}}}, nil},
		{Writer, "x-amz-acl: public-read-write", ACL{client, []Grant{
			all(client), {URI: AllUsers, Permission: Read}, {URI: AllUsers, Permission: Write},
		}}, nil},
		{Writer, "x-amz-acl: public", ACL{}, ErrCanned},
		{Writer, "x-amz-grant-read: id=" + owner, ACL{client, []Grant{{ID: owner, Permission: Read}}}, nil},
		{Writer, `x-amz-grant-read-acp: id="` + owner + `" , uri="` + AllUsers +
			`"`, ACL{client, []Grant{
			{ID: owner, Permission: ReadACP}, {URI: AllUsers, Permission: ReadACP},
		}}, nil},
		{Writer, "x-amz-grant-read: id=000000000000", ACL{}, ErrGrant},
		{Writer, "x-amz-grant-read: uri=http://example.com", ACL{}, ErrGrant},
		{Writer, "x-amz-grant-read: emailAddress=a@example.com", ACL{}, ErrGrant},
		{Writer, "x-amz-grant-read: " + owner, ACL{}, ErrGrant},
		{Writer, "x-amz-acl: private; x-amz-grant-read: id=" + owner, ACL{}, ErrBoth},

		{Preferred, "", ACL{client, []Grant{all(client)}}, nil},
		{Preferred, "x-amz-acl: bucket-owner-full-control", ACL{owner, []Grant{all(owner)}}, nil},
		{Preferred, "x-amz-grant-full-control: id=" + owner, ACL{client, []Grant{all(owner)}}, nil},

		{Enforced, "", ACL{owner, []Grant{all(owner)}}, nil},
		{Enforced, "x-amz-acl: bucket-owner-full-control", ACL{owner, []Grant{all(owner)}}, nil},
		{Enforced, "x-amz-acl: private", ACL{}, ErrNotSupported},
		{Enforced, "x-amz-grant-read: id=" + owner, ACL{}, ErrNotSupported},
	} {
		got, err := request(tt.ownership, tt.headers).New()
		if !errors.Is(err, tt.err) || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s, %q: New() = %v, %v, want %v, %v", tt.ownership, tt.headers,
				got, err, tt.want, tt.err)
		}
	}
}

func TestReplace(t *testing.T) {
	for _, tt := range []struct {
		ownership Ownership
		headers   string
		owner     string
		err       error
	}{
		{Writer, "x-amz-acl: bucket-owner-full-control", client, nil},
		// The owner changes at the upload only.
		{Preferred, "x-amz-acl: bucket-owner-full-control", client, nil},
		{Writer, "", "", ErrMalformed},
		{Enforced, "x-amz-acl: bucket-owner-full-control", "", ErrNotSupported},
	} {
		got, err := request(tt.ownership, tt.headers).Replace(client)
		if !errors.Is(err, tt.err) || got.Owner != tt.owner {
			t.Errorf("%s, %q: Replace() = %v, %v, want owner %q, %v", tt.ownership,
				tt.headers, got, err, tt.owner, tt.err)
		}
	}
}

// request is one of the client's, with headers written "name: value; ...".
func request(o Ownership, headers string) Request {
	h := map[string]string{}
	for pair := range strings.SplitSeq(headers, "; ") {
		name, value, _ := strings.Cut(pair, ": ")
		h[name] = value
	}
	return Request{
		Header: func(name string) string { return h[name] },
		Known:  known, Caller: client, BucketOwner: owner, Ownership: o,
	}
}

// TestXML reads back what it writes.
func TestXML(t *testing.T) {
	acl := ACL{client, []Grant{
		{ID: client, Permission: FullControl}, {ID: owner, Permission: Read}, {URI: AllUsers, Permission: ReadACP},
	}}
	body, err := acl.XML()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(body); !strings.HasPrefix(s, xml.Header) ||
		!strings.Contains(s, `xsi:type="Group"`) {
		t.Errorf("XML() = %s, want a header and a group", s)
	}
	got, err := Parse(body, client, known)
	if err != nil || !reflect.DeepEqual(got, acl) {
		t.Errorf("Parse(%s) = %v, %v, want %v", body, got, err, acl)
	}
}

func TestParseRefuses(t *testing.T) {
	document := func(owner, id, permission string) string {
		return "<AccessControlPolicy><Owner><ID>" +
			owner + "</ID></Owner><AccessControlList><Grant><Grantee><ID>" + id +
			"</ID></Grantee><Permission>" +
			permission + "</Permission></Grant></AccessControlList></AccessControlPolicy>"
	}
	for body, want := range map[string]error{
		document(client, third, "READ"):   nil,
		document(third, third, "READ"):    ErrMalformed, // another owner
		document(client, third, "DELETE"): ErrMalformed,
		document(client, "me", "READ"):    ErrGrant,
		"":                                ErrMalformed,
		"<Delete/>":                       ErrMalformed,
	} {
		if _, err := Parse([]byte(body), client, known); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %v, want %v", body, err, want)
		}
	}
}
