// Package arrival has the kernel make events of what the other party does in a directory of the
// mount, for programs that watch it.
//
// The kernel makes events for inotify and fanotify only of calls on this machine. So a helper
// process, started by the process that serves the mount, makes the call that corresponds to the
// change: open(2) with O_CREAT for a new file, unlink(2) for a removed one. The process that serves
// the mount recognises the helper by its process ID, answers it with what is there already, and
// does nothing else.
//
// [Names] are the names of one directory as its watchers know them. A [Look] compares them with
// what is there now, and returns each [Changed] name to announce. What programs on this machine do
// is known to the kernel, and is not announced. [Watches] finds the inodes that programs watch.
// [Start] starts a [Helper], and [RunHelper] is the code of that process.
//
// No file's bytes pass through this package. If the helper cannot be started, or dies, the events
// are lost, and nothing else is.
package arrival
