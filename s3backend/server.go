package s3backend

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// A Server is a product that is recognised by its replies.
type Server string

// The servers that are recognised.
const (
	AmazonS3 Server = "AWS"
	Ceph     Server = "Ceph RGW"
	Versity  Server = "versitygw"
	MinIO    Server = "MinIO"
	Unknown  Server = ""
)

// Server returns which server replies, Unknown if it is none that is recognised.
func (e *endpoint) Server(ctx context.Context) Server {
	switch {
	case !e.notAWS:
		return AmazonS3
	case e.isCeph(ctx):
		return Ceph
	case e.isVersity(ctx):
		return Versity
	case e.isMinIO(ctx):
		return MinIO
	}
	return Unknown
}

// Skew returns how far this machine's clock is ahead of the server's, whose replies give it in
// whole seconds. It is false if they do not.
func (e *endpoint) Skew(ctx context.Context) (time.Duration, bool) {
	before := time.Now()
	header, _ := e.headBucket(ctx)
	took := time.Since(before)
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return before.Add(took / 2).Sub(at), true
}

// isCeph, isVersity and isMinIO recognise a server by its replies: Ceph RGW by its request IDs,
// the others by their names.
func (e *endpoint) isCeph(ctx context.Context) bool {
	return strings.HasPrefix(e.header(ctx).Get("X-Amz-Request-Id"), "tx0")
}

func (e *endpoint) isVersity(ctx context.Context) bool {
	return strings.Contains(strings.ToLower(e.header(ctx).Get("Server")), "versity")
}

func (e *endpoint) isMinIO(ctx context.Context) bool {
	return e.header(ctx).Get("Server") == "MinIO"
}

// header returns the header of a reply to HeadBucket: that of VerifyBucket, or of a request sent
// now.
func (e *endpoint) header(ctx context.Context) http.Header {
	if h := e.answer.Load(); h != nil {
		return *h
	}
	header, _ := e.headBucket(ctx)
	return header
}
