package memserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Counts is what the server was asked for since the last reset.
type Counts struct {
	// Ops counts requests by S3's name for the operation.
	Ops map[string]int64 `json:"ops"`
	// Errors counts the refused ones, by operation and error code.
	Errors map[string]int64 `json:"errors,omitempty"`
	// Received and Sent are bytes of object bodies.
	Received int64 `json:"received"`
	Sent     int64 `json:"sent"`
}

// counter gathers Counts.
type counter struct {
	received, sent atomic.Int64

	// mu guards the maps.
	mu          sync.Mutex
	ops, errors map[string]int64
}

func (c *counter) add(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ops == nil {
		c.ops = make(map[string]int64)
	}
	c.ops[op]++
}

func (c *counter) addError(op, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errors == nil {
		c.errors = make(map[string]int64)
	}
	c.errors[op+" "+code]++
}

func (c *counter) get() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{maps.Clone(c.ops), maps.Clone(c.errors), c.received.Load(), c.sent.Load()}
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops, c.errors = nil, nil
	c.received.Store(0)
	c.sent.Store(0)
}

// Fill is what POST /-/fill makes: Count objects of Size bytes, without a
// request for each. Key is a format for the object's number, from 0; the bytes
// of number i are Random(Size, Seed+i), or with Pattern those of Pattern.
type Fill struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Count   int    `json:"count"`
	Size    int64  `json:"size"`
	Seed    int64  `json:"seed"`
	Pattern bool   `json:"pattern,omitempty"`
}

// Entry is one object as GET /-/tree tells it.
type Entry struct {
	Key string `json:"key"`
	// Size may be below 0 in a list to wait for: any will do.
	Size int64 `json:"size"`
	// Hash is in hex, by the algorithm that was asked for.
	Hash string `json:"hash,omitempty"`
	ETag string `json:"etag,omitempty"`
}

// control answers what no S3 server has, without latency or a count:
//
//	GET  /-/counts               Counts
//	POST /-/counts               start counting anew
//	GET  /-/cpu                  {"seconds": of this process, user and system}
//	POST /-/reset                empty all buckets, forget all uploads
//	POST /-/fill                 make objects: a list of Fill
//	GET  /-/sha256/BUCKET/KEY    the object's SHA-256, in hex
//	GET  /-/crc32c/BUCKET/KEY    its CRC-32C, in hex
//	GET  /-/tree/BUCKET/PREFIX   ?hash=sha256 or crc32c or none: a list of Entry
//	POST /-/wait/BUCKET/PREFIX   a list of Entry, ?timeout=10s: answers once just these
//	                             keys are there, in these sizes, and with another
//	                             ETag where one is given; 504 if never
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/-/"), "/")
	bucket, key, _ := strings.Cut(rest, "/")
	switch r.Method + " " + what {
	case "GET counts":
		writeJSON(w, s.counts.get())
	case "POST counts":
		s.counts.reset()
	case "GET cpu":
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w,
			map[string]float64{"seconds": time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()})
	case "POST reset":
		s.store.reset(s.cfg.Buckets)
		s.counts.reset()
		runtime.GC() // now, and not within a measurement
	case "POST fill":
		var fills []Fill
		if err := json.NewDecoder(r.Body).Decode(&fills); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, f := range fills {
			if err := s.store.fill(f); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
	case "GET sha256", "GET crc32c":
		o, err := s.store.get(bucket, key)
		if err != nil {
			writeError(w, r, err)
			return
		}
		fmt.Fprintln(w, hashOf(o.content, what))
	case "GET tree":
		s.tree(w, bucket, key, r.URL.Query().Get("hash"))
	case "POST wait":
		s.wait(w, r, bucket, key)
	default:
		http.Error(w, "no such control", http.StatusNotFound)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // a client that is gone is no error of ours
}

func hashOf(c content, algorithm string) string {
	switch algorithm {
	case "sha256":
		return c.sha256()
	case "crc32c":
		return c.crc32c()
	}
	return ""
}

func (st *store) fill(f Fill) error {
	if f.Count < 0 || f.Size < 0 {
		return fmt.Errorf("fill: count %d, size %d", f.Count, f.Size)
	}
	header := kept(nil) // one for all
	for i := range f.Count {
		key := f.Key
		if strings.Contains(key, "%") {
			key = fmt.Sprintf(f.Key, i)
		}
		c, err := st.gen.get(f, i)
		if err != nil {
			return err
		}
		o := &object{content: c, header: header}
		if err := st.put(f.Bucket, key, o, nil); err != nil {
			return err
		}
	}
	return nil
}

// under returns all objects of a bucket that begin with prefix.
func (st *store) under(bucket, prefix string) (*page, error) {
	return st.list(bucket, prefix, "", "", -1)
}

func (s *Server) tree(w http.ResponseWriter, bucket, prefix, algorithm string) {
	p, err := s.store.under(bucket, prefix)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	out := make([]Entry, len(p.keys))
	for i, o := range p.objects {
		out[i] = Entry{p.keys[i], o.size, hashOf(o.content, algorithm), o.etag}
	}
	writeJSON(w, out)
}

// wait answers once prefix holds what the request lists. Objects that stand for
// folders do not count.
func (s *Server) wait(w http.ResponseWriter, r *http.Request, bucket, prefix string) {
	timeout, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil {
		http.Error(w, "wait: "+err.Error(), http.StatusBadRequest)
		return
	}
	var list []Entry
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
		http.Error(w, "wait: "+err.Error(), http.StatusBadRequest)
		return
	}
	want := make(map[string]Entry, len(list))
	for _, e := range list {
		want[e.Key] = e
	}
	t := time.NewTimer(timeout)
	defer t.Stop()
	for {
		changed := s.store.next()
		begin := time.Now()
		p, err := s.store.under(bucket, prefix)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		missing := p.differs(want)
		if missing == "" {
			return
		}
		// To look costs time that the client under test could use: a long list is
		// looked at for a tenth of the time at most.
		pause := 9 * time.Since(begin)
		select {
		case <-changed:
			time.Sleep(pause)
		case <-t.C:
			http.Error(w, missing, http.StatusGatewayTimeout)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// differs says in what p is not want, "" if in nothing.
func (p *page) differs(want map[string]Entry) string {
	found := 0
	var other string
	for i, key := range p.keys {
		if strings.HasSuffix(key, "/") {
			continue
		}
		e, ok := want[key]
		switch o := p.objects[i]; {
		case !ok:
			other = fmt.Sprintf("%s should not be there", key)
		case o.size != e.Size && e.Size >= 0:
			other = fmt.Sprintf("%s has %d bytes, not %d", key, o.size, e.Size)
		case o.etag == e.ETag:
			other = fmt.Sprintf("%s is unchanged", key)
		default:
			found++
		}
	}
	if other == "" && found < len(want) {
		return fmt.Sprintf("%d of %d objects are there", found, len(want))
	}
	return other
}
