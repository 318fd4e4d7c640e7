package s3backend

import (
	"context"
	"io"
	"net/http"

	"github.com/s3share/s3share/s3backend/bandwidth"
)

// Limits are how many bytes a second all requests of a client may move together, in their bodies;
// 0 is no limit.
type Limits struct{ Upload, Download int64 }

// SetLimits sets the limits. They take effect at once, for requests in flight too.
func (e *endpoint) SetLimits(l Limits) {
	e.http.upload.Set(l.Upload)
	e.http.download.Set(l.Download)
}

// Limits returns the limits.
func (e *endpoint) Limits() Limits {
	return Limits{Upload: e.http.upload.Rate(), Download: e.http.download.Rate()}
}

// waitToSend counts the body of a request that is about to be sent. It returns when a small one may
// be sent, which is before a watchdog runs. Of a large one it returns true: its bytes wait while
// they are sent. What is no file's bytes does not wait.
func (w *watched) waitToSend(req *http.Request, op string) (large bool, err error) {
	content := op == "PutObject" || op == "UploadPart" || op == "" && req.Method == http.MethodPut
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return false, nil
	case !content:
		w.upload.Charge(int(max(0, req.ContentLength)))
		return false, nil
	case req.ContentLength >= 0 && req.ContentLength <= bandwidth.SmallBody:
		return false, w.upload.Wait(req.Context(), int(req.ContentLength))
	}
	return true, nil
}

// limitedBody is the large body of a request. What was read of it is sent when the limit allows.
// Meanwhile the watchdog does not run.
type limitedBody struct {
	io.ReadCloser
	ctx     context.Context
	dog     *watchdog
	limiter *bandwidth.Limiter
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:b.limiter.Step(len(p))])
	if n == 0 || b.limiter.Rate() == 0 {
		return n, err
	}
	b.dog.timer.Stop()
	if held := b.limiter.WaitInTurn(b.ctx, n); held != nil {
		return 0, held
	}
	b.dog.touch(0)
	return n, err
}
