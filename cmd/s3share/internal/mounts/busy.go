package mounts

import (
	"fmt"
	"strings"
)

// A Holder is a process that keeps a mount from being undone.
type Holder struct {
	PID  int
	Name string
	Path string // what it holds
	Cwd  bool   // it stands in Path
}

func (h Holder) String() string {
	if h.Cwd {
		return fmt.Sprintf("%s (pid %d), which stands in %s", h.Name, h.PID, h.Path)
	}
	return fmt.Sprintf("%s (pid %d), which has %s open", h.Name, h.PID, h.Path)
}

// SayHolders names the first few.
func SayHolders(all []Holder) string {
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
