package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// mountHelper is the name by which mount(8) runs a program for file systems of our type, with
// mount -t s3share, or for a line of fstab.
// Source: mount(8), "External helpers".
const mountHelper = "mount.s3share"

// forMountHelper returns the arguments of s3share mount where the program is run by mount(8):
// under the name of its helper, or by mount.fuse3, which runs it with the exchange and the
// directory in place of a command (source: libfuse, util/mount.fuse.c). Other arguments stay.
func forMountHelper(program string, args []string) []string {
	switch {
	case filepath.Base(program) == mountHelper:
		mount := []string{"mount"}
		for i := 0; i < len(args); i++ {
			switch args[i] {
			case "-n", "-s", "-v": // not in /etc/mtab; sloppy; verbose
			case "-t", "-N": // the type, and a namespace
				i++
			default:
				mount = append(mount, args[i])
			}
		}
		return mount
	case len(args) >= 4 && args[2] == "-o" && !strings.HasPrefix(args[0], "-") && !slices.Contains(commandNames(), args[0]):
		return append([]string{"mount"}, args...)
	}
	return args
}

// commandNames are those of all commands.
func commandNames() (names []string) {
	for _, c := range newRoot(nil, nil).Commands() {
		names = append(names, c.Name())
	}
	return names
}
