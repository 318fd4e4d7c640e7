package integration

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A hostile server: it speaks S3 well enough for a mount to begin, and then answers
// requests as one of its tricks wants it. What is asked of the mount is that it goes on
// serving, tells each program within half a minute that something is wrong, says why
// in its log, and takes no more memory than it is allowed.

const (
	// mostMemory is what the daemon may have resident at its worst.
	mostMemory = 256 << 20
	// fileSize is that of the files of the hostile server.
	fileSize = 1 << 20
)

// trick is one way in which the server is hostile. It answers, or leaves the request to
// the well-behaved part.
type trick struct {
	name  string
	serve func(w http.ResponseWriter, r *http.Request, op string) bool
	// fine tells that the trick is none for a mount: it need not fail.
	fine bool
	// long takes minutes: for a soak.
	long bool
}

// entry is an object of a listing.
func entry(key, size string) string {
	var k bytes.Buffer
	_ = xml.EscapeText(&k, []byte(key))
	return "<Contents><Key>" + k.String() +
		"</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;etag&quot;</ETag><Size>" + size + "</Size><StorageClass>STANDARD</StorageClass></Contents>"
}

func listing(w http.ResponseWriter, body, next string) {
	fmt.Fprint(w, "<ListBucketResult><Name>evil</Name>", body)
	if next != "" {
		fmt.Fprintf(w,
			"<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>",
			next)
	}
	fmt.Fprint(w, "</ListBucketResult>")
}

// onList is a trick about listings of the folder.
func onList(f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter,
	*http.Request, string) bool {
	return on("ListObjectsV2", f)
}

// on is a trick about requests of one name.
func on(name string, f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter,
	*http.Request, string) bool {
	return func(w http.ResponseWriter, r *http.Request, op string) bool {
		if op != name ||
			op == "ListObjectsV2" && !strings.HasPrefix(r.URL.Query().Get("prefix"), submissions) {
			return false
		}
		f(w, r)
		return true
	}
}

// dribble writes a text a byte at a time until whoever reads has gone, or the server is closed.
func dribble(w http.ResponseWriter, r *http.Request, text string, pause time.Duration) {
	for i := 0; ; i++ {
		if _, err := w.Write([]byte{text[i%len(text)]}); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pause):
		}
	}
}

// endless writes a text until whoever reads has gone, or the server is closed.
func endless(w http.ResponseWriter, r *http.Request, text string) {
	block := []byte(strings.Repeat(text, 1+(64<<10)/len(text)))
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// ranged begins the answer to a GET of a file.
func ranged(w http.ResponseWriter, r *http.Request) (from, to int64) {
	_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
	w.Header().Set("ETag", `"etag"`)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, fileSize))
	w.Header().Set("Content-Length", fmt.Sprint(to+1-from))
	return from, to
}

// number is the page of a listing that a token, t and a number, asks for.
func number(r *http.Request) (n int) {
	_, _ = fmt.Sscanf(r.URL.Query().Get("continuation-token"), "t%d", &n)
	return n
}

var tricks = []trick{
	{name: "a key shorter than the prefix", serve: onList(func(w http.ResponseWriter, _ *http.Request) { listing(w, entry("S", "1"), "") })},
	{name: "a key outside", serve: onList(func(w http.ResponseWriter, _ *http.Request) { listing(w, entry("Private/x", "1"), "") })},
	{name: "an empty key", serve: onList(func(w http.ResponseWriter, _ *http.Request) { listing(w, entry("", "1"), "") })},
	{name: "a folder outside", serve: onList(func(w http.ResponseWriter, _ *http.Request) {
		listing(w, "<CommonPrefixes><Prefix>Private/</Prefix></CommonPrefixes>", "")
	})},
	{name: "a negative size", serve: onList(func(w http.ResponseWriter, _ *http.Request) { listing(w, entry(submissions+"file", "-5"), "") })},
	{name: "a size beyond 2^53", serve: onList(func(w http.ResponseWriter, _ *http.Request) {
		listing(w, entry(submissions+"file", "18014398509481984"), "")
	})},
	{name: "a size beyond 2^64", serve: onList(func(w http.ResponseWriter, _ *http.Request) {
		listing(w, entry(submissions+"file", "99999999999999999999999"), "")
	})},
	{name: "a listing without an end", long: true,
		serve: onList(func(w http.ResponseWriter, r *http.Request) {
			var b strings.Builder
			n := number(r)
			for i := range 1000 {
				b.WriteString(entry(fmt.Sprintf("%s%09d-%03d", submissions, n, i), "1"))
			}
			listing(w, b.String(), fmt.Sprintf("t%d", n+1))
		})},
	{name: "folders without an end", long: true,
		serve: onList(func(w http.ResponseWriter, r *http.Request) {
			var b strings.Builder
			n := number(r)
			for i := range 1000 {
				if r.URL.Query().Get("delimiter") == "" {
					b.WriteString(entry(fmt.Sprintf("%s%09d-%03d/%s", submissions, n,
						i, strings.Repeat("long", 200)), "1"))
				} else {
					fmt.Fprintf(&b,
						"<CommonPrefixes><Prefix>%s%09d-%03d/</Prefix></CommonPrefixes>",
						submissions, n, i)
				}
			}
			listing(w, b.String(), fmt.Sprintf("t%d", n+1))
		})},
	{name: "long keys without an end", serve: onList(func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		n := number(r)
		for i := range 1000 {
			b.WriteString(entry(fmt.Sprintf("%s%09d-%03d%s",
				submissions, n, i, strings.Repeat("x", 900)), "1"))
		}
		listing(w, b.String(), fmt.Sprintf("t%d", n+1))
	})},
	{name: "a token that leads to itself",
		serve: onList(func(w http.ResponseWriter, _ *http.Request) {
			listing(w, entry(submissions+"file", strconv.Itoa(fileSize)), "t0")
		})},
	{name: "a circle of tokens", serve: onList(func(w http.ResponseWriter, r *http.Request) {
		n := number(r)
		listing(w, entry(fmt.Sprintf("%sfile-%d", submissions, n), "1"),
			fmt.Sprintf("t%d", (n+1)%7))
	})},
	{name: "new tokens for the same page",
		serve: onList(func(w http.ResponseWriter, r *http.Request) {
			listing(w, entry(submissions+"file", "1"), fmt.Sprintf("t%d", number(r)+1))
		})},
	{name: "pages with nothing in them",
		serve: onList(func(w http.ResponseWriter, r *http.Request) {
			listing(w, "", fmt.Sprintf("t%d", number(r)+1))
		})},
	{name: "a page without an end", serve: onList(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<ListBucketResult><Name>evil</Name>")
		endless(w, r, entry(submissions+"file", "1"))
	})},
	{name: "a key without an end", serve: onList(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<ListBucketResult><Name>evil</Name><Contents><Key>"+submissions)
		endless(w, r, "x")
	})},
	{name: "elements in elements without an end",
		serve: onList(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "<ListBucketResult>")
			endless(w, r, "<a>")
		})},
	{name: "a listing that dribbles", serve: onList(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<ListBucketResult><Name>evil</Name>")
		dribble(w, r, " ", 100*time.Millisecond)
	})},
	{name: "headers without an end", serve: onList(func(w http.ResponseWriter, _ *http.Request) {
		raw(w, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for i := 0; ; i++ {
				if _, err := fmt.Fprintf(c, "X-Amz-Meta-%d: %s\r\n",
					i, strings.Repeat("v", 1000)); err != nil {
					return
				}
			}
		})
	})},
	{name: "headers that dribble", serve: onList(func(w http.ResponseWriter, _ *http.Request) {
		raw(w, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Slow: ")
			for {
				if _, err := io.WriteString(c, "v"); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	})},
	{name: "hints without an end", serve: onList(func(w http.ResponseWriter, _ *http.Request) {
		raw(w, func(c net.Conn) {
			for {
				if _, err := io.WriteString(c,
					"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"); err != nil {
					return
				}
			}
		})
	})},
	{name: "no answer", serve: func(_ http.ResponseWriter, r *http.Request, op string) bool {
		return op != "HeadBucket" && hold(r)
	}},
	{name: "500 after a while",
		serve: func(w http.ResponseWriter, r *http.Request, op string) bool {
			if op == "HeadBucket" {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-time.After(12 * time.Second):
			case <-r.Context().Done():
			}
			return refuse(w, r, http.StatusInternalServerError, "InternalError")
		}},
	{name: "an error without an end",
		serve: func(w http.ResponseWriter, r *http.Request, op string) bool {
			if op == "HeadBucket" {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "<Error><Code>Bad</Code><Message>")
			endless(w, r, "words ")
			return true
		}},
	{name: "an error that dribbles",
		serve: func(w http.ResponseWriter, r *http.Request, op string) bool {
			if op == "HeadBucket" {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusBadRequest)
			dribble(w, r, "<Error>", 100*time.Millisecond)
			return true
		}},
	{name: "half a file", serve: on("GetObject", func(w http.ResponseWriter, r *http.Request) {
		from, to := ranged(w, r)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(make([]byte, (to-from)/2))
	}), fine: true}, // what is missing is asked for again
	{name: "a file that dribbles",
		serve: on("GetObject", func(w http.ResponseWriter, r *http.Request) {
			ranged(w, r)
			w.WriteHeader(http.StatusPartialContent)
			dribble(w, r, "x", 50*time.Millisecond)
		})},
	{name: "a byte in each answer",
		serve: on("GetObject", func(w http.ResponseWriter, r *http.Request) {
			ranged(w, r)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
			panic(http.ErrAbortHandler)
		})},
	{name: "nothing of a file",
		serve: on("GetObject", func(w http.ResponseWriter, r *http.Request) {
			ranged(w, r)
			w.WriteHeader(http.StatusPartialContent)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})},
	{name: "another range", serve: on("GetObject", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"etag"`)
		w.Header().Set("Content-Range", "bytes 5-9/10")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("other"))
	})},
	{name: "a range beyond all",
		serve: on("GetObject", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"etag"`)
			w.Header().Set("Content-Range", "bytes 0-9223372036854775806/9223372036854775807")
			w.WriteHeader(http.StatusPartialContent)
			endless(w, r, "x")
		})},
	{name: "a file without an end",
		serve: on("GetObject", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"etag"`)
			w.WriteHeader(http.StatusOK)
			endless(w, r, "x")
		})},
	{name: "another version", serve: on("GetObject", func(w http.ResponseWriter, r *http.Request) {
		from, to := ranged(w, r)
		w.Header().Set("ETag", `"other"`)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(make([]byte, to+1-from))
	})},
	{name: "a head of a negative size",
		serve: on("HeadObject", func(w http.ResponseWriter, _ *http.Request) {
			raw(w, func(c net.Conn) {
				_, _ = io.WriteString(c,
					"HTTP/1.1 200 OK\r\nETag: \"etag\"\r\nContent-Length: -5\r\n\r\n")
			})
		}), fine: true},
	{name: "a head of too large a size",
		serve: on("HeadObject", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9223372036854775807")
		}), fine: true},
	{name: "a part of a file that S3 does not take",
		serve: on("PutObject", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 10)
			raw(w, func(net.Conn) {})
		}), fine: true},
	{name: "a put that is confirmed before it was read",
		serve: on("PutObject", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"early"`)
		}), fine: true},
	{name: "a put without an ETag",
		serve: on("PutObject", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		}), fine: true},
	{name: "a condition that never holds",
		serve: func(w http.ResponseWriter, r *http.Request, op string) bool {
			if op == "HeadBucket" || op == "ListObjectsV2" {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			return refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
		}},
}

// raw has a handler write to the connection itself, and closes it then.
func raw(w http.ResponseWriter, write func(net.Conn)) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	write(c)
}

// redirects are tricks that lead to another server, which must never be asked.
func redirects(to string) (all []trick) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		all = append(all, trick{name: fmt.Sprintf("a redirect, %d", status),
			serve: func(w http.ResponseWriter, r *http.Request, op string) bool {
				if op == "HeadBucket" {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Location", to+r.URL.RequestURI())
				w.Header().Set("X-Amz-Bucket-Region", "evil.example.com/")
				w.WriteHeader(status)
				fmt.Fprintf(w,
					"<Error><Code>TemporaryRedirect</Code><Endpoint>%s</Endpoint><Bucket>evil</Bucket></Error>", strings.TrimPrefix(to, "http://"))
				return true
			}})
	}
	return all
}

// evilBucket is the hostile server.
type evilBucket struct {
	*httptest.Server
	mu    sync.Mutex
	trick trick // the one that is played now
}

func newEvilBucket(t *testing.T) *evilBucket {
	b := &evilBucket{}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(b.serve))
	b.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are cut
	// A daemon that still asks would open another connection as its old ones are cut, and Close
	// would wait for an answer that has no end: nobody may connect first, then all answers end.
	lifetime, end := context.WithCancel(context.Background())
	b.Config.BaseContext = func(net.Listener) context.Context { return lifetime }
	b.Start()
	t.Cleanup(func() {
		_ = b.Listener.Close()
		end()
		b.CloseClientConnections()
		b.Close()
	})
	return b
}

func (b *evilBucket) play(t trick) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trick = t
}

func (b *evilBucket) serve(w http.ResponseWriter, r *http.Request) {
	op := operation(r)
	b.mu.Lock()
	serve := b.trick.serve
	b.mu.Unlock()
	w.Header().Set("X-Amz-Request-Id", "EVIL")
	if serve != nil && serve(w, r, op) {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	switch op {
	case "ListObjectsV2":
		prefix, body := r.URL.Query().Get("prefix"), ""
		if key := submissions + "file"; strings.HasPrefix(key, prefix) && prefix != "" {
			body = entry(key, strconv.Itoa(fileSize))
		}
		listing(w, body, "")
	case "GetObject":
		from, to := ranged(w, r)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(make([]byte, to+1-from))
	case "HeadObject":
		if strings.HasSuffix(r.URL.Path, "/file") {
			w.Header().Set("ETag", `"etag"`)
			w.Header().Set("Content-Length", strconv.Itoa(fileSize))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	case "PutObject":
		w.Header().Set("ETag", `"put"`)
	case "HeadBucket", "DeleteObject":
	case "DeleteObjects":
		fmt.Fprint(w, "<DeleteResult/>")
	default:
		refuse(w, r, http.StatusForbidden, "AccessDenied")
	}
}

// deed is something that a program does to the mount. It returns the longest time that
// a call of it took.
type deed struct {
	name string
	do   func(m *mount) (time.Duration, error)
}

// deeds are done one by one; a program waits for each.
var deeds = []deed{
	{"ls", list},
	{"stat", runs("stat", "file")},
	{"stat of nothing", runs("stat", "nothing")},
	{"cat", runs("cat", "file")},
	{"getfattr", runs("getfattr", "file", "-n", "user.s3share.version")},
	{"mkdir", runs("mkdir", "dir")},
	{"cp", runs("cp", "new", "/proc/self/cmdline")},
	{"rm", runs("rm", "file")},
}

// runs is a deed of a program about a file.
func runs(name, file string, args ...string) func(*mount) (time.Duration, error) {
	return func(m *mount) (time.Duration, error) {
		began := time.Now()
		cmd := exec.Command(name, append(args, m.path(submissions+file))...)
		var errs bytes.Buffer
		cmd.Stderr = &errs // standard output is more than anybody reads
		err := cmd.Run()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(errs.Bytes()))
		}
		return time.Since(began), err
	}
}

// list reads the folder, which may have no end: each of its calls has its time.
func list(m *mount) (longest time.Duration, err error) {
	began := time.Now()
	dir, err := os.Open(m.path(submissions))
	if err != nil {
		return time.Since(began), err
	}
	defer dir.Close()
	for {
		longest = max(longest, time.Since(began))
		began = time.Now()
		if _, err := dir.ReadDir(100); err != nil {
			longest = max(longest, time.Since(began))
			if err == io.EOF {
				err = nil
			}
			return longest, err
		}
	}
}

// memory returns how many bytes the daemon has had resident at most.
func (m *mount) memory(t *testing.T) int64 {
	t.Helper()
	peak, err := peakMemory(m.cmd.Process.Pid)
	if err != nil {
		t.Fatalf("the daemon is gone: %v\n%s", err, brief([]byte(m.log.String())))
	}
	return peak
}

// peakMemory returns how many bytes a process has had resident at most. What getrusage(2) says may
// be of the process that has started it.
func peakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in %s", status) // as of one that has ended
}

// TestAHostileServer plays each trick on a mount of its own.
func TestAHostileServer(t *testing.T) {
	t.Parallel()
	needFuse(t)
	needTools(t, "getfattr", "stat")
	asked := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect led to %s with %v", r.URL, r.Header)
	}))
	defer asked.Close()
	for _, trick := range slices.Concat(tricks, redirects(asked.URL)) {
		t.Run(trick.name, func(t *testing.T) {
			t.Parallel()
			if trick.long && soak == 0 {
				t.Skip("for a soak: S3SHARE_SOAK")
			}
			b := newEvilBucket(t)
			m := mountEvil(t, b)
			b.play(trick)
			var failed atomic.Int64
			var done sync.WaitGroup
			for _, c := range deeds {
				done.Go(func() {
					if m.try(t, c, trick) != nil {
						failed.Add(1)
					}
				})
			}
			done.Wait()
			if failed.Load() == 0 && !trick.fine {
				t.Error("nothing failed: the trick was not played")
			}
			b.play(newTrick)
			if got := m.memory(t); got > mostMemory {
				t.Errorf("the daemon had %d MiB resident", got>>20)
			} else {
				t.Logf("%d MiB", got>>20)
			}
			m.endEvil(t)
		})
	}
}

// newTrick is none: the server behaves.
var newTrick = trick{}

// mountEvil mounts the hostile bucket.
func mountEvil(t *testing.T, b *evilBucket) *mount {
	t.Helper()
	x := &exchange{line: server, t: t, foreign: &ledger{etags: map[string]string{}}}
	x.Bucket, x.Endpoint = "evil", b.URL
	m, err := x.tryMount(t, client, "-o", "allow_other")
	if err != nil {
		t.Fatalf("mount: %v\n%s", err, m.log)
	}
	return m
}

// endEvil ends the daemon: not all that was written may be delivered.
func (m *mount) endEvil(t *testing.T) {
	t.Helper()
	m.done = true
	if out, err := m.run("unmount", "--keep", "--timeout", "5s", m.dir); err != nil &&
		!strings.Contains(out, "is unmounted, but") {
		t.Errorf("unmount: %v\n%s", err, out)
		_ = exec.Command("fusermount3", "-uz", m.dir).Run()
	}
	if log := m.log.String(); strings.Contains(log, "panic") ||
		strings.Contains(log, "goroutine ") || strings.Contains(log, "defect") {
		t.Errorf("the daemon has met a defect:\n%s", log)
	}
}

// try makes a call, and holds it to its time.
func (m *mount) try(t *testing.T, c deed, tr trick) error {
	t.Helper()
	took, err := c.do(m)
	if took > mostWait {
		t.Errorf("%s: %s took %v", tr.name, c.name, took.Round(time.Second))
	}
	if err != nil &&
		(strings.Contains(err.Error(), "not connected") || errors.Is(err, unix.ENOTCONN)) {
		t.Errorf("%s: the daemon is gone: %v", tr.name, err)
	}
	return err
}

// TestAHostileServerGoesOn plays tricks on one mount, at random, while programs do things
// at once: for 10 minutes in a soak, a moment otherwise.
func TestAHostileServerGoesOn(t *testing.T) {
	t.Parallel()
	needFuse(t)
	b := newEvilBucket(t)
	m := mountEvil(t, b)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for end := time.Now().Add(soaking(10*time.Second, 10*time.Minute)); time.Now().Before(end); {
		tr := tricks[r.IntN(len(tricks))]
		b.play(tr)
		var done sync.WaitGroup
		for range 3 {
			c := deeds[r.IntN(len(deeds))]
			done.Go(func() { _ = m.try(t, c, tr) })
		}
		done.Wait()
		if got := m.memory(t); got > mostMemory {
			t.Fatalf("the daemon had %d MiB resident after %q", got>>20, tr.name)
		}
		if t.Failed() {
			break
		}
	}
	b.play(newTrick)
	t.Logf("%d MiB", m.memory(t)>>20)
	await(t, "the mount to be as if nothing had been", func() bool {
		return exec.Command("cmp", "-n", "4096", "/dev/zero",
			filepath.Join(m.dir, submissions, "file")).Run() == nil
	})
	m.endEvil(t)
}
