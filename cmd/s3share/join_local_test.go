package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
	"github.com/s3share/s3share/s3backend/access"
)

// listener is a program on this machine that a line may lead to. It notes what it is sent.
type listener struct {
	*httptest.Server
	header http.Header // that it answers with

	mu   sync.Mutex
	sent []string
}

func newListener(t *testing.T, header http.Header) *listener {
	l := &listener{header: header}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.sent = append(l.sent, fmt.Sprint(r.Method, r.URL, r.Header))
		l.mu.Unlock()
		for name, values := range l.header {
			w.Header()[name] = values
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) took() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.sent = nil }()
	return strings.Join(l.sent, "\n")
}

// TestJoinTrustsNoPort takes lines that lead to some program on this machine: it is sent no
// credentials, unless somebody on this machine has named it too, or has been asked.
func TestJoinTrustsNoPort(t *testing.T) {
	static := []string{"AWS_ACCESS_KEY_ID=AKIACANARY",
		"AWS_SECRET_ACCESS_KEY=canary-secret", "AWS_SESSION_TOKEN="}
	temporary := append(static[:2:2], "AWS_SESSION_TOKEN=canary-token")
	s3 := http.Header{"X-Amz-Request-Id": {"1"}}
	for _, tt := range []struct {
		name   string
		env    []string
		header http.Header
		yes    bool
		signed bool // requests with the credentials are sent
	}{
		{"some program, temporary credentials", temporary, nil, false, false},
		{"some program", static, nil, false, false},
		{"what is like S3, temporary credentials", temporary, s3, false, false},
		{"what is like S3", static, s3, false, true},
		{"agreed to", temporary, nil, true, true},
		{"named in the environment", append(temporary[:3:3], "AWS_ENDPOINT_URL_S3=HERE"), nil, false, true},
	} {
		for _, host := range []string{"127.0.0.1", "localhost"} {
			t.Run(tt.name+" at "+host, func(t *testing.T) {
				l := newListener(t, tt.header)
				at := strings.Replace(l.URL, "127.0.0.1", host, 1)
				line := access.Invitation{Bucket: "team-exchange", Region: "us-east-1",
					Endpoint: at, Owner: "111122223333"}.String()
				args := []string{"join", line}
				if tt.yes {
					args = append(args, "--yes")
				}
				var env []string
				for _, e := range tt.env {
					env = append(env, strings.Replace(e, "HERE", at, 1))
				}
				out, code := s3share(t, testhome.Home(t),
					append(env, "AWS_EC2_METADATA_DISABLED=true"), args...)
				sent := l.took()
				if got := strings.Contains(sent, "Authorization"); got != tt.signed ||
					strings.Contains(sent, "canary-token") && !tt.signed ||
					strings.Contains(sent, "canary-secret") {
					t.Errorf("sent was\n%s\nwant it signed: %v; said was\n%s", sent, tt.signed, out)
				}
				if code != hint.ExitFailed || !tt.signed && !strings.Contains(out, "--yes") {
					t.Errorf("it ends with %d and says\n%s", code, out)
				}
			})
		}
	}
}

// TestJoinShowsWhatChanges takes a line where the config file has another exchange of the
// name: nothing is sent or written before somebody has agreed.
func TestJoinShowsWhatChanges(t *testing.T) {
	for _, tt := range []struct{ name, before, says string }{
		{"no owner", "bucket = \"team-exchange\"\n", `owner: "111122223333" (now nothing)`},
		{"other folders", "bucket = \"team-exchange\"\nowner = \"111122223333\"\nregion = \"eu-central-1\"\nfolders = [\"In\", \"Out\"]\n", `folders: nothing (now ["In", "Out"])`},
		{"another region", "bucket = \"team-exchange\"\nowner = \"111122223333\"\nregion = \"us-east-1\"\n", `region: "eu-central-1" (now "us-east-1")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owners := testhome.Home(t)
			f := setUp{}.aws(t, owners)
			if out, code := s3share(t, owners, f.as("OWNER"),
				setUp{}.command("--yes")...); code != hint.ExitOK {
				t.Fatal(out)
			}
			dir := testhome.Home(t)
			line := access.Invitation{Bucket: "team-exchange", Region: "eu-central-1",
				Owner: "111122223333"}.String()
			before := "[exchange.team-exchange]\n" + tt.before
			testhome.Write(t, dir, ".config/s3share/config.toml", before)
			file := filepath.Join(dir, ".config/s3share/config.toml")
			out, code := s3share(t, dir, f.as("CLIENT"), "join", line)
			text, err := os.ReadFile(file)
			if code == hint.ExitOK || !strings.Contains(out, tt.says) || err != nil ||
				string(text) != before {
				t.Errorf("it ends with %d and says\n%s\nand the file is\n%s", code, out, text)
			}
			if strings.Contains(out, "You may") {
				t.Errorf("S3 was asked before:\n%s", out)
			}
			out, code = s3share(t, dir, f.as("CLIENT"), "join", line, "--yes")
			if text, err = os.ReadFile(file); code != hint.ExitOK || err != nil ||
				string(text) == before {
				t.Errorf("with --yes it ends with %d and says\n%s\nand the file is\n%s",
					code, out, text)
			}
		})
	}
}
