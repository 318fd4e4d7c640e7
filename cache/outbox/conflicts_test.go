package outbox

import (
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// TestConflictIsRemembered lists a conflict copy until somebody here resolves it.
func TestConflictIsRemembered(t *testing.T) {
	for _, c := range []struct {
		name    string
		resolve func(r *rig, beside s3backend.Object)
		want    [2]string // the copy and theirs, afterwards; none: resolved
	}{
		{"removed", func(r *rig, beside s3backend.Object) { r.Remove(beside) }, [2]string{}},
		{"renamed", func(r *rig, beside s3backend.Object) {
			r.rename(beside, "Delivery/mine")
		}, [2]string{}},
		{"moved with its folder", func(r *rig, beside s3backend.Object) {
			r.rename(beside, "Submissions/"+beside.Key[len("Delivery/"):])
		}, [2]string{"Submissions/", "Submissions/a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Config{Who: "me"}, nil, func(r *rig) {
				it := r.create("Delivery/a", []byte("ours"))
				r.b.Store("Delivery/a", []byte("theirs"), nil)
				r.done(it)
				r.drain()
				all := r.Conflicts()
				if len(all) != 1 || all[0].State != Conflict || all[0].Theirs != "Delivery/a" ||
					!r.IsConflict(all[0].Key) {
					r.Fatalf("Conflicts() = %+v, want one beside Delivery/a", all)
				}
				was := all[0].Key
				c.resolve(r, r.b.Object(was))
				r.drain()
				all = r.Conflicts()
				if r.IsConflict(was) {
					r.Errorf("%q is still a conflict", was)
				}
				if c.want[0] == "" {
					if len(all) != 0 {
						r.Errorf("Conflicts() = %+v, want none", all)
					}
					return
				}
				if want := c.want[0] + was[len("Delivery/"):]; len(all) != 1 ||
					all[0].Key != want || all[0].Theirs != c.want[1] {
					r.Errorf("Conflicts() = %+v, want %q beside %q", all, want, c.want[1])
				}
			})
		})
	}
}

// TestConflictOutlivesTheProcess lists a conflict copy in the next process too, until
// it is resolved.
func TestConflictOutlivesTheProcess(t *testing.T) {
	cfg := Config{Who: "me", Conflicts: filepath.Join(t.TempDir(), "conflicts.json")}
	var was Status
	bubble(t, cfg, nil, func(r *rig) {
		it := r.create("Delivery/a", []byte("ours"))
		r.b.Store("Delivery/a", []byte("theirs"), nil)
		r.done(it)
		r.drain()
		was = r.Conflicts()[0]
	})
	bubble(t, cfg, nil, func(r *rig) {
		if all := r.Conflicts(); len(all) != 1 || all[0].Key != was.Key ||
			all[0].Theirs != "Delivery/a" {
			t.Fatalf("Conflicts() = %+v, want %+v", all, was)
		}
		r.Resolved(was.Key)
	})
	bubble(t, cfg, nil, func(r *rig) {
		if all := r.Conflicts(); len(all) > 0 {
			t.Errorf("Conflicts() = %+v after it was resolved", all)
		}
	})
}

func (r *rig) rename(obj s3backend.Object, to string) {
	r.Helper()
	if _, err := r.Move(r.Context(), []Move{{From: obj, To: to}}, nil); err != nil {
		r.Fatal(err)
	}
}
