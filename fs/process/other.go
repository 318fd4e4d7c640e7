//go:build !linux

package process

import "errors"

// Where there are neither pidfds nor /proc, no process is known to end, or to have a file
// open.

func maxFDs() int { return 0 }

func openFD(int) (int, error) { return noFD, errors.ErrUnsupported }

func closeFD(int) {}

func hasEnded(int) bool { return false }

func howEnded(int) (code int, ok bool) { return 0, false }

func exitCode(int) (code int, ok bool) { return 0, false }

func leaderOf(tid int) int { return tid }

// NameOf knows no program.
func NameOf(int) string { return "" }

// File is a file of the mount, as the kernel knows it.
type File struct {
	Name   string
	Ino    uint64
	Device string
}

// Open is what a process has open.
type Open struct{ None, File, Many bool }

// Open finds nothing.
func (p *Process) Open(File, int) Open { return Open{} }
