package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// server is a running memserver, as the bench steers it.
type server struct {
	url         string
	tls         string       // the same behind TLS
	certificate string       // a file with that of tls
	stop        func() error // ends the process and waits for it

	filled []memserver.Fill // what the folder holds, nil when that is not known
}

// errNotThere is what wait ends with when what it waits for does not come.
var errNotThere = errors.New("not delivered")

// call sends one request to a control path and decodes the answer into out,
// unless that is nil.
func (s *server) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+"/-/"+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what came is what can be told
		if resp.StatusCode == http.StatusGatewayTimeout {
			return fmt.Errorf("%w: %s", errNotThere, bytes.TrimSpace(b))
		}
		return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(b))
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// prepare leaves the folder, what fills make in it, and no counts. Where nothing
// is to change, what the last run left is what this one finds.
func (s *server) prepare(ctx context.Context, fills []memserver.Fill, changing bool) error {
	if s.filled != nil && slices.Equal(s.filled, fills) {
		return s.resetCounts(ctx)
	}
	s.filled = nil
	if err := s.call(ctx, http.MethodPost, "reset", nil, nil); err != nil {
		return err
	}
	all := []memserver.Fill{{Bucket: bucket, Key: folder + "/", Count: 1}}
	for _, f := range fills {
		f.Bucket, f.Key = bucket, folder+"/"+f.Key
		all = append(all, f)
	}
	err := s.call(ctx, http.MethodPost, "fill", all, nil)
	if err == nil && !changing {
		s.filled = append([]memserver.Fill{}, fills...)
	}
	return err
}

func (s *server) resetCounts(ctx context.Context) error {
	return s.call(ctx, http.MethodPost, "counts", nil, nil)
}

// takeCounts returns the counts and begins anew.
func (s *server) takeCounts(ctx context.Context) (memserver.Counts, error) {
	var c memserver.Counts
	if err := s.call(ctx, http.MethodGet, "counts", nil, &c); err != nil {
		return c, err
	}
	return c, s.resetCounts(ctx)
}

// cpu is what the server has used so far, in seconds.
func (s *server) cpu(ctx context.Context) (float64, error) {
	var c struct{ Seconds float64 }
	err := s.call(ctx, http.MethodGet, "cpu", nil, &c)
	return c.Seconds, err
}

// tree returns what is in the folder, with hashes by the algorithm.
func (s *server) tree(ctx context.Context, algorithm string) ([]memserver.Entry, error) {
	var t []memserver.Entry
	err := s.call(ctx, http.MethodGet, "tree/"+bucket+"/"+folder+"/?hash="+algorithm, nil, &t)
	return t, err
}

// wait returns once the folder holds just the objects of list; see
// memserver.Entry for those that are to change.
func (s *server) wait(ctx context.Context, list []memserver.Entry) error {
	timeout := time.Hour // ctx ends it
	if d, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(d)-time.Second, 0) // so that the server says what is missing
	}
	return s.call(ctx,
		http.MethodPost, fmt.Sprintf("wait/%s/%s/?timeout=%s", bucket, folder, timeout), list, nil)
}
