package main

import (
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// TestInitUntil lets a client in whose access ends, and changes when: a later end is more than
// now, an earlier one is not, and what nobody says stays as it is.
func TestInitUntil(t *testing.T) {
	dir := testhome.Home(t)
	f := setUp{}.aws(t, dir)
	command := setUp{}.command("--yes")
	golden(t, "init-until", dir, f.as("OWNER"), append(command, "--until", "2099-01-31")...)
	goldenText(t, "init-until-requests", indentXML(t, f.took())+"\n")
	golden(t, "init-until-again", dir, f.as("OWNER"), command...)
	if changed := f.took(); changed != "" {
		t.Errorf("the second time it sends\n%s", changed)
	}
	golden(t, "init-until-later", dir, f.as("OWNER"),
		append(command, "--until", "2099-03-01T18:00:00Z")...)
	for _, tt := range []struct {
		name  string
		args  []string
		wider bool
		puts  []string // what the policy that is put has, with %s for an Allow's end
		lacks string
	}{
		{"the same end", []string{"--until", "2099-01-31"}, false, nil, ""},
		{"an earlier end", []string{"--until", "2099-01-01"}, false, []string{`"aws:CurrentTime":"2099-01-02T00:00:00Z"`}, "2099-02-01"},
		{"another grant", []string{"--grant", "dropbox"}, false, []string{`"aws:CurrentTime":"2099-01-02T00:00:00Z"`}, "S3shareGets"},
		{"a later end", []string{"--until", "2099-12-31T18:00:00+02:00"}, true, []string{`"aws:CurrentTime":"2099-12-31T16:00:00Z"`}, "2099-01-02"},
		{"no end", []string{"--until", "never"}, true, []string{"S3shareDelivers"}, "CurrentTime"},
		{"an end at last", []string{"--until", "2098-12-31"}, false, []string{`"aws:CurrentTime":"2099-01-01T00:00:00Z"`}, "S3shareGets"},
	} {
		out, code := s3share(t, dir, f.as("OWNER"), append(command, tt.args...)...)
		changed := f.took()
		if tt.wider {
			if code != hint.ExitFailed || changed != "" || !strings.Contains(out, "--widen") {
				t.Errorf("%s: without --widen it ends with %d and says\n%s\nand sends\n%s",
					tt.name, code, out, changed)
			}
			out, code = s3share(t, dir, f.as("OWNER"),
				append(command, append(tt.args, "--widen")...)...)
			changed = f.took()
		}
		ok := code == hint.ExitOK && (changed == "") == (tt.puts == nil) &&
			(tt.lacks == "" || !strings.Contains(changed, tt.lacks))
		for _, want := range tt.puts {
			ok = ok && strings.Contains(changed, want)
		}
		if !ok {
			t.Errorf("%s: it ends with %d and says\n%s\nand sends\n%s\nwant %q in it, and not %q",
				tt.name, code, out, changed, tt.puts, tt.lacks)
		}
	}
}

// TestInitShowsAnEndThatIsPast runs init again where the client's access has ended, and where
// somebody has changed when it does.
func TestInitShowsAnEndThatIsPast(t *testing.T) {
	dir := testhome.Home(t)
	policy, code := s3share(t, dir, nil, "policy", "team-exchange", "--client", "444455556666",
		"--until", "2099-01-31")
	if code != hint.ExitOK {
		t.Fatal(policy)
	}
	past := strings.ReplaceAll(policy, "2099-02-01", "2020-02-01")
	f := setUp{exists: true, before: map[string]string{"policy": past}}.aws(t, dir)
	golden(t, "init-until-past", dir, f.as("OWNER"), setUp{}.command("--dry-run")...)
	golden(t, "init-until-renewed", dir,
		f.as("OWNER"), setUp{}.command("--until", "2099-01-31", "--dry-run")...)

	testhome.Write(t, dir, "policy.json", policy)
	golden(t, "check-until", dir, nil, "policy", "--check", "policy.json")
	testhome.Write(t, dir, "policy.json", past)
	golden(t, "check-until-past", dir, nil, "policy", "--check", "policy.json")

	mixed := strings.Replace(policy, "2099-02-01", "2098-02-01", 1)
	testhome.Write(t, dir, "policy.json", mixed)
	golden(t, "check-until-mixed", dir, nil, "policy", "--check", "policy.json")
	f = setUp{exists: true, before: map[string]string{"policy": mixed}}.aws(t, dir)
	golden(t, "init-until-changed", dir,
		f.as("OWNER"), setUp{}.command("--until", "2099-01-31", "--yes")...)
	if changed := f.took(); changed != "" {
		t.Errorf("it sends\n%s", changed)
	}
}

// TestInitKeep has objects deleted by lifecycle rules of ours: those of others stay, and what
// nobody says stays as it is.
func TestInitKeep(t *testing.T) {
	dir := testhome.Home(t)
	f := setUp{exists: true, before: map[string]string{"lifecycle": foreignRules}}.aws(t, dir)
	command := setUp{}.command("--yes")
	golden(t, "init-keep", dir, f.as("OWNER"), append(command, "--keep", "90d", "--versioning")...)
	goldenText(t, "init-keep-requests", indentXML(t, f.took())+"\n")
	golden(t, "init-keep-again", dir, f.as("OWNER"), command...)
	if changed := f.took(); changed != "" {
		t.Errorf("the second time it sends\n%s", changed)
	}
	golden(t, "init-keep-shorter", dir, f.as("OWNER"),
		setUp{}.command("--keep", "1d", "--dry-run")...)
	for _, tt := range []struct {
		keep  string
		sends []string
		lacks string
	}{
		{"90d", nil, ""},
		{"30d", []string{"<Days>30</Days>", "<ID>theirs</ID>", "<ID>old</ID>", "s3share-keep-shared", "s3share-keep-delivered", "s3share-incomplete-uploads"}, "<Days>90</Days>"},
		{"forever", []string{"<ID>theirs</ID>", "<ID>old</ID>", "s3share-incomplete-uploads"}, "s3share-keep"},
		{"forever", nil, ""},
	} {
		out, code := s3share(t, dir, f.as("OWNER"), append(command, "--keep", tt.keep)...)
		changed := f.took()
		ok := code == hint.ExitOK && (changed == "") == (tt.sends == nil) &&
			(tt.lacks == "" || !strings.Contains(changed, tt.lacks))
		for _, want := range tt.sends {
			ok = ok && strings.Contains(changed, want)
		}
		if !ok {
			t.Errorf(
				"--keep %s ends with %d and says\n%s\nand sends\n%s\nwant %q in it, and not %q",
				tt.keep, code, out, changed, tt.sends, tt.lacks)
		}
	}
}

// TestInitDescribesWhatItKeeps: the other tools are given the rules as well, where no other
// rules are, and a note where there are some.
func TestInitDescribesWhatItKeeps(t *testing.T) {
	for name, s := range map[string]setUp{
		"init-keep-alone":  {args: []string{"--keep", "90d", "--until", "2099-01-31"}},
		"init-keep-beside": {exists: true, before: map[string]string{"lifecycle": foreignRules}, args: []string{"--keep", "90d"}},
	} {
		for _, form := range []string{"terraform", "cloudformation"} {
			dir := testhome.Home(t)
			f := s.aws(t, dir)
			golden(t, name+"-"+form, dir, f.as("OWNER"), s.command("--"+form)...)
		}
	}
}
