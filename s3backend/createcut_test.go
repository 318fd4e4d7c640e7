package s3backend

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestCreateUploadCutOff: an upload that S3 has begun is known to who asked for it, also if that
// one had left when the answer came.
func TestCreateUploadCutOff(t *testing.T) {
	for _, checksum := range []bool{false, true} {
		ctx, leave := context.WithCancel(t.Context())
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			leave()
			io.WriteString(w,
				"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
		})
		c.notAWS = !checksum
		if up, err := c.CreateUpload(ctx, "k", nil); err != nil || up.ID != "u1" {
			t.Errorf("CreateUpload = %+v, %v, want the upload", up, err)
		}
		if _, err := c.CreateUpload(ctx, "k", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("after its context has ended, CreateUpload = %v", err)
		}
	}
}

// TestOutlive: a context that outlives another ends with the cause of that, after the time given.
func TestOutlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		parent, end := context.WithCancelCause(t.Context())
		ctx, release := outlive(parent, time.Second)
		defer release()
		end(why)
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Errorf("it ended too early: %v", context.Cause(ctx))
		}
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		if got := context.Cause(ctx); got != why {
			t.Errorf("its cause is %v, want %v", got, why)
		}
		_, release = outlive(t.Context(), time.Second)
		release() // leaves no goroutine: the bubble would not end
		if late, _ := outlive(parent, time.Hour); context.Cause(late) != why {
			t.Error("a context that had ended goes on")
		}
	})
}
