package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend/access"
)

// fakeAWS is what init and join see of AWS: STS, and S3 with one bucket. The program
// reaches it as it reaches AWS, by its names and over TLS, through a proxy and with an
// authority that its environment names. It keeps a bucket's settings as they come.
type fakeAWS struct {
	mu       sync.Mutex
	exists   bool
	owner    string            // the account of the bucket
	settings map[string]string // by subresource, as they were put
	objects  map[string]bool
	changes  []string // what changed something, in order

	env []string // for the program
}

// The accounts of the fake, by access key.
var fakeAccounts = map[string]string{"OWNER": "111122223333", "CLIENT": "444455556666"}

// notSet is S3's code for each setting that is not there.
var notSet = map[string]string{
	"policy":            "NoSuchBucketPolicy",
	"publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
	"ownershipControls": "OwnershipControlsNotFoundError",
	"encryption":        "ServerSideEncryptionConfigurationNotFoundError",
	"lifecycle":         "NoSuchLifecycleConfiguration",
}

func newFakeAWS(t *testing.T, dir string) *fakeAWS {
	t.Helper()
	f := &fakeAWS{owner: "111122223333", settings: map[string]string{}, objects: map[string]bool{}}
	authority, sign := newAuthority(t)
	file := filepath.Join(dir, "authority.pem")
	if err := os.WriteFile(file, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tunnels := &tunnels{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{}),
		config: &tls.Config{GetCertificate: sign}}
	go tunnels.accept()
	srv := &http.Server{Handler: f}
	go func() { _ = srv.Serve(tunnels) }() // until it is closed
	t.Cleanup(func() { _ = srv.Close() })
	f.env = []string{
		"HTTPS_PROXY=http://" + l.Addr().String(), "AWS_CA_BUNDLE=" + file, "AWS_REGION=eu-central-1",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
	return f
}

// as is the environment of a program that has the key of a party.
func (f *fakeAWS) as(key string) []string {
	return append(slices.Clone(f.env), "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY=secret")
}

// took returns what has changed since it was last asked.
func (f *fakeAWS) took() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := strings.Join(f.changes, "\n")
	f.changes = nil
	return all
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	key, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"),
		"AWS4-HMAC-SHA256 Credential="), "/")
	account := fakeAccounts[key]
	w.Header().Set("X-Amz-Request-Id", "R")
	if strings.HasPrefix(r.Host, "sts.") {
		fmt.Fprintf(w,
			"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::%s:user/ann</Arn><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>", account)
		return
	}
	object := strings.TrimPrefix(r.URL.Path, "/")
	setting := ""
	for name := range r.URL.Query() {
		if name != "x-id" {
			setting = name
		}
	}
	switch expected := r.Header.Get("X-Amz-Expected-Bucket-Owner"); {
	case !f.exists && r.Method == "PUT" && object == "" && setting == "":
		f.exists = true
		f.change(r, body)
	case !f.exists:
		refuse(w, 404, "NoSuchBucket")
	case expected != "" && expected != f.owner, account != f.owner && f.settings["policy"] == "":
		refuse(w, 403, "AccessDenied")
	case r.Method == "HEAD" && object == "":
		w.Header().Set("X-Amz-Bucket-Region", "eu-central-1")
	case object != "":
		if account != f.owner && !f.grants(account, r.Method, object) {
			refuse(w, 403, "AccessDenied")
			return
		}
		f.serveObject(w, r, object, body)
	case r.URL.Query().Has("list-type"):
		io.WriteString(w, "<ListBucketResult><Name>team-exchange</Name></ListBucketResult>")
	case r.Method == "PUT":
		f.settings[setting] = string(body)
		f.change(r, body)
	case f.settings[setting] != "":
		io.WriteString(w, f.settings[setting])
	case setting == "versioning":
		io.WriteString(w, "<VersioningConfiguration/>")
	default:
		refuse(w, 404, notSet[setting])
	}
}

// grants reports whether the policy lets an account read or write an object. That is
// judged by the code that is under test, which is held against real servers elsewhere.
func (f *fakeAWS) grants(account, method, key string) bool {
	doc, err := access.ParseDocument([]byte(f.settings["policy"]))
	if err != nil {
		return false
	}
	folder, _, _ := strings.Cut(key, "/")
	rights := access.Lint{Document: doc,
		Bucket: "team-exchange"}.Rights("arn:aws:iam::"+account+":root", folder)
	if method == "PUT" || method == "POST" {
		return rights.Put == access.Yes
	}
	return rights.Get == access.Yes
}

func (f *fakeAWS) serveObject(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	switch {
	case r.Method == "POST" && r.URL.Query().Has("uploads"):
		io.WriteString(w,
			"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
	case r.Method == "DELETE" && r.URL.Query().Get("uploadId") == "u":
		w.WriteHeader(204)
	case r.URL.Query().Has("uploadId"):
		refuse(w, 404, "NoSuchUpload")
	case r.Method == "PUT":
		f.objects[key] = true
		w.Header().Set("ETag", `"e"`)
		f.change(r, body)
	case !f.objects[key]:
		refuse(w, 404, "NoSuchKey")
	default:
		w.Header().Set("ETag", `"e"`)
	}
}

func (f *fakeAWS) change(r *http.Request, body []byte) {
	query := r.URL.Query()
	query.Del("x-id")
	what := r.Method + " " + r.URL.Path
	if len(query) > 0 {
		what += "?" + strings.TrimSuffix(query.Encode(), "=")
	}
	for _, h := range []string{"X-Amz-Acl", "X-Amz-Object-Ownership",
		"X-Amz-Expected-Bucket-Owner", "If-None-Match"} {
		if v := r.Header.Get(h); v != "" {
			what += " " + strings.ToLower(h) + "=" + v
		}
	}
	f.changes = append(f.changes, strings.TrimSpace(what+"\n"+string(body)))
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
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
		go func() {
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil || req.Method != http.MethodConnect {
				conn.Close()
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			select {
			case l.conns <- tls.Server(conn, l.config):
			case <-l.closed:
				conn.Close()
			}
		}()
	}
}

func (l *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *tunnels) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// newAuthority returns a certificate, and what signs others by it for the names
// that clients ask for.
func newAuthority(t *testing.T) (authority []byte,
	sign func(*tls.ClientHelloInfo) (*tls.Certificate, error)) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true,
		BasicConstraintsValid: true,
		NotBefore:             time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			leaf := &x509.Certificate{
				SerialNumber: big.NewInt(2), DNSNames: []string{hello.ServerName},
				NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}
			der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
			return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
		}
}
