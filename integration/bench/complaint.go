package main

import (
	"bytes"
	"regexp"
	"strings"
)

// complaint is what went wrong in a run, for the reader of the results: it does not
// tell where this run's files were, which are below work.
func complaint(err error, work string) string {
	inside := regexp.MustCompile(regexp.QuoteMeta(work) + `/[^/\s]+/(mnt/)?`)
	s := inside.ReplaceAllLiteralString(err.Error(), "")
	return strings.ReplaceAll(s, work, "the work directory")
}

// tail is the last part of some output, in one line, which begins with a whole word.
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
