package s3backend

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

// TestTLS: over https, with the CA that AWS_CA_BUNDLE names, a body is neither
// hashed nor chunked, and what TLS has below it is watched.
func TestTLS(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("%s over %s", r.Method, r.Proto)
		}
		if r.Method == "PUT" {
			b, _ := io.ReadAll(r.Body)
			if len(b) != 3<<20 || r.Header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" ||
				len(r.TransferEncoding) > 0 ||
				r.Header.Get("X-Amz-Checksum-Crc32") == "" {
				t.Errorf("%d bytes with %v", len(b), r.Header)
			}
		}
		yes(w, r)
	}))
	defer srv.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	write(t, bundle,
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})),
		0o600)
	cfg := Config{Bucket: "bkt", Endpoint: srv.URL, Attempts: 1}
	if _, err := Open(t.Context(), cfg); !isKind(err, Other) {
		t.Errorf("Open of a server with an unknown CA = %v", err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	c, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	data := make([]byte, 3<<20)
	if _, err := c.Put(t.Context(), "k", bytes.NewReader(data), int64(len(data)),
		nil, Condition{}); err != nil {
		t.Error(err)
	}
	if _, err := c.UploadPart(t.Context(), Upload{Key: "k", ID: "u"}, 1, bytes.NewReader(data),
		int64(len(data))); err != nil {
		t.Error(err)
	}
}
