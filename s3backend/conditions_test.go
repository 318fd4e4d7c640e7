package s3backend

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	hello = "5d41402abc4b2a76b9719d911017c592" // MD5 of "hello"
	other = "ffffffffffffffffffffffffffffffff"
)

// step is a call, what comes of it, and the requests it makes.
type step struct {
	call string // put, complete, copy, copypart, delete
	cond Condition
	want error
	log  []string
}

func (s step) run(t *testing.T, c *Client) error {
	t.Helper()
	var err error
	src := Object{Key: "s", ETag: "se", Size: 3, Class: ClassStandard}
	switch s.call {
	case "put":
		_, err = c.Put(t.Context(), "k", strings.NewReader("hello"), 5, nil, s.cond)
	case "complete":
		_, err = c.Complete(t.Context(), Upload{Key: "k", ID: "u"},
			[]Part{{Number: 1, ETag: "p"}}, 5, s.cond)
	case "copy":
		_, err = c.Copy(t.Context(), src, "k", nil, s.cond)
	case "copypart":
		_, err = c.CopyPart(t.Context(), Upload{Key: "k", ID: "u"}, 1, src, 0, 3)
	case "delete":
		err = c.Delete(t.Context(), "k", s.cond)
	default:
		t.Fatalf("no call %q", s.call)
	}
	return err
}

// TestConditions runs calls against servers with each fault. S3 holds "k" with
// the ETag `other`, or nothing, and the source "s".
func TestConditions(t *testing.T) {
	free := Condition{IfNoneMatch: true}
	old, ours := Condition{IfMatch: other}, Condition{IfMatch: hello}
	for _, tt := range []struct {
		name    string
		f       *fake
		k       string // what "k" holds at first
		steps   []step
		trusted bool
	}{
		{"no trial for few", &fake{untried: true}, "", []step{
			{"complete", free, nil, []string{"HEAD k", "POST k If-None-Match"}},
			{"complete", free, Stale, []string{"HEAD k"}}, // that went no further
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-Match"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-Match"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-None-Match", "HEAD k", "POST k If-Match=never", "POST k If-Match"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"POST k If-Match"}},
			{"complete", free, Stale, []string{"POST k If-None-Match"}},
			{"copy", Condition{IfMatch: "e"}, nil, []string{"HEAD s", "HEAD k", "PUT k If-Match X-Amz-Copy-Source-If-Match"}},
			{"copypart", Condition{}, nil, []string{"HEAD s", "PUT k X-Amz-Copy-Source-If-Match"}},
			{"delete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "DELETE k If-Match"}},
		}, true},
		{"ignored, before it is known", &fake{untried: true, ignoreComplete: true, ignoreCopy: true,
			ignoreDelete: true}, other, []step{
			{"complete", free, Stale, []string{"HEAD k"}},
			{"copy", free, Stale, []string{"HEAD s", "HEAD k"}},
			{"delete", ours, Stale, []string{"HEAD k", "HEAD k"}},
			{"copy", old, nil, []string{"HEAD s", "HEAD k", "PUT k If-Match X-Amz-Copy-Source-If-Match"}},
			{"delete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "DELETE k If-Match"}},
		}, true},
		{"put", &fake{}, "", []step{
			{"put", free, nil, []string{"HEAD k", "PUT k If-None-Match", "PUT k If-None-Match"}},
			{"put", free, Stale, []string{"PUT k If-None-Match"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k If-Match=never", "PUT k If-Match"}},
			{"put", ours, nil, []string{"PUT k If-Match"}},
			{"put", Condition{}, nil, []string{"PUT k"}},
			{"put", old, Stale, []string{"PUT k If-Match", "HEAD k"}},
		}, true},
		{"put, few", &fake{untried: true}, "", []step{
			{"put", free, nil, []string{"HEAD k", "PUT k If-None-Match"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k If-None-Match", "HEAD k", "PUT k If-Match"}},
			{"put", free, Stale, []string{"PUT k If-None-Match"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k If-Match"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k If-Match=never", "PUT k If-Match"}},
			{"put", ours, nil, []string{"PUT k If-Match"}},
		}, true},
		{"put, If-None-Match ignored", &fake{ignoreAbsent: true, untried: true}, other, []step{
			{"put", free, Stale, []string{"HEAD k"}},
			{"put", old, nil, []string{"HEAD k", "PUT k If-None-Match"}}, // that was the put
			{"put", free, Stale, []string{"HEAD k"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k If-Match"}},
		}, false},
		{"put, If-Match ignored", &fake{ignoreMatch: true}, other, []step{
			{"put", old, nil, []string{"HEAD k", "PUT k If-None-Match", "HEAD k", "PUT k If-Match=never"}},
			{"put", old, Stale, []string{"HEAD k"}},
			{"put", free, Stale, []string{"PUT k If-None-Match"}},
		}, false},
		{"put, all ignored", &fake{ignoreMatch: true, ignoreAbsent: true}, other, []step{
			{"put", free, Stale, []string{"HEAD k"}},
			{"put", old, nil, []string{"HEAD k", "PUT k If-None-Match"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k If-Match=never"}},
			{"put", old, Stale, []string{"HEAD k"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k If-Match"}},
		}, false},
		{"put over what is gone", &fake{}, "", []step{{"put", old, Stale, []string{"HEAD k"}}}, true},
		{"put in conflict, once", &fake{conflicts: 1, untried: true}, "", []step{{"put", free, nil, []string{"HEAD k", "PUT k If-None-Match", "PUT k If-None-Match"}}}, true},
		{"put in conflict, for ever", &fake{conflicts: 9}, "", []step{{"put", free, Stale, []string{"HEAD k", "PUT k If-None-Match", "PUT k If-None-Match"}}}, true},
		{"If-Match matches nothing", &fake{unquotedMatch: true}, other, []step{
			{"put", old, nil, []string{
				"HEAD k", "PUT k If-None-Match", "HEAD k", "PUT k If-Match=never",
				"PUT k If-Match", "HEAD k", "PUT k If-Match", "HEAD k", "PUT k",
			}},
			{"put", old, Stale, []string{"HEAD k"}},
			{"put", ours, nil, []string{"HEAD k", "PUT k"}},
			{"put", free, Stale, []string{"PUT k If-None-Match"}}, // that one works
		}, false},
		{"If-Match matches nothing, really changed", &fake{unquotedMatch: true}, "abc", []step{
			{"put", old, Stale, []string{"HEAD k"}},
		}, true},
		{"conditions refused", &fake{noConditions: true}, "", []step{
			// The checksum might have been the reason.
			{"put", free, nil, []string{"HEAD k", "PUT k If-None-Match", "PUT k If-None-Match", "HEAD k", "PUT k"}},
			{"put", free, Stale, []string{"HEAD k"}},
		}, false},
		{"heeded everywhere", &fake{}, "", []step{
			{"complete", free, nil, []string{"HEAD k", "POST k If-None-Match"}},
			{"complete", free, Stale, []string{"HEAD k"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-None-Match", "HEAD k", "POST k If-Match=never", "POST k If-Match"}},
			{"complete", free, Stale, []string{"POST k If-None-Match"}},
			{"copy", Condition{IfMatch: "e"}, nil, []string{
				"HEAD s", "HEAD k", "PUT k X-Amz-Copy-Source-If-Match=never",
				"HEAD k", "PUT k If-None-Match X-Amz-Copy-Source-If-Match",
				"HEAD k", "PUT k If-Match=never X-Amz-Copy-Source-If-Match", "PUT k If-Match X-Amz-Copy-Source-If-Match",
			}},
			{"copy", free, Stale, []string{"PUT k If-None-Match X-Amz-Copy-Source-If-Match"}},
			{"copypart", Condition{}, nil, []string{"PUT k X-Amz-Copy-Source-If-Match"}},
			{"delete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "DELETE k If-Match=never", "DELETE k If-Match"}},
		}, true},
		{"ignored everywhere", &fake{ignoreComplete: true, ignoreCopy: true, ignoreSource: true,
			ignoreDelete: true}, "", []step{
			{"complete", free, nil, []string{"HEAD k", "POST k If-None-Match"}},
			{"complete", free, Stale, []string{"HEAD k"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-None-Match"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-Match=never"}},
			{"complete", free, Stale, []string{"HEAD k"}},
			{"copypart", Condition{}, nil, []string{"HEAD s", "PUT k X-Amz-Copy-Source-If-Match=never"}},
			{"copypart", Condition{}, nil, []string{"HEAD s", "PUT k X-Amz-Copy-Source-If-Match"}},
			{"copy", old, Stale, []string{"HEAD s", "HEAD k"}},
			{"copy", Condition{IfMatch: "e"}, nil, []string{"HEAD s", "HEAD k", "PUT k If-None-Match X-Amz-Copy-Source-If-Match"}},
			{"copy", Condition{IfMatch: "e"}, nil, []string{"HEAD s", "HEAD k", "PUT k If-Match=never X-Amz-Copy-Source-If-Match"}},
			{"delete", old, Stale, []string{"HEAD k", "HEAD k"}},
			{"delete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "DELETE k If-Match=never"}},
			{"delete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "HEAD k"}}, // gone already
		}, true},
		{"copy, source changed", &fake{ignoreSource: true}, "", []step{
			{"copy", Condition{}, nil, []string{"HEAD s", "PUT k X-Amz-Copy-Source-If-Match=never"}},
		}, true},
		{"HEAD refused, listing allowed", &fake{noHead: true, ignoreComplete: true}, other, []step{
			{"complete", free, Stale, []string{"HEAD k", "GET /bkt"}},
			{"complete", old, nil, []string{"GET /bkt", "POST k If-None-Match"}},
		}, true},
		{"dropbox", &fake{noHead: true, noList: true}, "", []step{
			{"put", free, nil, []string{"HEAD k", "GET /bkt", "PUT k If-None-Match"}},
			{"put", free, Stale, []string{"PUT k If-None-Match"}},
		}, true},
		{"complete, If-None-Match ignored alone", &fake{completeAbsent: true}, "e", []step{
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-None-Match"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"HEAD k", "POST k If-Match=never", "POST k If-Match"}},
			{"complete", Condition{IfMatch: "e"}, nil, []string{"POST k If-Match"}},
			{"complete", free, Stale, []string{"HEAD k"}},
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.f
			f.etag = map[string]string{"s": "se"}
			if tt.k != "" {
				f.etag["k"] = tt.k
			}
			c := once(against(t, f.ServeHTTP))
			c.recentHeads.age = 0 // TestLately is about that
			if !f.untried {
				c.tryNow()
			}
			for i, s := range tt.steps {
				f.log = nil
				if err := s.run(t, c); !errors.Is(err, s.want) {
					t.Errorf("step %d: %s %+v: %v, want %v", i, s.call, s.cond, err, s.want)
				}
				sortHeads(f.log)
				if !slices.Equal(f.log, s.log) {
					t.Errorf("step %d: %s %+v: requests\n%q, want\n%q",
						i, s.call, s.cond, f.log, s.log)
				}
			}
			if c.Conditional() != tt.trusted {
				t.Errorf("Conditional() = %v, want %v", c.Conditional(), tt.trusted)
			}
		})
	}
}

// sortHeads puts HEADs that follow each other, and may have gone out at once, into the
// order in which they are written here: the source's first.
func sortHeads(log []string) {
	for i := 1; i < len(log); i++ {
		if log[i] == "HEAD s" && log[i-1] == "HEAD k" {
			log[i-1], log[i] = log[i], log[i-1]
		}
	}
}

// tryNow has each operation tried out at its next use.
func (c *Client) tryNow() {
	q := &c.quirks
	q.source.uses.Store(probeAfterUses - 1)
	for _, t := range []*writeProbes{&q.put, &q.complete, &q.destination, &q.delete} {
		t.match.uses.Store(probeAfterUses - 1)
		t.absent.uses.Store(probeAfterUses - 1)
	}
}

// TestNewObjectsProbe puts new objects. The second of them is put twice, unless S3 refuses to say
// what a key holds. After that, a HEAD goes before each only where the server ignores the
// condition, or it is still unknown. The result of a put is what S3 holds.
func TestNewObjectsProbe(t *testing.T) {
	const get, put = "HEAD", "PUT If-None-Match"
	for _, tt := range []struct {
		name  string
		f     *fake
		reply func(w http.ResponseWriter) // to the second put of "k1", if it is not the usual one
		lost  bool                        // then the put fails, and the caller has to look
		log   [3][]string                 // requests, by object
	}{
		{"checked", &fake{}, nil, false, [3][]string{{get, put}, {get, put, put}, {put}}},
		{"ignored", &fake{ignoreAbsent: true}, nil, false, [3][]string{{get, put}, {get, put, put}, {get, put}}},
		{"dropbox", &fake{noHead: true, noList: true}, nil, false, [3][]string{{get, "GET", put}, {put}, {put}}},
		{"refused for another reason", &fake{}, func(w http.ResponseWriter) { refuse(w, 403, "AccessDenied") },
			// the SDK repeats it
			false, [3][]string{{get, put}, {get, put, put, put}, {get, put, put}}},
		{"the reply is lost", &fake{}, func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
			true, [3][]string{{get, put}, {get, put, put, put}, {get, put, put}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.f
			f.etag = map[string]string{}
			puts := 0
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "PUT" && strings.HasSuffix(r.URL.Path, "/k1") {
					if puts++; puts > 1 && tt.reply != nil {
						f.mu.Lock()
						f.log = append(f.log, "PUT d/k1 If-None-Match")
						f.mu.Unlock()
						tt.reply(w)
						return
					}
				}
				f.ServeHTTP(w, r)
			}))
			c.recentHeads.age = 0
			for i, want := range tt.log {
				key := fmt.Sprint("d/k", i)
				obj, err := c.Put(t.Context(), key, strings.NewReader("hello"), 5,
					nil, Condition{IfNoneMatch: true})
				if lost := tt.lost && i == 1; lost != Ambiguous(err) ||
					!lost && (err != nil || obj.ETag != hello) {
					t.Errorf("%s: %+v, %v", key, obj, err)
				}
				f.mu.Lock() // of a lost reply nothing was heard
				sent := f.log
				f.log = nil
				f.mu.Unlock()
				var log []string
				for _, l := range sent {
					method, rest, _ := strings.Cut(l, " ")
					_, header, _ := strings.Cut(rest, " ")
					log = append(log, strings.TrimSuffix(method+" "+header, " "))
				}
				if !slices.Equal(log, want) {
					t.Errorf("%s: requests %q, want %q", key, log, want)
				}
			}
		})
	}
}

// TestNoTrialOnAWS: nothing is tried out there, and one request is one.
func TestNoTrialOnAWS(t *testing.T) {
	f := &fake{etag: map[string]string{"s": "se"}}
	c := once(against(t, f.ServeHTTP))
	c.notAWS = false
	for _, s := range []step{
		{"complete", Condition{IfNoneMatch: true}, nil, []string{"POST k If-None-Match"}},
		{"copy", Condition{IfMatch: "e"}, nil, []string{"PUT k If-Match X-Amz-Copy-Source-If-Match"}},
		{"copypart", Condition{}, nil, []string{"PUT k X-Amz-Copy-Source-If-Match"}},
		{"put", Condition{IfMatch: "e"}, nil, []string{"PUT k If-Match"}},
		{"delete", Condition{IfMatch: hello}, nil, []string{"DELETE k If-Match"}},
	} {
		f.log = nil
		if err := s.run(t, c); !errors.Is(err, s.want) || !slices.Equal(f.log, s.log) {
			t.Errorf("%s: %v, requests %q, want %v, %q", s.call, err, f.log, s.want, s.log)
		}
	}
}

// TestChangedInBetween: a change between the HEAD and a trial that is heeded
// is seen by the real condition.
func TestChangedInBetween(t *testing.T) {
	f := &fake{etag: map[string]string{"k": other, "s": "se"}}
	f.before = func(f *fake, r *http.Request) {
		if r.Method == "POST" {
			f.etag["k"] = "theirs"
		}
	}
	c := once(against(t, f.ServeHTTP))
	c.tryNow()
	if err := (step{call: "complete", cond: Condition{IfMatch: other}}).run(t, c); !errors.Is(err,
		Stale) || f.etag["k"] != "theirs" {
		t.Errorf("Complete = %v, and S3 holds %q", err, f.etag["k"])
	}
}

// TestBothLooksAtOnce: the HEADs of a copy's source and of its destination do not wait
// for each other.
func TestBothLooksAtOnce(t *testing.T) {
	f := &fake{etag: map[string]string{"s": "se"}}
	var both sync.WaitGroup
	both.Add(2)
	c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			both.Done()
			both.Wait()
		}
		f.ServeHTTP(w, r)
	}))
	if err := (step{call: "copy", cond: Condition{IfNoneMatch: true}}).run(t, c); err != nil {
		t.Error(err)
	}
}

// TestChangedSourceIsNoTrial: that the source has changed says nothing of whether the
// destination's condition is heeded.
func TestChangedSourceIsNoTrial(t *testing.T) {
	f := &fake{etag: map[string]string{"s": "theirs"}, ignoreSource: true, ignoreCopy: true}
	c := once(against(t, f.ServeHTTP))
	c.tryNow()
	for range 3 {
		if err := (step{call: "copy", cond: Condition{IfNoneMatch: true}}).run(t,
			c); !errors.Is(err, Stale) {
			t.Errorf("Copy = %v, want Stale", err)
		}
	}
	if f.etag["k"] != "" || c.quirks.source.result.Load() != probeUnknown ||
		c.quirks.destination.match.result.Load() != probeUnknown ||
		c.quirks.destination.absent.result.Load() != probeUnknown {
		t.Errorf("after copies that were refused, S3 holds %q, and the server is judged",
			f.etag["k"])
	}
}

func TestChecksumRefused(t *testing.T) {
	f := &fake{etag: map[string]string{}, noChecksum: true}
	c := once(against(t, f.ServeHTTP))
	put := func() {
		t.Helper()
		if err := (step{call: "put"}).run(t, c); err != nil {
			t.Errorf("Put: %v", err)
		}
	}
	put()
	put()
	up, err := c.CreateUpload(t.Context(), "k", nil)
	if err != nil || up.CRC32 {
		t.Errorf("CreateUpload = %+v, %v", up, err)
	}
	p, err := c.UploadPart(t.Context(), up, 1, strings.NewReader("x"), 1)
	if err != nil || p.CRC32 != "" {
		t.Errorf("UploadPart = %+v, %v", p, err)
	}
	if want := []string{"PUT k", "PUT k", "PUT k", "POST k", "PUT k"}; !slices.Equal(f.log, want) {
		t.Errorf("requests %q, want %q: the checksum is refused once", f.log, want)
	}
}

// TestBadRequestIsNotTheChecksum: where leaving it out does not help, it is
// sent again the next time.
func TestBadRequestIsNotTheChecksum(t *testing.T) {
	sums := 0
	c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Checksum-Crc32") != "" {
			sums++
		}
		refuse(w, 400, "InvalidRequest")
	}))
	for range 2 {
		if err := (step{call: "put"}).run(t, c); !isKind(err, Refused) {
			t.Errorf("Put = %v", err)
		}
	}
	if sums != 2 {
		t.Errorf("%d checksums were sent, want 2", sums)
	}
}
