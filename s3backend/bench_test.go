package s3backend

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"testing"
)

// The server in these benchmarks is in the same process, so that their CPU
// time is both sides'. Read them against each other.
func benchClient(b *testing.B, size int) *Client {
	data := make([]byte, size)
	return against(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method != "GET" {
			yes(w, r)
			return
		}
		w.Header().Set("Content-Range", "bytes 0-"+strconv.Itoa(size-1)+"/"+strconv.Itoa(size))
		w.Header().Set("Content-Length", strconv.Itoa(size))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(data)
	})
}

func BenchmarkGet8MiB(b *testing.B) {
	const size = 8 << 20
	c := benchClient(b, size)
	buf := make([]byte, 1<<20)
	b.SetBytes(size)
	for b.Loop() {
		r, err := c.Get(b.Context(), Object{Key: "k"}, 0, size)
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = io.ReadFull(r, buf)
		}
		if r.Close(); err != io.EOF {
			b.Fatal(err)
		}
	}
}

func BenchmarkUploadPart8MiB(b *testing.B) {
	const size = 8 << 20
	c := benchClient(b, 0)
	data := make([]byte, size)
	b.SetBytes(size)
	for b.Loop() {
		if _, err := c.UploadPart(b.Context(), Upload{Key: "k", ID: "u"},
			1, bytes.NewReader(data), size); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut1KiB(b *testing.B) {
	c := benchClient(b, 0)
	data := make([]byte, 1<<10)
	for b.Loop() {
		if _, err := c.Put(b.Context(), "k", bytes.NewReader(data),
			1<<10, nil, Condition{IfNoneMatch: true}); err != nil {
			b.Fatal(err)
		}
	}
}
