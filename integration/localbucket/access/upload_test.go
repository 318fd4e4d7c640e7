package access

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// uploads are the ways the client can make an object.
var uploads = map[string]func(client party, key, body, acl string) error{
	"put":       func(c party, key, body, acl string) error { return c.put(key, body, acl) },
	"multipart": func(c party, key, body, acl string) error { return c.multipart(key, body, acl) },
	"copy": func(c party, key, body, acl string) error {
		if err := c.put(key+".from", body, ""); err != nil {
			return err
		}
		return c.copy(key+".from", key, acl)
	},
}

// TestOwnerReadsUploadOfClient is the trap the project began with: what another
// account uploads is that account's, and shut to the bucket's owner unless its
// ACL lets the owner in.
func TestOwnerReadsUploadOfClient(t *testing.T) {
	const ok, denied = "OK", "403"
	for _, tt := range []struct{ acl, owner, ownerACL, third string }{
		{"", denied, denied, denied},
		{"private", denied, denied, denied},
		{"bucket-owner-full-control", ok, ok, denied},
		{"bucket-owner-read", ok, denied, denied},
		{"authenticated-read", ok, denied, ok},
		{"public-read", ok, denied, ok},
	} {
		for how, upload := range uploads {
			t.Run(how+"/"+tt.acl, func(t *testing.T) {
				l := newBucket(t, "article", types.ObjectOwnershipObjectWriter)
				owner, client, third := parties(t, l)
				want(t, "client's upload", upload(client, "Delivery/f", "data", tt.acl), ok)
				want(t, "client's get", client.get("Delivery/f", "data"), ok)
				want(t, "owner's get", owner.get("Delivery/f", "data"), tt.owner)
				_, err := owner.head("Delivery/f")
				want(t, "owner's head", err, tt.owner)
				want(t, "owner's copy", owner.copy("Delivery/f", "Submissions/copy", ""), tt.owner)
				_, err = owner.getACL("Delivery/f")
				want(t, "owner's get of the ACL", err, tt.ownerACL)
				want(t, "owner's change of the ACL",
					owner.putACL("Delivery/f", "bucket-owner-full-control"), tt.ownerACL)
				want(t, "third's get", third.get("Delivery/f", "data"), tt.third)
				owners, err := owner.owners()
				want(t, "owner's list", err, ok)
				if got := owners["Delivery/f"]; got != client.id {
					t.Errorf("owner shown by the list = %q, want %q", got, client.id)
				}
				want(t, "owner's delete", owner.delete("Delivery/f"), ok)
			})
		}
	}
}
