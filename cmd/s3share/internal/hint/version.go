package hint

import "runtime/debug"

// Version is what git describes, as make sets it in package main, which hands it on here
// before anything else; see [VersionText].
var Version string

// VersionText is the version that make set, else the one that go install knows.
func VersionText() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
