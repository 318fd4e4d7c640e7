package hint

import "runtime/debug"

// Version is the output of git describe. make sets it in package main, which copies it
// here before anything else. It is "" in other builds; see [VersionText].
var Version string

// VersionText returns [Version], else the module version that go install records, else
// "(unknown)".
func VersionText() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
