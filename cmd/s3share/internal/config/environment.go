package config

import (
	"os"
	"slices"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

const (
	variablePrefix = "S3SHARE_"
	configVariable = variablePrefix + "CONFIG" // the config file
)

// variableOf is the name of the environment variable of a setting.
func variableOf(st setting) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(st.name, "-", "_"))
}

// SettingVariables returns the environment variables of all settings.
func SettingVariables() (names []string) {
	for _, st := range settingTable {
		names = append(names, variableOf(st))
	}
	return names
}

// Environment reads the layer of the S3SHARE_ variables. It refuses one whose name is
// a misspelt setting's. Other variables of that prefix may be of other programs.
func Environment() (Layer, error) {
	if err := checkVariables(os.Environ()); err != nil {
		return nil, err
	}
	l := Layer{}
	for _, st := range settingTable {
		name := variableOf(st)
		value, ok := os.LookupEnv(name)
		if !ok || value == "" {
			continue
		}
		values := []string{value}
		if listSettings[st.name] != nil {
			values = strings.Split(value, ",")
		}
		for _, v := range values {
			if err := l.add(st, v); err != nil {
				return nil, hint.Usage("", "cannot read $%s: %w", name, err)
			}
		}
	}
	return l, nil
}

// checkVariables refuses a variable whose name is like that of a setting.
func checkVariables(env []string) error {
	known := []string{strings.TrimPrefix(configVariable, variablePrefix)}
	for _, st := range settingTable {
		known = append(known, strings.TrimPrefix(variableOf(st), variablePrefix))
	}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		rest, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || value == "" || slices.Contains(known, rest) {
			continue
		}
		if near := hint.Near(rest, known); len(near) > 0 {
			return hint.Usage("", "%s is unknown; did you mean %s%s?",
				name, variablePrefix, near[0])
		}
	}
	return nil
}
