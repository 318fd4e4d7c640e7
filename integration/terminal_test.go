package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// spoken is what would speak to a terminal, or be read as what it is not: escape
// sequences, in one byte and in two, a return to the line's begin, and characters that
// turn the direction of writing or cannot be seen.
const spoken = "\x1b[31m\x1b]0;t\x07\r\u009b2J\u202egpj\u200b\u2066\ufeff\x7f"

// words are spoken without the control characters that XML cannot hold, and that servers
// make others of.
var words = strings.Map(func(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}, spoken)

// speaks returns what in the output of a command a terminal would not just show.
func speaks(out string) string {
	for _, r := range out {
		if r == utf8.RuneError || !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

// TestNothingThatIsPrintedSpeaksToTheTerminal has names, reasons and answers that the
// other party, a server or another user's daemon chose go through each command that
// prints them.
func TestNothingThatIsPrintedSpeaksToTheTerminal(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, what, out string) {
		t.Helper()
		if r := speaks(out); r != "" {
			t.Errorf("%s prints %s:\n%q", what, r, out)
		}
		if !strings.Contains(out, `31m`) && !strings.Contains(out, `2J`) &&
			!strings.Contains(out, `gpj`) {
			t.Errorf("%s prints nothing of it:\n%s", what, out)
		}
	}
	t.Run("the other party's keys", func(t *testing.T) {
		x := newExchange(t, "full")
		key := delivery + words
		x.put(client, key, []byte("x"), false)
		out, _ := x.as(t, owner, nil, "repair", "--dry-run")
		check(t, "repair", out)
		out, _ = x.as(t, owner, nil, "repair", "--dry-run", "--json")
		check(t, "repair --json", out)
		var found struct{ Key string }
		if err := json.Unmarshal([]byte(out), &found); err != nil || found.Key != key {
			t.Errorf("as JSON the key is %q, %v, want %q", found.Key, err, key)
		}
		out, _ = x.as(t, client, nil, "repair")
		check(t, "repair by who uploaded it", out)
	})
	t.Run("a server's answers", func(t *testing.T) {
		evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Request-Id", "id\x9b31m")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w,
				"<Error><Code>Refused"+words+"</Code><Message>"+words+"&#13;"+"</Message></Error>")
		}))
		defer evil.Close()
		x := &exchange{line: server}
		x.Bucket, x.Endpoint = "b", evil.URL
		home := t.TempDir()
		for _, args := range [][]string{
			{"doctor", "--bucket", "b", "--endpoint-url", evil.URL, "--folder", "In" + spoken},
			{"doctor", "--json", "--bucket", "b", "--endpoint-url", evil.URL, "--folder", "In" + spoken},
			{"repair", "--bucket", "b", "--endpoint-url", evil.URL, "--folder", "In" + spoken},
			{"init", "b" + spoken, "--endpoint-url", evil.URL, "--client", "x", "--yes"},
			{"join", "s3share:" + spoken},
			{"status", home + "/" + spoken},
			{"mount", "no" + spoken, home},
		} {
			cmd := exec.CommandContext(t.Context(), s3shareBin, args...)
			cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home,
				"AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s", "AWS_REGION=us-east-1")
			out, _ := cmd.CombinedOutput()
			check(t, args[0], string(out))
		}
	})
	t.Run("another user's daemon", func(t *testing.T) {
		needRoot(t)
		const uid = 61004
		dir := dirOf(t, uid, 0o755, commonDir(t), "mnt")
		mountAs(t, uid, dir)
		file := map[string]any{
			"path": "Delivery/" + spoken, "key": "Delivery/" + spoken, "theirs": spoken, "state": "blocked" + spoken, "reason": "because\n" + spoken,
			"code": spoken, "request_id": spoken, "size": 1, "since": time.Now(),
		}
		startFakeDaemon(t, uid, dir, map[string]any{
			"dir": dir, "mounted": true, "bucket": "b" + spoken, "exchange": spoken, "region": spoken, "owed": []any{file}, "beside": []any{file},
			"paused": map[string]any{"reason": spoken, "hint": spoken, "code": spoken},
			"files":  1, "left": []any{file}, "error": spoken, "phase": "ended", "outcome": "left",
		})
		for _, args := range [][]string{
			{"status", dir}, {"status", "--json", dir}, {"why", filepath.Join(dir, "Delivery", spoken)}, {"wait", dir}, {"retry", dir}, {"deliver", dir}, {"unmount", dir},
		} {
			cmd := exec.CommandContext(t.Context(), s3shareBin, args...)
			cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR=")
			out, _ := cmd.CombinedOutput()
			check(t, args[0], string(out))
		}
	})
}
