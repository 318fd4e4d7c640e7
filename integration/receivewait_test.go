package integration

import (
	"strings"
	"testing"
	"time"
)

// TestReceiveWaits has a receiver wait for a delivery: it verifies the one that comes meanwhile, by
// its name or whatever its name is, and ends with an error if none comes in time.
func TestReceiveWaits(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "folders")
	x, gateway := direct.through(t)
	ours, theirs := direct.mover(client), x.mover(owner)
	began := time.Now()
	theirs.want(1, []string{"receive", "--wait", "--timeout", "1s", "--interval", "1s"},
		"no delivery came in 1s")
	if took := time.Since(began); took < time.Second {
		t.Errorf("it has waited %s for a delivery", took)
	}
	for _, name := range []string{"", "q3"} {
		looks := gateway.count("ListObjectsV2")
		type ended struct {
			out  string
			code int
		}
		waits := make(chan ended, 1)
		go func() {
			args := []string{"receive", "--wait", "--timeout",
				patience.String(), "--interval", "1s"}
			if name != "" {
				args = append(args, name)
			}
			out, code := theirs.run(args...)
			waits <- ended{out, code}
		}()
		// It has looked, and found nothing.
		await(t, "a look at what was sent",
			func() bool { return gateway.count("ListObjectsV2") > looks })
		sends := name
		if sends == "" {
			sends = "q2"
		}
		ours.write(sends+"/file", []byte("content of "+sends))
		ours.want(0, []string{"send", sends, "--name", sends}, "1 file")
		got := <-waits
		if got.code != 0 || !strings.Contains(got.out, `"`+sends+`": 1 file`) ||
			!strings.Contains(got.out, "all there and verified") {
			t.Errorf("receive --wait %s ends with %d:\n%s", name, got.code, got.out)
		}
		ours.want(0, []string{"sent", sends}, "received and verified by ")
	}
}
