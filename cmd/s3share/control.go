package main

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

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// controlPatience is how long a daemon that ends waits for those who ask it.
const controlPatience = 5 * time.Second

// controlServer is the daemon's side of the control socket: HTTP with JSON, for its own
// user and root alone.
//
//	GET  /status   a state; with ?check, after S3 was asked whether it answers
//	POST /unmount  events, a line each, until the mount is undone or stays
//	POST /stay     takes an unmount back
//	POST /file     a fileRequest, answered by a state of that alone
//	POST /wait, /retry, /deliver  a fileRequest, answered by a fileAnswer
//	POST /outcomes an outcomesRequest, answered by a list of fileStates
//	POST /login    a loginRequest, answered by a loginAnswer
type controlServer struct {
	listener net.Listener
	server   *http.Server
	served   chan struct{} // closed when nothing is served any more; nil until serve
}

// openControl opens the socket for the mount on dir.
func openControl(dir string) (*controlServer, error) {
	path, err := newSocketPath(dir)
	if err != nil {
		return nil, err
	}
	// Whoever left a socket of this name is gone: the mountpoint was free.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace the control socket: %w", err)
	}
	return controlAt(path)
}

func controlAt(path string) (*controlServer, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &controlServer{listener: ownListener{l}}, nil
}

// ownListener lets in this user and root alone, whatever the modes of the socket and
// its directory are.
type ownListener struct{ net.Listener }

func (l ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if u, ok := c.(*net.UnixConn); ok {
			if uid, err := peerUID(u); err == nil && (uid == 0 || uid == os.Getuid()) {
				return c, nil
			}
		}
		c.Close()
	}
}

// mostRequest bounds what a request brings, in bytes.
const mostRequest = 1 << 20

// serve begins to answer for d.
func (c *controlServer) serve(d *mountDaemon) {
	c.server = &http.Server{Handler: d.answers(), ReadHeaderTimeout: controlPatience, MaxHeaderBytes: 64 << 10}
	c.served = make(chan struct{})
	go func() {
		defer close(c.served)
		if err := c.server.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("the control socket is closed", "err", err)
		}
	}()
}

// answers returns the handler of what is asked over the control socket.
func (d *mountDaemon) answers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		var checked *connection
		if r.URL.Query().Has("check") {
			checked = d.checkConnection(r.Context())
		}
		st := d.state()
		if checked != nil {
			st.Connection = checked
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(st) // whoever asked may be gone
	})
	mux.HandleFunc("POST /unmount", d.serveUnmount)
	mux.HandleFunc("POST /login", d.serveLogin)
	d.serveFiles(mux)
	return http.MaxBytesHandler(mux, mostRequest)
}

// close ends the answers under way in controlPatience, and removes the socket.
func (c *controlServer) close() error {
	if c.served == nil {
		return c.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlPatience)
	defer cancel()
	err := c.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = c.server.Close()
	}
	<-c.served
	return err
}

// state is what a daemon tells about itself.
type state struct {
	Version  string                `json:"version"`
	PID      int                   `json:"pid"`
	Dir      string                `json:"dir"` // the mountpoint
	Mounted  bool                  `json:"mounted"`
	Daemon   string                `json:"daemon"` // whether a process delivers: see outboxes.go
	Since    time.Time             `json:"since"`
	Exchange string                `json:"exchange,omitempty"`
	Bucket   string                `json:"bucket"`
	Region   string                `json:"region"`
	Endpoint string                `json:"endpoint,omitempty"`
	Folders  []string              `json:"folders"`
	ReadOnly bool                  `json:"read_only"`
	Payer    bool                  `json:"requester_pays,omitempty"`
	StateDir string                `json:"state_dir"`
	CacheDir string                `json:"cache_dir,omitempty"`
	LogFile  string                `json:"log_file,omitempty"`
	Login    s3backend.LoginMethod `json:"login"`
	Paused   *pause                `json:"paused,omitempty"` // why nothing is delivered at present
	Owed     []outbox.Status       `json:"owed"`             // the oldest first
	Beside   []outbox.Status       `json:"beside,omitempty"` // conflict copies that this mount made
	Path     string                `json:"path,omitempty"`   // what was asked for: Owed, Beside and File are about that alone
	File     *fileState            `json:"file,omitempty"`   // what is known of Path where nothing of it waits
	Requests map[string]int64      `json:"requests"`
	// Connection is what the mount knows of its connection to S3.
	Connection *connection `json:"connection,omitempty"`
}

// MarshalJSON writes the names of files as [jsonbytes.String] does.
func (st state) MarshalJSON() ([]byte, error) {
	type fields state
	return json.Marshal(struct {
		fields
		Dir      jsonbytes.String `json:"dir"`
		StateDir jsonbytes.String `json:"state_dir"`
		CacheDir jsonbytes.String `json:"cache_dir,omitempty"`
		LogFile  jsonbytes.String `json:"log_file,omitempty"`
		Path     jsonbytes.String `json:"path,omitempty"`
	}{
		fields(st), jsonbytes.String(st.Dir), jsonbytes.String(st.StateDir), jsonbytes.String(st.CacheDir),
		jsonbytes.String(st.LogFile), jsonbytes.String(st.Path),
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (st *state) UnmarshalJSON(b []byte) error {
	type fields state
	in := struct {
		*fields
		Dir      jsonbytes.String `json:"dir"`
		StateDir jsonbytes.String `json:"state_dir"`
		CacheDir jsonbytes.String `json:"cache_dir"`
		LogFile  jsonbytes.String `json:"log_file"`
		Path     jsonbytes.String `json:"path"`
	}{fields: (*fields)(st)}
	err := json.Unmarshal(b, &in)
	st.Dir, st.StateDir, st.CacheDir = string(in.Dir), string(in.StateDir), string(in.CacheDir)
	st.LogFile, st.Path = string(in.LogFile), string(in.Path)
	return err
}

func (d *mountDaemon) state() state {
	s := d.settings
	st := state{
		Version: hint.VersionText(), PID: os.Getpid(), Dir: d.dir, Mounted: d.serving.Load(), Daemon: daemonRuns, Since: d.started,
		Exchange: s.Exchange, Bucket: d.bucket.Bucket(), Region: d.bucket.Region(), Endpoint: cmp.Or(s.At.Endpoint, s.Endpoint),
		Folders: s.Folders, ReadOnly: s.ReadOnly, Payer: s.Payer, StateDir: s.StateDir, CacheDir: s.CacheDir,
		Login: d.bucket.LoginMethod(), Paused: d.paused(), Owed: d.cache.Status(), Beside: d.cache.Conflicts(""), Requests: d.bucket.Counts(),
		Connection: d.connectionOf(d.bucket.Contact()),
	}
	if d.logFile != nil {
		st.LogFile = d.logFile.Name()
	}
	if st.Owed == nil {
		st.Owed = []outbox.Status{}
	}
	return st
}
