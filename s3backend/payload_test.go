package s3backend

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// uploading is a request that has the body of a file.
type uploading struct {
	name string
	send func(t *testing.T, c *Client, body string) error
}

var uploads = []uploading{
	{"put", func(t *testing.T, c *Client, body string) error {
		_, err := c.Put(t.Context(), "Delivery/k", strings.NewReader(body), int64(len(body)),
			nil, Condition{IfNoneMatch: true})
		return err
	}},
	{"put over", func(t *testing.T, c *Client, body string) error {
		_, err := c.Put(t.Context(), "Delivery/k", strings.NewReader(body), int64(len(body)),
			nil, Condition{IfMatch: "e"})
		return err
	}},
	{"part", func(t *testing.T, c *Client, body string) error {
		_, err := c.UploadPart(t.Context(), Upload{Key: "Delivery/k", ID: "u"}, 1,
			strings.NewReader(body), int64(len(body)))
		return err
	}},
	{"summed part", func(t *testing.T, c *Client, body string) error {
		_, err := c.UploadPart(t.Context(), Upload{Key: "Delivery/k", ID: "u"}, 1, struct {
			io.ReadSeeker
			Summed
		}{strings.NewReader(body), crcOf(body)}, int64(len(body)))
		return err
	}},
}

// signer is a server whose policy refuses what is not signed.
type signer struct {
	mu       sync.Mutex
	refused  int
	wrong    []string // requests whose body is not the one that is signed
	unsigned bool     // it refuses signed bodies as well
}

func (s *signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	sum := sha256.Sum256(body)
	said := r.Header.Get("X-Amz-Content-Sha256")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case said == unsignedPayload || s.unsigned:
		s.refused++
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	case said != hex.EncodeToString(sum[:]):
		s.wrong = append(s.wrong, r.Method+" "+r.URL.String())
	}
	w.Header().Set("ETag", `"e"`)
}

// TestBodyIsSignedWhereThePolicyDemandsIt sends bodies of all sizes by all requests, from
// streams that can and cannot be read out of order, through the SDK and directly.
func TestBodyIsSignedWhereThePolicyDemandsIt(t *testing.T) {
	for _, first := range uploads {
		s := &signer{}
		c := once(against(t, s.ServeHTTP))
		c.notAWS = false       // no look goes before
		for round := range 2 { // the second goes directly where it can
			for _, u := range append([]uploading{first}, uploads...) {
				for _, size := range []int{0, 1, 4096, 300 << 10} {
					if err := u.send(t, c, strings.Repeat("x", size)); err != nil {
						t.Errorf("round %d: %s of %d bytes, begun with %s: %v", round,
							u.name, size, first.name, err)
					}
				}
			}
		}
		if s.refused != 1 || len(s.wrong) > 0 {
			t.Errorf(
				"begun with %s: %d requests were refused, want 1; other bodies than signed: %q",
				first.name, s.refused, s.wrong)
		}
	}
}

// TestSigningIsTriedSeldom refuses all uploads: that a signed body does not help is known
// for an hour.
func TestSigningIsTriedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := 0
		var p payloads
		send := func(signed bool) error {
			refusals++
			return &Error{Kind: Denied}
		}
		for range 100 {
			if err := p.send("Delivery/k", Condition{}, send); !errors.Is(err, Denied) {
				t.Fatalf("send = %v", err)
			}
		}
		if refusals != 101 {
			t.Errorf("%d requests for 100 uploads, want 101", refusals)
		}
		time.Sleep(unsignedRefusal + 1)
		refusals = 0
		_ = p.send("Delivery/k", Condition{}, send)
		if refusals != 2 {
			t.Errorf("%d requests an hour later, want 2", refusals)
		}
	})
}

// TestSigningIsNotBelievedToHelpByChance: only an answer of the policy's tells.
func TestSigningIsNotBelievedToHelpByChance(t *testing.T) {
	for name, again := range map[string]error{
		"no answer": &Error{Kind: Other}, "throttled": &Error{Kind: Busy}, "refused as well": &Error{Kind: Denied},
	} {
		c := once(against(t, yes))
		_ = c.payloads.send("k", Condition{}, func(signed bool) error {
			if signed {
				return again
			}
			return &Error{Kind: Denied}
		})
		if c.payloads.mustSign() {
			t.Errorf("%s: all bodies are signed from now on", name)
		}
	}
}

type crcOf string

// CRC32 implements Summed.
func (s crcOf) CRC32() uint32 { return crc32.ChecksumIEEE([]byte(s)) }
