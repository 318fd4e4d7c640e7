//go:build unix && !linux

package diskcache

// LowerPriority does nothing: only Linux has a priority for each thread.
func LowerPriority() {}
