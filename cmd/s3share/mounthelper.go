package main

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mountHelper is the name by which mount(8) runs a program for file systems of our type, with
// mount -t s3share, or for a line of fstab.
// Source: mount(8), "External helpers".
const mountHelper = "mount.s3share"

// forMountHelper returns the arguments of s3share mount where the program is run by mount(8):
// under the name of its helper, or by mount.fuse3, which runs it with the exchange and the
// directory in place of a command (source: libfuse, util/mount.fuse.c). Other arguments stay.
// If the options name a bucket, the exchange is left out: mount(8) always passes a first field,
// and the config file need not know it. fake is true where mount(8) wants nothing to be done.
func forMountHelper(program string, args []string) (mount []string, fake bool) {
	switch {
	case filepath.Base(program) == mountHelper:
		mount = []string{"mount"}
		for i := 0; i < len(args); i++ {
			switch args[i] {
			case "-n", "-s", "-v": // not in /etc/mtab; sloppy; verbose
			case "-f": // fake, of which ours is the foreground
				fake = true
			case "-t", "-N": // the type, and a namespace
				i++
			default:
				mount = append(mount, args[i])
			}
		}
	case len(args) >= 4 && args[2] == "-o" && !strings.HasPrefix(args[0], "-") &&
		!slices.Contains(commandNames(), args[0]):
		mount = append([]string{"mount"}, args...)
	default:
		return args, false
	}
	completeEnvironment()
	if len(mount) > 2 && namesBucket(mount) {
		mount = slices.Delete(mount, 1, 2)
	}
	return mount, fake
}

// namesBucket reports whether an -o of these arguments has the option bucket.
func namesBucket(args []string) bool {
	for i, arg := range args[1:] {
		if args[i] == "-o" &&
			slices.ContainsFunc(strings.Split(arg, ","), func(option string) bool {
				return strings.HasPrefix(option, "bucket=")
			}) {
			return true
		}
	}
	return false
}

// completeEnvironment sets the home directory and the search path where the environment has
// none. systemd sets no HOME for units, and so for the lines of fstab: without it there is no
// config file. mount(8) sets no PATH if it is not run by root: without it there is no fusermount3.
func completeEnvironment() {
	if me, err := user.LookupId(strconv.Itoa(os.Getuid())); os.Getenv("HOME") == "" &&
		err == nil && me.HomeDir != "" {
		_ = os.Setenv("HOME", me.HomeDir) // a name that cannot be wrong
	}
	if os.Getenv("PATH") == "" {
		_ = os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
}

// commandNames are those of all commands.
func commandNames() (names []string) {
	for _, c := range newRoot(nil, nil).Commands() {
		names = append(names, c.Name())
	}
	return names
}
