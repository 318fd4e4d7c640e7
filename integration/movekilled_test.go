package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// movedSizes are on both sides of what goes up in one request, and of a part.
var movedSizes = []int{0, 1, 5 * mib, 16 * mib, 16*mib + 1, 30 * mib, 48*mib + 7}

// TestMoveKilled has the client put a file and the owner get it, again and again with other
// content. Each command is killed at a request that is drawn, before or after the server has
// carried it out, and run again: then the file is there whole, in the place of the version
// before, and nothing beside it. The seeds are fixed: what failed fails again. That the owner
// may read each object is asserted when the test ends.
func TestMoveKilled(t *testing.T) {
	t.Parallel()
	for seed, policy := range []string{"article", "folders", "full"} {
		t.Run(fmt.Sprintf("seed %d, %s", seed, policy), func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, policy)
			x, g := direct.through(t)
			ours, theirs := x.mover(client), x.mover(owner)
			rnd := rand.New(rand.NewPCG(uint64(seed), 0))
			put, get := []string{"put", "f", "Delivery"}, []string{"get", "Delivery/f", "."}
			// At the end, 30 MiB over 30 MiB.
			for _, i := range append(rnd.Perm(len(movedSizes)), 5, 5) {
				data := randomBytes(movedSizes[i])
				ours.write("f", data)
				for _, c := range []struct {
					m    *mover
					args []string
				}{{ours, put}, {theirs, get}} {
					requests := 3 + len(data)/(8*mib) // some, as a get makes them
					at, done := 1+rnd.IntN(requests), rnd.IntN(2) == 1
					op := c.m.killedAt(g, at, done, c.args)
					t.Logf("%d bytes: %s, killed at request %d, %s, carried out: %v",
						len(data), c.args[0], at, op, done)
					c.m.want(0, c.args)
				}
				theirs.wantFile("f", data)
				if got, err := direct.get(owner, delivery+"f"); err != nil ||
					!bytes.Equal(got, data) {
					t.Errorf("the object has %s, error %v, want %s", brief(got), err, brief(data))
				}
				ours.want(0, put, "0 files", "1 was there already")
				theirs.want(0, get, "0 files", "1 was there already")
			}
			for key := range direct.list() {
				if strings.HasPrefix(key, delivery+"f") && key != delivery+"f" {
					t.Errorf("%s went beside", key)
				}
			}
			files, err := os.ReadDir(theirs.dir)
			if err != nil || len(files) != 1 {
				t.Errorf("the owner has %v, error %v, want one file", files, err)
			}
			if left, err := fs.Glob(os.DirFS(filepath.Join(ours.state, "transfers")),
				"upload-*"); err != nil || len(left) > 0 {
				t.Errorf("notes of uploads are left: %q, error %v", left, err)
			}
		})
	}
}

// killedAt kills a command at its nth request that passes the gateway, before or after the server
// has carried it out, and returns what S3 calls that request: nothing if the command ended before.
func (m *mover) killedAt(g *gateway, n int, done bool, args []string) (op string) {
	m.t.Helper()
	cmd := m.command(args...)
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	var passed atomic.Int64
	at := make(chan string, 1)
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		switch i := passed.Add(1); {
		case i < int64(n):
			return false
		case i > int64(n):
			panic(http.ErrAbortHandler)
		}
		defer func() {
			at <- op
			_ = cmd.Process.Kill()
		}()
		if done {
			g.lose(r)
		}
		panic(http.ErrAbortHandler)
	})
	_ = cmd.Wait() // it is killed
	g.when(nil)
	select {
	case op = <-at:
	default:
	}
	return op
}
