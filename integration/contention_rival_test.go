package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// rival is one program of a party.
type rival struct {
	*contention
	m     *mount
	name  string
	turns *sync.Mutex
	rnd   *rand.Rand
	count int
}

// step is one thing that programs do to a file.
func (w *rival) step() error {
	time.Sleep(time.Duration(w.rnd.IntN(120)) * time.Millisecond) // as long as a program thinks
	w.turns.Lock()
	defer w.turns.Unlock()
	w.count++
	key := w.any()
	switch w.rnd.IntN(8) {
	case 0, 1, 2:
		return w.add(key)
	case 3, 4:
		return w.edit(key)
	case 5:
		return w.replace(key)
	case 6:
		return w.replaceByRename(key)
	default:
		return w.rename(key, w.any())
	}
}

func (w *rival) any() string { return fmt.Sprintf("%s%02d.txt", delivery, w.rnd.IntN(sharedFiles)) }

// head begins a content, and line is added to one.
func (w *rival) head() string { return fmt.Sprintf("H%s.%06d;", w.name, w.count) }
func (w *rival) line() string { return fmt.Sprintf("L%s.%06d;", w.name, w.count) }

func (w *rival) add(key string) error {
	f, err := os.OpenFile(w.m.path(key), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + w.line())
	if err = errors.Join(err, f.Close()); err == nil {
		w.wrote("adds", key, w.line(), nil)
	}
	return err
}

// edit writes another head over the one that it has read, which is as long.
func (w *rival) edit(key string) error {
	f, err := os.OpenFile(w.m.path(key), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	old := marksIn(b)
	if err != nil || len(old) == 0 {
		return errors.Join(err, f.Close())
	}
	if len(w.line()) != len(old[0]) {
		return f.Close()
	}
	_, err = f.WriteAt([]byte(w.line()), int64(bytes.Index(b, []byte(old[0]))))
	if err = errors.Join(err, f.Close()); err == nil {
		w.wrote("edits", key, w.line(), old[:1])
	}
	return err
}

// replace reads the file and writes a new content into it.
func (w *rival) replace(key string) error {
	f, err := os.OpenFile(w.m.path(key), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(w.head()), 0)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		w.wrote("replaces", key, w.head(), marksIn(b))
	}
	return err
}

// replaceByRename writes a file of another name, and renames it over this one.
func (w *rival) replaceByRename(key string) error {
	temporary := w.m.path(delivery + w.name + ".part")
	if err := os.WriteFile(temporary, []byte(w.head()), 0o644); err != nil {
		return err
	}
	b, err := os.ReadFile(w.m.path(key))
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return errors.Join(err, os.Remove(temporary))
	}
	w.moves([]byte(w.head()), key)
	if err := os.Rename(temporary, w.m.path(key)); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	w.wrote("replaces by rename", key, w.head(), marksIn(b))
	return nil
}

// rename gives a file another's name.
func (w *rival) rename(from, to string) error {
	if from == to {
		return nil
	}
	b, err := os.ReadFile(w.m.path(to))
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	moved, err := os.ReadFile(w.m.path(from))
	if err != nil {
		return err
	}
	w.moves(moved, to)
	if err := os.Rename(w.m.path(from), w.m.path(to)); err != nil {
		return err
	}
	w.wrote("renames", from+" > "+to, "", marksIn(b))
	return nil
}
