package ledger

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzOpen opens a ledger with any content, adds to it, and opens it again: what was
// remembered is remembered still.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "{}\n", "null\n", `{"key":"Delivery/cut","et`,
		`{"key":"Delivery/a","etag":"1","size":5,"mtime":"2026-01-02T03:04:05Z","mode":488,"sent":"2026-01-02T03:04:05Z"}` + "\n" + `{"key":"Delivery/a","gone":true}` + "\n",
		`{"key":"Delivery/b","etag":"2","mtime":"9999-12-31T23:59:59.999999999Z","touched":true}` + "\n[1]\n",
		`{"key":"caf` + "\xe9" + `","sent":"0001-01-01T00:00:01+23:59"}` + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "ledger")
		must(t, os.WriteFile(path, data, 0o600))
		l := open(t, path)
		sent := len(l.Sent(""))
		had := l.HasSent("Delivery/new")
		must(t, l.Put(Entry{Key: "Delivery/new", ETag: "1", Sent: time.Unix(1, 0)}))
		if !had {
			sent++
		}
		if got := len(l.Sent("")); got != sent && !had {
			t.Errorf("%d are remembered, want %d", got, sent)
		}
		sent = len(l.Sent(""))
		must(t, l.Close())
		l = open(t, path)
		if got := len(l.Sent("")); got != sent {
			t.Errorf("%d are remembered by the next process, want %d", got, sent)
		}
	})
}
