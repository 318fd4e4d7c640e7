package s3backend

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// TestMay holds each probe against the answers of servers.
func TestMay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		probe  func(*Client) error
		want   error
	}{
		{"a part of no upload", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchUpload") }, mayPut, nil},
		{"a part refused, an upload not", func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Query().Has("partNumber"):
				refuse(w, 403, "AccessDenied")
			case r.URL.Query().Has("uploads"):
				if r.Header.Get("X-Amz-Acl") != "bucket-owner-full-control" {
					refuse(w, 403, "AccessDenied")
					return
				}
				w.Write(
					[]byte(
						"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"))
			default:
				w.WriteHeader(http.StatusNoContent)
			}
		}, mayPut, nil},
		{"both refused", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") }, mayPut, Denied},
		{"login", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "ExpiredToken") }, mayPut, BadLogin},
		{"a key that is not there, on no known server",
			func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("list-type") {
					w.Write([]byte("<ListBucketResult><Name>bkt</Name></ListBucketResult>"))
					return
				}
				refuse(w, 404, "NoSuchKey")
			}, func(c *Client) error {
				return c.Rights().MayGet(t.Context(), "Delivery/", nil)
			}, ErrUnknown},
		{"refused to who may not list", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") },
			func(c *Client) error {
				return c.Rights().MayGet(t.Context(), "Delivery/", Denied)
			}, ErrUnknown},
		{"PutObjectAcl on no known server", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				t.Error("PutObjectAcl was sent, which may be taken for an upload")
			}
		}, func(c *Client) error {
			return c.Rights().MayPutACL(t.Context(), "Delivery/", nil)
		}, ErrUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.probe(once(against(t, tt.answer))); !errors.Is(err, tt.want) {
				t.Errorf("= %v, want %v", err, tt.want)
			}
		})
	}
}

func mayPut(c *Client) error {
	_, err := c.Rights().MayPut(context.Background(), "Delivery/", Upload{})
	return err
}

// TestMayPutLeaves leaves one upload at most where S3 lets none be aborted.
func TestMayPutLeaves(t *testing.T) {
	begun := 0
	c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.RawQuery, "uploads=") || r.URL.Query().Has("uploads") {
			begun++
			w.Write(
				[]byte(
					"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"))
			return
		}
		refuse(w, 403, "AccessDenied")
	}))
	left, err := c.Rights().MayPut(context.Background(), "Delivery/", Upload{})
	if err != nil || left.ID != "u" {
		t.Fatalf("MayPut = %+v, %v, want the upload that is left", left, err)
	}
	if again, err := c.Rights().MayPut(context.Background(), "Delivery/", left); !errors.Is(err,
		ErrUnknown) || again != left {
		t.Errorf("MayPut again = %+v, %v, want the same upload and ErrUnknown", again, err)
	}
	if begun != 1 {
		t.Errorf("%d uploads were begun, want one", begun)
	}
}

// TestMayGetByWhatIsThere reads what is there before it asks for what is not: a refusal
// of a key that nobody has proves nothing.
func TestMayGetByWhatIsThere(t *testing.T) {
	list := func(objects ...string) string { // "owner/name"
		text := "<ListBucketResult><Name>bkt</Name>"
		for _, o := range objects {
			owner, name, _ := strings.Cut(o, "/")
			text += "<Contents><Key>Delivery/" + name + "</Key><Size>5</Size><Owner><ID>" +
				owner + "</ID></Owner></Contents>"
		}
		return text + "</ListBucketResult>"
	}
	for _, tt := range []struct {
		name string
		list string // "" where it is refused
		// refuses has the code that a read is refused with, by the key's name; "" if it is read.
		refuses  map[string]string
		missing  string // the same for a key that nobody has
		owner    bool   // the bucket is ours
		versity  bool   // the server is versitygw, else AWS
		want     error
		refusals int // how many requests are refused, at most
	}{
		{name: "what is there is read", list: list("o/f"), want: nil},
		{name: "what is there is refused", list: list("o/f"), refuses: map[string]string{"f": "AccessDenied"}, want: Denied, refusals: 2},
		{name: "nothing is there, and nothing tells", list: list(), missing: "AccessDenied", want: ErrUnknown, refusals: 1},
		{name: "nothing is there, and it may be read", list: list(), missing: "NoSuchKey", want: nil, refusals: 1},
		{name: "one of many is not scanned yet", list: list("o/new", "o/old"), refuses: map[string]string{"new": "AccessDenied"}, want: nil, refusals: 1},
		{name: "none of one owner's may be read, our own may", list: list("me/f", "o/g", "o/h"),
			refuses: map[string]string{"g": "AccessDenied",
				"h": "AccessDenied"}, want: Denied, refusals: 3},
		{name: "all is archived", list: list("o/f"), refuses: map[string]string{"f": "InvalidObjectState"}, want: nil, refusals: 1},
		{name: "the key is somebody's, and another object is not", list: list("o/f", "o/g"), refuses: map[string]string{"f": "InvalidRequest"}, want: nil, refusals: 1},
		{name: "to the bucket's owner only ACLs are closed", list: list("c/f", "me/g"), refuses: map[string]string{"f": "AccessDenied"}, owner: true, want: nil, refusals: 2},
		{name: "the folder alone is refused", versity: true, list: list("o/"), refuses: map[string]string{"": "AccessDenied"}, missing: "NoSuchKey", want: nil, refusals: 2},
		{name: "the folder alone is read", versity: true, list: list("o/"), missing: "AccessDenied", want: nil, refusals: 0},
		{name: "the folder is refused at AWS", list: list("o/"), refuses: map[string]string{"": "AccessDenied"}, want: Denied, refusals: 2},
		{name: "the folder is refused, what is in it is read", versity: true, list: list("o/", "o/f"), refuses: map[string]string{"": "AccessDenied"}, want: nil, refusals: 0},
		{name: "who may not list", list: "", want: ErrUnknown, refusals: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refusals := 0
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				code, known := "", true
				switch _, name, _ := strings.Cut(r.URL.Path, "/Delivery/"); {
				case r.URL.Query().Has("list-type"):
					w.Write([]byte(tt.list))
					return
				case strings.HasPrefix(name, ".s3share-"):
					code = tt.missing
				default:
					code, known = tt.refuses[name]
				}
				if code == "" || !known {
					w.Header().Set("Content-Range", "bytes 0-0/5")
					w.WriteHeader(http.StatusPartialContent)
					w.Write([]byte("x"))
					return
				}
				refusals++
				refuse(w, map[string]int{"NoSuchKey": 404,
					"InvalidRequest": 400}[code]+map[bool]int{true: 403}[code == "AccessDenied" ||
					code == "InvalidObjectState"], code)
			}))
			c.notAWS = tt.versity
			if tt.versity {
				c.answer.Store(&http.Header{"Server": {"VERSITYGW"}})
			}
			c.isOwner.Store(&tt.owner)
			var mayList error
			if tt.list == "" {
				mayList = Denied
			}
			if err := c.Rights().MayGet(t.Context(), "Delivery/", mayList); !errors.Is(err,
				tt.want) || tt.want == Denied && errors.Is(err, ErrUnknown) {
				t.Errorf("MayGet = %v, want %v", err, tt.want)
			}
			if refusals > tt.refusals {
				t.Errorf("%d requests were refused, want %d at most", refusals, tt.refusals)
			}
		})
	}
}

// TestMayPutOnAWS tells by an upload with the ACL, which a part of no upload has not.
func TestMayPutOnAWS(t *testing.T) {
	for _, tt := range []struct {
		name        string
		begin, part string // the codes that they are refused with
		want, not   error
		requests    int
	}{
		{"granted", "", "", nil, nil, 2},
		{"refused", "AccessDenied", "AccessDenied", Denied, ErrACLRefused, 2},
		{"the ACL is refused", "AccessDenied", "NoSuchUpload", ErrACLRefused, nil, 2},
		{"the key is refused", "KMS.DisabledException", "NoSuchUpload", Denied, ErrACLRefused, 1},
		{"expired", "ExpiredToken", "", BadLogin, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			requests := 0
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				switch {
				case r.URL.Query().Has("uploads") && tt.begin == "":
					w.Write(
						[]byte(
							"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"))
				case r.URL.Query().Has("uploads"):
					refuse(w, 403, tt.begin)
				case r.URL.Query().Has("partNumber"):
					if r.Header.Get("X-Amz-Checksum-Crc32") != "AAAAAA==" {
						t.Error("the part has no checksum, which Object Lock asks for")
					}
					refuse(w,
						map[string]int{"NoSuchUpload": 404, "AccessDenied": 403}[tt.part], tt.part)
				case r.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				}
			}))
			c.notAWS = false
			err := mayPut(c)
			if !errors.Is(err, tt.want) ||
				tt.want != nil && !errors.Is(err, BadLogin) && !errors.Is(err, Denied) {
				t.Errorf("MayPut = %v, want %v", err, tt.want)
			}
			if tt.not != nil && errors.Is(err, tt.not) {
				t.Errorf("MayPut = %v, which is %v", err, tt.not)
			}
			if requests != tt.requests {
				t.Errorf("%d requests, want %d", requests, tt.requests)
			}
		})
	}
}
