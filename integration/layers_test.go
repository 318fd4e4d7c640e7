package integration

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/s3share/s3share"

// layer is a package, and all below it: what it may import of the module's own,
// and what it must not of others'.
type layer struct {
	pkg    string
	ours   []string
	banned []string
}

var layers = []layer{
	{"cmd", []string{"cmd", "fs", "cache", "s3backend"}, nil},
	{"fs", []string{"fs", "cache", "s3backend"}, []string{"github.com/aws/"}},
	{"cache", []string{"cache", "s3backend"}, []string{"github.com/aws/", "github.com/hanwen/go-fuse"}},
	{"s3backend", []string{"s3backend"}, []string{"github.com/hanwen/go-fuse"}},
	{"integration", nil, nil},
}

// rooms are the packages of the command, below those that import them: each may import only
// those before it.
var rooms = []string{"hint", "testhome", "service", "manual", "mounts", "config",
	"recording", "statedir", "control", "ui", "watch", "daemon", "doctor", "demo"}

// roomOf is the place of a package of the command among the rooms, -1 for any other.
func roomOf(pkg string) int {
	name, ok := strings.CutPrefix(pkg, "cmd/s3share/internal/")
	if !ok {
		return -1
	}
	return slices.Index(rooms, name)
}

func within(pkg string, roots []string) bool {
	return slices.ContainsFunc(roots,
		func(root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") })
}

// TestLayers keeps the imports one-way: cmd, fs, cache, s3backend.
func TestLayers(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		pkg := strings.TrimPrefix(p.ImportPath, module+"/")
		i := slices.IndexFunc(layers, func(l layer) bool { return within(pkg, []string{l.pkg}) })
		if i < 0 {
			t.Errorf("%s is in no layer", pkg)
			continue
		}
		if strings.HasPrefix(pkg, "cmd/s3share/internal/") && roomOf(pkg) < 0 {
			t.Errorf("%s has no place among the rooms", pkg)
		}
		for _, imported := range p.Imports {
			ours, is := strings.CutPrefix(imported, module+"/")
			if room := roomOf(pkg); room >= 0 && roomOf(ours) >= room {
				t.Errorf("%s imports %s, which comes after it", pkg, ours)
			}
			if is && !within(ours, layers[i].ours) {
				t.Errorf("%s imports %s", pkg, ours)
			}
			for _, banned := range layers[i].banned {
				if strings.HasPrefix(imported, banned) {
					t.Errorf("%s imports %s", pkg, imported)
				}
			}
		}
	}
}
