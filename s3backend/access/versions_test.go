package access

import (
	"slices"
	"strings"
	"testing"
)

// TestClientVersions lets a client list and get versions by --client-versions, for each grant: that
// is told as more than now, it stays if init is run again without the flag, and goes if it is taken
// back.
func TestClientVersions(t *testing.T) {
	for _, grant := range Grants() {
		for _, elsewhere := range []bool{false, true} {
			found := Bucket{Exists: true, Owner: "111122223333", Ownership: Enforced}
			if elsewhere {
				found.Endpoint = "http://127.0.0.1:1"
			}
			terms := Terms{Bucket: "b", Client: "arn:aws:iam::444455556666:root",
				Shared: "Submissions", Delivered: "Delivery", Ownership: Enforced}
			again := func(want Setup) *Plan {
				t.Helper()
				want.Terms = Terms{Bucket: terms.Bucket, Client: terms.Client, Shared: terms.Shared,
					Delivered: terms.Delivered, Grant: want.Grant, Versions: want.Versions}
				plan, err := MakePlan(want, found)
				if err != nil {
					t.Fatal(err)
				}
				doc := parse(t, string(plan.Policy.Bytes()))
				found.Policy = &doc
				return plan
			}
			may := func(action string) (on []string) {
				for _, s := range found.Policy.Statement {
					if s.Effect == Allow && slices.Contains(s.Action, action) {
						on = append(on, s.Resource...)
					}
				}
				return on
			}
			again(Setup{Terms: Terms{Grant: grant}})
			before := found.Policy.String()
			if grant == Dropbox { // it reads nothing
				if again(Setup{Terms: Terms{Versions: true},
					VersionsSaid: true}); found.Policy.String() != before {
					t.Errorf("%s: the policy is\n%s", grant, found.Policy)
				}
				continue
			}
			for _, said := range []bool{true, false} { // once given, it stays
				plan := again(Setup{Terms: Terms{Versions: said}, VersionsSaid: said})
				if more := strings.Join(plan.Wider, "; "); said && (!strings.Contains(more,
					ListVersions) || !strings.Contains(more, GetVersion)) || !said && more != "" {
					t.Errorf("%s: told is %q", grant, more)
				}
				if list, get := may(ListVersions), may(GetVersion); !slices.Equal(list,
					[]string{"arn:aws:s3:::b"}) || !slices.Equal(get, may(GetObject)) {
					t.Errorf("%s: it may list the versions of %q, and get those of %q", grant, list,
						get)
				}
				if plan.Setup.Grant != grant {
					t.Errorf("the grant %s became %s", grant, plan.Setup.Grant)
				}
			}
			if plan := again(Setup{VersionsSaid: true}); found.Policy.String() != before ||
				len(plan.Wider) > 0 {
				t.Errorf("%s: taken back, told is %q, and the policy is\n%s\nnot\n%s",
					grant, plan.Wider, found.Policy, before)
			}
		}
	}
}
