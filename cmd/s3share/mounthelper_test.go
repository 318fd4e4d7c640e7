package main

import (
	"slices"
	"strings"
	"testing"
)

// TestMountHelper has mount(8) and mount.fuse3 run the program, as they do.
func TestMountHelper(t *testing.T) {
	for _, tt := range []struct{ program, args, want string }{
		{"/sbin/mount.s3share", "team /mnt -o rw,uid=1000", "mount team /mnt -o rw,uid=1000"},
		{"/sbin/mount.s3share", "team /mnt -n -s -v -t s3share -o ro", "mount team /mnt -o ro"},
		{"/usr/bin/s3share", "team /mnt -o rw,nosuid,nodev", "mount team /mnt -o rw,nosuid,nodev"},
		{"/usr/bin/s3share", "mount /mnt -o rw", "mount /mnt -o rw"},
		{"/usr/bin/s3share", "put file -o rw", "put file -o rw"},
		{"/usr/bin/s3share", "team /mnt", "team /mnt"},
		{"s3share", "--config x -o rw", "--config x -o rw"},
	} {
		if got := forMountHelper(tt.program, strings.Fields(tt.args)); !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s %s is taken for %q, want %s", tt.program, tt.args, got, tt.want)
		}
	}
}
