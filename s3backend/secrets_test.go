package s3backend

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatCredentialProcessPrintsIsNotRepeated has one print its secret in ways that it
// must not.
func TestWhatCredentialProcessPrintsIsNotRepeated(t *testing.T) {
	for _, printed := range []string{
		`Fetching. {"Version":1,"AccessKeyId":"A","SecretAccessKey":"CANARY"}`,
		`{"Version":1,"AccessKeyId":"A","SecretAccessKey":"CANARY"`,
		`{"Version":"CANARY","AccessKeyId":"A","SecretAccessKey":"CANARY"}`,
		`{"Version":2,"AccessKeyId":"A","SecretAccessKey":"CANARY"}`,
		`{"Version":1,"SecretAccessKey":"CANARY"}`,
		`["CANARY"]`, `CANARY`, `"CANARY"`,
	} {
		dir := t.TempDir()
		output, config := filepath.Join(dir, "output"), filepath.Join(dir, "config")
		if err := errors.Join(os.WriteFile(output, []byte(printed), 0o600), os.WriteFile(config,
			[]byte("[default]\ncredential_process = cat "+output+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CONFIG_FILE", config)
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
			"AWS_SESSION_TOKEN", "AWS_PROFILE"} {
			t.Setenv(name, "")
		}
		loaded, err := load(t.Context(), Config{Region: "r"})
		if err == nil {
			_, err = loaded.Credentials.Retrieve(t.Context())
		}
		if err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", printed, err)
		}
	}
}

// TestAnEndpointHasNoPassword: one that has is refused, and it is not shown.
func TestAnEndpointHasNoPassword(t *testing.T) {
	for _, endpoint := range []string{
		"https://user:CANARY@s3.example.com", "http://CANARY@127.0.0.1:9000/path", "https://user:CAN/CANARY@s3.example.com", "user:CANARY@host",
		"https://user:CANARY%zz@host", "https://user:CANARY@host:port", "ftp://user:CANARY@host", "http://user:CANARY@s3.example.com", "https://a@b:CANARY@host",
	} {
		_, err := Open(t.Context(), Config{Bucket: "b", Region: "r", Endpoint: endpoint})
		if err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
