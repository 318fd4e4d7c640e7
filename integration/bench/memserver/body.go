package memserver

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxPut is the largest body of one PUT. Source: Amazon S3 User Guide,
// "Uploading objects" (5 GB in a single operation).
const maxPut = 5 << 30

// readBody reads the body of r into one slice. A body in aws-chunked form is
// decoded, and its trailers are added to r's header.
func readBody(r *http.Request) ([]byte, error) {
	body, size := io.Reader(r.Body), r.ContentLength
	chunked := isChunked(r)
	if chunked {
		n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || n < 0 {
			return nil, errMissingLength
		}
		body, size = newChunkReader(r.Body, r.Header), n
	}
	switch {
	case size < 0:
		return nil, errMissingLength
	case size > maxPut:
		return nil, &apiError{400, "EntityTooLarge",
			"Your proposed upload exceeds the maximum allowed size"}
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(body, b); err != nil {
		return nil, errIncompleteBody
	}
	if chunked { // the last chunk and the trailers come after the last byte
		if n, err := io.Copy(io.Discard, body); err != nil || n > 0 {
			return nil, errIncompleteBody
		}
	}
	return b, nil
}

// isChunked reports whether r's body is in the aws-chunked form. Source: Amazon
// S3 API Reference, "Transferring payload in multiple chunks".
func isChunked(r *http.Request) bool {
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return true
	}
	for enc := range strings.SplitSeq(r.Header.Get("Content-Encoding"), ",") {
		if strings.TrimSpace(enc) == "aws-chunked" {
			return true
		}
	}
	return false
}

// chunkReader decodes an aws-chunked body: each chunk is its length in hex, an
// optional signature, CRLF, the bytes, CRLF; one of length 0 ends the bytes, and
// header lines and an empty one may follow.
type chunkReader struct {
	r       *bufio.Reader
	left    int64       // of the chunk under way
	started bool        // a chunk was read, so its CRLF is next
	done    bool        // the chunk of length 0 was read
	trailer http.Header // where trailers go
}

func newChunkReader(r io.Reader, trailer http.Header) *chunkReader {
	return &chunkReader{r: bufio.NewReader(r), trailer: trailer}
}

var errChunk = errors.New("malformed aws-chunked body")

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.done {
		return 0, io.EOF
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
		if c.done {
			return 0, io.EOF
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads the line that begins the next chunk, and the trailers after the last.
func (c *chunkReader) next() error {
	if c.started {
		if line, err := c.line(); err != nil || len(line) > 0 {
			return errors.Join(errChunk, err)
		}
	}
	c.started = true
	line, err := c.line()
	if err != nil {
		return errors.Join(errChunk, err)
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	c.left, err = strconv.ParseInt(string(size), 16, 64)
	if err != nil || c.left < 0 {
		return errChunk
	}
	if c.left > 0 {
		return nil
	}
	c.done = true
	for {
		line, err := c.line()
		if len(line) == 0 && (err == nil || errors.Is(err, io.EOF)) {
			return nil
		}
		if err != nil {
			return errors.Join(errChunk, err)
		}
		if name, value, ok := strings.Cut(string(line), ":"); ok {
			c.trailer.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
}

// line reads up to the next CRLF, which it leaves out.
func (c *chunkReader) line() ([]byte, error) {
	b, err := c.r.ReadSlice('\n')
	return bytes.TrimRight(b, "\r\n"), err
}
