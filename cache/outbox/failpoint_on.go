//go:build failpoint

package outbox

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// With the build tag failpoint, S3SHARE_FAILPOINT="journal seal:3" kills the
// process the third time that it comes to the instant of this name. The tag is
// for tests alone.
var failName, failAt = func() (string, int64) {
	name, n, _ := strings.Cut(os.Getenv("S3SHARE_FAILPOINT"), ":")
	at, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		at = 1
	}
	return name, at
}()

var failed atomic.Int64

var atFailpoint atomic.Pointer[func(name string)]

// AtFailpoint sets a function that each failpoint calls; nil for none.
func AtFailpoint(f func(name string)) {
	if f == nil {
		atFailpoint.Store(nil)
		return
	}
	atFailpoint.Store(&f)
}

func failpoint(name string) {
	if f := atFailpoint.Load(); f != nil {
		(*f)(name)
	}
	if name == failName && failed.Add(1) == failAt {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
