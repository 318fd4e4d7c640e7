package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/s3share/s3share/integration/bench/memserver"
)

const idleName = "idle"

// idleTime is long enough to tell a timer from none.
const idleTime = 20 * time.Second

// starting are the workloads about a mount as such.
func starting() []*workload {
	const count, size = 100, 4 << 10
	fills := []memserver.Fill{{Key: "f%05d", Count: count, Size: size, Seed: seedSmall}}
	ls := func(a *app) error {
		entries, err := os.ReadDir(a.dir)
		if err == nil && len(entries) != count {
			err = fmt.Errorf("%d of %d files", len(entries), count)
		}
		return err
	}
	return []*workload{
		{
			name: "mount_ls", what: "mount, and list a folder of 100 files",
			fills: fills, mounting: true,
			app: ls,
			limit: func(c *s3Client, a *app) error {
				_, err := c.list()
				return err
			},
		},
		{
			name: idleName, what: "do nothing for 20 s, after a listing and a file read",
			fills: fills, idle: idleTime,
			first: func(a *app) error {
				if err := ls(a); err != nil {
					return err
				}
				b, err := os.ReadFile(a.path(smallName(0)))
				if err == nil && !bytes.Equal(b, memserver.Random(size, seedSmall)) {
					err = fmt.Errorf("wrong bytes")
				}
				return err
			},
		},
	}
}
