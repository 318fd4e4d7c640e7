package s3backend

import (
	"math/rand/v2"
	"testing"
)

// TestAbilitiesAreTrue does random calls on servers with random faults. Before the first one
// nothing is known; after any, "yes" is never said of what the server does not do, and "no"
// never of what it does. What is often tried is known at last.
func TestAbilitiesAreTrue(t *testing.T) {
	seen := map[Knowledge]int{}
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		bit := func() bool { return r.IntN(3) == 0 }
		f := &fake{
			etag: map[string]string{"s": "se"}, noConditions: bit(), unquotedMatch: bit(),
			ignoreAbsent: bit(), ignoreMatch: bit(),
			ignoreComplete: bit(), completeAbsent: bit(), ignoreCopy: bit(), ignoreSource: bit(),
			ignoreDelete: bit(), noChecksum: bit(),
		}
		does := map[[2]string]bool{
			{"PutObject", "If-None-Match"}:                           !f.noConditions && !f.ignoreAbsent,
			{"PutObject", "If-Match"}:                                !f.noConditions && !f.ignoreMatch && !f.unquotedMatch,
			{"PutObject, UploadPart", "checksum, taken"}:             !f.noChecksum,
			{"CompleteMultipartUpload", "If-None-Match"}:             !f.ignoreComplete && !f.completeAbsent,
			{"CompleteMultipartUpload", "If-Match"}:                  !f.ignoreComplete,
			{"CompleteMultipartUpload", "tells the ETag"}:            true,
			{"UploadPartCopy", "ranges of an object"}:                true,
			{"CopyObject", "If-None-Match"}:                          !f.ignoreCopy,
			{"CopyObject", "If-Match"}:                               !f.ignoreCopy,
			{"CopyObject", "If-Match of the source"}:                 !f.ignoreSource,
			{"CopyObject", "If-Match of a source in parts"}:          !f.ignoreSource,
			{"DeleteObject", "If-Match"}:                             !f.ignoreDelete,
			{"DeleteObjects", "many keys"}:                           true,
			{"CompleteMultipartUpload", "checksums of parts, taken"}: true,
		}
		c := once(against(t, f.ServeHTTP))
		c.recentHeads.age = 0
		for _, a := range c.Abilities() {
			if a.Known != NotTried {
				t.Errorf("%s, %s: %q before any request", a.Operation, a.Ability, a.Known)
			}
		}
		calls := []string{"put", "complete", "copy", "copypart", "delete"}
		for range 1 + r.IntN(60) {
			cond := Condition{IfNoneMatch: true}
			if etag := f.etag["k"]; etag != "" && r.IntN(3) > 0 {
				cond = Condition{IfMatch: etag}
			}
			_ = step{call: calls[r.IntN(len(calls))], cond: cond}.run(t, c) // which may fail
		}
		for _, a := range c.Abilities() {
			is, named := does[[2]string{a.Operation, a.Ability}]
			if !named {
				t.Fatalf("this test does not know of %s, %s", a.Operation, a.Ability)
			}
			if a.Known == Does && !is || a.Known == DoesNot && is {
				t.Errorf("seed %d: %s, %s: %q, and the server does it: %v", seed,
					a.Operation, a.Ability, a.Known, is)
			}
			seen[a.Known]++
		}
		c.notAWS = false
		if a := c.Abilities(); a != nil {
			t.Errorf("of AWS %v is told", a)
		}
	}
	for _, k := range []Knowledge{Does, DoesNot, NotTried} {
		if seen[k] < 100 {
			t.Errorf("%q was said %d times only", k, seen[k])
		}
	}
}
