package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// controlTimeout is how long a daemon that ends waits for answers in progress.
const controlTimeout = 5 * time.Second

// controlServer is the daemon's side of the control socket: HTTP with JSON, for its own
// user and root alone.
//
//	GET  /status   a state; with ?check, after S3 was asked whether it answers
//	POST /unmount  events, a line each, until the mount is undone or stays
//	POST /stay     cancels an unmount
//	POST /file     a control.FileRequest, answered by a state of that alone
//	POST /wait, /retry, /deliver  a control.FileRequest, answered by a control.FileAnswer
//	POST /outcomes an control.OutcomesRequest, answered by a list of control.FileState
//	POST /limit    a control.LimitRequest, answered by control.Limits
//	POST /pause    a control.PauseRequest, answered by a control.PauseAnswer
//	POST /handover nothing, answered by a control.HandoverAnswer
//	POST /login    a control.LoginRequest, answered by a control.LoginAnswer
type controlServer struct {
	listener net.Listener
	path     string
	made     os.FileInfo // of the socket that this process made at path
	server   *http.Server
	served   chan struct{} // closed when nothing is served any more; nil until serve
}

// openControl opens the socket for the mount on dir.
func openControl(dir string) (*controlServer, error) {
	path, err := control.NewSocketPath(dir)
	if err != nil {
		return nil, err
	}
	// The process that left a socket of this name has ended: the mountpoint was free.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace the control socket: %w", err)
	}
	return listenControl(path)
}

// listenControl listens on path, for this user alone.
func listenControl(path string) (*controlServer, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // by then another daemon's may be there
	}
	return &controlServer{listener: ownListener{l}, path: path, made: made}, nil
}

// unlink removes the socket's name, if it is still that of this process. Connections stay open.
func (c *controlServer) unlink() {
	if now, err := os.Lstat(c.path); err == nil && os.SameFile(now, c.made) {
		_ = os.Remove(c.path) // a command removes what is left
	}
}

// ownListener accepts connections of this user and root only, whatever the modes of the socket and
// its directory are.
type ownListener struct{ net.Listener }

func (l ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if u, ok := c.(*net.UnixConn); ok {
			if uid, err := control.PeerUID(u); err == nil && (uid == 0 || uid == os.Getuid()) {
				return c, nil
			}
		}
		c.Close()
	}
}

// serve begins to answer for d.
func (c *controlServer) serve(d *mountDaemon) {
	c.server = &http.Server{Handler: d.handler(), ReadHeaderTimeout: controlTimeout,
		MaxHeaderBytes: 64 << 10}
	c.served = make(chan struct{})
	go func() {
		defer close(c.served)
		if err := c.server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("the control socket is closed", "err", err)
		}
	}()
}

// handler returns the handler of the control socket.
func (d *mountDaemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		var checked *control.Connection
		if r.URL.Query().Has("check") {
			checked = d.checkConnection(r.Context())
		}
		st := d.state()
		if checked != nil {
			st.Connection = checked
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(st) // the client may be gone
	})
	mux.HandleFunc("POST /unmount", d.serveUnmount)
	serveJSON(mux, "/login", d.login)
	d.serveFiles(mux)
	return http.MaxBytesHandler(mux, control.MaxRequest)
}

// close waits at most controlTimeout for answers in progress, and removes the socket.
func (c *controlServer) close() error {
	c.unlink()
	if c.served == nil {
		return c.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlTimeout)
	defer cancel()
	err := c.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = c.server.Close()
	}
	<-c.served
	return err
}

func (d *mountDaemon) state() control.State {
	s := d.settings
	st := control.State{
		Version: hint.VersionText(), PID: os.Getpid(), Dir: d.dir, Mounted: d.serving.Load(),
		Daemon: control.DaemonRuns, Since: d.started,
		Exchange: s.Exchange, Bucket: d.bucket.Bucket(), Region: d.bucket.Region(),
		Endpoint: cmp.Or(s.At.Endpoint, s.Endpoint),
		Folders:  s.Folders, ReadOnly: s.ReadOnly, Payer: s.Payer,
		StateDir: s.StateDir, CacheDir: s.CacheDir,
		Login: d.bucket.LoginMethod(), Paused: d.paused(), Pending: d.pending(),
		Unresolved: d.unresolved(""), Requests: d.bucket.Counts(),
		Server:     d.bucket.Abilities(),
		Limits:     d.limits.state(),
		Connection: d.connectionOf(d.bucket.Contact()),
	}
	if d.server != nil { // of a mount
		if a, ok := d.server.Arrivals(); ok {
			st.Arrivals = &control.Arrivals{Watched: a.Watched, Announced: a.Announced,
				Failed: a.Failed, Skipped: a.Skipped}
		}
		if l, ok := d.server.Limited(); ok {
			st.Thumbnails = &control.Thumbnails{Files: l.Files, Refused: l.Refused}
		}
	}
	if d.logFile != nil {
		st.LogFile = d.logFile.Name()
	}
	if st.Pending == nil {
		st.Pending = []outbox.Status{}
	}
	return st
}
