package jsonbytes

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestEveryNameIsReadBackAsItWasWritten(t *testing.T) {
	for _, tt := range []struct{ name, json string }{
		{"", `""`},
		{"q3.csv", `"q3.csv"`},
		{"a\tb\nc\x1b\"\\", `"a\tb\nc\u001b\"\\"`},
		{"café €", `"café €"`},
		{"caf\xe9", `"caf\udce9"`},
		{"\xff\xfe", `"\udcff\udcfe"`},
		{"\xed\xb3\xa9", `"\udced\udcb3\udca9"`}, // U+DCE9 in UTF-8, which is none
		{"\ufffd", `"` + "\ufffd" + `"`},
		{"😀", `"😀"`},
		{`\udce9`, `"\\udce9"`}, // six characters, and no escape
		{`\` + "\xe9", `"\\\udce9"`},
	} {
		b, err := json.Marshal(String(tt.name))
		if err != nil || string(b) != tt.json {
			t.Errorf("Marshal(%q) = %s, %v, want %s", tt.name, b, err, tt.json)
		}
		var back String
		if err := json.Unmarshal(b, &back); err != nil || string(back) != tt.name {
			t.Errorf("Unmarshal(%s) = %q, %v, want %q", b, back, err, tt.name)
		}
	}
}

// TestOthersJSON reads what other programs write.
func TestOthersJSON(t *testing.T) {
	for _, tt := range []struct{ json, want string }{
		{`"\uD83D\uDE00"`, "😀"},
		{`"\ud83d\udcff"`, "\U0001f4ff"}, // a pair, though its second half looks like a byte
		{`"\udcE9"`, "\xe9"},
		{`"\udc41"`, "\ufffd"}, // no byte: it would be an A
		{`"\u00e9\/"`, "é/"},
		{`null`, ""},
	} {
		var got String
		if err := json.Unmarshal([]byte(tt.json), &got); err != nil || string(got) != tt.want {
			t.Errorf("Unmarshal(%s) = %q, %v, want %q", tt.json, got, err, tt.want)
		}
	}
	for _, bad := range []string{`1`, `{}`, `"\q"`, `"a`} {
		var got String
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("Unmarshal(%s) = %q, want an error", bad, got)
		}
	}
}

func FuzzString(f *testing.F) {
	f.Add([]byte("caf\xe9"))
	f.Add([]byte("\xed\xa0\xbd\xed\xb8\x80"))
	f.Fuzz(func(t *testing.T, name []byte) {
		b, err := json.Marshal(map[string]String{"path": String(name)})
		if err != nil || !utf8.Valid(b) {
			t.Fatalf("Marshal(%q) = %q, %v", name, b, err)
		}
		var back map[string]String
		if err := json.Unmarshal(b, &back); err != nil || string(back["path"]) != string(name) {
			t.Fatalf("%q came back as %q, %v", name, back["path"], err)
		}
	})
}
