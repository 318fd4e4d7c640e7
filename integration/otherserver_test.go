package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// otherWork is what is done on servers that others have written, a column of the table in
// docs/servers.md each. Each that mounts has its own mount.
var otherWork = []struct {
	name string
	do   func(o *otherServer, t *testing.T)
}{
	{"init", func(o *otherServer, t *testing.T) {
		for range 2 {
			out, err := newDesk(t, o.exchange, owner).types(t,
				"s3share init "+o.Bucket+" --yes --widen --grant full --client "+o.Client.AccountID)
			if o.invited = regexp.MustCompile(`s3share:[^ \n]+`).FindString(out); err != nil ||
				o.invited == "" {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}},
	{"join", func(o *otherServer, t *testing.T) {
		if out, err := newDesk(t, o.exchange, o.us).types(t,
			"s3share join "+o.invited); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}},
	{"doctor", func(o *otherServer, t *testing.T) {
		if d := o.in(t).doctor(t, o.us, nil); d.code != 0 {
			t.Fatalf("it ends with %d: %+v", d.code, d.Findings)
		}
	}},
	{"repair", func(o *otherServer, t *testing.T) {
		if out, code := o.in(t).as(t, o.us, nil, "repair"); code != 0 {
			t.Fatalf("it ends with %d:\n%s", code, out)
		}
	}},
	{"new 30 MiB", func(o *otherServer, t *testing.T) { o.large(t, "new") }},
	{"edit", func(o *otherServer, t *testing.T) {
		m, content := o.large(t, "edited")
		f, err := os.OpenFile(m.path(delivery+"edited"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		copy(content[14*mib:], "changed")
		if _, err := f.WriteAt([]byte("changed"), 14*mib); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		o.in(t).awaitObject(delivery+"edited", content)
	}},
	{"append", func(o *otherServer, t *testing.T) {
		m, content := o.large(t, "appended")
		f, err := os.OpenFile(m.path(delivery+"appended"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("and more"); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		o.in(t).awaitObject(delivery+"appended", append(content, "and more"...))
	}},
	{"rename", func(o *otherServer, t *testing.T) {
		m, content := o.large(t, "old")
		if err := os.Rename(m.path(delivery+"old"), m.path(delivery+"renamed")); err != nil {
			t.Fatal(err)
		}
		o.in(t).awaitObject(delivery+"renamed", content)
		o.in(t).awaitGone(delivery + "old")
	}},
	{"delete", func(o *otherServer, t *testing.T) {
		m, _ := o.large(t, "removed")
		if err := os.Remove(m.path(delivery + "removed")); err != nil {
			t.Fatal(err)
		}
		o.in(t).awaitGone(delivery + "removed")
	}},
	{"conflict", func(o *otherServer, t *testing.T) {
		m := o.in(t).mount(o.us)
		m.write(delivery+"shared", []byte("before"))
		m.awaitDelivered(delivery + "shared")
		f, err := os.OpenFile(m.path(delivery+"shared"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		o.in(t).put(owner, delivery+"shared", []byte("theirs"), true)
		if _, err := f.WriteString(", ours"); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		m.awaitConflictCopy([]byte("before, ours"))
		o.in(t).awaitObject(delivery+"shared", []byte("theirs"))
	}},
	{"list 3,000", func(o *otherServer, t *testing.T) {
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				for i := worker; i < 3000; i += 16 {
					key := fmt.Sprintf("%smany/%04d", delivery, i)
					if _, err := o.api[owner].PutObject(t.Context(),
						&s3.PutObjectInput{Bucket: &o.Bucket,
							Key: &key, Body: bytes.NewReader(nil)}); err != nil {
						t.Errorf("put %s: %v", key, err)
					}
				}
			})
		}
		wg.Wait()
		m := o.in(t).mount(o.us)
		if n := len(m.names(delivery + "many")); n != 3000 {
			t.Errorf("%d names are listed", n)
		}
	}},
	{"kill and resume", func(o *otherServer, t *testing.T) {
		m := o.in(t).mount(o.us)
		content := randomBytes(30 * mib)
		m.write(delivery+"resumed", content)
		m.kill()
		m = m.revive(t)
		o.in(t).awaitObject(delivery+"resumed", content)
		m.awaitDelivered(delivery + "resumed")
	}},
	{"put and get", func(o *otherServer, t *testing.T) {
		ours, theirs := o.in(t).mover(o.us), o.in(t).mover(owner)
		for range 2 {
			content := randomBytes(30 * mib)
			ours.write("moved", content)
			ours.want(0, []string{"put", "moved", "Delivery"}, "1 file, 30.0 MiB delivered in ")
			theirs.want(0, []string{"get", "Delivery/moved", "."}, "1 file, 30.0 MiB fetched in ")
			theirs.wantFile("moved", content)
		}
		ours.want(0, []string{"put", "moved", "Delivery"}, "0 files", "1 was there already")
	}},
	{"killed and run again", func(o *otherServer, t *testing.T) {
		ours, theirs := o.in(t).mover(o.us), o.in(t).mover(owner)
		content := randomBytes(90 * mib)
		ours.write("halted", content)
		ours.halt([]string{"put", "halted", "Delivery"},
			filepath.Join(ours.state, "transfers", "upload-*"))
		ours.want(0, []string{"put", "halted", "Delivery"})
		theirs.halt([]string{"get", "Delivery/halted", "."},
			filepath.Join(theirs.dir, ".s3share-*.notes.part"))
		theirs.want(0, []string{"get", "Delivery/halted", "."})
		theirs.wantFile("halted", content)
	}},
}

// otherServer is the server that S3SHARE_OTHER_SERVER names.
type otherServer struct {
	*exchange
	us      party  // whose mounts they are: the client's where there is one
	invited string // what init prints for the client
}

// halt kills a command once it has made notes of what is done, unless it ends before.
func (m *mover) halt(args []string, notes string) {
	m.t.Helper()
	cmd := m.command(args...)
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	await(m.t, "notes", func() bool {
		select {
		case <-ended:
			return true
		default:
			return bytes.Count(notesOf(m.t, notes), []byte("\n")) > 1
		}
	})
	_ = cmd.Process.Kill()
	<-ended
}

// large delivers a new file of 30 MiB.
func (o *otherServer) large(t *testing.T, name string) (*mount, []byte) {
	t.Helper()
	m := o.in(t).mount(o.us)
	content := randomBytes(30 * mib)
	m.write(delivery+name, content)
	o.in(t).awaitObject(delivery+name, content)
	m.awaitDelivered(delivery + name)
	return m, content
}

// TestOtherServer does all of otherWork on the server that S3SHARE_OTHER_SERVER names
// ("NAME ENDPOINT KEY SECRET", and for another account's client "KEY SECRET NAME", the last as
// a policy names it), and holds the outcome against docs/servers.md: what is "ok" there has
// to be, and anything else is a reason why it is not done. On a server that has no row there
// all is done.
func TestOtherServer(t *testing.T) {
	f := strings.Fields(os.Getenv("S3SHARE_OTHER_SERVER"))
	if len(f) != 4 && len(f) != 7 {
		t.Skip("make test-servers names one")
	}
	needFuse(t)
	a := account{AccessKeyID: f[2], SecretAccessKey: f[3], AccountID: f[2]}
	l := line{Kind: f[0], Endpoint: f[1], Region: "us-east-1", Owner: a, Client: a,
		Third: a, Bucket: "t-" + strings.ToLower(rand.Text()[:16])}
	us := owner
	if len(f) == 7 {
		us, l.Client = client, account{AccessKeyID: f[4], SecretAccessKey: f[5], AccountID: f[6]}
	}
	x := &exchange{line: l, t: t, api: map[party]*s3.Client{},
		foreign: &ledger{etags: map[string]string{}}}
	for _, p := range []party{owner, client, third} {
		x.api[p] = x.plainClient(x.account(p), 0)
	}
	o := &otherServer{exchange: x, us: us}
	var columns []string
	for _, w := range otherWork {
		columns = append(columns, w.name)
	}
	row, ok := tableOf(t, "../docs/servers.md", "server")[l.Kind]
	if !ok {
		row = l.Kind + strings.Repeat(" | ok", len(columns))
	}
	cells := strings.Split(strings.Trim(row, "| "), " | ")[1:]
	if len(cells) != len(columns) {
		t.Fatalf("docs/servers.md has %d cells for %s, want one for each of %q",
			len(cells), l.Kind, columns)
	}
	for i, w := range otherWork {
		t.Run(w.name, func(t *testing.T) {
			if cells[i] != "ok" {
				t.Skip(cells[i])
			}
			w.do(o, t)
		})
		if cells[0] != "ok" && i == 0 { // the bucket is needed all the same
			if _, err := x.api[owner].CreateBucket(context.Background(),
				&s3.CreateBucketInput{Bucket: &l.Bucket}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
