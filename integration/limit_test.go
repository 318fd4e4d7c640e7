package integration

import (
	"bytes"
	"strings"
	"testing"
)

// TestLimitChangedLive has a file wait for a low limit, and go at once when that is lifted.
func TestLimitChangedLive(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client, "--limit-upload", "10K")
	content := bytes.Repeat([]byte("much "), 1<<20)
	m.write(delivery+"much.bin", content)
	await(t, "the file to be on its way",
		func() bool { return strings.HasPrefix(m.fileState(delivery+"much.bin"), "uploading") })
	m.deliver(delivery+"small.txt", []byte("a small file does not wait for it"))
	for _, c := range []struct{ rate, want string }{
		{"", "up 10.0 KiB/s, down no limit"},
		{"1M/none", "up 1.0 MiB/s, down no limit, until s3share limit default or unmount"},
		{"default", "up 10.0 KiB/s, down no limit"},
		{"none", "up no limit, down no limit, until s3share limit default or unmount"},
	} {
		args := []string{"limit", m.dir}
		if c.rate != "" {
			args = []string{"limit", c.rate, m.dir}
		}
		if out, err := m.run(args...); err != nil || !strings.Contains(out, ": "+c.want+"\n") {
			t.Errorf("limit %s: %v\n%swant %q", c.rate, err, out, c.want)
		}
	}
	m.awaitDelivered(delivery + "much.bin")
	if got := m.read(delivery + "much.bin"); !bytes.Equal(got, content) {
		t.Errorf("the file has %d bytes that differ", len(got))
	}
}
