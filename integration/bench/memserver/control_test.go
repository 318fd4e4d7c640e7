package memserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCounts(t *testing.T) {
	c := newClient(t)
	c.ok("PUT", "/b/k", "four")
	c.ok("GET", "/b/k", "")
	c.ok("GET", "/b/k", "", "Range", "bytes=0-0")
	c.do("HEAD", "/b/none", "")
	var got Counts
	if err := json.Unmarshal([]byte(c.ok("GET", "/-/counts", "").body), &got); err != nil {
		t.Fatal(err)
	}
	want := Counts{map[string]int64{"PutObject": 1, "GetObject": 2, "HeadObject": 1},
		map[string]int64{"HeadObject NoSuchKey": 1}, 4, 5}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counts = %v, want %v", got, want)
	}
	c.ok("POST", "/-/counts", "")
	if b := c.ok("GET", "/-/counts", "").body; strings.Contains(b, "Object") {
		t.Errorf("counts after the reset = %s", b)
	}
}

func TestFillHashReset(t *testing.T) {
	c := newClient(t)
	c.ok("POST", "/-/fill",
		`[{"bucket":"b","key":"d/f%03d","count":3,"size":10,"seed":7},{"bucket":"b","key":"one","count":1,"size":3000000,"seed":9}]`)
	sum := sha256.Sum256(Random(10, 8))
	want := hex.EncodeToString(sum[:])
	if got := strings.TrimSpace(c.ok("GET", "/-/sha256/b/d/f001", "").body); got != want {
		t.Errorf("sha256 of d/f001 = %s, want %s", got, want)
	}
	var tree []Entry
	if err := json.Unmarshal([]byte(c.ok("GET", "/-/tree/b/d/?hash=sha256", "").body),
		&tree); err != nil {
		t.Fatal(err)
	}
	if len(tree) != 3 || tree[1].Key != "d/f001" || tree[1].Size != 10 || tree[1].Hash != want {
		t.Errorf("tree of d/ = %+v", tree)
	}
	if got := c.ok("GET", "/b/one", "").body; got != string(Random(3000000, 9)) {
		t.Errorf("GET one: %d other bytes", len(got))
	}
	c.ok("POST", "/-/reset", "")
	if a := c.do("GET", "/b/one", ""); a.code() != "NoSuchKey" {
		t.Errorf("GET after the reset: code %q, want NoSuchKey", a.code())
	}
}

// TestServe runs a throttled server to its end: bytes come through whole, a
// waiter hears of them, and Serve returns when its context ends.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- New(Config{Buckets: []string{"b"}, ConnRate: 1 << 30}).Serve(ctx, l, nil)
	}()
	c := &client{t, "http://" + l.Addr().String()}

	heard := make(chan string, 1)
	go func() {
		resp, err := http.Post(c.url+"/-/wait/b/d/?timeout=30s",
			"", strings.NewReader(`[{"key":"d/k","size":3000000}]`))
		if err != nil {
			heard <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body) // the status says all
		heard <- resp.Status + string(b)
	}()
	body := Random(3000000, 1)
	c.ok("PUT", "/b/d/", "")
	c.ok("PUT", "/b/d/k", string(body))
	if got := <-heard; got != "200 OK" {
		t.Errorf("wait = %q, want 200 OK", got)
	}
	if got := c.ok("GET", "/b/d/k", "").body; !bytes.Equal([]byte(got), body) {
		t.Errorf("GET: %d bytes that differ", len(got))
	}
	for _, never := range []string{
		`[]`,
		`[{"key":"d/k","size":1}]`,
		`[{"key":"d/k","size":3000000},{"key":"d/l"}]`,
		`[{"key":"d/k","size":3000000,"etag":"` + c.ok("HEAD", "/b/d/k", "").etag() + `"}]`,
	} {
		if a := c.do("POST", "/-/wait/b/d/?timeout=1ms",
			never); a.status != http.StatusGatewayTimeout {
			t.Errorf("wait for %s = %d, want 504", never, a.status)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestServeGenerated reads ranges of a generated object from each kind of server:
// by sendfile, by a capped sendfile, and through TLS.
func TestServeGenerated(t *testing.T) {
	h := httptest.NewTLSServer(http.NotFoundHandler())
	defer h.Close()
	for name, tt := range map[string]struct {
		cfg  Config
		cert *tls.Certificate
	}{
		"plain":  {},
		"capped": {cfg: Config{ConnRate: 1 << 30}},
		"tls":    {cert: &h.TLS.Certificates[0]},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			tt.cfg.Buckets = []string{"b"}
			s := New(tt.cfg)
			go func() { done <- s.Serve(ctx, l, tt.cert) }()
			url := "http://" + l.Addr().String()
			if tt.cert != nil {
				url = "https://" + l.Addr().String()
			}
			const size = 5<<20 + 100
			if err := s.store.fill(Fill{Bucket: "b", Key: "k", Count: 1, Size: size,
				Pattern: true}); err != nil {
				t.Fatal(err)
			}
			for _, r := range [][2]int64{{0, size}, {4096, 4096},
				{3 << 20, 1<<20 + 4096}, {5 << 20, 100}} {
				req, _ := http.NewRequest("GET", url+"/b/k", nil) // the URL is right
				req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r[0], r[0]+r[1]-1))
				resp, err := h.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				want := make([]byte, r[1])
				Pattern(want, r[0])
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("GET of %d bytes from %d: %d bytes, %v", r[1], r[0], len(got), err)
				}
			}
			if c := s.counts.get(); c.Sent != size+4096+1<<20+4096+100 {
				t.Errorf("counts say %d bytes sent", c.Sent)
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Serve = %v", err)
			}
		})
	}
}
