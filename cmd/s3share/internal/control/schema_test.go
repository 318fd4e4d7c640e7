package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// full is a state in which no field is empty, but for names that have to be others.
func full() State {
	words := Words{Reason: "r", Hint: "h", Code: "c"}
	now := time.Unix(1234567890, 0).UTC()
	file := outbox.Status{
		Key: "k", Path: "p", State: outbox.Blocked, Size: 1, Sent: 1, InFlight: 1,
		Speed: 1, Reason: "r", Paused: true, Hint: "h", Detail: "d",
		Theirs: "t", Code: "c", RequestID: "i", Since: now,
	}
	return State{
		Schema: Schema, Version: "v", PID: 1, Dir: "/d", Mounted: true, Daemon: DaemonRuns,
		Since: now, Exchange: "e", Bucket: "b", Region: "r",
		Endpoint: "e", Folders: []string{"f"}, ReadOnly: true, Payer: true, StateDir: "/s",
		CacheDir: "/c", LogFile: "/l",
		Login: s3backend.LoginMethod{Profile: "p", SSO: true,
			MFA: "m", Fixed: true}, Paused: &Pause{Words: words, By: PausedByMetered, Since: now},
		Pending: []outbox.Status{file}, Unresolved: []outbox.Status{file}, Path: "p",
		File:       &FileState{State: "delivered", At: now, Words: words},
		Requests:   map[string]int64{"PutObject": 1},
		Server:     []s3backend.Ability{{Operation: "o", Ability: "a", Known: "yes"}},
		Arrivals:   &Arrivals{Watched: 1, Announced: 1, Failed: 1, Skipped: 1},
		Thumbnails: &Thumbnails{Files: 1, Refused: 1},
		Limits:     &Limits{Upload: 1, Download: 1, Live: true},
		Connection: &Connection{State: Online, Answered: now, Since: now, Words: words},
	}
}

// fieldsOf are the fields of JSON, as "owed[].state", with the kind of each value. The keys
// of what is in maps are others each time.
func fieldsOf(prefix string, v any, maps map[string]bool, fields map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			path := strings.TrimPrefix(prefix+"."+name, ".")
			if maps[prefix] {
				path = prefix + ".NAME"
			}
			fields[path] = kindOf(value)
			fieldsOf(path, value, maps, fields)
		}
	case []any:
		for _, value := range v {
			fieldsOf(prefix+"[]", value, maps, fields)
		}
	}
}

func kindOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case string:
		if _, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return "time"
		}
	}
	return "string"
}

// TestSchemaIsDocumented holds what status --json prints, and docs/status-json.md, to each
// other: each field is there with its kind, and no other.
func TestSchemaIsDocumented(t *testing.T) {
	st := full()
	for i, v := 0, reflect.ValueOf(st); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the test sets no %s", v.Type().Field(i).Name)
		}
	}
	text, err := json.Marshal([]State{st})
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	printed := map[string]string{}
	fieldsOf("", value.([]any)[0], map[string]bool{"requests": true}, printed)

	page, err := os.ReadFile("../../../../docs/status-json.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\w+) \\|").
		FindAllStringSubmatch(string(page), -1) {
		if _, twice := documented[m[1]]; twice {
			t.Errorf("docs/status-json.md has %s twice", m[1])
		}
		documented[m[1]] = m[2]
	}
	// What is in beside is as in owed, and is told of once.
	maps.DeleteFunc(printed,
		func(name, _ string) bool { return strings.HasPrefix(name, "beside[].") })
	for _, name := range slices.Sorted(maps.Keys(printed)) {
		if documented[name] != printed[name] {
			t.Errorf("status --json has %s, a %s; docs/status-json.md says %q", name,
				printed[name], documented[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if printed[name] == "" {
			t.Errorf("docs/status-json.md has %s, which status --json has not", name)
		}
	}
	if want := fmt.Sprintf("The schema is version %d.",
		Schema); !bytes.Contains(page, []byte(want)) {
		t.Errorf("docs/status-json.md does not say %q", want)
	}
}
