package daemon

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// TestHowLongUnmountKeepWaits gives each tenth of a second of a delivery, and wants to
// know when it is over.
func TestHowLongUnmountKeepWaits(t *testing.T) {
	begun := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	waiting := func(sent int64, reason string) []outbox.Status {
		return []outbox.Status{{Key: "a", State: outbox.Sealed,
			Size: 1 << 30, Sent: sent, Reason: reason}}
	}
	fails := func(err error) s3backend.Contact {
		return s3backend.Contact{Failing: begun, Err: err}
	}
	network := errors.New("nothing answers")
	flying := func(bytes int64, reason string) []outbox.Status {
		return []outbox.Status{{Key: "a", State: outbox.Uploading, Size: 1 << 30,
			InFlight: bytes, Reason: reason}}
	}
	type look struct {
		left  []outbox.Status
		known s3backend.Contact
		moved int64
	}
	for _, tt := range []struct {
		name string
		look func(sec float64) look
		want time.Duration // until it is over; 0 for never, in 10 minutes
	}{
		{"nothing is left", func(float64) look { return look{known: fails(network)} }, 0},
		{"on its way, however slowly", func(sec float64) look { return look{left: flying(int64(sec*10_000), ""), moved: int64(sec * 10_000)} }, 0},
		{"a part is sent again and again", func(sec float64) look { // up to 5 MB, in 5 seconds
			return look{left: flying(int64(math.Mod(sec, 5)*1_000_000), "answered with Conflict"),
				moved: int64(sec * 1_000_000)}
		}, 4900*time.Millisecond + keepFailing},
		{"one is tried again, and another waits for it", func(sec float64) look {
			return look{left: append(flying(0, "answered with Conflict"),
				outbox.Status{Key: "b", State: outbox.Removing}), moved: int64(sec * 1_000_000)}
		}, keepStuck},
		{"S3 is gone", func(float64) look { return look{waiting(0, "nothing answers"), fails(network), 0} }, keepSilent},
		{"the credentials are refused, each answer moves bytes", func(sec float64) look {
			return look{waiting(0, ""), fails(s3backend.BadLogin), int64(sec * 100_000)}
		}, keepRefused},
		{"the bucket is gone", func(float64) look { return look{waiting(0, "no bucket"), fails(s3backend.NoBucket), 0} }, keepRefused},
		{"part for part on a bad line", func(sec float64) look {
			return look{waiting(int64(sec/8)*1000, "reset"), fails(network), int64(sec * 1000)}
		}, 0},
		{"a part takes long, and another has failed", func(sec float64) look {
			return look{flying(int64(sec*100_000), "reset"), fails(network), int64(sec * 100_000)}
		}, 0},
		{"S3 answers every part with 500", func(sec float64) look {
			return look{waiting(0, "InternalError"), fails(network), int64(sec * 1_000_000)}
		}, keepFailing},
		{"the local disk fails", func(float64) look { return look{left: waiting(0, "input/output error")} }, keepFailing},
		{"files arrive one after the other, and one fails", func(sec float64) look {
			var left []outbox.Status
			for range 100 - int(sec/10) {
				left = append(left, waiting(0, "reset")...)
			}
			return look{left, fails(network), int64(sec)}
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p patience
			var got time.Duration
			for now := begun; now.Before(begun.Add(10 * time.Minute)); now = now.Add(
				100 * time.Millisecond) {
				l := tt.look(now.Sub(begun).Seconds())
				if p.over(now, l.left, l.known, l.moved) {
					got = now.Sub(begun)
					break
				}
			}
			if got != tt.want {
				t.Errorf("it waits %s, want %s", got, tt.want)
			}
		})
	}
}
