package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// mountEnlisted mounts an exchange of the config file on dir, which is made if it
// is not there, in the background.
func mountEnlisted(config, name, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { // #nosec G301 -- a mountpoint, which the mount covers
		return fmt.Errorf("cannot make %s: %w", dir, hint.RootCause(err))
	}
	args := []string{"mount", name, dir}
	if config != "" {
		args = []string{"mount", "--config", config, name, dir}
	}
	return background(args, notOfMounts(os.Environ()))
}

// notOfMounts is env without what would stand before the config file, and was meant
// for another exchange.
func notOfMounts(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"S3SHARE_BUCKET", "S3SHARE_ENDPOINT_URL", "S3SHARE_REGION", "S3SHARE_OWNER", "S3SHARE_FOLDER"}, name)
	})
}
