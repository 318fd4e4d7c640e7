//go:build linux

// Command faultdisk is a disk that fails by rule: a file system that shows a directory,
// and on which tests have writes, syncs, renames and the like fail.
//
//	faultdisk DIR MOUNTPOINT
//
// It prints a line when it is mounted. Each line on its standard input is a JSON list
// of rules, which replaces the one before, or empty, which leaves it; it is answered by
// a line: how often a rule has had an operation fail so far. At the end of its standard
// input it unmounts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: faultdisk DIR MOUNTPOINT")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "faultdisk:", err)
		os.Exit(1)
	}
}

func serve(dir, mountpoint string) error {
	d := &disk{}
	root, err := fs.NewLoopbackRoot(dir)
	if err != nil {
		return err
	}
	long := time.Hour // nobody else changes anything
	options := &fs.Options{EntryTimeout: &long, AttrTimeout: &long}
	options.DirectMount, options.FsName, options.Name = os.Getuid() == 0, dir, "faultdisk"
	server, err := fs.Mount(mountpoint, d.wrap(root), options)
	if err != nil {
		return err
	}
	fmt.Println("mounted")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if len(lines.Bytes()) == 0 {
			fmt.Println(d.count())
			continue
		}
		var rules []rule
		if err := json.Unmarshal(lines.Bytes(), &rules); err != nil {
			return err
		}
		fmt.Println(d.set(rules))
	}
	d.set(nil)
	if err := server.Unmount(); err != nil { // a program still has files open there
		if err := syscall.Unmount(mountpoint, syscall.MNT_DETACH); err != nil {
			return exec.Command("fusermount3", "-uzq", mountpoint).Run()
		}
	}
	return nil
}

// rule has operations fail.
type rule struct {
	// Ops has names of operations, separated by |; "" for all that change something.
	Ops   string        `json:"ops"`
	Path  string        `json:"path"`  // what the path contains; "" for every path
	Errno syscall.Errno `json:"errno"` // what they return
	// Short: a write writes the first half and returns its length, instead of the error.
	Short bool `json:"short"`
	Skip  int  `json:"skip"`  // so many that match succeed first
	Times int  `json:"times"` // so many fail; 0 for all

	met int
}

// disk is what the rules are of.
type disk struct {
	// mu guards the fields below.
	mu     sync.Mutex
	rules  []rule
	failed int
}

// set replaces the rules, and returns how many operations have failed so far.
func (d *disk) set(rules []rule) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = rules
	return d.failed
}

func (d *disk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// The operations that rules name.
const (
	opCreate   = "create"
	opOpen     = "open"
	opRead     = "read"
	opWrite    = "write"
	opTruncate = "truncate"
	opAllocate = "allocate"
	opFsync    = "fsync"
	opFsyncDir = "fsyncdir"
	opRename   = "rename"
	opUnlink   = "unlink"
	opMkdir    = "mkdir"
	opRmdir    = "rmdir"
)

// fails reports what an operation is to return; short asks for half a write.
func (d *disk) fails(op, path string) (errno syscall.Errno, short bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.rules {
		r := &d.rules[i]
		changes := op != opOpen && op != opRead
		if r.Ops == "" && !changes || r.Ops != "" &&
			!slices.Contains(strings.Split(r.Ops, "|"), op) || !strings.Contains(path, r.Path) {
			continue
		}
		if r.met++; r.met <= r.Skip || r.Times > 0 && r.met > r.Skip+r.Times {
			continue
		}
		d.failed++
		return r.Errno, r.Short && op == opWrite
	}
	return 0, false
}
