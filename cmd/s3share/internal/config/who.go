package config

import (
	"os"
	"os/user"
	"strings"
)

// UserAtHost names this party in the names of conflict copies: user@host.
func UserAtHost() string {
	name, host := "someone", "somewhere"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		host, _, _ = strings.Cut(h, ".")
	}
	return strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' {
			return '-'
		}
		return r
	}, name+"@"+host)
}
