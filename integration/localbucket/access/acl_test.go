package access

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	fullControl = "bucket-owner-full-control"
	allUsers    = "http://acs.amazonaws.com/groups/global/AllUsers"
)

// TestRepair opens to the owner what the client uploaded without the ACL.
func TestRepair(t *testing.T) {
	replace := func(in *s3.CopyObjectInput) {
		in.MetadataDirective = types.MetadataDirectiveReplace
	}
	for name, repair := range map[string]func(p party) error{
		"the ACL":            func(p party) error { return p.putACL("f", fullControl) },
		"a copy onto itself": func(p party) error { return p.copy("f", "f", fullControl, replace) },
		"another put":        func(p party) error { return p.put("f", "data", fullControl) },
	} {
		t.Run(name, func(t *testing.T) {
			owner, client, third := parties(t,
				newBucket(t, "article", types.ObjectOwnershipObjectWriter))
			want(t, "client's put", client.put("f", "data", ""), "OK")
			want(t, "owner's get", owner.get("f", "data"), "403")
			want(t, "a third party's repair", repair(third), "403")
			want(t, "client's repair", repair(client), "OK")
			want(t, "owner's get after the repair", owner.get("f", "data"), "OK")
			want(t, "client's change to private", client.putACL("f", "private"), "OK")
			want(t, "owner's get of what is private", owner.get("f", "data"), "403")
			want(t, "client's get", client.get("f", "data"), "OK")
		})
	}
}

// TestOverwrite: an object belongs to who put it last.
func TestOverwrite(t *testing.T) {
	owner, client, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
	want(t, "owner's put", owner.put("f", "1", ""), "OK")
	want(t, "client's get, by the policy", client.get("f", "1"), "OK")
	want(t, "client's put", client.put("f", "2", ""), "OK")
	want(t, "owner's get of the client's", owner.get("f", "2"), "403")
	want(t, "owner's put", owner.put("f", "3", ""), "OK")
	want(t, "client's get of the owner's", client.get("f", "3"), "OK")
	want(t, "owner's get", owner.get("f", "3"), "OK")
}

// TestPolicyEndsAtForeignObjects: a bucket policy lets nobody read what others
// than the bucket's owner own.
func TestPolicyEndsAtForeignObjects(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	putPolicy(t, l, statements{
		{Effect: "Allow", Action: []string{"s3:GetObject", "s3:PutObject"}, On: "/*", Who: []string{l.Client.Principal, l.Third.Principal}},
	})
	owner, client, third := parties(t, l)
	want(t, "owner's put", owner.put("owners", "data", ""), "OK")
	want(t, "third's put", third.put("thirds", "data", ""), "OK")
	want(t, "client's get of the owner's", client.get("owners", "data"), "OK")
	want(t, "client's get of the third's", client.get("thirds", "data"), outcome{
		"403", "OK", "RGW asks the policy alone, whoever owns the object",
	}.here())
	want(t, "third's get of its own", third.get("thirds", "data"), "OK")
}

// TestGetACL reads back what the ways to say an ACL stand for.
func TestGetACL(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	_, client, third := parties(t, l)
	owner := l.Owner.AccountID
	for _, tt := range []struct {
		acl    string
		grants func(in *s3.PutObjectInput)
		want   []string
	}{
		{"", nil, []string{client.id + " FULL_CONTROL"}},
		{"private", nil, []string{client.id + " FULL_CONTROL"}},
		{fullControl, nil, []string{client.id + " FULL_CONTROL", owner + " FULL_CONTROL"}},
		{"bucket-owner-read", nil, []string{client.id + " FULL_CONTROL", owner + " READ"}},
		{"public-read", nil, []string{client.id + " FULL_CONTROL", allUsers + " READ"}},
		{"authenticated-read", nil, []string{
			client.id +
				" FULL_CONTROL", "http://acs.amazonaws.com/groups/global/AuthenticatedUsers READ",
		}},
		{"", func(in *s3.PutObjectInput) { in.GrantFullControl = aws.String("id=" + owner) }, []string{owner + " FULL_CONTROL"}},
		{"", func(in *s3.PutObjectInput) {
			in.GrantRead = aws.String(`id="` + third.id + `", uri="` + allUsers + `"`)
			in.GrantWriteACP = aws.String("id=" + client.id)
			in.GrantReadACP = aws.String("id=" + client.id)
		}, []string{third.id + " READ", allUsers + " READ", client.id + " READ_ACP",
			client.id + " WRITE_ACP"}},
	} {
		var more []func(*s3.PutObjectInput)
		if tt.grants != nil {
			more = append(more, tt.grants)
		}
		want(t, "put "+tt.acl, client.put("f", "data", tt.acl, more...), "OK")
		reader := client
		if tt.acl == "" && len(tt.want) == 1 && tt.grants != nil {
			reader, _, _ = parties(t, l) // the client gave everything away
		}
		out, err := reader.getACL("f")
		if err != nil {
			t.Errorf("get of the ACL %q: %v", tt.acl, err)
			continue
		}
		got := grants(out)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("grants of ACL %q = %q, want %q", tt.acl, got, tt.want)
		}
		if id := aws.ToString(out.Owner.ID); id != client.id {
			t.Errorf("owner with ACL %q = %q, want %q", tt.acl, id, client.id)
		}
	}
}

// TestPutACLDocument changes an ACL by its document.
func TestPutACLDocument(t *testing.T) {
	l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
	owner, client, third := parties(t, l)
	want(t, "client's put", client.put("f", "data", ""), "OK")
	document := func(as party, ownerID string) error {
		_, err := as.api.PutObjectAcl(t.Context(), &s3.PutObjectAclInput{
			Bucket: &l.Bucket, Key: aws.String("f"),
			AccessControlPolicy: &types.AccessControlPolicy{
				Owner: &types.Owner{ID: &ownerID},
				Grants: []types.Grant{
					{Permission: types.PermissionFullControl, Grantee: &types.Grantee{Type: types.TypeCanonicalUser, ID: &client.id}},
					{Permission: types.PermissionRead, Grantee: &types.Grantee{Type: types.TypeCanonicalUser, ID: &third.id}},
				},
			},
		})
		return err
	}
	want(t, "the owner's document", document(owner, client.id), "403")
	want(t, "a document that changes the owner", document(client, third.id), outcome{
		"400", "403", "RGW finds that the ACL is not the caller's to give away",
	}.here())
	want(t, "third's get", third.get("f", "data"), "403")
	want(t, "the client's document", document(client, client.id), "OK")
	want(t, "third's get after it", third.get("f", "data"), "OK")
	want(t, "owner's get after it", owner.get("f", "data"), "403")
}

// TestBadACL refuses what is no ACL, and makes no object of it.
func TestBadACL(t *testing.T) {
	_, client, _ := parties(t, newBucket(t, "article", types.ObjectOwnershipObjectWriter))
	for name, tt := range map[string]struct {
		acl    string
		grants string
		want   outcome
	}{
		"canned":      {"bucket-owner-owns", "", same("400")},
		"id":          {"", "id=nobody", outcome{"400", "404", "RGW looks for the user and says that it found none"}},
		"group":       {"", "uri=http://example.com/group", same("400")},
		"canned, too": {"private", "id=" + client.id, same("400")},
	} {
		err := client.put("f", "data", tt.acl, func(in *s3.PutObjectInput) {
			if tt.grants != "" {
				in.GrantRead = &tt.grants
			}
		})
		want(t, name, err, tt.want.here())
		_, err = client.head("f")
		want(t, name+": head", err, "404")
	}
}

// grants are an ACL's, as "grantee permission", sorted.
func grants(out *s3.GetObjectAclOutput) []string {
	var got []string
	for _, g := range out.Grants {
		who := aws.ToString(g.Grantee.ID) + aws.ToString(g.Grantee.URI)
		got = append(got, who+" "+string(g.Permission))
	}
	slices.Sort(got)
	return got
}
