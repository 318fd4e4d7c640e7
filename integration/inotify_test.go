package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inotify collects what inotify says of one directory. This process serves no mount.
type inotify struct {
	file *os.File

	told func(name, event string) // called with each event; nil for nobody

	mu     sync.Mutex
	events map[string][]string // by name, in order
	ended  chan struct{}
}

// watchDir begins to watch a directory for events of a mask.
func watchDir(t *testing.T, dir string, mask uint32) *inotify {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w := &inotify{file: os.NewFile(uintptr(fd), "inotify"), events: map[string][]string{},
		ended: make(chan struct{})}
	if _, err := unix.InotifyAddWatch(fd, dir, mask); err != nil {
		t.Fatal(err)
	}
	go w.read()
	t.Cleanup(w.close)
	return w
}

func (w *inotify) close() {
	w.file.Close()
	<-w.ended
}

var eventNames = []struct {
	bit  uint32
	name string
}{
	{unix.IN_CREATE, "CREATE"}, {unix.IN_OPEN, "OPEN"}, {unix.IN_MODIFY, "MODIFY"}, {unix.IN_CLOSE_WRITE, "CLOSE_WRITE"},
	{unix.IN_ATTRIB, "ATTRIB"}, {unix.IN_DELETE, "DELETE"}, {unix.IN_MOVED_FROM, "MOVED_FROM"}, {unix.IN_MOVED_TO, "MOVED_TO"},
	{unix.IN_Q_OVERFLOW, "OVERFLOW"}, {unix.IN_DELETE_SELF, "DELETE_SELF"}, {unix.IN_IGNORED, "IGNORED"}, {unix.IN_ISDIR, "ISDIR"},
}

func (w *inotify) read() {
	defer close(w.ended)
	buf := make([]byte, 1<<20)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				w.add("", err.Error())
			}
			return
		}
		eachEvent(buf[:n], func(_ int, mask uint32, name string) {
			var is []string
			for _, e := range eventNames {
				if mask&e.bit != 0 {
					is = append(is, e.name)
				}
			}
			w.add(name, strings.Join(is, "|"))
		})
	}
}

func (w *inotify) add(name, event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[name] = append(w.events[name], event)
	if w.told != nil {
		w.told(name, event)
	}
}

// count is how often an event came, and of how many names.
func (w *inotify) count(event string) (times, names int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range w.events {
		n := 0
		for _, e := range all {
			if e == event {
				n++
			}
		}
		if times += n; n > 0 {
			names++
		}
	}
	return times, names
}

// of returns the events of a name.
func (w *inotify) of(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.events[name]...)
}

// watchAs makes the test binary watch a directory, as a user who may look into the mount: TestMain
// hands over to it. It says each event in a line, and the permission bits that it is shown, once
// each.
const watchAs = "S3SHARE_TEST_WATCH"

// sayEvents is what it does.
func sayEvents(dir string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, allEvents); err != nil {
		return err
	}
	w := &inotify{file: os.NewFile(uintptr(fd), "inotify"), events: map[string][]string{},
		ended: make(chan struct{})}
	w.told = func(name, event string) { fmt.Println("event", name, event) }
	go w.read()
	fmt.Println("watching")
	seen := map[uint32]bool{}
	for {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			return err
		}
		if !seen[st.Mode] {
			seen[st.Mode] = true
			fmt.Printf("mode %o\n", st.Mode)
		}
	}
}

// watchTree watches a folder of a mount and the directories in it, as a file manager with many
// windows does, until the test ends: also if the mount is made anew. Nobody looks at the events.
func watchTree(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "inotify")
	var (
		ended sync.WaitGroup
		mu    sync.Mutex
		paths = map[int]string{} // by watch
		stop  = make(chan struct{})
	)
	add := func(dir string) {
		if wd, err := unix.InotifyAddWatch(fd, dir, allEvents); err == nil {
			mu.Lock()
			paths[wd] = dir
			mu.Unlock()
		}
	}
	ended.Go(func() {
		buf := make([]byte, 1<<20)
		for {
			n, err := file.Read(buf)
			if err != nil {
				return
			}
			eachEvent(buf[:n], func(wd int, mask uint32, name string) {
				mu.Lock()
				in := paths[wd]
				mu.Unlock()
				if mask&unix.IN_ISDIR != 0 &&
					mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && in != "" {
					add(in + "/" + name)
				}
			})
		}
	})
	ended.Go(func() {
		for {
			add(dir)
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		file.Close()
		ended.Wait()
	})
}

// eachEvent calls do for each event that inotify has written to buf.
func eachEvent(buf []byte, do func(wd int, mask uint32, name string)) {
	for len(buf) >= unix.SizeofInotifyEvent {
		wd := int(int32(binary.NativeEndian.Uint32(buf)))
		mask := binary.NativeEndian.Uint32(buf[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[12:]))
		do(wd, mask, strings.TrimRight(string(buf[unix.SizeofInotifyEvent:end]), "\x00"))
		buf = buf[end:]
	}
}
