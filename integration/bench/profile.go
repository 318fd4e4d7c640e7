package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// bucket is the one bucket there is, and folder the prefix that is mounted.
const (
	bucket = "bench"
	folder = "data"
)

// profile is how far away the bucket is.
type profile struct {
	name    string
	latency time.Duration // of each request
	rate    int64         // of each connection, in bytes a second; 0 is no cap
}

// The far profile is a bucket in another region over a good line: single
// connections are slow, and only many at once make it fast.
var allProfiles = []profile{
	{"fast", 0, 0},
	{"far", 20 * time.Millisecond, 80 << 20},
}

func (p profile) String() string {
	if p.rate == 0 {
		return fmt.Sprintf("%s (no latency, no cap)", p.name)
	}
	return fmt.Sprintf("%s (%v a request, %d MiB/s a connection)", p.name, p.latency, p.rate>>20)
}

// serve is the command memserver. It writes its URL as a line of JSON when it
// listens, and ends by a signal, or with --stdin when its standard input does.
func serve(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench memserver", flag.ContinueOnError)
	cert := f.String("certificate",
		"", "listen for TLS too, and write the certificate to this `file`")
	addr := f.String("addr", "127.0.0.1:0", "where to listen, on loopback only")
	name := f.String("profile", "fast", "how far away to be")
	stdin := f.Bool("stdin", false, "end when standard input ends")
	ready := f.Int64("ready", 0, "how many `bytes` of uploads to have memory ready for")
	if err := f.Parse(args); err != nil {
		return err
	}
	ps, err := pick("profile", allProfiles, *name, nil, func(p profile) string { return p.name })
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(*addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf(
			"memserver checks no signature, so it listens on loopback only, not on %q", *addr)
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(warm(*ready))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if *stdin {
		signal.Ignore(os.Interrupt) // the parent's terminal sends it to all; the parent decides
		go func() {
			bufio.NewReader(os.Stdin).ReadByte() // there never is one
			cancel()
		}()
	}
	hello := map[string]string{"endpoint": "http://" + l.Addr().String(), "bucket": bucket}
	srv := memserver.New(memserver.Config{Buckets: []string{bucket},
		Latency: ps[0].latency, ConnRate: ps[0].rate})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return srv.Serve(ctx, l, nil) })
	if *cert != "" {
		secure, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return err
		}
		pair, err := certify(host, *cert)
		if err != nil {
			return err
		}
		hello["tls"] = "https://" + secure.Addr().String()
		g.Go(func() error { return srv.Serve(ctx, secure, pair) })
	}
	if err := json.NewEncoder(os.Stdout).Encode(hello); err != nil {
		return err
	}
	return g.Wait()
}

// ballast is a weight for the collector, in bytes: more than what is kept ready.
const ballast = 3 * gib / 2

// warm has the process hold memory in which that many bytes of objects will be, and
// a little more. New pages cost as much again as the bytes that go there, and
// whoever came first would pay it. The ballast, of which no page is ever touched,
// keeps the runtime from giving the memory back; it must live as long as the server.
func warm(ready int64) []byte {
	b := make([]byte, ballast)
	used := make([]byte, ready+ready/4)
	for i := 0; i < len(used); i += os.Getpagesize() {
		used[i] = 1
	}
	runtime.GC() // used is dead by now
	return b
}

// startServer runs the bucket as a process of its own, with memory ready for so
// many bytes of uploads, and its certificate in a file below work.
func startServer(p profile, ready int64, work string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "memserver", "--stdin", "--profile", p.name, "--ready",
		strconv.FormatInt(ready, 10),
		"--certificate", filepath.Join(work, "certificate.pem"))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{certificate: filepath.Join(work, "certificate.pem")}
	s.stop = func() error {
		return errors.Join(in.Close(), cmd.Wait(), os.Remove(s.certificate))
	}
	var hello struct{ Endpoint, TLS string }
	if err := json.NewDecoder(out).Decode(&hello); err != nil ||
		!strings.HasPrefix(hello.Endpoint, "http://") {
		return nil, errors.Join(fmt.Errorf("memserver did not start: %q", hello.Endpoint),
			err, s.stop())
	}
	s.url, s.tls = hello.Endpoint, hello.TLS
	return s, nil
}
