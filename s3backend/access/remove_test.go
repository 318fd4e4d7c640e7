package access

import (
	"fmt"
	"testing"
)

// TestWithoutTakesBack removes a client from policies of all grants: nothing of what it
// could do is left, and others can do what they could.
func TestWithoutTakesBack(t *testing.T) {
	const spoofed, other = "arn:aws:iam::444455556666:root", "arn:aws:iam::777788889999:root"
	for _, g := range Grants() {
		for _, o := range []Ownership{Enforced, Writer} {
			terms := Terms{Bucket: "b", Client: spoofed, Shared: "Submissions",
				Delivered: "Delivery", Grant: g, Ownership: o, Versions: true}
			role, others := terms, terms
			role.Client, others.Client = "arn:aws:iam::444455556666:role/x", other
			doc := Document{}.With(terms).With(role).With(others)
			doc.Statement = append(doc.Statement,
				missingStatement("b", spoofed, []string{DeleteObject}, nil))
			doc = parse(t, doc.String())
			after, left := doc.without(spoofed)
			if len(left) > 0 {
				t.Errorf("%s, %s: left is %q", g, o, left)
			}
			before, now := read(t, doc.Bytes()), read(t, after.Bytes())
			for _, q := range tries() {
				had, has := lets(t, before, q), lets(t, now, q)
				if q.account == "444455556666" && has || q.account != "444455556666" && had != has {
					t.Fatalf("%s, %s: %+v was %v and is %v by\n%s", g, o, q, had, has, after)
				}
			}
			// What others have written stays, and is told.
			doc.Statement = append(doc.Statement, Statement{Sid: "Theirs", Effect: Allow,
				Principal: AWS(role.Client), Action: Strings{GetObject},
				Resource: Strings{"arn:aws:s3:::b/*"}})
			if after, left := doc.without(spoofed); fmt.Sprint(left) != `["Theirs"]` ||
				len(after.Statement) < 2 {
				t.Errorf("%s, %s: left is %q", g, o, left)
			}
			// A role alone takes nothing from the account.
			if after, _ := doc.without(role.Client); !after.letsIn(terms) ||
				after.letsIn(Terms{Client: "arn:aws:iam::222233334444:root"}) {
				t.Errorf("%s, %s: without the role it is\n%s", g, o, after)
			}
		}
	}
}
