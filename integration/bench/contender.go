package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// contender is a program that mounts the folder.
type contender struct {
	name string
	what string // how it is set up, for the reader of the results
	// binary finds the program, or says why not.
	binary func() (string, error)
	// version is the argument that makes it tell its version.
	version string
	// args mounts m in the foreground, with env beside what all contenders get.
	args func(m *mount) []string
	env  func(m *mount) []string
	// sub is where the folder is below the mountpoint.
	sub string
	// unmount is the command that unmounts m, nil for fusermount3.
	unmount func(m *mount) []string
	// optional says whether it takes part when nobody asked for it.
	optional func() bool
	// caching contenders are another's settings with a disk cache, and take part
	// where that may help.
	caching bool
	// null is a mount of nothing: what is written there arrives nowhere.
	null bool
}

// limitName is the contender that mounts nothing, nullName the one with nothing
// behind its mount. Neither is a peer.
const (
	limitName = "limit"
	nullName  = "fuse-limit"
)

// takes reports whether c does w; when its name was asked for, whatever it can.
func (c *contender) takes(w *workload, asked bool) bool {
	switch {
	case c.name == limitName:
		return w.limit != nil
	case c.null:
		return w.fuse
	case c.caching:
		return asked || w.caching || w.first != nil && w.bytes > 0
	}
	return true
}

func inPath(name string) func() (string, error) {
	return func() (string, error) { return exec.LookPath(name) }
}

// inEnv finds a program by an environment variable, or else in PATH.
func inEnv(variable, name string) func() (string, error) {
	return func() (string, error) {
		if p := os.Getenv(variable); p != "" {
			return exec.LookPath(p)
		}
		return exec.LookPath(name)
	}
}

// allContenders returns every contender; s3share is the program binary. Peers
// are set up as well as we know how: as many streams as help, no hash of bodies
// where that can be had, listings kept. A write-back waits as long as s3share does:
// without any wait rclone cannot take a git clone, whose locks come and go.
func allContenders(binary string) []*contender {
	cs := []*contender{
		{
			name: "s3share", what: "as it comes", version: "version", sub: folder,
			binary: func() (string, error) {
				abs, err := filepath.Abs(binary)
				if err != nil {
					return "", err
				}
				return exec.LookPath(abs)
			},
			args: func(m *mount) []string {
				return []string{"mount", "--bucket", bucket, "--endpoint-url", m.endpoint,
					"--region", region, "--folder", folder,
					"--state-dir", m.path("state"), "--cache-dir", m.path("cache"), "-f", m.dir}
			},
			env:     func(m *mount) []string { return []string{"AWS_CA_BUNDLE=" + m.certificate} },
			unmount: func(m *mount) []string { return []string{m.binary, "unmount", m.dir} },
		},
		{name: "s3fs",
			what:    "parallel_count=32, multipart_size=16, no hash of bodies where it can do without",
			version: "--version",
			binary:  inPath("s3fs"), args: s3fsArgs},
		{name: "s3fs:cache", what: "the same with use_cache", version: "--version",
			binary: inPath("s3fs"), caching: true,
			args: func(m *mount) []string {
				return append(s3fsArgs(m), "-o", "use_cache="+m.path("cache"))
			}},
		{name: "rclone:writes",
			what: "--vfs-cache-mode writes, 32 transfers, 250 ms of wait before a write-back as in s3share, no checksums, server's times", version: "version",
			binary: inPath("rclone"), args: rcloneArgs("writes")},
		{name: "rclone:full", what: "the same with --vfs-cache-mode full", version: "version",
			binary: inPath("rclone"), args: rcloneArgs("full"), caching: true},
		{name: "geesefs", what: "--no-checksum, 4 GB of memory, 32 flushers", version: "--version",
			binary: inEnv("BENCH_GEESEFS", "geesefs"),
			args: func(m *mount) []string {
				return []string{"-f", "--endpoint", m.endpoint, "--region", region, "--no-checksum",
					"--memory-limit", "4000",
					"--max-flushers", "32", "--max-parallel-parts", "16", bucket +
						":" + folder, m.dir}
			}},
		{name: "mount-s3", what: "--allow-delete --allow-overwrite", version: "--version",
			binary: inEnv("BENCH_MOUNT_S3", "mount-s3"),
			args: func(m *mount) []string {
				return []string{"-f", "--endpoint-url", m.endpoint, "--region", region,
					"--force-path-style", "--allow-delete", "--allow-overwrite",
					"--prefix", folder + "/", bucket, m.dir}
			}},
		{name: "goofys", what: "as it comes", version: "--version",
			binary: inEnv("BENCH_GOOFYS", "goofys"),
			args: func(m *mount) []string {
				return []string{"-f", "--endpoint", m.endpoint, "--region", region,
					bucket + ":" + folder, m.dir}
			}},
	}
	for _, c := range cs {
		c.optional = func() bool { _, err := c.binary(); return err == nil }
	}
	return append(cs,
		&contender{name: limitName, what: "a plain HTTP client without a mount"},
		&contender{name: nullName, what: "a file system with nothing behind it",
			binary: os.Executable, null: true,
			args: func(m *mount) []string {
				return append([]string{"nullfs", m.dir}, nullFiles(m.fills)...)
			}},
	)
}

// region is what requests are signed for; memserver does not look.
const region = "us-east-1"

// unsignedPayload reports whether this s3fs can leave bodies unhashed: from 1.92 on.
var unsignedPayload = sync.OnceValue(func() bool {
	b, _ := exec.Command("s3fs", "--help").Output() // no s3fs, no such option
	return strings.Contains(string(b), "enable_unsigned_payload")
})

func s3fsArgs(m *mount) []string {
	o := []string{
		"url=" + m.endpoint, "endpoint=" + region, "use_path_request_style", "sigv4",
		"parallel_count=32", "multipart_size=16", "max_stat_cache_size=200000",
		"enable_noobj_cache", "tmpdir=" + m.path("tmp"),
	}
	if strings.HasPrefix(m.endpoint, "https:") { // it has no setting for a certificate of one's own
		o = append(o, "no_check_certificate", "ssl_verify_hostname=0")
	}
	if unsignedPayload() {
		o = append(o, "enable_unsigned_payload")
	}
	return []string{bucket + ":/" + folder, m.dir, "-f", "-o", strings.Join(o, ",")}
}

func rcloneArgs(mode string) func(*mount) []string {
	return func(m *mount) []string {
		return []string{
			"mount", ":s3:" + bucket + "/" +
				folder, m.dir, "--vfs-cache-mode", mode, "--cache-dir", m.path("cache"),
			"--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", m.endpoint,
			"--s3-region", region, "--s3-force-path-style",
			"--s3-no-check-bucket", "--s3-no-head", "--s3-disable-checksum",
			"--s3-use-multipart-etag=false", "--no-checksum",
			"--s3-upload-concurrency", "16", "--s3-chunk-size", "16M", "--s3-upload-cutoff", "16M",
			"--transfers", "32", "--checkers", "32", "--use-server-modtime",
			"--vfs-fast-fingerprint", "--vfs-write-back", "250ms",
			"--buffer-size", "64M", "--vfs-read-ahead", "256M", "--dir-cache-time",
			"5m", "--attr-timeout", "60s",
		}
	}
}
