//go:build !linux

package main

import "golang.org/x/sys/unix"

// keepMemory keeps the process's memory, which has credentials in it, out of core files.
func keepMemory() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
