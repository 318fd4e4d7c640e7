package main

import (
	"bytes"
	"regexp"
	"strings"
)

// errorText returns err for the reader of the results: without the paths below work, where the
// files of this run were.
func errorText(err error, work string) string {
	inside := regexp.MustCompile(regexp.QuoteMeta(work) + `/[^/\s]+/(mnt/)?`)
	s := inside.ReplaceAllLiteralString(err.Error(), "")
	return strings.ReplaceAll(s, work, "the work directory")
}

// tail returns the last part of some output, in one line, which begins with a whole word.
func tail(b []byte) string {
	const most = 400
	b = bytes.TrimSpace(b)
	if n := len(b) - most; n > 0 {
		b = b[n:]
		if i := bytes.IndexAny(b, " \t\n"); i >= 0 {
			b = b[i:]
		}
	}
	return strings.Join(strings.Fields(string(b)), " ")
}
