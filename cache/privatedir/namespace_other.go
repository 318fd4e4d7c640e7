//go:build !linux

package privatedir

// There are no user namespaces here.
const overflowUID = 0

func mapped(uint32) bool { return true }
