package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// What the plain client does: enough requests at once, of a size that is fast.
const (
	inFlight = 32
	partSize = 8 * mib
)

// s3Client sends plain requests to memserver, unsigned and unhashed. It tells what
// the requests themselves cost, so that a mount can be held against it.
type s3Client struct {
	ctx  context.Context // of the child, which does one thing and ends
	http *http.Client
	url  string

	buffers sync.Pool // of *[]byte, partSize long
}

func newS3Client(ctx context.Context, endpoint string) *s3Client {
	return &s3Client{ctx: ctx, url: endpoint + "/" + bucket,
		http: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: inFlight, ReadBufferSize: 256 << 10, DisableCompression: true,
		}}}
}

// do sends a request for the file name, or for the bucket when it begins with a
// question mark, and reads the answer into p, or else returns it.
func (c *s3Client) do(method, name string, in []byte, p []byte,
	header ...string) ([]byte, http.Header, error) {
	target := c.url + name
	if !strings.HasPrefix(name, "?") {
		target = c.url + "/" + folder + "/" + name
	}
	r, err := http.NewRequestWithContext(c.ctx, method, target, bytes.NewReader(in))
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 && p != nil {
		_, err := io.ReadFull(resp.Body, p)
		return p, resp.Header, err
	}
	b, err := io.ReadAll(resp.Body)
	if resp.StatusCode/100 != 2 {
		return nil, nil, fmt.Errorf("%s %s: %s: %s", method, name, resp.Status, tail(b))
	}
	return b, resp.Header, err
}

func (c *s3Client) put(name string, b []byte) error {
	_, _, err := c.do(http.MethodPut, name, b, nil)
	return err
}

// get fills p from off on.
func (c *s3Client) get(name string, off int64, p []byte) error {
	_, _, err := c.do(http.MethodGet, name, nil, p, "Range",
		fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))
	return err
}

// getParts reads a file in parts, streams of them at once, and takes them in order.
func (c *s3Client) getParts(name string, size int64, streams int, a *app) error {
	type part struct {
		b    []byte
		done chan struct{}
	}
	free := make(chan []byte, streams)
	for range min(int64(streams), (size+partSize-1)/partSize) {
		free <- make([]byte, min(partSize, size))
	}
	order := make(chan *part, streams)
	g, ctx := errgroup.WithContext(c.ctx)
	g.Go(func() error {
		defer close(order)
		for off := int64(0); off < size; off += partSize {
			select {
			case b := <-free:
				p := &part{b[:min(partSize, size-off)], make(chan struct{})}
				order <- p
				g.Go(func() error {
					if err := c.get(name, off, p.b); err != nil {
						return err
					}
					close(p.done)
					return nil
				})
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		var crc uint32
		for p := range order {
			select {
			case <-p.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			crc = crc32.Update(crc, castagnoli, p.b)
			free <- p.b
		}
		a.tell(name, crc)
		return nil
	})
	return g.Wait()
}

// piece is one part of an object to be: bytes, or a range of the same object.
type piece struct {
	body   func(buf []byte) []byte // may use buf, which has partSize bytes
	off, n int64                   // copied, when there is no body
}

func body(b []byte) piece          { return piece{body: func([]byte) []byte { return b }} }
func copied(off, size int64) piece { return piece{off: off, n: size} }
func (p piece) source() (s string) { return fmt.Sprintf("bytes=%d-%d", p.off, p.off+p.n-1) }

// compose makes an object of pieces, streams of them at once.
func (c *s3Client) compose(name string, streams int, pieces ...piece) error {
	b, _, err := c.do(http.MethodPost, name+"?uploads", nil, nil)
	if err != nil {
		return err
	}
	var created struct{ UploadId string }
	if err := xml.Unmarshal(b, &created); err != nil {
		return err
	}
	etags := make([]string, len(pieces))
	var g errgroup.Group
	g.SetLimit(streams)
	for i, p := range pieces {
		g.Go(func() error {
			at := fmt.Sprintf("%s?partNumber=%d&uploadId=%s", name, i+1, created.UploadId)
			if p.body != nil {
				buf, _ := c.buffers.Get().(*[]byte)
				if buf == nil {
					b := make([]byte, partSize)
					buf = &b
				}
				defer c.buffers.Put(buf) // the answer comes after all of it was read
				_, h, err := c.do(http.MethodPut, at, p.body(*buf), nil)
				if err == nil {
					etags[i] = h.Get("ETag")
				}
				return err
			}
			b, _, err := c.do(http.MethodPut, at, nil, nil,
				"x-amz-copy-source", bucket+
					"/"+folder+"/"+name, "x-amz-copy-source-range", p.source())
			if err != nil {
				return err
			}
			var out struct{ ETag string }
			err = xml.Unmarshal(b, &out)
			etags[i] = out.ETag
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var in bytes.Buffer
	in.WriteString("<CompleteMultipartUpload>")
	for i, e := range etags {
		fmt.Fprintf(&in, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, e)
	}
	in.WriteString("</CompleteMultipartUpload>")
	_, _, err = c.do(http.MethodPost, name+"?uploadId="+created.UploadId, in.Bytes(), nil)
	return err
}

// putParts uploads the pattern of size bytes, streams of its parts at once.
func (c *s3Client) putParts(name string, size int64, streams int) error {
	var pieces []piece
	for off := int64(0); off < size; off += partSize {
		pieces = append(pieces, piece{body: func(buf []byte) []byte {
			b := buf[:min(partSize, size-off)]
			memserver.Pattern(b, off)
			return b
		}})
	}
	return c.compose(name, streams, pieces...)
}

func (c *s3Client) rename(from, to string) error {
	if _, _, err := c.do(http.MethodPut, to, nil, nil, "x-amz-copy-source",
		bucket+"/"+folder+"/"+from); err != nil {
		return err
	}
	_, _, err := c.do(http.MethodDelete, from, nil, nil)
	return err
}

// removeAll deletes what begins with prefix, as many at once as S3 takes.
func (c *s3Client) removeAll(prefix string) error {
	var g errgroup.Group
	err := c.pages(prefix, func(keys []string) {
		g.Go(func() error {
			var in bytes.Buffer
			in.WriteString("<Delete><Quiet>true</Quiet>")
			for _, k := range keys {
				in.WriteString("<Object><Key>")
				xml.EscapeText(&in, []byte(k)) // a buffer never fails
				in.WriteString("</Key></Object>")
			}
			in.WriteString("</Delete>")
			_, _, err := c.do(http.MethodPost, "?delete", in.Bytes(), nil)
			return err
		})
	})
	return errors.Join(err, g.Wait())
}

// list counts the folder's objects, but for those of folders.
func (c *s3Client) list() (n int, err error) {
	err = c.pages("", func(keys []string) {
		for _, k := range keys {
			if !strings.HasSuffix(k, "/") {
				n++
			}
		}
	})
	return n, err
}

// pages lists what begins with prefix in the folder, page by page.
func (c *s3Client) pages(prefix string, each func(keys []string)) error {
	token := ""
	for {
		b, _, err := c.do(http.MethodGet, "?list-type=2&prefix="+folder+"/"+prefix+
			"&continuation-token="+url.QueryEscape(token), nil, nil)
		if err != nil {
			return err
		}
		var page struct {
			NextContinuationToken string
			Contents              []struct{ Key string }
		}
		if err := xml.Unmarshal(b, &page); err != nil {
			return err
		}
		var keys []string
		for _, o := range page.Contents {
			keys = append(keys, o.Key)
		}
		each(keys)
		if token = page.NextContinuationToken; token == "" {
			return nil
		}
	}
}
