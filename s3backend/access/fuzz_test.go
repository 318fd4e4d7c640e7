package access

import "testing"

// FuzzLint looks at policies of any form: none ends the program, and what is read is
// written so that it reads the same.
func FuzzLint(f *testing.F) {
	f.Add([]byte(oddPolicy))
	f.Add([]byte(Document{}.With(team).String()))
	f.Add([]byte(`{"Statement": {"Effect": "Allow", "Principal": {"Federated": "x"}, "Action": ["s3:Get*", ":", "s3:"], "Resource": ["arn:aws:s3:::b/${*}${", "*"],
		"Condition": {"IpAddress": {"aws:SourceIp": ["::ffff:0:0/96", "0.0.0.0/1", "x/y"]}, "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/"}}}}`))
	f.Add(
		[]byte(
			`{"Statement": [{"NotPrincipal": "*", "NotAction": "s3:*", "NotResource": "*", "Condition": {"": {"": []}}}, {}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDocument(text)
		if err != nil {
			return
		}
		LintTerms(d, team).Review(append(d.Clients(), team.Client))
		again, err := ParseDocument(d.Bytes())
		if err != nil || !again.Equal(d) {
			t.Fatalf("%q is written as %q, which reads otherwise: %v", text, d.Bytes(), err)
		}
		after := d.With(team)
		d.wider(after, team, "111122223333")
		if same := d.wider(d, team, "111122223333"); len(same) > 0 {
			t.Fatalf("%q is wider than itself: %q", text, same)
		}
		d.without(team.Client)
	})
}
