package arrival

import "syscall"

// HelperArg is the only argument of this program as a helper.
const HelperArg = "announce-arrivals"

// hello is the first message to the helper.
type hello struct {
	Mountpoint string
	Device     string // of the mount, "0:57"
}

// Call is one call that the helper makes, in a directory of the mount.
type Call struct {
	Op   Op
	Dir  string // below the mountpoint
	Name string
	Mode uint32 // for Touch
	Size int64  // for Change: the file's
}

// answer is the result of a call.
type answer struct{ Errno syscall.Errno }
