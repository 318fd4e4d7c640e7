package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/bandwidth"
)

// parseSize reads a number of bytes as dd(1) does: K, M, G and T, alone or
// followed by iB, are powers of 1024; KB, MB, GB and TB are powers of 1000.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "KMGTkmgtiB ")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is no size; write it like 512MiB or 10G", text)
	}
	unit := strings.TrimSpace(text[len(digits):])
	power, base := 0, 1024.0
	if unit != "" && unit != "B" {
		power = 1 + strings.IndexByte("KMGT", unit[0]&^0x20)
		switch unit[1:] {
		case "", "iB":
		case "B":
			base = 1000
		default:
			power = 0
		}
		if power == 0 {
			return 0, fmt.Errorf("%q is no size; write it like 512MiB or 10G", text)
		}
	}
	n *= math.Pow(base, float64(power))
	if n >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return int64(n), nil
}

// byteRate is a number of bytes a second that is written like 5M; 0 is no limit.
type byteRate int64

func (r *byteRate) UnmarshalText(text []byte) error {
	n, err := parseRate(string(text))
	*r = byteRate(n)
	return err
}

// parseRate reads a number of bytes a second as parseSize does. 0 and none are no limit.
func parseRate(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	n, err := parseSize(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no rate; write it in bytes a second, like 5M or 500K, or none",
			text)
	}
	return n, checkRate(n)
}

// ParseLimits reads a rate for both directions, or UP/DOWN.
func ParseLimits(text string) (l s3backend.Limits, err error) {
	up, down, two := strings.Cut(text, "/")
	if !two {
		down = up
	}
	if l.Upload, err = parseRate(up); err == nil {
		l.Download, err = parseRate(down)
	}
	return l, err
}

// checkRate refuses a rate that is most probably written without its unit.
func checkRate(n int64) error {
	if n < 0 || n > 0 && n < bandwidth.MinRate {
		return fmt.Errorf(
			"%d bytes a second is below the lowest rate, %dK; write it like 5M or 500K, or none",
			n, bandwidth.MinRate>>10)
	}
	return nil
}
