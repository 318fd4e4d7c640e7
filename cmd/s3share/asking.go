package main

import (
	"bytes"
	"context"
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
	"time"
)

// errNoDaemon says that nobody answers on a control socket.
var errNoDaemon = errors.New("no daemon answers")

// daemonLink asks one daemon over its control socket.
type daemonLink struct{ http *http.Client }

// linkTo opens a link over the socket at path.
func linkTo(path string) *daemonLink {
	return &daemonLink{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", path)
		},
	}}}
}

// findDaemon links to the daemon behind the mount on dir, which runs as one of
// uids. It returns errNoDaemon if none answers.
func findDaemon(ctx context.Context, dir string, uids ...int) (*daemonLink, state, error) {
	for _, run := range socketDirs(uids) {
		link := linkTo(filepath.Join(run, socketName(dir)))
		st, err := link.status(ctx)
		if err == nil && st.Dir == dir {
			return link, st, nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, state{}, errInterrupted
		case errors.Is(err, context.DeadlineExceeded):
			return nil, state{}, fmt.Errorf("its daemon gave no answer in %s", statusPatience)
		}
	}
	return nil, state{}, errNoDaemon
}

// allDaemons are the mounts of uids whose daemon answers, by mountpoint.
func allDaemons(ctx context.Context, uids ...int) []place {
	var all []place
	for _, run := range socketDirs(uids) {
		entries, err := os.ReadDir(run)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".sock") {
				continue
			}
			link := linkTo(filepath.Join(run, e.Name()))
			if st, err := link.status(ctx); err == nil {
				all = append(all, place{link: link, state: st})
			}
		}
	}
	slices.SortFunc(all, func(a, b place) int { return strings.Compare(a.state.Dir, b.state.Dir) })
	return slices.CompactFunc(all, func(a, b place) bool { return a.state.Dir == b.state.Dir && a.state.PID == b.state.PID })
}

// socketDirs are the directories of uids' sockets that nobody else can write to.
func socketDirs(uids []int) []string {
	var dirs []string
	for _, uid := range uids {
		for _, dir := range runtimeDirs(uid) {
			if !slices.Contains(dirs, dir) && trusted(dir, uid) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

func (l *daemonLink) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://s3share"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the daemon does not answer: %w", innermost(err))
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		resp.Body.Close()
		return nil, fmt.Errorf("the daemon answered %s: %s", resp.Status, oneLine(string(text)))
	}
	return resp, nil
}

// post sends a request, and reads its answer.
func (l *daemonLink) post(ctx context.Context, path string, body, answer any) error {
	resp, err := l.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(answer)
}

// statusPatience is how long a daemon may take to tell what it does.
const statusPatience = 10 * time.Second

// status asks what the daemon does.
func (l *daemonLink) status(ctx context.Context) (state, error) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	resp, err := l.do(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return state{}, err
	}
	defer resp.Body.Close()
	var st state
	err = json.NewDecoder(resp.Body).Decode(&st)
	return st, err
}

// unmount asks the daemon to deliver and to end. Each event goes to seen; the last
// one is returned.
func (l *daemonLink) unmount(ctx context.Context, ask unmountRequest, seen func(event)) (event, error) {
	resp, err := l.do(ctx, http.MethodPost, "/unmount", ask)
	if err != nil {
		return event{}, err
	}
	defer resp.Body.Close()
	events := json.NewDecoder(resp.Body)
	for {
		var e event
		if err := events.Decode(&e); err != nil {
			return event{}, fmt.Errorf("the daemon ended without a word: %w", err)
		}
		if e.Phase == phaseEnded {
			return e, nil
		}
		seen(e)
	}
}
