package config

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
)

// ExchangeNames are the exchanges of the config file, sorted; nil where it cannot be read.
func ExchangeNames(config string) []string {
	file, _, err := CheckedPath(config)
	if err != nil {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	c, err := readFile(file, text)
	if err != nil {
		return nil
	}
	return c.names()
}

// NamedExchange returns the exchange of the config file that a name means, "" for the default one,
// and its settings there. Flags and the environment are not asked.
func NamedExchange(config, name string) (s *Settings, file string, err error) {
	if file, _, err = CheckedPath(config); err != nil {
		return nil, "", err
	}
	s = Defaults()
	return s, file, readConfig(file, name, s)
}

// AWSProfiles are the profiles in the files of AWS's tools, sorted.
func AWSProfiles() (names []string) {
	for _, file := range []string{
		cmp.Or(os.Getenv("AWS_CONFIG_FILE"), config.DefaultSharedConfigFilename()),
		cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), config.DefaultSharedCredentialsFilename()),
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			section, open := strings.CutPrefix(strings.TrimSpace(line), "[")
			section, _, closed := strings.Cut(section, "]")
			section = strings.TrimSpace(section)
			if name, is := strings.CutPrefix(section, "profile "); is {
				section = strings.TrimSpace(name)
			}
			// A section with a space is another kind, such as "sso-session NAME".
			if open && closed && section != "" && !strings.Contains(section, " ") {
				names = append(names, section)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// OptionForms returns the mount options as they are written, with = where a value follows. A switch
// that is on by default has one, since only false changes anything.
func OptionForms() (forms []string) {
	for _, name := range optionNames() {
		_, isFstab := fstabOptions[name]
		st, _ := findSetting(strings.ReplaceAll(name, "_", "-"))
		if !isFstab && name != "noexec" && !(st.isSwitch() && !st.onByDefault()) {
			name += "="
		}
		forms = append(forms, name)
	}
	return forms
}
