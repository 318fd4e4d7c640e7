// Package filestamp finds out whether a local file has changed since it was looked at.
package filestamp

import (
	"fmt"
	"os"
	"syscall"
)

// Of changes with every change of a local file, and if another file takes its name: the kernel sets
// the time of the last change, and no program can. It is "" if the file system does not tell.
func Of(st os.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d:%d:%d", sys.Dev, sys.Ino, st.Size(),
		st.ModTime().UnixNano(), changed(sys))
}
