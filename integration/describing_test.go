package integration

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestWhatDescribesOtherBytesGoes writes over an object that says how its bytes are
// packed, and what their digest is: readers would unpack what is not packed. A new time
// and a new name leave all of it.
func TestWhatDescribesOtherBytesGoes(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	for _, name := range []string{"written", "appended", "touched", "renamed"} {
		_, err := x.api[owner].PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &x.Bucket, Key: aws.String(delivery + name), Body: strings.NewReader("packed"),
			CacheControl:    aws.String("no-cache"),
			ContentEncoding: aws.String("gzip"), ContentType: aws.String("text/x-theirs"),
			Metadata: map[string]string{"md5chksum": "x", "x-amz-key-v2": "x", "author": "Ann",
				"note": "=?UTF-8?Q?caf=C3=A9?="},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []string{
		`echo text > "$1/written"`, `echo more >> "$1/appended"`, `touch -d 2001-02-03 "$1/touched"`, `mv "$1/renamed" "$1/renamed.2"`,
	} {
		shell(t, change, m.path("Delivery"))
	}
	if out, err := m.run("wait", m.dir); err != nil {
		t.Fatalf("wait: %v\n%s", err, out)
	}
	for name, same := range map[string]bool{"written": false, "appended": false,
		"touched": true, "renamed.2": true} {
		h := x.head(delivery + name)
		if h == nil {
			t.Fatalf("%s is not there", name)
		}
		described := aws.ToString(h.ContentEncoding) == "gzip" && h.Metadata["md5chksum"] == "x" &&
			h.Metadata["x-amz-key-v2"] == "x"
		if described != same || !same && (aws.ToString(h.ContentEncoding) != "" ||
			h.Metadata["md5chksum"] != "" || h.Metadata["x-amz-key-v2"] != "") {
			t.Errorf("%s: encoding %q, metadata %q",
				name, aws.ToString(h.ContentEncoding), h.Metadata)
		}
		if aws.ToString(h.ContentType) != "text/x-theirs" ||
			aws.ToString(h.CacheControl) != "no-cache" || h.Metadata["author"] != "Ann" ||
			h.Metadata["note"] != "=?UTF-8?Q?caf=C3=A9?=" {
			t.Errorf("%s: type %q, cache control %q, metadata %q",
				name, aws.ToString(h.ContentType), aws.ToString(h.CacheControl), h.Metadata)
		}
	}
}

// TestTypeIsThatOfTheLastName gives files their last name by a rename, where nothing but
// the last name tells their type.
func TestTypeIsThatOfTheLastName(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	for name, delivered := range map[string]bool{"soon": false} {
		from, to := delivery+name+".unknown", delivery+name+".html"
		if delivered {
			m.deliver(from, []byte("<p>"))
		} else {
			m.write(from, []byte("<p>"))
		}
		if err := os.Rename(m.path(from), m.path(to)); err != nil {
			t.Fatal(err)
		}
		x.awaitObject(to, []byte("<p>"))
		if got := aws.ToString(x.head(to).ContentType); !strings.HasPrefix(got, "text/html") {
			t.Errorf("the type of %s is %q, want text/html", to, got)
		}
	}
}
