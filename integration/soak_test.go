package integration

import (
	"os"
	"strconv"
)

// soak is the number in S3SHARE_SOAK, 0 without one: how often the daemon is killed.
// With it, what else takes its time goes on for as long as the acceptance of the
// outbox asks: an outage of a minute, 1 GiB, ten minutes of contention.
var soak, _ = strconv.Atoi(os.Getenv("S3SHARE_SOAK"))

// soaking is usual, or long in a soak.
func soaking[T any](usual, long T) T {
	if soak > 0 {
		return long
	}
	return usual
}
