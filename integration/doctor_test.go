package integration

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// finding and diagnosis are what `s3share doctor --json` prints.
type finding struct{ Check, Folder, State, Reason, Found, Hint, Error string }

type diagnosis struct {
	Worst      string
	Findings   []finding
	Statements []map[string]any
	IAM        map[string]any
	code       int // exit status
}

// find is the finding of a check in a folder.
func (d diagnosis) find(check, folder string) finding {
	i := slices.IndexFunc(d.Findings,
		func(f finding) bool { return f.Check == check && f.Folder == folder })
	if i < 0 {
		return finding{}
	}
	return d.Findings[i]
}

// as runs a command of s3share as the party, without a mount.
func (x *exchange) as(t *testing.T, p party, env []string, args ...string) (string, int) {
	t.Helper()
	home := t.TempDir()
	a := x.account(p)
	args = append([]string{args[0], "--bucket", x.Bucket, "--state-dir",
		filepath.Join(home, "state")}, append(x.endpoint(), args[1:]...)...)
	cmd := exec.CommandContext(t.Context(), s3shareBin, args...)
	if env != nil && env[0] == "unshare" { // without /dev/fuse
		cmd = exec.CommandContext(t.Context(), "unshare", append([]string{"-m", "sh",
			"-c", `mount -t tmpfs none /dev && exec "$@"`, "sh", s3shareBin}, args...)...)
		env = env[1:]
	}
	cmd.Env = append(append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+a.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.SecretAccessKey, "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=",
		"HOME="+home, "XDG_CONFIG_HOME="+home), append(x.reach(), env...)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	code := exitCode(t, cmd.Run())
	if errs.Len() > 0 {
		t.Logf("%s %s: %s", p, args[0], errs.String())
	}
	return out.String(), code
}

func (x *exchange) doctor(t *testing.T, p party, env []string, args ...string) diagnosis {
	t.Helper()
	out, code := x.as(t, p, env, append([]string{"doctor", "--json"}, args...)...)
	d := diagnosis{code: code}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("doctor: %v in %q", err, out)
	}
	return d
}

// sound is a policy with all that an exchange needs.
func (x *exchange) sound() []map[string]any {
	return x.statements(toList, allow{submissions, toGet}, allow{delivery, toPut},
		allow{delivery, []string{"s3:AbortMultipartUpload"}})
}

// A fault is one thing that is wrong, and what doctor has to say of it.
type fault struct {
	name                 string
	plant                func(x *exchange, g *gateway) (args, env []string)
	party                party
	check, folder, state string
	says                 string // in the finding, its hint or the error
	mends                bool   // by the statements that are printed
	local                bool   // Ceph RGW does not have it, or cannot show it
}

// policyFault is a policy that lacks something.
func policyFault(statements func(x *exchange) []map[string]any) func(*exchange,
	*gateway) (args, env []string) {
	return func(x *exchange, _ *gateway) ([]string, []string) {
		x.govern(x.t, statements(x)...)
		return nil, nil
	}
}

// answering is a server that answers requests of these names so.
func answering(status int, code, message string, ops ...string) func(*exchange,
	*gateway) (args, env []string) {
	return func(_ *exchange, g *gateway) ([]string, []string) {
		g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
			if len(ops) > 0 && !slices.Contains(ops, op) {
				return false
			}
			w.Header().Set("X-Amz-Request-Id", "PLANTED")
			w.WriteHeader(status)
			if r.Method != http.MethodHead {
				_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>" +
					message + "</Message></Error>"))
			}
			return true
		})
		return nil, nil
	}
}

var faults = []fault{
	{name: "no put in Delivery", party: client, check: "put", folder: "Delivery", says: "s3:PutObject", mends: true,
		plant: policyFault(func(x *exchange) []map[string]any {
			return x.statements(toList, allow{submissions, toGet})
		})},
	{name: "no get in Submissions", party: client, check: "get", folder: "Submissions", says: "s3:GetObject", mends: true,
		plant: policyFault(func(x *exchange) []map[string]any {
			return x.statements(toList, allow{delivery, toPut})
		})},
	{name: "no list", party: client, check: "list", folder: "Delivery", says: "s3:ListBucket", mends: true,
		plant: policyFault(func(x *exchange) []map[string]any {
			return x.statements(allow{submissions, toGet}, allow{delivery, toPut})
		})},
	{name: "no PutObjectAcl", party: client, check: "ACL", folder: "Delivery", says: "s3:PutObjectAcl", mends: true, local: true,
		plant: policyFault(func(x *exchange) []map[string]any {
			return x.statements(toList, allow{submissions, toGet}, allow{delivery, toPut[:1]})
		})},
	{name: "a condition that refuses the ACL", party: client, check: "put", folder: "Delivery", says: "ACL", local: true,
		plant: policyFault(func(x *exchange) []map[string]any {
			return append(x.sound(), map[string]any{
				"Effect": "Deny", "Principal": x.principal(x.Client), "Action": "s3:PutObject", "Resource": x.arn(delivery),
				"Condition": map[string]any{"StringEquals": map[string]any{"s3:x-amz-acl": "bucket-owner-full-control"}},
			})
		})},
	{name: "no delete", party: client, check: "delete", folder: "Delivery", state: "note", says: "removed or renamed",
		plant: func(*exchange, *gateway) (args, env []string) { return nil, nil }},
	{name: "KMS key refused", party: client, check: "put", folder: "Delivery", says: "kms:GenerateDataKey",
		plant: answering(403, "AccessDenied",
			"User is not authorized to perform: kms:GenerateDataKey on this resource", "CreateMultipartUpload", "PutObject")},
	{name: "wrong region", party: client, check: "region", says: "eu-west-1",
		plant: func(_ *exchange, g *gateway) (args, env []string) {
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
				w.WriteHeader(http.StatusBadRequest)
				return true
			})
			return []string{"--region", "us-east-1"}, nil
		}},
	{name: "clock 20 minutes slow", party: client, check: "clock", says: "20m",
		plant: func(_ *exchange, g *gateway) (args, env []string) {
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodHead {
					return false
				}
				w.Header().Set("X-Amz-Request-Id", "PLANTED")
				w.Header().Set("Date", time.Now().Add(20*time.Minute).UTC().Format(http.TimeFormat))
				return true
			})
			return nil, nil
		}},
	{name: "clock that S3 refuses", party: client, check: "clock", says: "clock is wrong",
		plant: answering(403, "RequestTimeTooSkewed", "The difference is too large.")},
	{name: "expired token", party: client, check: "credentials", says: "expired",
		plant: answering(400, "ExpiredToken", "The provided token has expired.")},
	{name: "everything refused that is not encrypted", party: client, check: "TLS", says: "https",
		plant: answering(403, "AccessDenied", "Access Denied")},
	{name: "unreadable objects, seen by the owner", party: owner, check: "readable", says: "1", plant: upload},
	{name: "unreadable objects, seen by the client", party: client, check: "readable", says: "repair", plant: upload},
	{name: "no such bucket", party: client, check: "bucket", says: "no bucket",
		plant: func(*exchange, *gateway) (args, env []string) {
			return []string{"--bucket", "no-such-bucket-here"}, nil
		}},
	{name: "wrong access key", party: client, check: "credentials", says: "access key",
		plant: func(*exchange, *gateway) (args, env []string) {
			return nil, []string{"AWS_ACCESS_KEY_ID=AKIANOBODYHASTHISKEY"}
		}},
	{name: "wrong secret key", party: client, check: "credentials", says: "secret key",
		plant: func(*exchange, *gateway) (args, env []string) {
			return nil, []string{"AWS_SECRET_ACCESS_KEY=wrong"}
		}},
	{name: "another owner", party: client, check: "bucket", says: "does not belong",
		plant: func(_ *exchange, g *gateway) (args, env []string) {
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return r.Header.Get("X-Amz-Expected-Bucket-Owner") != "" &&
					refuse(w, r, 403, "AccessDenied")
			})
			return []string{"--owner", "999988887777"}, nil
		}},
	{name: "dead endpoint", party: client, check: "endpoint", says: "nothing answers",
		plant: func(*exchange, *gateway) (args, env []string) {
			return []string{"--endpoint-url", "http://127.0.0.1:1"}, nil
		}},
	{name: "unwritable state directory", party: client, check: "state directory", says: "not a directory",
		plant: func(x *exchange, _ *gateway) (args, env []string) {
			file := filepath.Join(x.t.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				x.t.Fatal(err)
			}
			return []string{"--state-dir", filepath.Join(file, "state")}, nil
		}},
	{name: "no FUSE", party: client, check: "FUSE", says: "/dev/fuse",
		plant: func(x *exchange, _ *gateway) (args, env []string) {
			if os.Getuid() != 0 {
				x.t.Skip("only root can hide /dev/fuse from one process")
			}
			return nil, []string{"unshare"}
		}},
}

// upload puts an object as other tools do.
func upload(x *exchange, _ *gateway) (args, env []string) {
	x.put(client, delivery+"without the ACL", []byte("closed"), false)
	return nil, nil
}

// TestDoctor plants faults, one at a time: doctor finds each, names it, and where it
// prints a statement, that mends it.
func TestDoctor(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if f.local && server.onRGW() {
				t.Skip("Ceph RGW does not show it")
			}
			direct := newExchange(t, "folders").in(t)
			direct.put(owner, submissions+"theirs", []byte("for the client"), true)
			direct.govern(t, direct.sound()...)
			if d := direct.doctor(t, f.party, nil); d.code != 0 || d.Worst == "missing" {
				t.Fatalf("before the fault doctor ends with %d: %+v", d.code, d)
			}
			x, g := direct.through(t)
			x.t = t
			args, env := f.plant(x, g)
			before := direct.list()
			d := x.doctor(t, f.party, env, args...)
			state, code := "missing", 1
			if f.state != "" {
				state, code = f.state, 0
			}
			got := d.find(f.check, f.folder)
			if got.State != state ||
				!strings.Contains(got.Found+" "+got.Hint+" "+got.Error, f.says) || d.code != code {
				t.Errorf("doctor ends with %d and finds %+v; want %d, %s, %q\n%+v",
					d.code, got, code, state, f.says, d)
			}
			for _, other := range d.Findings {
				if other.State == "missing" && other.Check != f.check &&
					!related[f.name][other.Check] {
					t.Errorf("doctor also finds %+v", other)
				}
			}
			if after := direct.list(); len(after) != len(before) {
				t.Errorf("doctor has changed %v to %v", before, after)
			}
			for _, s := range d.Statements { // nothing is asked for that is called not needed
				text, err := json.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				for _, other := range d.Findings {
					action := map[string]string{"list": "s3:ListBucket", "get": "s3:GetObject",
						"put": "s3:PutObject", "ACL": "s3:PutObjectAcl",
						"delete": "s3:DeleteObject"}[other.Check]
					if action != "" && other.State == "note" && strings.Contains(string(text),
						`"`+action+`"`) && strings.Contains(string(text), "/"+other.Folder+"/") {
						t.Errorf("doctor asks for %s, and says of it: %s", action, other.Found)
					}
				}
			}
			if !f.mends {
				return
			}
			if len(d.Statements) == 0 {
				t.Fatal("doctor prints no statement")
			}
			lacking := d.Statements
			f.plant(x, g)
			x.govern(t, append(x.policy(t), lacking...)...)
			if d := x.doctor(t, f.party, env, args...); d.code != 0 ||
				d.find(f.check, f.folder).State != "ok" && !server.onRGW() {
				t.Errorf("with the statement %v doctor ends with %d: %+v", lacking, d.code, d)
			}
		})
	}
}

// related are the checks that a fault makes fail beside its own.
var related = map[string]map[string]bool{
	"no list":            {"get": true},
	"no put in Delivery": {"ACL": true},
	"KMS key refused":    {"encryption": true},
	"everything refused that is not encrypted": {"list": true, "get": true, "put": true},
}

// TestDoctorTellsWhatTheServerDoes works on a server that refuses a copy's condition on its
// source: doctor has the mount's word on what was tried, and says "not tried" of all else.
func TestDoctorTellsWhatTheServerDoes(t *testing.T) {
	t.Parallel()
	needFuse(t)
	if server.onRGW() {
		t.Skip("what Ceph RGW does is its own matter")
	}
	x, g := newExchange(t, "full").in(t).through(t)
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return r.Header.Get("X-Amz-Copy-Source-If-Match") != "" &&
			refuse(w, r, http.StatusNotImplemented, "NotImplemented")
	})
	out, _ := x.as(t, client, nil, "doctor", "--verbose")
	if !strings.Contains(out, "What this server does (no mount tells):") ||
		strings.Contains(out, ": yes") || strings.Contains(out, ": no,") {
		t.Errorf("before anything is tried:\n%s", out)
	}
	m := x.mount(client)
	m.deliver(delivery+"a", []byte("first"))
	m.deliver(delivery+"a", []byte("second"))
	if err := os.Rename(m.path(delivery+"a"), m.path(delivery+"b")); err != nil {
		t.Fatal(err)
	}
	x.awaitObject(delivery+"b", []byte("second"))
	x.awaitGone(delivery + "a")
	out, err := m.run("doctor", "--verbose", m.dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"as the mount on " + m.dir + " has learnt", "If-None-Match: yes", "If-Match of the source: no,",
		"CompleteMultipartUpload  If-None-Match: not tried, If-Match: not tried, checksums of parts, taken: not tried", "DeleteObjects  many keys: not tried",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
}
