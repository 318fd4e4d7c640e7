package access

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// needsOwnership skips where object ownership is not to be set. On RGW the
// requests that set it are not even sent: it takes them for requests to make or
// delete the bucket.
func needsOwnership(t *testing.T) {
	if onRGW() {
		t.Skip("RGW 16 has no object ownership")
	}
}

// TestOwnership: what the three settings make of an upload by the client.
func TestOwnership(t *testing.T) {
	needsOwnership(t)
	const (
		writer    = types.ObjectOwnershipObjectWriter
		preferred = types.ObjectOwnershipBucketOwnerPreferred
		enforced  = types.ObjectOwnershipBucketOwnerEnforced
	)
	for _, tt := range []struct {
		ownership types.ObjectOwnership
		acl       string
		put       string
		owns      string // account id
		ownerGet  string
	}{
		{writer, "", "OK", bucket.ClientID, "403"},
		{writer, fullControl, "OK", bucket.ClientID, "OK"},
		{preferred, "", "OK", bucket.ClientID, "403"},
		{preferred, "private", "OK", bucket.ClientID, "403"},
		{preferred, fullControl, "OK", bucket.OwnerID, "OK"},
		{enforced, "", "OK", bucket.OwnerID, "OK"},
		{enforced, fullControl, "OK", bucket.OwnerID, "OK"},
		{enforced, "private", "400 AccessControlListNotSupported", "", ""},
		{enforced, "public-read", "400 AccessControlListNotSupported", "", ""},
	} {
		for how, upload := range uploads {
			t.Run(string(tt.ownership)+"/"+tt.acl+"/"+how, func(t *testing.T) {
				l := newBucket(t, "article", tt.ownership)
				owner, client, _ := parties(t, l)
				want(t, "upload", upload(client, "f", "data", tt.acl), tt.put)
				if tt.put != "OK" {
					_, err := owner.head("f")
					want(t, "head of what was refused", err, "404")
					return
				}
				want(t, "owner's get", owner.get("f", "data"), tt.ownerGet)
				want(t, "client's get", client.get("f", "data"), "OK")
				owners, err := owner.owners()
				if err != nil {
					t.Fatal(err)
				}
				if owners["f"] != tt.owns {
					t.Errorf("owner = %q, want %q", owners["f"], tt.owns)
				}
			})
		}
	}
}

// TestOwnershipChanges: Enforced makes the ACLs that are there void, and they
// are back when it is lifted.
func TestOwnershipChanges(t *testing.T) {
	needsOwnership(t)
	l := newBucket(t, "dropbox", types.ObjectOwnershipObjectWriter)
	owner, client, _ := parties(t, l)
	set := func(o types.ObjectOwnership) {
		_, err := owner.api.PutBucketOwnershipControls(t.Context(),
			&s3.PutBucketOwnershipControlsInput{
				Bucket:            &l.Bucket,
				OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: o}}},
			})
		if err != nil {
			t.Fatal(err)
		}
	}
	want(t, "client's put", client.put("f", "data", ""), "OK")
	want(t, "owner's get", owner.get("f", "data"), "403")
	want(t, "client's get", client.get("f", "data"), "OK")
	set(types.ObjectOwnershipBucketOwnerEnforced)
	want(t, "owner's get under Enforced", owner.get("f", "data"), "OK")
	want(t, "client's get under Enforced", client.get("f", "data"), "403")
	want(t, "owner's change of an ACL under Enforced", owner.putACL("f", "private"),
		"400 AccessControlListNotSupported")
	out, err := owner.getACL("f")
	if err != nil {
		t.Fatal(err)
	}
	if got := grants(out); len(got) != 1 || got[0] != owner.id+" FULL_CONTROL" {
		t.Errorf("grants under Enforced = %q, want the owner's alone", got)
	}
	set(types.ObjectOwnershipObjectWriter)
	want(t, "owner's get once it is lifted", owner.get("f", "data"), "403")
}
