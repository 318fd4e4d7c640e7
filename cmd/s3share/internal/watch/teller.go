package watch

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/changes"
	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// The teller is a process of its own that tells events: it prints them or runs a command, and
// records in the cursor's file what was begun and taken. It is this program, started by [Run]. If
// the process that watches is killed, the teller completes the event that it is telling, and ends.
// It holds the lock on the cursor until then, so that the next watch knows how the event ended.

// tellerArg is the argument by which the program is a teller.
const tellerArg = "tell-events-of-a-watch"

// The files of a teller besides the standard ones.
const (
	cursorFD = 3 // the cursor's file
	lockFD   = 4 // the lock, which it holds until it ends
	answerFD = 5 // a pipe for its answers; the requests come from standard input
)

// hello is what a teller is told first.
type hello struct {
	Exec []string // the command; empty to print
	JSON bool     // print JSON
}

// request is an event to tell.
type request struct {
	changes.Event
	Path string // of the object, for people and commands
}

// answer is what became of it. An event without an error was taken.
type answer struct {
	Refused string // how the command ended
	Failed  string // the event could not be told or recorded; neither can the next
}

// A command is killed if the thread that has started it ends, so that is the main thread, which
// lives as long as the process.
func init() {
	if IsTeller(os.Args) {
		runtime.LockOSThread()
	}
}

// IsTeller reports whether a command line is that of a teller.
func IsTeller(args []string) bool { return len(args) == 2 && args[1] == tellerArg }

// RunTeller is the teller's process. It ends after the event that it is telling when its input
// does. A signal does not end it: one from the terminal is for the command as well, by whose end
// the event is judged.
func RunTeller() int {
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM,
		syscall.SIGHUP, syscall.SIGPIPE)
	for _, fd := range []int{cursorFD, lockFD, answerFD} {
		unix.CloseOnExec(fd) // what a command leaves running does not hold the lock
	}
	log := changes.NewLog(os.NewFile(cursorFD, "cursor"))
	dec, enc := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.NewFile(answerFD, "answers"))
	var h hello
	if dec.Decode(&h) != nil {
		return 1
	}
	for {
		var r request
		if dec.Decode(&r) != nil {
			return 0
		}
		if enc.Encode(h.tell(log, r)) != nil {
			return 0 // nobody watches any more
		}
	}
}

// tell tells one event.
func (h hello) tell(log *changes.Log, r request) answer {
	if err := log.Begin(r.Event); err != nil {
		return answer{Failed: fmt.Sprintf("cannot write the cursor: %s", hint.WithoutPath(err))}
	}
	if len(h.Exec) > 0 {
		if err := run(h.Exec, r); err != nil {
			return answer{Refused: err.Error()}
		}
	} else if err := h.print(r); err != nil {
		return answer{Failed: fmt.Sprintf("cannot write the events: %s", hint.WithoutPath(err))}
	}
	if err := log.End(r.Event); err != nil {
		return answer{Failed: fmt.Sprintf("cannot write the cursor: %s", hint.WithoutPath(err))}
	}
	return answer{}
}

// Line is an event as --json prints it. docs/watch.md documents its fields.
type Line struct {
	Schema   int              `json:"schema"`
	ID       uint64           `json:"id"`
	Event    changes.Kind     `json:"event"`
	Path     jsonbytes.String `json:"path"`
	Key      jsonbytes.String `json:"key"`
	Size     int64            `json:"size"`
	ETag     string           `json:"etag"`
	Modified time.Time        `json:"modified"`
	Sender   string           `json:"sender,omitempty"`
	Own      bool             `json:"own,omitempty"`
	Again    bool             `json:"again,omitempty"`
}

// Schema is the version of Line. It grows when a field changes its meaning or goes.
const Schema = 1

func (h hello) print(r request) error {
	text := fmt.Sprintf("%-7s  %s\n", r.Kind, hint.Printable(r.Path))
	if h.JSON {
		line, err := json.Marshal(Line{
			Schema, r.ID, r.Kind, jsonbytes.String(r.Path), jsonbytes.String(r.Key), r.Size, r.ETag,
			r.Time(), r.Sender, r.Own, r.Again,
		})
		if err != nil {
			return err
		}
		text = string(line) + "\n"
	}
	_, err := os.Stdout.WriteString(text)
	return err
}

// variables are what a command finds in its environment. A value that has a NUL, as a key can,
// cannot be in there.
func variables(r request) (all []string) {
	flag := map[bool]string{true: "1"}
	for _, v := range [][2]string{
		{"EVENT", string(r.Kind)}, {"EVENT_NUMBER", strconv.FormatUint(r.ID, 10)}, {"PATH",
			r.Path}, {"KEY", r.Key},
		{"SIZE", strconv.FormatInt(r.Size, 10)}, {"ETAG", r.ETag}, {"MODIFIED",
			r.Time().Format(time.RFC3339Nano)},
		{"SENDER", r.Sender}, {"MADE_HERE", flag[r.Own]}, {"AGAIN", flag[r.Again]},
	} {
		if strings.IndexByte(v[1], 0) >= 0 {
			v[1] = ""
		}
		all = append(all, "S3SHARE_"+v[0]+"="+v[1])
	}
	return all
}

// run runs the command for an event. The error says how it ended, if not with 0.
func run(command []string, r request) error {
	cmd := exec.Command(command[0], command[1:]...) // #nosec G204 -- the user's own
	cmd.Env = append(os.Environ(), variables(r)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = endsWithUs()
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return fmt.Errorf("the command ended with %s", ended)
	}
	if err != nil {
		return fmt.Errorf("the command cannot be run: %w", hint.WithoutPath(err))
	}
	return nil
}
