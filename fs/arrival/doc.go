// Package arrival tells the programs that watch a directory of the mount what the other party
// has done there.
//
// The kernel makes events, for inotify and fanotify, only of the calls of programs on this
// machine. So a helper process, started by the process that serves the mount, makes the call
// that the change would have been: open(2) with O_CREAT for a new file, unlink(2) for a removed
// one. Whoever serves the mount knows the helper by its process ID, answers it with what is there
// already, and does nothing else.
//
// [Names] are the names of one directory as its watchers know them. A [Look] compares them with
// what is there now and returns the [Change]s to announce; what programs here do themselves is
// known to the kernel, and is no change. [Watches] finds the directories that somebody watches.
// [Start] starts a [Helper], and [RunHelper] is that process.
//
// Nothing here is on the way of a file. If the helper cannot be started, or dies, the events are
// lost, and nothing else is.
package arrival
