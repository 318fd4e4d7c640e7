//go:build unix && !linux

package daemon

import "golang.org/x/sys/unix"

// dup makes to the same open file as from.
func dup(from, to int) error { return unix.Dup2(from, to) }
