//go:build !linux

package main

import "golang.org/x/sys/unix"

// keepMemory keeps what is in memory, credentials among it, out of core files.
func keepMemory() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
