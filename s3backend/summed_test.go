package s3backend

import (
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
)

// countingBody counts what is read of it.
type countingBody struct {
	io.ReadSeeker
	n int
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p)
	b.n += n
	return n, err
}

// randomBody can be read out of order.
type randomBody struct {
	*countingBody
	io.ReaderAt
}

// summedBody knows its checksum.
type summedBody struct{ *countingBody }

func (summedBody) CRC32() uint32 { return crc32.ChecksumIEEE([]byte("hello")) }

func TestSummedBodyIsReadOnce(t *testing.T) {
	var sums []string
	c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		sums = append(sums, r.Header.Get("X-Amz-Checksum-Crc32"))
		w.Header().Set("ETag", `"e"`)
	}))
	hello := func() *countingBody { return &countingBody{ReadSeeker: strings.NewReader("hello")} }
	plain, summed, random := hello(), hello(), hello()
	for _, body := range []io.ReadSeeker{plain, summedBody{summed},
		randomBody{random, strings.NewReader("hello")}} {
		if _, err := c.Put(t.Context(), "k", body, 5, nil, Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if plain.n != 10 || summed.n != 5 || random.n != 5 {
		t.Errorf("%d, %d and %d bytes were read, want 10, 5 and 5", plain.n, summed.n, random.n)
	}
	if len(sums) != 3 || sums[0] == "" || sums[0] != sums[1] || sums[0] != sums[2] {
		t.Errorf("checksums %q, want those of all puts alike", sums)
	}
}
