package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// wire is the line between a mount and the server, which toxiproxy spoils. It
// knows of TCP alone; what S3 says is the gateway's.
type wire struct {
	t      *testing.T
	proxy  string // the address of its API
	spoilt int
}

// faultproxyLife is the standard input of faultproxy, which ends with it.
var faultproxyLife io.Closer

// faultproxy is the address of toxiproxy's API, in a process that ends with this one.
var faultproxy = sync.OnceValues(func() (string, error) {
	path, err := program(builds, "FAULTPROXY_BIN", "faultproxy", ".")
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path)
	if faultproxyLife, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", errors.Join(fmt.Errorf("faultproxy did not start: %w", err), cmd.Wait())
	}
	return strings.TrimSpace(said), nil
})

// over is the exchange at the other end of a wire; plain clients do not use it.
func (x exchange) over(t *testing.T) (*exchange, *wire) {
	t.Helper()
	api, err := faultproxy()
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(x.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t}
	var made struct{ Listen string }
	name := fmt.Sprintf("%x", randomBytes(8))
	if err := ask(http.MethodPost, api+"/proxies", map[string]any{"name": name,
		"listen": "127.0.0.1:0", "upstream": to.Host, "enabled": true}, &made); err != nil {
		t.Fatal(err)
	}
	w.proxy = api + "/proxies/" + name
	t.Cleanup(func() { _ = ask(http.MethodDelete, w.proxy, nil, nil) })
	to.Host = made.Listen
	x.Endpoint = to.String()
	return &x, w
}

// spoil adds a fault to all connections, those that are open as well. Kinds and
// attributes are toxiproxy's; stream is upstream, what goes to the server, or
// downstream.
func (w *wire) spoil(kind, stream string, attributes map[string]any) {
	w.spoilt++
	w.must(http.MethodPost, "/toxics", map[string]any{
		"name": fmt.Sprint(w.spoilt), "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes,
	})
}

// cut closes all connections and refuses new ones.
func (w *wire) cut() { w.must(http.MethodPost, "", map[string]any{"enabled": false}) }

// heal ends all faults.
func (w *wire) heal() {
	for ; w.spoilt > 0; w.spoilt-- {
		w.must(http.MethodDelete, fmt.Sprintf("/toxics/%d", w.spoilt), nil)
	}
	w.must(http.MethodPost, "", map[string]any{"enabled": true})
}

func (w *wire) must(method, path string, in any) {
	if err := ask(method, w.proxy+path, in, nil); err != nil {
		w.t.Errorf("faultproxy: %v", err)
	}
}

// ask calls toxiproxy's API.
func ask(method, address string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		return err
	}
	c := http.Client{Timeout: patience}
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %w", method, address, said,
			errors.Join(err, errors.New(resp.Status)))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(said, out)
}
