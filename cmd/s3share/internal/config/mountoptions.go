package config

import (
	"slices"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// ignoredOptions mean something to mount(8), systemd or the kernel's defaults, and
// nothing to a mount of ours.
var ignoredOptions = []string{
	"_netdev", "auto", "noauto", "nofail", "defaults", "user", "nouser", "users", "owner", "group",
	"nosuid", "nodev", "exec", "atime", "noatime", "relatime",
	"norelatime", "strictatime", "nodiratime",
	"default_permissions",
}

// fstabOptions are names in fstab that set a switch, and take no value. Other switches can be
// written without a value too: the name alone means true.
var fstabOptions = map[string]struct{ name, value string }{
	"ro": {"read-only", "true"}, "rw": {"read-only", "false"}, "async": {"sync", "false"},
}

// otherNames are what users of fstab know some settings by.
var otherNames = map[string]string{"endpoint": "endpoint-url", "url": "endpoint-url"}

// readOptions reads what -o says: a list with commas, in the names that fstab
// knows. It returns the settings among them, and what the kernel is to get.
func readOptions(lists []string) (Layer, []string, error) {
	l := Layer{}
	var kernel []string
	for option := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		name, value, hasValue := strings.Cut(option, "=")
		fstab, isFstab := fstabOptions[option]
		switch {
		case option == "" || strings.HasPrefix(option, "x-") ||
			slices.Contains(ignoredOptions, option):
			continue
		case option == "noexec":
			kernel = append(kernel, option)
			continue
		case option == "allow_root":
			return nil, nil, hint.Usage("allow_other lets other users in, root among them",
				"the kernel has no option allow_root")
		case option == "auto_unmount":
			return nil, nil,
				hint.Usage(
					"leave it out: a mount whose daemon is gone is undone by the next mount on its directory, or by s3share unmount", "-o auto_unmount is not supported")
		case option == "suid" || option == "dev":
			return nil, nil, hint.Usage("leave it out, or for mount(8) write no"+option,
				"-o %s would let the other party bring programs with privileges, or devices",
				option)
		case isFstab:
			name, value, hasValue = fstab.name, fstab.value, true
		}
		name = strings.ReplaceAll(name, "_", "-")
		if other, ok := otherNames[name]; ok {
			name = other
		}
		st, ok := findSetting(name)
		if ok && !hasValue && st.isSwitch() {
			value, hasValue = "true", true
		}
		if !ok || !hasValue {
			return nil, nil, unknownOption(option, st, ok)
		}
		if err := l.add(st, value); err != nil {
			return nil, nil, hint.Usage("", "cannot read -o %s: %w", option, err)
		}
	}
	return l, kernel, nil
}

// unknownOption is the error for an option that there is not, or that lacks its value: then
// known reports that, and st is its setting.
func unknownOption(option string, st setting, known bool) error {
	if known {
		return hint.Usage("write it as -o "+option+"="+st.arg,
			"the mount option %s needs a value", option)
	}
	name, _, _ := strings.Cut(option, "=")
	return hint.Usage(hint.DidYouMean(name,
		optionNames(), "s3share mount --help lists the options"), "unknown mount option %q", option)
}

// optionNames are the names that -o knows and that mean something to a mount of ours.
func optionNames() []string {
	names := []string{"noexec"}
	for name := range fstabOptions {
		names = append(names, name)
	}
	for name := range otherNames {
		names = append(names, name)
	}
	for _, st := range settingTable {
		names = append(names, strings.ReplaceAll(st.name, "-", "_"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// OptionOnly reports whether a setting has no flag, and is said with -o.
func OptionOnly(name string) bool {
	st, known := findSetting(strings.ReplaceAll(name, "_", "-"))
	return known && st.usage == ""
}
