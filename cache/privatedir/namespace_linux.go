package privatedir

import (
	"bufio"
	"fmt"
	"os"
)

// overflowUID is who the kernel says owns what belongs to nobody of a user namespace.
// Source: user_namespaces(7), /proc/sys/kernel/overflowuid.
const overflowUID = 65534

// mapped reports whether a user id stands for a user of this namespace. What cannot
// be read is taken for a system without namespaces.
func mapped(uid uint32) bool {
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return true
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var first, outside, n uint64
		if _, err := fmt.Sscan(lines.Text(), &first, &outside, &n); err != nil {
			return true
		}
		if id := uint64(uid); id >= first && id < first+n {
			return true
		}
	}
	return false
}
