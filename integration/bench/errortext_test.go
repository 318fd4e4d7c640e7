package main

import (
	"errors"
	"strings"
	"testing"
)

func TestErrorText(t *testing.T) {
	const work = "/tmp/s3share-bench-33"
	for _, c := range []struct{ err, want string }{
		{"exit status 1: cp: ‘/tmp/s3share-bench-33/rclone-writes-17/mnt/tree/f1’: Input/output error", "exit status 1: cp: ‘tree/f1’: Input/output error"},
		{"stat /tmp/s3share-bench-33/s3fs-2/mnt: Transport endpoint is not connected", "stat mnt: Transport endpoint is not connected"},
		{"mkdir /tmp/s3share-bench-33: no space left on device", "mkdir the work directory: no space left on device"},
		{"read /etc/passwd: no", "read /etc/passwd: no"},
	} {
		if got := errorText(errors.New(c.err), work); got != c.want {
			t.Errorf("errorText(%q) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestTail(t *testing.T) {
	long := strings.Repeat("a-long/path/to/nowhere ", 40)
	if got := tail([]byte(long)); !strings.HasPrefix(got, "a-long/") ||
		len(got) < 300 || len(got) > 400 {
		t.Errorf("tail began with %q and has %d bytes, want whole words, and no more than 400",
			got[:20], len(got))
	}
	if got := tail([]byte(" one\n\ttwo ")); got != "one two" {
		t.Errorf("tail = %q, want one line", got)
	}
}
