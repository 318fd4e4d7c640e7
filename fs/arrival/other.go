//go:build !linux

package arrival

import (
	"errors"
	"syscall"
)

// Helper is a helper process. There is none on this platform.
type Helper struct{}

var errNone = errors.New("arrivals are not announced on this platform")

// Start returns an error.
func Start(mountpoint, device string) (*Helper, error) { return nil, errNone }

// IsHelper reports whether a command line is that of a helper.
func IsHelper([]string) bool { return false }

// RunHelper returns at once.
func RunHelper() int { return 1 }

// Watches returns an error.
func Watches(string) (map[uint64]bool, error) { return nil, errNone }

func (*Helper) PID() uint32                                         { return 0 }
func (*Helper) Do(Call) (syscall.Errno, error)                      { return 0, errNone }
func (*Helper) Rest() error                                         { return errNone }
func (*Helper) CreateAll(string, []string) ([]syscall.Errno, error) { return nil, errNone }
func (*Helper) Close()                                              {}
func (*Helper) Ended() <-chan struct{}                              { return nil }
