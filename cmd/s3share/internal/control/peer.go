package control

import "net"

// PeerUID is the user at the other end of a connection over a socket of this machine,
// as the kernel knows it.
func PeerUID(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	if err = raw.Control(func(fd uintptr) { uid, failed = peerOf(int(fd)) }); err == nil {
		err = failed
	}
	if err != nil {
		return -1, err
	}
	return uid, nil
}
