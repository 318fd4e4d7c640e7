package integration

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nobodyIAM allows nothing that an exchange needs.
const nobodyIAM = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}`

const allIAM = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`

// rightsIn are the states of doctor's checks of what is granted.
func rightsIn(d diagnosis) map[string]string {
	all := map[string]string{}
	for _, folder := range []string{"Submissions", "Delivery"} {
		for _, check := range []string{"list", "get", "put", "ACL", "delete"} {
			all[check+" "+folder] = d.find(check, folder).State
		}
	}
	return all
}

// TestAWSOtherHalf has a bucket policy that grants all, and a client whose own account
// allows nothing. Doctor prints the policy that the client's administrator attaches; with
// it, and with that of `s3share policy --iam`, doctor's word changes, and files are
// delivered.
func TestAWSOtherHalf(t *testing.T) {
	t.Parallel()
	if server.onRGW() {
		t.Skip("the rules of AWS are localbucket's")
	}
	file := filepath.Join(t.TempDir(), "iam.json")
	attach := func(policy string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	attach(nobodyIAM)
	l, stop, err := serve("--aws", "--empty", "--client-iam", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	l.Bucket = "t-" + strings.ToLower(rand.Text()[:16])
	x := exchangeOf(t, l)
	for _, grant := range []string{"dropbox", "folders", "article", "full"} {
		attach(nobodyIAM)
		if out, code := x.init(t, "--grant", grant, "--widen"); code != 0 {
			t.Fatalf("init ends with %d:\n%s", code, out)
		}
		d := x.doctor(t, client, nil)
		if d.code != 1 || d.IAM == nil {
			t.Fatalf("%s: doctor ends with %d and prints the IAM policy %v", grant, d.code, d.IAM)
		}
		if text, _ := x.as(t, client, nil, "doctor"); !strings.Contains(text, "administrator") ||
			strings.Count(text, `"s3:PutObject"`) != 2 {
			t.Errorf("%s: doctor does not print both halves:\n%s", grant, text)
		}
		byDoctor, err := json.Marshal(d.IAM)
		if err != nil {
			t.Fatal(err)
		}
		byPolicy, err := newDesk(t, x, client).types(t,
			"s3share policy "+x.Bucket+" --iam --grant "+grant)
		if err != nil {
			t.Fatalf("policy --iam: %v\n%s", err, byPolicy)
		}
		attach(allIAM)
		want := rightsIn(x.doctor(t, client, nil))
		for name, policy := range map[string]string{"doctor": string(byDoctor),
			"policy": byPolicy} {
			attach(policy)
			got := rightsIn(x.doctor(t, client, nil))
			if name == "doctor" { // it prints what any mount needs
				for _, check := range []string{"put Submissions", "ACL Submissions",
					"delete Submissions", "delete Delivery"} {
					delete(got, check)
				}
			}
			for check, state := range got {
				if state != want[check] {
					t.Errorf("%s: with what %s prints, doctor says %s of %s, want %s:\n%s",
						grant, name, state, check, want[check], policy)
				}
			}
		}
		m := x.mount(client)
		m.write(delivery+grant, []byte("delivered"))
		x.awaitObject(delivery+grant, []byte("delivered"))
		m.unmount()
	}
}
