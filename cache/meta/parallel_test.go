package meta

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// kindsOfNames make names as people and programs do.
var kindsOfNames = map[string]func(r *rand.Rand, i int) string{
	"numbers with zeros":    func(_ *rand.Rand, i int) string { return fmt.Sprintf("f%05d", i) },
	"numbers without":       func(_ *rand.Rand, i int) string { return fmt.Sprintf("IMG_%d.JPG", i) },
	"hashes":                func(r *rand.Rand, _ int) string { return fmt.Sprintf("%016x", r.Uint64()) },
	"dates":                 func(_ *rand.Rand, i int) string { return time.Unix(int64(i)*86400, 0).Format("2006-01-02") + ".log" },
	"words":                 func(r *rand.Rand, _ int) string { return word(r, "abcdefghijklmnopqrstuvwxyz") },
	"other scripts":         func(r *rand.Rand, _ int) string { return word(r, "aäéßжяあ漢\U0001F600") },
	"folders among files":   func(r *rand.Rand, i int) string { return word(r, "ab") + word(r, "ab/") + "x" },
	"names beside folders":  func(r *rand.Rand, i int) string { return word(r, "ab") + []string{"", "/x", "-", ".", "0"}[i%5] },
	"folders only":          func(r *rand.Rand, i int) string { return fmt.Sprintf("d%04d/x", i) },
	"bytes that few expect": func(r *rand.Rand, _ int) string { return word(r, "\x01\x7f\u00ff~!% +") },
	"long ones, alike":      func(r *rand.Rand, i int) string { return strings.Repeat("long-", 40) + fmt.Sprint(i) },
	"few after many":        func(r *rand.Rand, i int) string { return fmt.Sprintf("%s%06d", []string{"a", "z"}[i/(i+1-i%40)%2], i) },
}

func word(r *rand.Rand, letters string) string {
	of := []rune(letters)
	var b strings.Builder
	for range 1 + r.IntN(8) {
		b.WriteRune(of[r.IntN(len(of))])
	}
	return strings.Trim(b.String(), "/") + "."
}

// shuffled has answers come in any order.
func shuffled(r *rand.Rand) func(buckettest.S3) buckettest.S3 {
	var mu sync.Mutex
	return func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(ctx context.Context, _, _ string, send func() error) error {
			mu.Lock()
			d := time.Duration(1+r.IntN(50)) * time.Millisecond
			mu.Unlock()
			err := send()
			if slept := sleepTo(ctx, d); slept != nil {
				return slept
			}
			return err
		})
	}
}

// TestParallelList compares listings in several ranges with the keys themselves, whatever the
// names and the order of answers, and counts what they cost.
func TestParallelList(t *testing.T) {
	for kind, name := range kindsOfNames {
		t.Run(kind, func(t *testing.T) {
			for seed := range uint64(12) {
				r := rand.New(rand.NewPCG(seed, 1))
				size := 1 + r.IntN(12)
				synctest.Test(t, func(t *testing.T) {
					b := buckettest.New()
					b.PageSize = size
					c := New(shuffled(rand.New(rand.NewPCG(seed, 2)))(b), Config{})
					defer c.Close()
					rig := &rig{t, c, b}
					want := map[string]bool{}
					for i := range r.IntN(1500) {
						n := name(r, i)
						rig.store("D/" + n)
						if dir, _, ok := strings.Cut(n, "/"); ok {
							n = dir + "/"
						}
						want[n] = true
					}
					rig.store("C/x", "D-", "E/x")
					got := rig.read(c.List("D/", -1))
					if !slices.IsSorted(got) || len(got) != len(want) {
						t.Fatalf("seed %d: %d names, want %d, in order: %v", seed,
							len(got), len(want), slices.IsSorted(got))
					}
					for _, n := range got {
						if !want[n] {
							t.Fatalf("seed %d: %q is not there, or twice", seed, n)
						}
						delete(want, n)
					}
					plain := max(1, (len(got)+size-1)/size)
					if n := b.Count(buckettest.List); n*5 > plain*6 {
						t.Errorf("seed %d: %d requests, a plain listing takes %d", seed, n, plain)
					}
				})
			}
		})
	}
}

// TestSpreadIsFaster counts round trips for names of kinds that are common.
func TestSpreadIsFaster(t *testing.T) {
	for kind, atMost := range map[string]int{"numbers with zeros": 45, "numbers without": 45,
		"hashes": 45, "words": 45, "folders only": 50} {
		bubble(t, 10, Config{}, func(b buckettest.S3) buckettest.S3 {
			return buckettest.Wrap(b,
				func(_ context.Context, _, _ string, send func() error) error {
					time.Sleep(time.Second)
					return send()
				})
		}, func(rig *rig) {
			r := rand.New(rand.NewPCG(1, 1))
			for i := range 1000 {
				rig.store("D/" + kindsOfNames[kind](r, i))
			}
			begun := time.Now()
			l := rig.List("D/", -1)
			if _, _, err := l.At(rig.Context(), 0); err != nil || time.Since(begun) > time.Second {
				rig.Errorf("%s: the first name came after %v, %v", kind, time.Since(begun), err)
			}
			n := len(rig.read(l))
			if trips := int(time.Since(begun) / time.Second); trips > atMost {
				rig.Errorf("%s: %d names in pages of 10 took %d round trips, want %d at most", kind,
					n, trips, atMost)
			} else {
				rig.Logf("%s: %d round trips, %d requests", kind,
					trips, rig.b.Count(buckettest.List))
			}
		})
	}
}

// noStart is a server that does not begin listings where it is asked to.
type noStart struct {
	buckettest.S3
	err error // what it says to that; nil to begin at the first key
}

func (b noStart) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	if in.StartAfter != "" && b.err != nil {
		return s3backend.Page{}, b.err
	}
	in.StartAfter = ""
	return b.S3.List(ctx, in)
}

// TestSpreadWithoutStartAfter lists plainly where there is no other way.
func TestSpreadWithoutStartAfter(t *testing.T) {
	for _, fail := range []error{nil, s3backend.Other} {
		for seed := range uint64(20) {
			bubble(t, 7, Config{}, func(b buckettest.S3) buckettest.S3 {
				return noStart{shuffled(rand.New(rand.NewPCG(seed, 2)))(b), fail}
			}, func(rig *rig) {
				var want []string
				for i := range 600 {
					want = append(want, fmt.Sprintf("f%05d", i))
					rig.store("D/" + want[i])
				}
				if got := rig.read(rig.List("D/", -1)); !slices.Equal(got, want) {
					rig.Errorf("seed %d: %d names, want %d", seed, len(got), len(want))
				}
			})
		}
	}
}

// TestSpreadKeepsOwnChanges removes and adds while pages are on their way.
func TestSpreadKeepsOwnChanges(t *testing.T) {
	bubble(t, 5, Config{}, shuffled(rand.New(rand.NewPCG(1, 2))), func(rig *rig) {
		for i := range 500 {
			rig.store(fmt.Sprintf("D/%03d", i))
		}
		l := rig.List("D/", -1)
		if _, _, err := l.At(rig.Context(), 60); err != nil {
			rig.Fatal(err)
		}
		rig.b.Discard("D/400")
		rig.Remove("D/400")
		rig.Put(rig.b.Store("D/401x", []byte("new"), nil))
		got := rig.read(l)
		if len(got) != 500 || slices.Contains(got, "400") || !slices.Contains(got, "401x") {
			rig.Errorf("%d names, want 500, with the new one and without the old", len(got))
		}
	})
}
