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
	// Names are the names for createAll, which makes the call Create for each of them, in this
	// order.
	Names []string
}

// answer is the result of a call; for createAll, of each.
type answer struct {
	Errno  syscall.Errno
	Errnos []syscall.Errno
}
