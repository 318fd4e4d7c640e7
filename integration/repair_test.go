package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestRepair has another tool upload without the ACL: the owner cannot read, and is
// told what to send; the client repairs, and then the owner can.
func TestRepair(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"PutObjectAcl", "CopyObject"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article").in(t)
			x, g := direct.through(t)
			x.t = t
			if way == "CopyObject" {
				g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
					return op == "PutObjectAcl" && refuse(w, r, 403, "AccessDenied")
				})
			}
			const n = 40
			content := func(i int) []byte { return []byte(fmt.Sprintf("closed %d", i)) }
			key := func(i int) string { return fmt.Sprintf("%sclosed %02d", delivery, i) }
			for i := range n {
				in := &s3.PutObjectInput{
					Bucket: &x.Bucket, Key: aws.String(key(i)),
					Body:        strings.NewReader(string(content(i))),
					ContentType: aws.String("text/x-closed"),
					Metadata:    map[string]string{"colour": "red"},
				}
				if _, err := x.api[client].PutObject(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			}
			direct.put(client, delivery+"open", []byte("open"), true)
			direct.put(owner, submissions+"theirs", []byte("the owner's"), true)
			if _, err := direct.get(owner, key(0)); status(err) != 403 {
				t.Fatalf("the owner reads it before: %v", err)
			}
			before := direct.list()

			out, code := x.as(t, owner, nil, "repair")
			if code != 1 || !strings.Contains(out, "cannot read 40 objects of 42") ||
				!strings.Contains(out, "Please run: s3share repair") {
				t.Errorf("repair as the owner ends with %d:\n%s", code, out)
			}
			out, code = x.as(t, client, nil, "repair", "--dry-run")
			if code != 1 || !strings.Contains(out, "cannot read 40 objects of 42") {
				t.Errorf("repair --dry-run ends with %d:\n%s", code, out)
			}
			if after := direct.list(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("what changes nothing has changed %v to %v", before, after)
			}
			if _, err := direct.get(owner, key(0)); status(err) != 403 {
				t.Errorf("after a dry run the owner reads it: %v", err)
			}

			out, code = x.as(t, client, nil, "repair", "--json")
			if code != 0 {
				t.Fatalf("repair ends with %d:\n%s", code, out)
			}
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if len(lines) != n {
				t.Errorf("%d objects are told of, want %d", len(lines), n)
			}
			for _, line := range lines {
				var r struct {
					Key, By  string
					Repaired bool
				}
				if err := json.Unmarshal([]byte(line), &r); err != nil ||
					!r.Repaired || r.By != way {
					t.Errorf("told %s, want one repaired by %s", line, way)
				}
			}
			for i := range n {
				if got, err := direct.get(owner, key(i)); err != nil ||
					string(got) != string(content(i)) {
					t.Fatalf("the owner reads %q, %v", got, err)
				}
			}
			if h := direct.head(key(0)); aws.ToString(h.ContentType) != "text/x-closed" ||
				h.Metadata["colour"] != "red" {
				t.Errorf("repaired, it has the type %v and metadata %v", h.ContentType, h.Metadata)
			}
			for _, p := range []party{owner, client} {
				if out, code := x.as(t, p, nil, "repair"); code != 0 {
					t.Errorf("repair again as the %s ends with %d:\n%s", p, code, out)
				}
			}
		})
	}
}

// TestRepairGoesOn has the network fail in the middle: what was repaired stays so, and
// the next run goes on.
func TestRepairGoesOn(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article").in(t)
	x, g := direct.through(t)
	x.t = t
	const n = 10
	for i := range n {
		direct.put(client, fmt.Sprintf("%s%d", delivery, i), []byte("closed"), false)
	}
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return (op == "PutObjectAcl" || op == "CopyObject") &&
			!strings.HasSuffix(r.URL.Path, "/0") && refuse(w, r, 403, "AccessDenied")
	})
	out, code := x.as(t, client, nil, "repair")
	if code != 1 || !strings.Contains(out, "1 of 10 objects, ") {
		t.Errorf("repair ends with %d:\n%s", code, out)
	}
	g.when(nil)
	out, code = x.as(t, client, nil, "repair")
	if code != 0 || !strings.Contains(out, "9 objects, ") {
		t.Errorf("repair again ends with %d:\n%s", code, out)
	}
	for i := range n {
		if _, err := direct.get(owner, fmt.Sprintf("%s%d", delivery, i)); err != nil {
			t.Errorf("the owner reads %d: %v", i, err)
		}
	}
}
