package main

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestMountHelper has mount(8) and mount.fuse3 run the program, as they do.
func TestMountHelper(t *testing.T) {
	for _, tt := range []struct{ program, args, want string }{
		{"/sbin/mount.s3share", "team /mnt -o rw,uid=1000", "mount team /mnt -o rw,uid=1000"},
		{"/sbin/mount.s3share", "team /mnt -n -s -v -t s3share -o ro", "mount team /mnt -o ro"},
		{"/usr/bin/s3share", "team /mnt -o rw,nosuid,nodev", "mount team /mnt -o rw,nosuid,nodev"},
		{"/sbin/mount.s3share", "team /mnt -o rw,bucket=b,region=r", "mount /mnt -o rw,bucket=b,region=r"},
		{"/sbin/mount.s3share", "team /mnt -o rw -o bucket=b", "mount /mnt -o rw -o bucket=b"},
		{"/sbin/mount.s3share", "bucket=b /mnt -o rw", "mount bucket=b /mnt -o rw"},
		{"/usr/bin/s3share", "team /mnt -o bucket=b,nodev", "mount /mnt -o bucket=b,nodev"},
		{"/usr/bin/s3share", "mount team /mnt -o bucket=b", "mount team /mnt -o bucket=b"},
		{"/usr/bin/s3share", "mount /mnt -o rw", "mount /mnt -o rw"},
		{"/usr/bin/s3share", "put file -o rw", "put file -o rw"},
		{"/usr/bin/s3share", "team /mnt", "team /mnt"},
		{"s3share", "--config x -o rw", "--config x -o rw"},
	} {
		if got, fake := forMountHelper(tt.program, strings.Fields(tt.args)); !slices.Equal(got,
			strings.Fields(tt.want)) || fake {
			t.Errorf("%s %s is taken for %q, want %s", tt.program, tt.args, got, tt.want)
		}
	}
	if _, fake := forMountHelper("/sbin/mount.s3share",
		strings.Fields("team /mnt -f -o rw")); !fake {
		t.Error("mount --fake would mount")
	}
}

// TestMountHelperEnvironment runs it as systemd runs mount(8), without a home directory, and as
// mount(8) runs it for a user, without a search path.
func TestMountHelperEnvironment(t *testing.T) {
	me, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		t.Skip(err)
	}
	for _, tt := range []struct{ program, home, path, wantHome, wantPath string }{
		{"/sbin/mount.s3share", "", "/x", me.HomeDir, "/x"},
		{"/sbin/mount.s3share", "/home/ann", "", "/home/ann", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		{"/usr/bin/s3share", "", "", "", ""},
	} {
		t.Setenv("HOME", tt.home)
		t.Setenv("PATH", tt.path)
		forMountHelper(tt.program, strings.Fields("mount /mnt"))
		if home, path := os.Getenv("HOME"), os.Getenv("PATH"); home != tt.wantHome ||
			path != tt.wantPath {
			t.Errorf("%s with HOME=%s PATH=%s has HOME=%s PATH=%s, want %s and %s",
				tt.program, tt.home, tt.path, home, path, tt.wantHome, tt.wantPath)
		}
	}
}
