//go:build unix && !linux

package diskcache

// LowerPriority does nothing: a thread's priority is Linux's idea.
func LowerPriority() {}
