// Package gateway is an S3 server on loopback with three accounts, bucket
// policies, and object ownership and ACLs that bite.
//
// The server is versitygw with its posix backend, whose objects are files in a
// directory. What it lacks is added in four places: accounts says who calls
// and what an account may do by itself; layer, around the backend, gives every
// object an owner and an ACL and holds requests against them; finish, a
// middleware, puts right two answers; judge, another one, holds requests against the
// rules of AWS that are asked for (package awsrules).
//
// Only one gateway can run in a process, and the process's working directory
// is the gateway's from Start on: the posix backend works with relative paths.
package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// Config is what a gateway is started with.
type Config struct {
	Listen  string // "host:port", on loopback; port 0 takes a free one
	Dir     string // holds the objects; made when it is missing
	Region  string
	Parties []bucket.Account

	Versions bool // buckets can have versions

	Rules awsrules.Set      // of AWS, that hold beside those that all servers have
	IAM   map[string]string // under both-halves: files with accounts' own policies, by account id
}

// Gateway is a server that answers.
type Gateway struct {
	Endpoint string // "http://host:port"

	server *s3api.S3ApiServer
	aws    *aws
	ended  chan error // gets the server's last word
}

// portTries bounds how often a free port is looked for: another process can
// take it between being found free and being listened on.
const portTries = 10

// Start starts the gateway and returns when it answers.
func Start(ctx context.Context, cfg Config) (*Gateway, error) {
	addr, err := loopback(cfg.Listen)
	if err != nil {
		return nil, err
	}
	attrs, data, err := prepare(cfg.Dir, meta.XattrMeta{}.Test)
	if err != nil {
		return nil, err
	}
	versions := ""
	if cfg.Versions {
		versions = data + "-versions"
		if err := os.MkdirAll(versions, 0o755); err != nil {
			return nil, fmt.Errorf("make directory: %w", err)
		}
	}
	files, err := posix.New(data, attrs, posix.PosixOpts{CopyObjectThreshold: maxCopy,
		ValidateBucketNames: true, VersioningDir: versions})
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", data, err)
	}
	st := &store{attrs: attrs}
	l := &layer{Backend: &atomic{Backend: files, versions: cfg.Versions},
		accounts: newAccounts(st, cfg.Parties...), store: st, aws: &aws{
			region: cfg.Region, partition: awsrules.PartitionOf(cfg.Region),
			rules: cfg.Rules, iam: cfg.IAM,
			// The gateway wants an account that may do everything. Nobody learns its secret.
			root: middlewares.RootUserConfig{Access: rand.Text(), Secret: rand.Text()},
		}}
	for try := 1; ; try++ {
		g, err := l.listen(ctx, addr, cfg.Region)
		if addr.Port() == 0 && errors.Is(err, syscall.EADDRINUSE) && try < portTries {
			continue
		}
		return g, err
	}
}

// grace is how long Close waits for requests under way. The server's own
// patience is longer, and it has it with connections too on which no client
// has ever sent a request.
const grace = time.Second

// Close stops the server: it lets requests under way end for a moment, and
// leaves those that do not to the end of the process.
func (g *Gateway) Close() error {
	stopped := make(chan error, 1)
	go func() { stopped <- g.server.ShutDown() }()
	select {
	case err := <-stopped:
		if err != nil {
			return fmt.Errorf("stop server: %w", err)
		}
	case <-time.After(grace):
	}
	<-g.ended // says no more than that it was stopped
	return nil
}

// Ended gets the error that the server ended with, if it ends by itself.
func (g *Gateway) Ended() <-chan error { return g.ended }

// listen makes one attempt to serve on addr.
func (l *layer) listen(ctx context.Context, addr netip.AddrPort, region string) (*Gateway, error) {
	if addr.Port() == 0 {
		free, err := freePort(ctx, addr)
		if err != nil {
			return nil, err
		}
		addr = free
	}
	ready := make(chan struct{})
	server, err := s3api.New(l, l.aws.root, region, l.accounts, nil, nil, nil, nil,
		s3api.WithQuiet(),
		s3api.WithKeepAlive(),
		s3api.WithConcurrencyLimiter(4096, 4096),
		s3api.WithMpMaxParts(10000),
		s3api.WithMiddleware("/", l.finish),
		s3api.WithMiddleware("/", l.judge),
		s3api.WithOnListen(func() { close(ready) }),
	)
	if err != nil {
		return nil, fmt.Errorf("make server: %w", err)
	}
	g := &Gateway{Endpoint: "http://" + addr.String(), server: server, aws: l.aws,
		ended: make(chan error, 1)}
	go func() { g.ended <- server.ServeMultiPort([]string{addr.String()}) }()
	select {
	case <-ready:
		return g, nil
	case err := <-g.ended:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), g.Close())
	}
}

// loopback resolves the address to listen on and refuses any that others could
// reach: the accounts' secrets are no secrets.
func loopback(listen string) (netip.AddrPort, error) {
	tcp, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen on %q: %w", listen, err)
	}
	addr := tcp.AddrPort()
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if !addr.Addr().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("listen on %q: not a loopback address", listen)
	}
	return addr, nil
}

// freePort is addr with a port that was free a moment ago: the server cannot
// say which port it got.
func freePort(ctx context.Context, addr netip.AddrPort) (netip.AddrPort, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return addr, fmt.Errorf("find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort(), nil
}

// prepare makes the directory of the objects inside dir, and chooses where
// their attributes are kept: with the files, or, on a file system without
// extended attributes, in a directory beside. Test says whether a directory's
// file system has them.
func prepare(dir string, test func(dir string) error) (meta.MetadataStorer, string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, "", fmt.Errorf("find %q: %w", dir, err)
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, "", fmt.Errorf("make directory: %w", err)
	}
	if test(data) == nil {
		return meta.XattrMeta{}, data, nil
	}
	side := filepath.Join(dir, "meta")
	if err := os.MkdirAll(side, 0o755); err != nil {
		return nil, "", fmt.Errorf("make directory: %w", err)
	}
	attrs, err := meta.NewSideCar(side)
	if err != nil {
		return nil, "", fmt.Errorf("keep attributes in %q: %w", side, err)
	}
	return attrs, data, nil
}
