package integration

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestStateDirOfAnyName keeps the state where its path has characters that are special
// to patterns, shells or text, and kills the daemon: what was closed is delivered by
// recover, and by the next mount.
func TestStateDirOfAnyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"[a-z]", `back\slash`, "*?", "new\nline", "caf\xe9",
		"a b\tc", "link/below"} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			if name == "link/below" {
				if err := errors.Join(os.Mkdir(filepath.Join(top, "to"), 0o700),
					os.Symlink("to", filepath.Join(top, "link"))); err != nil {
					t.Fatal(err)
				}
			}
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m := x.mount(client, "--state-dir", filepath.Join(top, name))
			open := g.holdPuts()
			defer open()
			content := map[string][]byte{}
			for n := range 4 {
				key := fmt.Sprintf("%s%s-%d", delivery, rand.Text(), n)
				content[key] = randomBytes(50 + n*100_000)
				m.write(key, content[key])
			}
			m.kill()
			g.when(nil)
			if out, err := m.recover(); err != nil {
				t.Errorf("recover: %v\n%s", err, out)
			}
			for key, c := range content {
				direct.awaitObject(key, c)
			}
			m = m.revive(t)
			m.deliver(delivery+"later", []byte("and it goes on"))
		})
	}
}
