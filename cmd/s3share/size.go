package main

import "strconv"

// sizeText is n bytes as people read it.
func sizeText(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	x, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if x /= 1024; x < 1023.95 {
			break
		}
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + " " + unit
}
