package mounts

import (
	"fmt"
	"strings"
)

// User is a process that keeps a mount busy, in the sense of fuser(1).
type User struct {
	PID  int
	Name string
	Path string // the file that it has open, or its working directory
	Cwd  bool   // Path is its working directory
}

// String names the process and what it uses, for people.
func (u User) String() string {
	if u.Cwd {
		return fmt.Sprintf("%s (pid %d), which stands in %s", u.Name, u.PID, u.Path)
	}
	return fmt.Sprintf("%s (pid %d), which has %s open", u.Name, u.PID, u.Path)
}

// UsersText returns the first four of all as one line for people, and how many more there
// are; "" if there are none.
func UsersText(all []User) string {
	const maxNamed = 4
	var names []string
	for _, u := range all[:min(len(all), maxNamed)] {
		names = append(names, u.String())
	}
	s := strings.Join(names, "; ")
	if n := len(all) - maxNamed; n > 0 {
		s += fmt.Sprintf("; and %d more", n)
	}
	return s
}
