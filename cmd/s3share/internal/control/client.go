package control

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// ErrNoDaemon says that nobody answers on a control socket.
var ErrNoDaemon = errors.New("no daemon answers")

// maxAnswer and maxForeignAnswer bound an answer of a daemon of this user, and of another
// one, in bytes. Reading one takes some three times as much memory.
const (
	maxAnswer        = 128 << 20
	maxForeignAnswer = 8 << 20
)

// errAnswerTooLong says that a daemon's answer does not end.
var errAnswerTooLong = errors.New("its daemon sends an answer that is too long")

// Client asks one daemon over its control socket.
type Client struct {
	http *http.Client
	UID  int // who the daemon runs as
}

// Dial opens a link over the socket at path to a daemon of this user.
func Dial(path string) *Client { return dialUser(path, os.Getuid()) }

// dialUser opens a link over the socket at path to a daemon of the user uid, and to
// nobody else: what lies at path may lead to another program's socket.
func dialUser(path string, uid int) *Client {
	return NewClient(uid, &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			c, err := dialer.DialContext(ctx, "unix", path)
			if err != nil {
				return nil, err
			}
			if at, err := PeerUID(c.(*net.UnixConn)); err != nil || at != uid {
				c.Close()
				return nil, errors.Join(errors.New("another user's program answers"), err)
			}
			return c, nil
		},
		MaxResponseHeaderBytes: 64 << 10,
	})
}

// NewClient is a link to a daemon of the user uid, whose answers come from transport.
func NewClient(uid int, transport http.RoundTripper) *Client {
	return &Client{UID: uid, http: &http.Client{Transport: transport}}
}

// Foreign reports whether the daemon is another user's: what it says is not to be
// acted upon.
func (l *Client) Foreign() bool { return l.UID != os.Getuid() }

// answer is the body of an answer, up to its bound.
func (l *Client) answer(body io.Reader) io.Reader { return &boundedReader{body, l.maxAnswer()} }

func (l *Client) maxAnswer() int64 {
	if l.Foreign() {
		return maxForeignAnswer
	}
	return maxAnswer
}

// boundedReader reads from r, and fails with errAnswerTooLong after left bytes.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswerTooLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// FindDaemon links to the daemon behind the mount on dir, which runs as one of
// uids. It returns ErrNoDaemon if none answers.
func FindDaemon(ctx context.Context, dir string, uids ...int) (*Client, State, error) {
	for _, run := range socketDirs(uids) {
		socket := filepath.Join(run.path, socketName(dir))
		link := dialUser(socket, run.uid)
		st, err := link.Status(ctx)
		if err == nil && st.Dir == dir {
			return link, st, nil
		}
		removeLeftSocket(socket, run.uid, err)
		switch {
		case ctx.Err() != nil:
			return nil, State{}, hint.ErrInterrupted
		case errors.Is(err, context.DeadlineExceeded):
			return nil, State{}, link.noAnswer()
		case errors.Is(err, errAnswerTooLong):
			return nil, State{}, err
		}
	}
	return nil, State{}, ErrNoDaemon
}

// allDaemons are the mounts of uids whose daemon answers, by mountpoint. All are asked
// at once, since each may wait for S3.
func allDaemons(ctx context.Context, uids ...int) []Target {
	var (
		asked sync.WaitGroup
		mu    sync.Mutex
		all   []Target
	)
	for _, run := range socketDirs(uids) {
		entries, err := os.ReadDir(run.path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".sock") {
				continue
			}
			asked.Go(func() {
				socket := filepath.Join(run.path, e.Name())
				link := dialUser(socket, run.uid)
				st, err := link.checkedStatus(ctx)
				if err != nil {
					removeLeftSocket(socket, run.uid, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, Target{Client: link, State: st})
			})
		}
	}
	asked.Wait()
	slices.SortFunc(all, func(a, b Target) int { return strings.Compare(a.State.Dir, b.State.Dir) })
	return slices.CompactFunc(all,
		func(a, b Target) bool { return a.State.Dir == b.State.Dir && a.State.PID == b.State.PID })
}

// socketDir is a directory of control sockets, and whose.
type socketDir struct {
	path string
	uid  int
}

// socketDirs are the directories of uids' sockets that nobody else can write to.
func socketDirs(uids []int) []socketDir {
	var dirs []socketDir
	for _, uid := range uids {
		for _, path := range runtimeDirs(uid) {
			if dir := (socketDir{path, uid}); !slices.Contains(dirs, dir) && trusted(path, uid) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

func (l *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx,
		method, "http://s3share"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the daemon does not answer: %w", hint.Innermost(err))
	}
	if resp.StatusCode == http.StatusNotFound {
		resp.Body.Close()
		return nil, errOtherVersion
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		resp.Body.Close()
		return nil, fmt.Errorf("the daemon answered %s: %s", resp.Status, text)
	}
	return resp, nil
}

// Post sends a request, and reads its answer.
func (l *Client) Post(ctx context.Context, path string, body, answer any) error {
	resp, err := l.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(l.answer(resp.Body)).Decode(answer)
}

const (
	// statusTimeout is how long a daemon may take to tell what it does.
	statusTimeout = 10 * time.Second
	// foreignTimeout is the same of another user's daemon, which may hang on purpose: it
	// answers from memory.
	foreignTimeout = time.Second
	// checkTimeout is how long that takes where it asks S3 before.
	checkTimeout = 3 * time.Second
)

// timeout is how long the daemon may take for a request that takes an own daemon at most
// own, and another user's at most foreign.
func (l *Client) timeout(own, foreign time.Duration) time.Duration {
	if l.Foreign() {
		return foreign
	}
	return own
}

// noAnswer says that the daemon did not tell in time what it does.
func (l *Client) noAnswer() error {
	if l.Foreign() {
		return fmt.Errorf("its daemon, which runs as %s, gave no answer in %s",
			userName(l.UID), foreignTimeout)
	}
	return fmt.Errorf("its daemon gave no answer in %s", statusTimeout)
}

// errOtherVersion says that a daemon does not know a request.
var errOtherVersion = hint.With(
	errors.New("its daemon is of another version of s3share, which cannot say"),
	"unmount it, and mount it again")

// Status asks what the daemon does.
func (l *Client) Status(ctx context.Context) (State, error) {
	return l.get(ctx, "/status", l.timeout(statusTimeout, foreignTimeout))
}

// checkedStatus is status after the daemon has asked S3 whether it answers.
func (l *Client) checkedStatus(ctx context.Context) (State, error) {
	return l.get(ctx, "/status?check", l.timeout(statusTimeout, checkTimeout))
}

// File asks what is known of the file or directory at path.
func (l *Client) File(ctx context.Context, path string) (st State, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout+ConfirmTimeout)
	defer cancel()
	err = l.Post(ctx, "/file", FileRequest{Path: jsonbytes.String(path)}, &st)
	return st, err
}

// Waiting asks what waits at path or below it, and no more.
func (l *Client) Waiting(ctx context.Context, path string) (st State, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout(statusTimeout, foreignTimeout))
	defer cancel()
	err = l.Post(ctx, "/file", FileRequest{Path: jsonbytes.String(path), Waiting: true}, &st)
	return st, err
}

// Outcomes asks what became of files that wait no more.
func (l *Client) Outcomes(ctx context.Context, paths []string) []FileState {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	all := make([]FileState, 0, len(paths))
	for some := range slices.Chunk(paths, maxOutcomes) {
		ask := OutcomesRequest{}
		for _, path := range some {
			ask.Paths = append(ask.Paths, jsonbytes.String(path))
		}
		var answer []FileState
		if err := l.Post(ctx, "/outcomes", ask, &answer); err != nil || len(answer) != len(some) {
			answer = UnknownOutcomes(some)
		}
		all = append(all, answer...)
	}
	return all
}

func (l *Client) get(ctx context.Context, path string, timeout time.Duration) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := l.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return State{}, err
	}
	defer resp.Body.Close()
	var st State
	err = json.NewDecoder(l.answer(resp.Body)).Decode(&st)
	if st.Daemon == "" { // of an earlier version
		st.Daemon = DaemonRuns
	}
	return st, err
}

// cancelTimeout is how long a daemon may take to say whether an unmount was taken back.
const cancelTimeout = 3 * time.Second

// Unmount asks the daemon to deliver and to end. It calls seen with each event, and returns the
// last one.
//
// When ctx ends, the daemon is asked to stay mounted. The event that is returned then shows
// whether it could: in PhaseFinishing the mount is undone already.
func (l *Client) Unmount(ctx context.Context, ask UnmountRequest, seen func(Event)) (Event, error) {
	ask.ID = rand.Text()
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		short, done := context.WithTimeout(asking, cancelTimeout)
		defer done()
		var answer struct{}
		if l.Post(short, "/stay", CancelUnmountRequest{ask.ID}, &answer) == nil {
			<-short.Done() // whoever reads the events cancels asking before
		}
		cancel()
	})()
	resp, err := l.do(asking, http.MethodPost, "/unmount", ask)
	if err != nil {
		return Event{}, err
	}
	defer resp.Body.Close()
	events := bufio.NewScanner(l.answer(resp.Body))
	events.Buffer(nil, int(l.maxAnswer()))
	for events.Scan() {
		var e Event
		if err := json.Unmarshal(events.Bytes(), &e); err != nil {
			return Event{}, fmt.Errorf("this version does not know the daemon's answer: %w", err)
		}
		if e.Phase == PhaseEnded || ctx.Err() != nil && e.Phase == PhaseFinishing {
			return e, nil
		}
		seen(e)
	}
	return Event{}, fmt.Errorf("the daemon ended without saying why: %w",
		cmp.Or(events.Err(), io.ErrUnexpectedEOF))
}

// Ask sends a request about files.
func (l *Client) Ask(ctx context.Context, what string, ask FileRequest) (FileAnswer, error) {
	var a FileAnswer
	err := l.Post(ctx, what, ask, &a)
	return a, err
}
