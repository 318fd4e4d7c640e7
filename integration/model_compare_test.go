package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sys/unix"
)

// finish ends a sequence: all is closed, compared, delivered, looked for in the
// bucket, and removed.
func (r *modelRun) finish() {
	r.closeAll()
	r.heal()
	r.healDisk()
	r.compareTrees("in the end")
	r.awaitDelivery()
	if r.deliverInterrupted() {
		r.awaitDelivery()
	}
	r.compareBucket("when all was delivered")
	r.clean()
}

// closeAll closes what is open in both worlds.
func (r *modelRun) closeAll() {
	for slot, fd := range r.plain.files {
		if fd >= 0 {
			r.close(slot)
		}
	}
	for _, w := range []*world{r.real, r.plain} {
		w.drop()
	}
}

// compareTrees compares names, attributes and bytes of both worlds.
func (r *modelRun) compareTrees(when string) {
	r.awaitRefusals()
	got, err := r.real.tree()
	if err != nil {
		r.fail("tree", "%s: %v", when, err)
	}
	r.shownAgain(got)
	want, err := r.plain.tree()
	if err != nil {
		panic(err)
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if got[p] == nil {
			r.fail("absent", "%s: %q is absent from the mount, which shows %q; want %v",
				when, p, slices.Sorted(maps.Keys(got)), want[p])
		}
		if what := r.attrDiffers(got[p], want[p]); what != "" {
			r.fail(what+" in the end", "%s: %q is a %v, want a %v", when, p, got[p], want[p])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(got)) {
		if want[p] == nil {
			r.fail("remains", "%s: %q is on the mount, a %v, and should not be", when, p, got[p])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if want[p].kind != unix.S_IFREG {
			continue
		}
		g := r.real.readAll(p)
		if _, ok := r.excused(g.errno, r.mayRefuseRead(p)); ok {
			continue
		}
		w := r.plain.readAll(p)
		if w.errno != g.errno {
			r.fail("read in the end", "%s: read of %q = %v, want %v", when, p, g.brief(), w.brief())
		}
		if !bytes.Equal(g.data, w.data) {
			r.fail("bytes in the end", "%s: %q reads %s", when, p, difference(g.data, w.data))
		}
	}
	r.note("%s: %d names are the same", when, len(want))
}

// awaitDelivery has s3share say that all is delivered, or that all but what was
// interrupted is.
func (r *modelRun) awaitDelivery() {
	out, err := r.l.m.run("wait", "--timeout", patience.String(), r.l.m.dir)
	r.note("s3share wait: %v %s", err, strings.TrimSpace(out))
	r.exitFits("wait", out, err)
	r.awaitRefusals() // of a removal that was sent meanwhile
}

// exitFits fails unless the exit status fits what is interrupted, and what S3 has refused to
// delete.
func (r *modelRun) exitFits(command, out string, err error) {
	kept := strings.Contains(out, "s3share: not removed: ")
	if cut := r.interrupted(); (err == nil) != (len(cut) == 0 && !kept) {
		r.fail(command, "s3share %s: %v, and %q are interrupted\n%s", command, err, cut, out)
	}
}

// interrupted are the paths of the files that were open for writing when the daemon
// was killed, and were not written anew since.
func (r *modelRun) interrupted() []string {
	tree, err := r.plain.tree()
	if err != nil {
		panic(err)
	}
	var all []string
	for p, a := range tree {
		if a.kind != unix.S_IFREG || privateFile(p) {
			continue
		}
		f := r.fileOf(a)
		if f.unsure {
			state, _ := xattr(r.real.path(p), "user.s3share.state")
			f.cut, f.refused, f.unsure = state == "interrupted", state == "interrupted", false
		}
		if f.cut {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// deliverInterrupted has s3share send the interrupted files as they are.
func (r *modelRun) deliverInterrupted() (some bool) {
	for _, p := range r.interrupted() {
		some = true
		if state, err := xattr(r.real.path(p), "user.s3share.state"); err != nil ||
			state != "interrupted" {
			r.fail("state", "the state of %q is %q, %v, want interrupted", p, state, err)
		}
		r.complete(r.plain.readAll(p).data)
		if out, err := r.l.m.run("deliver", r.real.path(p)); err != nil {
			r.fail("deliver", "s3share deliver %q: %v\n%s", p, err, out)
		}
		a, _ := r.plainAttr(p)
		f := r.fileOf(a)
		f.cut, f.refused, f.unsure = false, false, false
	}
	return some
}

// compareBucket looks at the bucket as its owner, by a plain client.
func (r *modelRun) compareBucket(when string) {
	want, err := r.plain.tree()
	if err != nil {
		panic(err)
	}
	got, err := r.l.direct.under(r.dir + "/")
	if err != nil {
		panic(err)
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if p == "" || r.private(p) {
			continue
		}
		key := r.key(p)
		if want[p].kind == unix.S_IFDIR {
			key += "/"
			if _, ok := got[key]; !ok && !hasBelow(got, key) {
				r.fail("no marker", "%s: S3 has nothing of the directory %q", when, p)
			}
			delete(got, key)
			continue
		}
		if _, ok := got[key]; !ok {
			r.fail("lost", "%s: S3 has no %q, which holds %d bytes; it has %q", when,
				key, want[p].size, slices.Sorted(maps.Keys(got)))
		}
		b, err := r.l.direct.readable(key)
		if err != nil {
			r.fail("owner", "%s: the owner of the bucket and %q: %v", when, key, err)
		}
		if w := r.plain.readAll(p); !bytes.Equal(b, w.data) {
			r.fail("bytes at S3", "%s: S3 holds in %q %s", when, key, difference(b, w.data))
		}
		delete(got, key)
	}
	delete(got, r.dir+"/")
	for p := range r.aside {
		if r.mayBeKept(p) {
			delete(got, r.key(p))
		}
	}
	if len(got) > 0 {
		r.fail("left at S3", "%s: S3 has %q, which should not be there; there is %q",
			when, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	// An upload that was given up is aborted a second after its last part, in the background.
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		ups := r.l.direct.uploadsUnder(r.dir + "/")
		if len(ups) == 0 {
			break
		}
		if time.Now().After(deadline) {
			r.fail("uploads", "%s: uploads of %q are neither complete nor aborted", when, ups)
		}
	}
	r.mu.Lock()
	halves := slices.Clone(r.halves)
	r.mu.Unlock()
	if len(halves) > 0 {
		r.fail("half", "S3 had what no close had left: %s", strings.Join(halves, "; "))
	}
	r.note("%s: the bucket is as it should be", when)
}

// hasBelow reports whether there is an object below the directory.
func hasBelow(keys map[string]string, dir string) bool {
	for key := range keys {
		if strings.HasPrefix(key, dir) && key != dir {
			return true
		}
	}
	return false
}

// stored looks at what S3 has just got: it has to be something whole.
func (r *modelRun) stored(_ party, p passed) {
	if !p.stored() || !strings.HasPrefix(p.key, r.dir+"/") || strings.HasSuffix(p.key, "/") {
		return
	}
	b, err := r.l.direct.get(owner, p.key)
	switch {
	case status(err) == 404: // removed again
		return
	case err != nil:
		r.half("the owner cannot read %q after %s: %v", p.key, p.op, err)
	case !r.isWhole(b):
		r.half("%s %q of %s", p.op, p.key, brief(b))
	}
	if path := strings.TrimPrefix(p.key, r.dir+"/"); privateFile(path) {
		r.half("%s %q, a private name", p.op, p.key)
	}
}

func (r *modelRun) half(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.halves = append(r.halves, fmt.Sprintf(format, args...))
}

// clean removes the sequence's directory, through the mount where that is granted.
func (r *modelRun) clean() {
	if !r.l.rights.delete {
		r.l.direct.removeUnder(r.dir + "/")
		return
	}
	if names := r.plain.list("").names; len(names) > 0 {
		for _, name := range names {
			r.removeAll(name)
		}
	}
	r.rmdir("")
	if out, err := r.l.m.run("wait", "--timeout", patience.String(), r.l.m.dir); err != nil {
		r.fail("wait after removal", "s3share wait: %v, and nothing is left\n%s", err, out)
	}
	left, err := r.l.direct.under(r.dir + "/")
	if err != nil {
		panic(err)
	}
	for p := range r.aside {
		if key := r.key(p); left[key] != "" && r.mayBeKept(p) {
			delete(left, key)
			r.l.direct.remove(key)
		}
	}
	if len(left) > 0 {
		r.fail("left after removal", "after the removal of all S3 still has %q",
			slices.Sorted(maps.Keys(left)))
	}
	if a := r.real.lstat(""); a.errno != unix.ENOENT {
		r.fail("back after removal",
			"after the removal of all, the directory is there: %v", a.brief())
	}
}

// under lists what is in the bucket under a prefix: ETags by key.
func (x *exchange) under(prefix string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return x.listPrefix(ctx, prefix)
}

// uploadsUnder are the keys of uploads under way.
func (x *exchange) uploadsUnder(prefix string) []string {
	var keys []string
	for _, key := range x.uploads() {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}

// removeUnder removes all under a prefix, as the owner.
func (x *exchange) removeUnder(prefix string) {
	keys, _ := x.under(prefix)
	for key := range keys {
		x.remove(key)
	}
}

// readable reads an object as the bucket's owner, who has to have full control of it.
func (x *exchange) readable(key string) ([]byte, error) {
	b, err := x.get(owner, key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	acl, err := x.api[owner].GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	for _, g := range acl.Grants {
		if g.Grantee != nil && aws.ToString(g.Grantee.ID) == x.Owner.AccountID &&
			g.Permission == types.PermissionFullControl {
			return b, nil
		}
	}
	return nil, errors.New("its ACL gives no full control")
}
