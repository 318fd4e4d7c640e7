package daemon

import (
	"os"
	"runtime/debug"
)

// heapLimit is where the collector begins to work harder, in bytes. What lives is far
// below it but while a folder of a million names is read; with the cached blocks, which
// are not in the heap, the daemon stays within 256 MiB.
const heapLimit = 170 << 20

// limitHeap sets the limit, unless the environment does.
func limitHeap() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapLimit)
	}
}
