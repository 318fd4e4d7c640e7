// Package thumbnailer limits how much certain programs download without a person's request: those
// that make thumbnails of the files in an open folder, and those that index files.
//
// Such a program, of a name that [Is] knows, gets a file of up to [MaxBytes] as any program does.
// Of a larger one, each open has a [Budget] of MaxBytes, for wherever it reads: the header and the
// index at the end of a film and one frame of it, or a page of a document, are less. What is cached
// costs nothing.
package thumbnailer

import "sync/atomic"

// MaxBytes is how much may be fetched of a file for one open: a decoder of films reads up to 5 MB
// to find out what is in it. Source: ffmpeg-formats(1), probesize.
const MaxBytes = 8 << 20

// nameSize is how much the kernel keeps of a program's name, in bytes.
// Source: proc_pid_comm(5), TASK_COMM_LEN.
const nameSize = 15

// programs are the names of programs, as they are started.
var programs = []string{
	// thumbnails
	"tumblerd",
	"atril-thumbnailer",
	"evince-thumbnailer",
	"ffmpegthumbnailer",
	"gdk-pixbuf-thumbnailer",
	"glycin-thumbnailer",
	"gnome-thumbnail-font",
	"gsf-office-thumbnailer",
	"gst-thumbnailer",
	"mate-thumbnail-font",
	"papers-thumbnailer",
	"raw-thumbnailer",
	"totem-video-thumbnailer",
	"xreader-thumbnailer",
	// indexes
	"baloo_file",
	"baloo_file_extractor",
	"localsearch-3",
	"localsearch-extractor-3",
	"recollindex",
	"tracker-extract",
	"tracker-extract-3",
	"tracker-miner-fs",
	"tracker-miner-fs-3",
}

// cutPrograms are programs, as the kernel keeps their names.
var cutPrograms = func() map[string]bool {
	cut := map[string]bool{}
	for _, name := range programs {
		cut[name[:min(len(name), nameSize)]] = true
	}
	return cut
}()

// Is reports whether a program of this name, as the kernel keeps it, is limited.
func Is(program string) bool { return cutPrograms[program] }

// Counts counts what was limited. Its fields may be read at any time.
type Counts struct {
	Files   atomic.Int64 // opens that have a budget
	Refused atomic.Int64 // of these, opens in which a read was refused
}

// Budget is what one open may fetch. Its methods may be called concurrently.
type Budget struct {
	counts  *Counts
	used    atomic.Int64
	refused atomic.Bool
}

// NewBudget returns the budget of one more open.
func (c *Counts) NewBudget() *Budget {
	c.Files.Add(1)
	return &Budget{counts: c}
}

// Take reports whether so many bytes may be fetched, and counts them if so.
func (b *Budget) Take(bytes int64) bool {
	for {
		used := b.used.Load()
		if bytes > MaxBytes-used {
			if b.refused.CompareAndSwap(false, true) {
				b.counts.Refused.Add(1)
			}
			return false
		}
		if b.used.CompareAndSwap(used, used+bytes) {
			return true
		}
	}
}
