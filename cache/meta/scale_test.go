package meta

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/s3backend"
)

var update = flag.Bool("update", false, "write the figures that were simulated into docs/scale.md")

// counted counts requests, each of which takes 50 to 60 ms, and the most in one second.
type counted struct {
	bucket Bucket

	mu     sync.Mutex
	n      int
	second map[int64]int
}

func (b *counted) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	b.mu.Lock()
	b.n++
	b.second[time.Now().Unix()]++
	b.mu.Unlock()
	// No two answers come at once, and always in the same order.
	h := fnv.New32a()
	h.Write([]byte(in.StartAfter + in.Token))
	if err := sleepTo(ctx,
		50*time.Millisecond+time.Duration(h.Sum32()%10_000)*time.Microsecond); err != nil {
		return s3backend.Page{}, err
	}
	return b.bucket.List(ctx, in)
}

func (b *counted) most() (n int) {
	for _, m := range b.second {
		n = max(n, m)
	}
	return n
}

// readAll reads a folder of n names to its end.
func readAll(t *testing.T, c *Cache, n int) {
	if _, ok, err := c.List("Delivery/", -1).At(t.Context(), n-1); !ok || err != nil {
		t.Errorf("there is no name %d: %v", n, err)
	}
}

// simulate has mounts look at one folder of n names every ten seconds for a
// while, each beginning at another moment, and then leave it alone for an hour.
func simulate(t *testing.T, mounts, n int) (first, perHour, most, idle int) {
	synctest.Test(t, func(t *testing.T) {
		const while = 2 * time.Minute
		b := &counted{bucket: endless{n}, second: map[int64]int{}}
		var g sync.WaitGroup
		caches := make([]*Cache, mounts)
		for i := range caches {
			caches[i] = New(b, Config{})
			defer caches[i].Close()
			g.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Second / time.Duration(mounts))
				readAll(t, caches[i], n)
			})
		}
		g.Wait()
		first = b.n / mounts
		b.n, b.second = 0, map[int64]int{}
		for i := range caches {
			g.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Second / time.Duration(mounts))
				for begun := time.Now(); time.Since(begun) < while; time.Sleep(10 * time.Second) {
					readAll(t, caches[i], n)
				}
			})
		}
		g.Wait()
		perHour, most = b.n*int(time.Hour/while)/mounts, b.most()
		b.n = 0
		time.Sleep(time.Hour)
		synctest.Wait()
		idle = b.n
	})
	return first, perHour, most, idle
}

// Prices in US dollars of LIST requests, for a thousand. Source: Amazon S3 pricing,
// us-east-1, S3 Standard, "PUT, COPY, POST, LIST requests".
const listPrice = 0.005

// TestScale simulates what docs/scale.md tells.
func TestScale(t *testing.T) {
	var b strings.Builder
	b.WriteString(
		"| names in the folder | requests to list it once | an hour of looking every 10 s | price of that hour, all month long | requests in the hour after |\n|---|---|---|---|---|\n")
	for _, n := range []int{1_000, 10_000, 100_000} {
		first, hour, _, idle := simulate(t, 1, n)
		plain := (n + 999) / 1000
		if first*5 > plain*6 || idle != 0 {
			t.Errorf("%d names: %d requests for %d pages, and %d in an idle hour",
				n, first, plain, idle)
		}
		fmt.Fprintf(&b, "| %d | %d | %d | $%.2f | %d |\n", n,
			first, hour, float64(hour)*720*listPrice/1000, idle)
	}
	b.WriteString(
		"\n| mounts that look at a folder of 1,000 names every 10 s | requests an hour, all together | most in a second | price of a month |\n|---|---|---|---|\n")
	for _, mounts := range []int{1, 10, 100} {
		_, hour, most, _ := simulate(t, mounts, 1000)
		fmt.Fprintf(&b, "| %d | %d | %d | $%.0f |\n", mounts, hour*mounts, most,
			float64(hour*mounts)*720*listPrice/1000)
	}
	const page, from, to = "../../docs/scale.md", "<!-- simulated -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), from)
	told, after, ends := strings.Cut(rest, to)
	if !ok || !ends {
		t.Fatalf("%s has no place for the figures", page)
	}
	if told == b.String() {
		return
	}
	if !*update {
		t.Fatalf(
			"%s tells\n%s\nand not what was simulated (go test ./cache/meta -run TestScale -update):\n%s", page, told, b.String())
	}
	if err := os.WriteFile(page, []byte(before+from+b.String()+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
