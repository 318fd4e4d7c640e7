package main

import (
	"fmt"
	"strings"
)

// A holder is a process that keeps a mount from being undone.
type holder struct {
	PID  int
	Name string
	Path string // what it holds
	Cwd  bool   // it stands in Path
}

func (h holder) String() string {
	if h.Cwd {
		return fmt.Sprintf("%s (pid %d), which stands in %s", h.Name, h.PID, h.Path)
	}
	return fmt.Sprintf("%s (pid %d), which has %s open", h.Name, h.PID, h.Path)
}

// sayHolders names the first few.
func sayHolders(all []holder) string {
	const most = 4
	var names []string
	for _, h := range all[:min(len(all), most)] {
		names = append(names, h.String())
	}
	s := strings.Join(names, "; ")
	if n := len(all) - most; n > 0 {
		s += fmt.Sprintf("; and %d more", n)
	}
	return s
}
