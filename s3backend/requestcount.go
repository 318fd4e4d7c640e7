package s3backend

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// counter counts requests as they go out. It stands last in the SDK's stack,
// inside the retries, so that every attempt counts.
type counter struct {
	byOp sync.Map // operation name -> *atomic.Int64
	log  *slog.Logger
}

func (c *counter) add(op string) {
	n, ok := c.byOp.Load(op)
	if !ok {
		n, _ = c.byOp.LoadOrStore(op, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// Counts returns how many requests were sent so far, by S3's name of the
// operation. Each attempt counts.
func (e *endpoint) Counts() map[string]int64 {
	m := map[string]int64{}
	e.counts.byOp.Range(func(op, n any) bool {
		m[op.(string)] = n.(*atomic.Int64).Load()
		return true
	})
	return m
}

func (c *counter) middleware(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("s3share:count",
		func(ctx context.Context, in middleware.DeserializeInput,
			next middleware.DeserializeHandler) (
			middleware.DeserializeOutput, middleware.Metadata, error,
		) {
			op := awsmiddleware.GetOperationName(ctx)
			c.add(op)
			start := time.Now()
			out, meta, err := next.HandleDeserialize(ctx, in)
			if c.log.Enabled(ctx, slog.LevelDebug) {
				c.logReply(ctx, op, in.Request, out.RawResponse, time.Since(start), err)
			}
			return out, meta, err
		}), middleware.After)
}

// logReply writes one line a request. No header is logged: some are secret.
func (c *counter) logReply(ctx context.Context, op string, req,
	reply any, took time.Duration, err error) {
	attrs := []slog.Attr{slog.String("op", op), slog.Duration("took", took)}
	if r, ok := req.(*smithyhttp.Request); ok {
		attrs = append(attrs, slog.String("path", r.URL.Path))
	}
	if r, ok := reply.(*smithyhttp.Response); ok && err == nil {
		attrs = append(attrs, slog.Int("status", r.StatusCode),
			slog.String("request", r.Header.Get("X-Amz-Request-Id")))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "s3 request", attrs...)
}
