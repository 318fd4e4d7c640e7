package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// confirm asks at the terminal. advice is what to do where nobody can be asked.
func confirm(stdin io.Reader, out io.Writer, question, advice string) error {
	if !hint.ReadsFromTerminal(stdin) {
		return hint.Usage(advice, "this has to be confirmed, and standard input is no terminal")
	}
	fmt.Fprint(out, question+" [y/N] ")
	answer := readLine(stdin)
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errDeclined
	}
	return nil
}

// readLine reads one line, and nothing of the next.
func readLine(r io.Reader) string {
	var line []byte
	for b := make([]byte, 1); len(line) < 100; {
		if n, err := r.Read(b); n == 0 || err != nil || b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	return string(line)
}

// errDeclined is returned if the person who was asked does not agree.
var errDeclined = errors.New("nothing was changed")

// lookOnly is what to do where nobody can be asked.
const lookOnly = "say --yes, or --dry-run only to look"
