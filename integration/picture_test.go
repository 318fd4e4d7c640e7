package integration

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// display is an X server without a screen: the pictures of its windows are in a file.
type display struct {
	name    string // of the environment variable DISPLAY
	picture string // the file, in the format of xwd
}

// startDisplay starts a display. The pointer is in the middle, and outside of a window that is
// smaller than half the display and at its left.
func startDisplay(t *testing.T) display {
	t.Helper()
	dir := t.TempDir()
	told, number, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-fbdir", dir, "-screen", "0",
		"1600x600x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{number}
	startUntilEnd(t, cmd)
	number.Close()
	line, err := bufio.NewReader(told).ReadString('\n')
	if err != nil {
		t.Fatal("Xvfb has not started:", err)
	}
	return display{":" + strings.TrimSpace(line), filepath.Join(dir, "Xvfb_screen0")}
}

// startUntilEnd starts a program that is asked to end when the test has.
func startUntilEnd(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(cmd.Path), out.Bytes())
		}
	})
}

// hasText reports whether a picture has dark pixels in a rectangle.
func hasText(picture []byte, left, top, right, bottom int) bool {
	// The header of 32-bit numbers begins with its own size. The others are the bytes in a row,
	// and the number of colours that follow the header, 12 bytes each. Source: X11/XWDFile.h.
	number := func(i int) int { return int(binary.BigEndian.Uint32(picture[4*i:])) }
	row, pixels := number(12), number(0)+12*number(19)
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			if p := picture[pixels+y*row+4*x:]; p[0] < 64 && p[1] < 64 && p[2] < 64 {
				return true
			}
		}
	}
	return false
}

// await returns the display's picture once it is as wanted and has not changed for half a second.
func (d display) await(t *testing.T, what string, wanted func(picture []byte) bool) []byte {
	t.Helper()
	var last []byte
	var since time.Time
	await(t, what, func() bool {
		now, err := os.ReadFile(d.picture)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(now, last) {
			last, since = now, time.Now()
		}
		return wanted(now) && time.Since(since) > 500*time.Millisecond
	})
	return last
}

// TestFileManagerShowsArrivals has a window of a file manager be open while the other party
// delivers a file, replaces it and removes it: its picture shows each, without any input. In the
// end it is the picture of the beginning, to the pixel.
func TestFileManagerShowsArrivals(t *testing.T) {
	t.Parallel()
	needTools(t, "Xvfb", "pcmanfm")
	x := newExchange(t, "full")
	for i := range 5 {
		x.put(owner, fmt.Sprintf("%sbefore-%d.csv", delivery, i), []byte("before"), true)
	}
	m := x.mount(client)
	d := startDisplay(t)
	home := t.TempDir()
	config := filepath.Join(home, ".config/pcmanfm/default")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	// A list with sizes, without the free space, which other programs change.
	if err := os.WriteFile(filepath.Join(config, "pcmanfm.conf"),
		[]byte("[ui]\nwin_width=640\nwin_height=400\nview_mode=list\nshow_statusbar=0\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	window := exec.Command("pcmanfm", m.path("Delivery"))
	window.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home,
		"XDG_RUNTIME_DIR=" + home, "DISPLAY=" + d.name,
		"GIO_USE_VFS=local", "GIO_USE_VOLUME_MONITOR=unix", "DBUS_SESSION_BUS_ADDRESS=disabled:"}
	startUntilEnd(t, window)
	m.awaitWatched(1)
	// Below the first line of the list and above its scroll bar is text once there are files in it.
	before := d.await(t, "the window to show the files",
		func(p []byte) bool { return hasText(p, 250, 150, 600, 350) })

	differs := func(from []byte) func([]byte) bool {
		return func(p []byte) bool { return !slices.Equal(p, from) }
	}
	x.put(owner, delivery+"new.csv", []byte("new"), true)
	arrived := d.await(t, "the window to show the arrival", differs(before))
	x.put(owner, delivery+"new.csv", []byte("replaced"), true)
	d.await(t, "the window to show the other size", differs(arrived))
	x.remove(delivery + "new.csv")
	d.await(t, "the window to be as before", func(p []byte) bool { return slices.Equal(p, before) })
}
