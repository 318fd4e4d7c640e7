//go:build !failpoint

package outbox

// failpoint marks an instant at which tests end the process; see failpoint_on.go.
func failpoint(string) {}
