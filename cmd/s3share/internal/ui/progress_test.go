package ui

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"github.com/s3share/s3share/cache/rate"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// TestProgressScreens draws the one bar of unmount, wait and recover as it goes on, and the line
// with which they end.
func TestProgressScreens(t *testing.T) {
	events := []control.Event{
		{Files: 3, Bytes: 1200 * mib, InFlight: 24 * mib},
		{Files: 3, Bytes: 1200 * mib, Sent: 400 * mib, InFlight: 30 * mib, Speed: 38 * mib},
		{Files: 1, Bytes: 200 * mib, Done: 2, DoneBytes: 1000 * mib, Sent: 150 * mib, InFlight: 20 * mib, Speed: 29 * mib},
	}
	for _, width := range screenWidths {
		var shown strings.Builder
		for _, e := range events {
			var out bytes.Buffer
			refresh := make(chan any)
			p := NewProgress(nil)
			p.bars = mpb.New(mpb.WithOutput(&out),
				mpb.WithManualRefresh(refresh), mpb.WithWidth(width))
			p.Show(e)
			refresh <- time.Now()
			p.End()
			frames := strings.Split(regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]").
				ReplaceAllString(out.String(), "\n"), "\n")
			for _, frame := range frames {
				if frame = strings.TrimRight(frame, " \r"); frame != "" {
					shown.WriteString(frame + "\n")
					break
				}
			}
		}
		var last bytes.Buffer
		PrintDelivered(&last, 3, 1200*mib, 41*time.Second)
		testhome.CheckScreen(t, *update, fmt.Sprintf("unmount-%d", width),
			shown.String()+last.String(), width)
	}
}

// TestProgressWithoutATerminal prints no bar, and why nothing is delivered once.
func TestProgressWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	for range 3 {
		p.Show(control.Event{Files: 1, Bytes: 5, Waiting: "nothing answers"})
	}
	p.Show(control.Event{Files: 1, Bytes: 5})
	p.End()
	PrintDelivered(&out, 0, 0, time.Second)
	PrintDelivered(&out, 1, 5, 400*time.Millisecond)
	if want :=
		"s3share: note: nothing is delivered at present: nothing answers\n1 file, 5 B delivered in 0.4 s\n"; out.String() != want {
		t.Errorf("it prints %q, want %q", out.String(), want)
	}
}

// TestLastLines: whatever was moved or repaired is told in lines of one form.
func TestLastLines(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{MovedText(3, 1200*mib, "delivered", 41*time.Second), "3 files, 1.2 GiB delivered in 41 s"},
		{MovedText(1, 5, "fetched", 400*time.Millisecond), "1 file, 5 B fetched in 0.4 s"},
		{RepairedText(3, 3, 1200*mib, 41*time.Second), "3 objects, 1.2 GiB repaired in 41 s"},
		{RepairedText(1, 1, 5, 400*time.Millisecond), "1 object, 5 B repaired in 0.4 s"},
		{RepairedText(2, 3, 5, 3*time.Minute), "2 of 3 objects, 5 B repaired in 3m0s"},
		{RepairedText(0, 1, 0, time.Second), "0 of 1 object, 0 B repaired in 1.0 s"},
	} {
		if tt.got != tt.want {
			t.Errorf("it says %q, want %q", tt.got, tt.want)
		}
	}
}

func TestSpeedOfTransfer(t *testing.T) {
	var w rate.Window
	at := time.Unix(1000, 0)
	for i := range int64(300) {
		at = at.Add(200 * time.Millisecond)
		speed := speedOf(&w, at, i*100)
		if want := int64(500); i > 5 && speed != want || i < 5 && speed != 0 {
			t.Fatalf("after %d looks the speed is %d, want %d", i+1, speed, want)
		}
	}
	if speed := speedOf(&w, at.Add(time.Minute), 299*100); speed != 0 {
		t.Errorf("once it stands still for a minute the speed is %d", speed)
	}
}
