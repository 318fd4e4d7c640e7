package access

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestInvitation(t *testing.T) {
	plain := regexp.MustCompile(`^[A-Za-z0-9._:/@%,=-]+$`)
	for _, i := range []Invitation{
		{Bucket: "team-exchange", Folders: DefaultFolders()},
		{Bucket: "team.exchange", Region: "eu-central-1", Owner: "111122223333", Folders: DefaultFolders()},
		{Bucket: "b", Owner: "111122223333", RequesterPays: true, Folders: DefaultFolders()},
		{Bucket: "b", Endpoint: "https://s3.example.com:8443/a?b=c,d", Owner: "a user", Folders: []string{"In", `Out, "of" $(x) ü,check=`}},
	} {
		text := i.String()
		if !plain.MatchString(text) {
			t.Errorf("%q has letters that a shell may read", text)
		}
		if got, err := ParseInvitation(" " + text + "\n"); err != nil ||
			!reflect.DeepEqual(got, i) {
			t.Errorf("ParseInvitation(%q) = %+v, %v, want %+v", text, got, err, i)
		}
		for n := range text { // one cut off anywhere, or with one letter changed
			if got, err := ParseInvitation(text[:n]); err == nil {
				t.Errorf("ParseInvitation(%q) = %+v", text[:n], got)
			}
			changed := []byte(text)
			changed[n] ^= 1
			if got, err := ParseInvitation(string(changed)); err == nil {
				t.Errorf("ParseInvitation(%q) = %+v", changed, got)
			}
		}
	}
}

func TestParseInvitationRefuses(t *testing.T) {
	whole := func(s string) string { return s + ",check=" + checksum(s) }
	for _, text := range []string{"", "s3://b", "s3share:", whole("s3share:"),
		whole("s3share:b,owner="), whole("s3share:b,owner"), whole("s3share:b,secret=x"),
		whole("s3share:b%zz"), whole("s3share:b,payer=somebody")} {
		if got, err := ParseInvitation(text); err == nil {
			t.Errorf("ParseInvitation(%q) = %+v", text, got)
		}
	}
}

// FuzzInvitationLine reads any text as an invitation, with the checksum that it should have:
// what is read is written so that it reads the same, and in letters that no shell reads.
func FuzzInvitationLine(f *testing.F) {
	for _, text := range []string{
		"", "s3share:", "s3share:b", "s3share:b,owner=1,region=r,endpoint=https://x:1/,folder=In,folder=Out,payer=requester", "s3share:b,folder=",
		"s3share:%00%0a,owner=%1b%5b2J", "s3share:b,endpoint=http://127.0.0.1:631", "s3share:b%2", "s3share:b,,", "s3share:b,owner=1,owner=2",
		"s3share:b,folder=Submissions,folder=Delivery", "s3share:b,folder=..,folder=%2f", "S3SHARE:b", "s3share:b,check=1,check=2",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ParseInvitation(text)
		i, err := ParseInvitation(text + ",check=" + checksum(strings.TrimSpace(text)))
		if err != nil {
			return
		}
		written := i.String()
		if again, err := ParseInvitation(written); err != nil || !reflect.DeepEqual(again, i) {
			t.Fatalf("%q is %+v, written as %q, which is %+v, %v", text, i, written, again, err)
		}
		if strings.ContainsFunc(written, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune("\"'`$&|;<>()*?[]{}!#\\", r)
		}) {
			t.Fatalf("%q is written as %q, which a shell may read", text, written)
		}
	})
}

func FuzzParseInvitation(f *testing.F) {
	f.Add("b", "o", "In")
	f.Fuzz(func(t *testing.T, bucket, owner, folder string) {
		if bucket == "" || folder == "" {
			return
		}
		i := Invitation{Bucket: bucket, Owner: owner, Folders: []string{folder, "x"}}
		if got, err := ParseInvitation(i.String()); err != nil || !reflect.DeepEqual(got, i) {
			t.Errorf("%+v became %+v, %v", i, got, err)
		}
	})
}

func TestClientPrincipal(t *testing.T) {
	for _, tt := range []struct {
		name, region string
		elsewhere    bool
		want         string // "" for refused
	}{
		{"444455556666", "eu-central-1", false, "arn:aws:iam::444455556666:root"},
		{"4444-5555-6666", "", false, "arn:aws:iam::444455556666:root"},
		{"444455556666", "cn-north-1", false, "arn:aws-cn:iam::444455556666:root"},
		{"444455556666", "us-gov-west-1", false, "arn:aws-us-gov:iam::444455556666:root"},
		{"arn:aws:iam::444455556666:role/a/b", "", false, "arn:aws:iam::444455556666:role/a/b"},
		{"arn:aws:sts::444455556666:assumed-role/r/s", "", false, "arn:aws:sts::444455556666:assumed-role/r/s"},
		{"arn:aws:iam:::user/c", "", true, "arn:aws:iam:::user/c"},
		{"clientkey", "", true, "clientkey"},
		{"arn:aws:iam:::user/c", "", false, ""},
		{"clientkey", "", false, ""},
		{"arn:aws:iam::444455556666:role/*", "", false, ""},
		{"arn:aws:iam::444455556666:group/a", "", false, ""},
		{"arn:aws:s3:::b", "", false, ""},
		{"*", "", false, ""},
		{"*", "", true, ""},
		{"", "", true, ""},
	} {
		got, err := ClientPrincipal(tt.name, tt.region, tt.elsewhere)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ClientPrincipal(%q, %q, %v) = %q, %v, want %q", tt.name, tt.region,
				tt.elsewhere, got, err, tt.want)
		}
	}
}

func TestMatchesPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b", true},
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b", false},
		{"a?c*", "abc", true},
		{"a?c", "ac", false},
		{"a.c", "abc", false},
		{"${*}${?}${$}", "*?$", true},
		{"${*}", "a", false},
		{"a${$}*", "a$b", true},
		{`a\*`, `a\bc`, true},
		{"*", "line\nline", true},
	} {
		if got := matchesPattern(tt.pattern, tt.text, false); got != tt.want {
			t.Errorf("matchesPattern(%q, %q) = %v", tt.pattern, tt.text, got)
		}
	}
}
