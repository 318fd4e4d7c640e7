// Package front answers by AWS's own host names, over TLS, for a gateway on loopback:
// S3's, with the bucket in the host name or in the path, those of access points, and
// STS's, of which it knows one request. A program reaches it as it reaches AWS, by a
// proxy and a certificate authority that its environment names:
//
//	HTTPS_PROXY=http://127.0.0.1:PORT AWS_CA_BUNDLE=authority.pem aws s3 ls
package front

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// SecureHeader tells the gateway that a request came over TLS.
const SecureHeader = "X-Localbucket-Tls"

// Config is what a front is started with.
type Config struct {
	Gateway   string // its endpoint
	Authority string // the file that the certificate of the authority is written to
	Partition string // of the ARNs that STS tells
	// Account is the account of an access key, "" for an unknown one.
	Account func(accessKey string) string
}

// Front is a proxy that answers.
type Front struct {
	Proxy string // "http://host:port"

	listener *tunnels
	server   *http.Server
	done     sync.WaitGroup
}

// Start starts the front on a free port of loopback.
func Start(cfg Config) (*Front, error) {
	authority, sign, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	if err := os.WriteFile(cfg.Authority, authority, 0o600); err != nil {
		return nil, fmt.Errorf("write the authority: %w", err)
	}
	to, err := url.Parse(cfg.Gateway)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	f := &Front{
		Proxy: "http://" + l.Addr().String(),
		listener: &tunnels{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{}),
			config: &tls.Config{GetCertificate: sign, MinVersion: tls.VersionTLS12}},
	}
	s3 := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed, and names the bucket
			r.Out.Header.Set(SecureHeader, "1")
		},
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 128},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // of clients that were killed
	}
	f.server = &http.Server{ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, "sts.") {
				cfg.callerIdentity(w, r)
				return
			}
			s3.ServeHTTP(w, r)
		})}
	f.done.Go(f.listener.accept)
	f.done.Go(func() { _ = f.server.Serve(f.listener) }) // until it is closed
	return f, nil
}

// Close ends the front.
func (f *Front) Close() error {
	err := errors.Join(f.server.Close(), f.listener.Close())
	f.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

var signedBy = regexp.MustCompile(`Credential=([^/]+)/`)

// callerIdentity answers GetCallerIdentity. The signature is not verified: nothing is
// at stake.
func (cfg Config) callerIdentity(w http.ResponseWriter, r *http.Request) {
	account := ""
	if m := signedBy.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		account = cfg.Account(m[1])
	}
	w.Header().Set("Content-Type", "text/xml")
	if account == "" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w,
			`<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>`)
		return
	}
	_, _ = fmt.Fprintf(w,
		`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:%s:iam::%s:root</Arn><UserId>%[2]s</UserId><Account>%[2]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, cfg.Partition, account)
}

// tunnels is a proxy that is at the end of each tunnel itself.
type tunnels struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	config *tls.Config
}

func (l *tunnels) accept() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return
		}
		go l.open(conn)
	}
}

func (l *tunnels) open(conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil || req.Method != http.MethodConnect {
		_ = conn.Close()
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		_ = conn.Close()
		return
	}
	select {
	case l.conns <- tls.Server(conn, l.config):
	case <-l.closed:
		_ = conn.Close()
	}
}

// Accept implements net.Listener.
func (l *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *tunnels) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// newAuthority returns a certificate, and what signs others by it for the names that
// clients ask for.
func newAuthority() (authority []byte,
	sign func(*tls.ClientHelloInfo) (*tls.Certificate, error), err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localbucket"},
		IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0,
			30), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex // guards leaves
	leaves := map[string]*tls.Certificate{}
	sign = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if c := leaves[hello.ServerName]; c != nil {
			return c, nil
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(len(leaves) + 2)), DNSNames: []string{hello.ServerName},
			NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
		if err != nil {
			return nil, err
		}
		c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
		leaves[hello.ServerName] = c
		return c, nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), sign, nil
}
