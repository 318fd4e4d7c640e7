package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logLine is an entry as `s3share log --json` prints it.
type logLine struct {
	N          uint64
	Event      string
	Key        string
	Size       *int64
	ETag       string
	SHA256     string
	By         string
	How        string
	Late       bool
	Reason     string
	Principal  string
	Modified   time.Time
	Owner_Read time.Time
}

// logOf runs `s3share log --json`.
func (m *mover) logOf(args ...string) (all []logLine) {
	m.t.Helper()
	out, code := m.run(append([]string{"log", "--json"}, args...)...)
	if code != 0 {
		m.t.Fatalf("log %q ends with %d: %s", args, code, out)
	}
	for line := range strings.Lines(out) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			m.t.Fatalf("%s: %v", line, err)
		}
		all = append(all, l)
	}
	return all
}

func logWords(all []logLine) string {
	var b []string
	for _, l := range all {
		b = append(b, l.Event+" "+l.Key+" "+l.How)
	}
	return strings.Join(b, "\n")
}

// ledgerFile is the ledger of a state directory.
func ledgerFile(t *testing.T, state string) string {
	t.Helper()
	files, err := os.ReadDir(state)
	var found []string
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "receipts-") && strings.HasSuffix(f.Name(), ".jsonl") {
			found = append(found, filepath.Join(state, f.Name()))
		}
	}
	if err != nil || len(found) != 1 {
		t.Fatalf("the ledgers in %s: %v, %v", state, found, err)
	}
	return found[0]
}

// TestReceiptsOfBothParties moves files both ways, with a mount and without one. Both parties'
// receipts are the same, each has its log, and a changed line and a changed object are found.
func TestReceiptsOfBothParties(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	ours, theirs := x.mover(client), x.mover(owner)
	ours.state = m.state
	large := randomBytes(20 * mib)
	m.deliver(delivery+"mounted.csv", []byte("by a mount"))
	m.deliver(delivery+"large.bin", large)
	ours.write("put.csv", []byte("by put"))
	ours.want(0, []string{"put", "put.csv", "Delivery"}, "1 file")
	ours.want(0, []string{"put", "put.csv", "Delivery"}, "1 was there already")
	ours.write("sent.csv", []byte("by send"))
	ours.want(0, []string{"send", "sent.csv", "--name", "q3"}, "1 file")
	theirs.want(0, []string{"receive"}, "all there and verified")
	theirs.want(0, []string{"get", "Delivery/large.bin", "."}, "1 file")
	theirs.want(0, []string{"get", "Delivery/put.csv", "."}, "1 file")
	x.put(owner, submissions+"brief.pdf", []byte("the owner's"), true)
	if got := m.read(submissions + "brief.pdf"); string(got) != "the owner's" {
		t.Fatalf("the mount reads %q", got)
	}
	const received = "received Submissions/brief.pdf mount"
	await(t, "what was read is recorded",
		func() bool { return strings.Contains(logWords(ours.logOf()), received) })
	m.unmount()
	if got, want := logWords(ours.logOf()),
		"delivered Delivery/mounted.csv mount\ndelivered Delivery/large.bin mount\ndelivered Delivery/put.csv put\n"+
			"delivered Delivery/sent.csv send\n"+received; got != want {
		t.Errorf("the log of the client:\n%s\nwant\n%s", got, want)
	}
	if got, want := logWords(theirs.logOf()),
		"received Delivery/sent.csv receive\nreceived Delivery/large.bin get\nreceived Delivery/put.csv get"; got != want {
		t.Errorf("the log of the owner:\n%s\nwant\n%s", got, want)
	}
	for _, l := range append(ours.logOf(), theirs.logOf()...) {
		// This server is not AWS, and is not asked who we are.
		if l.Principal != "" || l.By == "" || l.ETag == "" ||
			l.Size == nil || l.Modified.IsZero() != (l.How == "receive") || l.Late {
			t.Errorf("the entry %+v", l)
		}
		if sent := strings.Contains(l.Key, "sent.csv"); (l.SHA256 != "") != sent {
			t.Errorf("the entry %+v has a SHA-256 or not", l)
		}
	}
	if got := logWords(ours.logOf("Submissions")); got != received {
		t.Errorf("the log of Submissions:\n%s", got)
	}
	if got := logWords(ours.logOf("--name", "m*.csv", "--since",
		"1h")); got != "delivered Delivery/mounted.csv mount" {
		t.Errorf("the log of m*.csv:\n%s", got)
	}
	for _, name := range []string{"Delivery/mounted.csv", "Delivery/large.bin",
		"Submissions/brief.pdf"} {
		a, code := ours.run("receipt", name)
		b, _ := theirs.run("receipt", name)
		if code != 0 || a != b || !strings.Contains(a, "sha-256 of the lines above: ") {
			t.Errorf("the receipts of %s differ, or there is none (%d):\n%s\n%s", name, code, a, b)
		}
	}
	ours.want(1, []string{"receipt", "Delivery/none"}, `S3 holds no "Delivery/none"`)
	for _, p := range []*mover{ours, theirs} {
		p.want(0, []string{"verify"}, "the log is whole", "are at S3 as they were recorded")
		p.want(0, []string{"verify", "--deep"}, "the log is whole",
			"were read and have the checksums")
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(large))
	theirs.want(0, []string{"verify", "Delivery/large.bin", "--expect", sum},
		"has the SHA-256 that is expected: "+sum)
	theirs.want(1, []string{"verify", "Delivery/put.csv", "--expect", sum},
		"is another file: its SHA-256 is ", sum)
	crc := crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) // CRC-64/NVME
	crc.Write([]byte("by put"))
	text := base64.StdEncoding.EncodeToString(crc.Sum(nil))
	theirs.want(0, []string{"verify", "Delivery/put.csv", "--expect", text},
		"has the CRC64NVME that is expected: "+text)
	theirs.want(1, []string{"verify", "Delivery/none", "--expect", text}, "S3 holds no such file")
	for _, l := range theirs.logOf() {
		if l.Owner_Read.IsZero() {
			t.Errorf("the owner has read it, and it is not recorded that he can: %+v", l)
		}
	}

	x.put(client, delivery+"put.csv", []byte("another"), true)
	x.remove(delivery + "sent.csv")
	ours.want(1, []string{"verify"}, "Delivery/put.csv (line 3, delivered on ",
		"): changed: S3 holds another version", "Delivery/sent.csv (line 4, ",
		"): gone: S3 holds nothing", "3 of 5 files")
	file := ledgerFile(t, ours.state)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file,
		bytes.Replace(whole, []byte("mounted.csv"), []byte("mountex.csv"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	ours.want(1, []string{"verify", "Submissions"},
		"the log is not as it was written: line 1 was changed",
		"the file is at S3 as it was recorded")
}

// TestReceiptsAfterAKill kills a mount that delivers: what S3 has confirmed is in the log of the
// next one, once, and that something may be missing.
func TestReceiptsAfterAKill(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	ours := x.mover(client)
	ours.state = m.state
	for i := range 20 {
		m.write(fmt.Sprintf(delivery+"%02d", i), fmt.Appendf(nil, "content %d", i))
	}
	await(t, "a delivery", func() bool { return len(ours.logOf()) > 0 })
	m.kill()
	n := m.revive(t)
	n.unmount()
	times, killed := map[string]int{}, 0
	for _, l := range ours.logOf() {
		if l.Event == "gap" && l.Reason == "killed" {
			killed++
		} else {
			times[l.Key]++
		}
	}
	for i := range 20 {
		if key := fmt.Sprintf(delivery+"%02d", i); times[key] != 1 {
			t.Errorf("%s is recorded %d times", key, times[key])
		}
	}
	if killed != 1 {
		t.Errorf("that the mount was killed is recorded %d times", killed)
	}
	ours.want(0, []string{"verify", "--deep"}, "the log is whole",
		"20 of 20 files are at S3 as they were recorded", "the bytes of 20 were read",
		"the mount before was killed")
}
