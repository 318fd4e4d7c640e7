package control

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
)

// Where state directories are. Most lie in one place, the state root. Each that lies
// elsewhere is noted in a registry there, for as long as a process uses it or something
// waits in it, so that status finds it whatever settings it was mounted with. Beside the
// control sockets there is a registry of all, until the machine stops: it is found by who
// has another home, too. A registry is a directory with a file for each, so that no
// process writes what another does.

// registration is one of its files.
type registration struct {
	StateDir jsonbytes.String `json:"state_dir"`
	// On is where the file system is mounted that the state directory lies in.
	On jsonbytes.String `json:"on"`
}

// missing reports whether there is no state directory.
func (r registration) missing() bool {
	_, err := os.Lstat(filepath.Join(string(r.StateDir), statedir.LockFile))
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// deleted reports whether the state directory was removed: it is not there, though its
// file system is. Else it may be on a disk that is not mounted now.
func (r registration) deleted() bool {
	return r.missing() && r.On != "" && r.On == fileSystemOf(string(r.StateDir))
}

// fileSystemOf is where the file system is mounted that a directory lies in, or would;
// "" if that is not known.
func fileSystemOf(dir string) jsonbytes.String {
	m, err := mounts.Around(filepath.Join(mounts.ResolveExisting(dir), statedir.LockFile))
	if err != nil || m == nil {
		return ""
	}
	return jsonbytes.String(m.Mountpoint)
}

// registryName is a registry's name, in the state root and beside the sockets.
const registryName = "outboxes"

// registries are the places where registries may be.
func registries() (lasting string, passing []string) {
	if root, err := config.StateRoot(); err == nil {
		lasting = filepath.Join(root, registryName)
	}
	for _, run := range socketDirs([]int{os.Getuid()}) {
		passing = append(passing, filepath.Join(run.path, registryName))
	}
	return lasting, passing
}

func registrationName(stateDir string) string {
	sum := sha256.Sum256([]byte(stateDir))
	return hex.EncodeToString(sum[:8]) + ".json"
}

// Register notes that a state directory is used.
func Register(stateDir string) error {
	data, err := json.Marshal(registration{jsonbytes.String(stateDir), fileSystemOf(stateDir)})
	if err != nil {
		return err
	}
	socket, err := NewSocketPath(stateDir)
	if err == nil {
		passing := filepath.Join(filepath.Dir(socket), registryName)
		err = writeRegistration(passing, registrationName(stateDir), data)
	}
	// A state directory in the usual place is found without a registration.
	if root, rerr := config.StateRoot(); rerr == nil && filepath.Dir(stateDir) != root {
		return writeRegistration(filepath.Join(root, registryName),
			registrationName(stateDir), data)
	}
	return err
}

func writeRegistration(registry, name string, data []byte) error {
	prune(registry)
	dir, err := privatedir.OpenOrCreate(registry)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.WriteFile(name, append(data, '\n'))
}

// prune takes the state directories out of a registry that were removed.
func prune(registry string) {
	_ = readRegistry(registry, func(file string, r registration) {
		if r.deleted() {
			_ = os.Remove(file)
		}
	})
}

// Unregister notes that nothing waits in a state directory, and that nobody uses it.
func Unregister(stateDir string) {
	lasting, passing := registries()
	for _, path := range append(passing, lasting) {
		if err := os.Remove(filepath.Join(path, registrationName(stateDir))); err == nil {
			_ = os.Remove(path) // the last one
		}
	}
}

// readRegistry reads the files of a registry.
func readRegistry(registry string, each func(file string, r registration)) error {
	err := statedir.CheckPrivate(registry)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(registry)
	errs := []error{err}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue // it is being written
		}
		var r registration
		file := filepath.Join(registry, e.Name())
		data, err := statedir.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err == nil && !filepath.IsAbs(string(r.StateDir)) {
			err = errors.New("it names no directory")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the list of outboxes has a bad entry, %s: %w",
				hint.Printable(file), err))
			continue
		}
		each(file, r)
	}
	return errors.Join(errs...)
}

// knownDir is a directory that may be a state directory.
type knownDir struct {
	path string
	// missing is the file of the registry by which something may wait in the directory,
	// though it is not there now; "" for none.
	missing string
}

// knownDirs are the directories of this user that may be state directories: those in the
// state root, those that the config file and the environment name, and those of the
// registries. The error says which of them could not be looked for.
func knownDirs() ([]knownDir, error) {
	var all []knownDir
	add := func(path, missing string) {
		if i := slices.IndexFunc(all, func(d knownDir) bool { return d.path == path }); i >= 0 {
			all[i].missing = cmp.Or(all[i].missing, missing)
			return
		}
		all = append(all, knownDir{path, missing})
	}
	var errs []error
	if root, err := config.StateRoot(); err == nil {
		entries, err := os.ReadDir(root)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
		for _, e := range entries {
			if e.Name() != registryName {
				add(filepath.Join(root, e.Name()), "")
			}
		}
	}
	for _, dir := range configuredStateDirs() {
		add(dir, "")
	}
	lasting, passing := registries()
	if lasting != "" {
		errs = append(errs, readRegistry(lasting, func(file string, r registration) {
			switch {
			case !r.missing():
				add(string(r.StateDir), "")
			case !r.deleted():
				add(string(r.StateDir), file)
			}
		}))
	}
	for _, registry := range passing {
		errs = append(errs,
			readRegistry(registry, func(_ string, r registration) { add(string(r.StateDir), "") }))
	}
	return all, errors.Join(errs...)
}

// configuredStateDirs are the state directories that settings name. A config file that
// cannot be read, or that another user can change, hinders nobody here: what was used is in
// the registry as well.
func configuredStateDirs() []string {
	dirs := []string{os.Getenv("S3SHARE_STATE_DIR")}
	if file, _, err := config.CheckedPath(""); err == nil {
		var doc struct {
			Exchange map[string]struct {
				StateDir string `toml:"state-dir"`
			} `toml:"exchange"`
		}
		if data, err := os.ReadFile(file); err == nil {
			_ = toml.Unmarshal(data, &doc)
		}
		for _, x := range doc.Exchange {
			dirs = append(dirs, x.StateDir)
		}
	}
	var all []string
	for _, dir := range dirs {
		if abs, err := mounts.AbsPath(dir); dir != "" && err == nil {
			all = append(all, abs)
		}
	}
	slices.Sort(all)
	return all
}
