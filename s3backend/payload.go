package s3backend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// unsignedPayload is what a request says of its body when the signature does not cover it.
const unsignedPayload = "UNSIGNED-PAYLOAD"

// payloads decides whether the signature of an upload covers its body. By default it does
// not: the body has its CRC-32 and, but for loopback, TLS, and a SHA-256 takes more CPU than
// all the rest of sending it. A policy can refuse such requests, by the condition key
// s3:x-amz-content-sha256. So a request that is refused is sent once more with a signed
// body; once that works, all bodies are signed.
// Source: Amazon S3 API Reference, "Bucket policy examples using Signature Version 4 related
// condition keys".
type payloads struct {
	log *slog.Logger

	mu     sync.Mutex
	signed bool
	failed map[string]time.Time // when a signed body was refused as well, by kind of request
}

// unsignedRefusal is how long it is remembered that signing does not help.
const unsignedRefusal = time.Hour

// mustSign reports whether all bodies are to be signed.
func (p *payloads) mustSign() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signed
}

// mayHelp reports whether a request of this kind is worth another try with a signed body.
func (p *payloads) mayHelp(kind string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, failed := p.failed[kind]
	return !failed || time.Since(at) > unsignedRefusal
}

// note records how a request ended whose body was signed, after one was refused whose body
// was not. It reports whether that is the first time that signing helped.
func (p *payloads) note(kind string, err error) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, Denied):
		if p.failed == nil {
			p.failed = map[string]time.Time{}
		}
		p.failed[kind] = time.Now()
	case err == nil || statusOf(err)/100 == 4: // the policy let it pass
		first, p.signed = !p.signed, true
	}
	return first
}

// send runs send, which sends a body to key, with the body signed or not.
func (p *payloads) send(key string, cond Condition, send func(signed bool) error) error {
	if p.mustSign() {
		return send(true)
	}
	err := send(false)
	folder, _, _ := strings.Cut(key, "/")
	kind := folder
	if cond.IfMatch != "" { // it may be refused for another reason: see cache.replacing
		kind += "/If-Match"
	}
	if !errors.Is(err, Denied) || IsOfKey(err) || !p.mayHelp(kind) {
		return err
	}
	again := send(true)
	if p.note(kind, again) {
		p.log.Info(
			"the policy refuses uploads whose body is not signed; all are signed from now on",
			"refusal", err)
	}
	if errors.Is(again, Denied) {
		return err
	}
	return afterAttempt(err, again)
}

// unsigned leaves a body out of the signature, unless payload has given its hash.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// payload is an option that signs a body by its SHA-256 in hexadecimal; "" is unsigned.
func payload(sum string) func(*s3.Options) {
	return func(o *s3.Options) {
		unsigned(o)
		if sum == "" {
			return
		}
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("s3share:payload",
				func(ctx context.Context, in middleware.InitializeInput,
					next middleware.InitializeHandler) (
					middleware.InitializeOutput, middleware.Metadata, error,
				) {
					return next.HandleInitialize(v4.SetPayloadHash(ctx, sum), in)
				}), middleware.After)
		})
	}
}

// payloadSum is the SHA-256 of a body in hexadecimal where it is to be signed, else "".
func (s *sized) payloadSum(ctx context.Context, sign bool) (string, error) {
	if !sign {
		return "", nil
	}
	h := sha256.New()
	if err := s.hash(ctx, h); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
