package integration

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"
)

// Faults at S3, as steps. A fault that the mount has to hide, since trying again is
// enough, may change nothing that a program sees. While S3 refuses, calls may fail as
// the docs say, and what they would have changed is as it was.

// hidden are faults of which a program is told nothing, when there are at most
// maxHidden of them: the SDK tries a request three times.
var hidden = []string{"503", "500", "reset", "lose", "repeat", "cutbody", "cutanswer", "delay"}

const maxHidden = 2

// refusals are faults that last until S3 is healed.
var refusals = []string{"403", "400", "503", "reset"}

// away is the refusal of all requests: S3 is out of reach.
const away = "away"

// back ends what away has begun.
func (r *modelRun) back() {
	if r.refused != nil && r.refusedBy == away {
		r.setFaults(nil, nil)
	}
}

// faultyRequests are the requests that faults are of.
var faultyRequests = []string{
	"PutObject", "CopyObject", "DeleteObject|DeleteObjects", "CompleteMultipartUpload", "CreateMultipartUpload|UploadPart|UploadPartCopy",
	"ListObjectsV2", "HeadObject", "GetObject",
}

// faultOperations are drawn in modes with faults alone.
var faultOperations = map[string]modelOperation{
	"fault": {8, func(g *drawing) step {
		return step{to: g.one(faultyRequests...),
			n: int64(g.within(1, maxHidden)), opt: g.one(hidden...)}
	}, func(r *modelRun, s step) {
		r.setFaults(&faultRule{op: s.to, times: s.n, fault: bucketFault(s.opt)}, r.refused)
	}},
	"refuse": {1, func(g *drawing) step {
		return step{to: g.one("PutObject", "PutObject|CopyObject", "DeleteObject|DeleteObjects",
			"CreateMultipartUpload|UploadPart"), opt: g.one(refusals...)}
	}, func(r *modelRun, s step) {
		if r.l.mode.sync && (s.opt == "503" || s.opt == "reset") {
			s.opt = "400" // a close would wait for two minutes
		}
		r.setFaults(nil, &faultRule{op: s.to, fault: bucketFault(s.opt)})
		r.refusedBy = s.opt
	}},
	"away": {1, func(g *drawing) step { return step{} }, func(r *modelRun, _ step) {
		r.setFaults(nil, &faultRule{fault: bucketFault("reset")})
		r.refusedBy = away
	}},
	"heal": {2, func(g *drawing) step { return step{} }, func(r *modelRun, _ step) { r.heal() }},
}

// heal ends all faults, and has s3share try again what waits.
func (r *modelRun) heal() {
	if !r.l.mode.faults {
		return
	}
	r.setFaults(nil, nil)
	if out, err := r.l.m.run("retry", r.l.m.dir); err != nil {
		r.fail("retry", "s3share retry: %v\n%s", err, out)
	}
}

// setFaults has S3 fail as the rules say, and no other way: faults that are to be
// hidden must not add up.
func (r *modelRun) setFaults(hidden, refused *faultRule) {
	r.awaitRefusals()
	var rules []faultRule
	for _, rule := range []*faultRule{hidden, refused} {
		if rule != nil {
			rules = append(rules, *rule)
		}
	}
	r.l.g.rules(rules...)
	r.refused = refused
}

// faultExcuses are the errors that calls may return because of the faults that there
// are.
func (r *modelRun) faultExcuses() []excuse {
	if r.refused == nil {
		return nil
	}
	return []excuse{{errnos: []unix.Errno{unix.EACCES, unix.EIO}, why: "S3 refuses"}}
}

// refusedWrite notes that an open file could not be written: it is interrupted, and
// holds what the mount says. Where it holds what it did before, the change may as well
// not have begun.
func (r *modelRun) refusedWrite(slot int) {
	of := r.slots[slot]
	if of.file == nil {
		return
	}
	name := fmt.Sprintf("/proc/self/fd/%d", r.real.files[slot])
	got, err := os.ReadFile(name)
	for deadline := time.Now().Add(patience); err != nil && r.refused != nil &&
		r.refusedBy == away && time.Now().Before(deadline); {
		r.heal()
		got, err = os.ReadFile(name)
	}
	if err != nil && r.diskErrno != 0 { // it is in the stage
		r.healDisk()
		got, err = os.ReadFile(name)
	}
	if err != nil {
		r.fail("refused", "what a refused write has left cannot be read: %v", err)
	}
	same := bytes.Equal(got, r.plainContent(slot))
	if !of.file.dirty && same {
		of.file.unsure = true
	} else {
		of.file.cut, of.file.refused = true, true
	}
	plain := fmt.Sprintf("/proc/self/fd/%d", r.plain.files[slot])
	was := r.plain.fstat(slot).attr.mtime
	if !same {
		if err := os.WriteFile(plain, got, 0); err != nil {
			panic(err)
		}
	}
	// It was changed at this time, or not at all.
	now := r.real.fstat(slot)
	if now.errno == 0 &&
		(r.sameTime(now.attr.mtime, was) || r.sameTime(now.attr.mtime, time.Now())) {
		setTime(plain, now.attr.mtime)
	}
}

// TestFaultRules has each fault happen to a plain client's request.
func TestFaultRules(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "full")
	for _, c := range []struct {
		fault  string
		stored bool // the server has carried it out
		times  int  // how often the server saw it
		failed bool // the client is told an error
	}{
		{"503", false, 0, true}, {"500", false, 0, true}, {"403", false, 0, true}, {"400", false, 0, true}, {"409", false, 0, true},
		{"reset", false, 0, true}, {"lose", true, 1, true}, {"repeat", true, 2, false}, {"cutbody", false, 1, true}, {"delay", true, 1, false},
	} {
		t.Run(c.fault, func(t *testing.T) {
			x, g := direct.in(t).through(t)
			x.api = map[party]*s3.Client{client: x.plainClient(x.Client, 1)}
			key := delivery + c.fault
			g.rules(faultRule{op: "PutObject", key: "/" + key, skip: 1, times: 1,
				fault: bucketFault(c.fault)})
			if _, err := x.tryPut(client, key+"-other", []byte("other"), true); err != nil {
				t.Errorf("a request that the rule does not match: %v", err)
			}
			if _, err := x.tryPut(client, key, []byte("before"), true); err != nil {
				t.Errorf("the request before: %v", err)
			}
			g.forget()
			_, err := x.tryPut(client, key, []byte("content"), true)
			if failed := err != nil; failed != c.failed {
				t.Errorf("the request returned %v, want an error: %t", err, c.failed)
			}
			if got, _ := direct.get(owner, key); (string(got) == "content") != c.stored {
				t.Errorf("the object holds %q, want the new content: %t", got, c.stored)
			}
			if n := g.count("PutObject"); n != c.times {
				t.Errorf("the server saw %d requests, want %d", n, c.times)
			}
			if _, err := x.tryPut(client, key, []byte("after"), true); err != nil {
				t.Errorf("the request after: %v", err)
			}
			if n := g.faultCount(); n != 1 {
				t.Errorf("the rules did something %d times, want 1", n)
			}
		})
	}
	t.Run("cutanswer", func(t *testing.T) {
		x, g := direct.in(t).through(t)
		x.api = map[party]*s3.Client{owner: x.plainClient(x.Owner, 1)}
		x.put(owner, delivery+"long", []byte("a long content"), true)
		g.rules(faultRule{op: "GetObject", fault: bucketFault("cutanswer")})
		if b, err := x.get(owner, delivery+"long"); err == nil {
			t.Errorf("get = %q, want an error", b)
		}
	})
}
