package s3backend

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// TestArchivedNamesTheRestoreCommand says of what is read, copied, or copied in parts, in
// which class it is archived and how it is restored, whatever is known of it before.
func TestArchivedNamesTheRestoreCommand(t *testing.T) {
	for _, class := range []string{"GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"} {
		for _, known := range []string{class, "", ClassStandard} {
			for _, custom := range []bool{false, true} {
				c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Method == http.MethodHead:
						w.Header().Set("ETag", `"e"`)
						w.Header().Set("X-Amz-Storage-Class", class)
					case r.Header.Get("X-Amz-Copy-Source") != "":
						refuse(w, http.StatusForbidden, "ObjectNotInActiveTierError")
					default:
						refuse(w, http.StatusForbidden, "InvalidObjectState")
					}
				}))
				c.notAWS = custom
				obj := Object{Key: "old report's.csv", ETag: "e", Size: 3, Class: known}
				for name, do := range map[string]func() error{
					"get":  func() error { _, err := c.Get(t.Context(), obj, 0, 3); return err },
					"copy": func() error { _, err := c.Copy(t.Context(), obj, "new", nil, Condition{}); return err },
					"part": func() error {
						_, err := c.CopyPart(t.Context(), Upload{Key: "new", ID: "u"}, 1, obj, 0, 3)
						return err
					},
				} {
					request := "Days=7"
					if class == "INTELLIGENT_TIERING" {
						request = "'{}'"
					}
					want :=
						`aws s3api restore-object --bucket bkt --key 'old report'\''s.csv' --restore-request ` + request
					err := do()
					var at *ArchivedError
					if !errors.Is(err, Archived) || !errors.As(err, &at) || at.Class != class ||
						at.Command() != want || !strings.Contains(err.Error(), want) {
						t.Errorf("%s of what is archived in %s: %v, want %s", name,
							class, err, want)
					}
				}
			}
		}
	}
}

// TestCustomerKey tells what is encrypted with somebody's key from other bad requests.
func TestCustomerKey(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodHead && encrypted:
				w.WriteHeader(http.StatusBadRequest)
			case r.Method == http.MethodHead:
				w.Header().Set("ETag", `"e"`)
			case r.Header.Get("X-Amz-Copy-Source") != "" || encrypted:
				refuse(w, http.StatusBadRequest, "InvalidRequest")
			default:
				yes(w, r)
			}
		}))
		obj := Object{Key: "s", ETag: "e", Size: 3, Class: ClassStandard}
		c.quirks.source.result.Store(probeChecked)
		want := map[bool]Kind{false: Refused, true: CustomerKey}[encrypted]
		if _, err := c.Copy(t.Context(), obj, "k", nil, Condition{}); !isKind(err, want) {
			t.Errorf("copy of what is encrypted (%v): %v, want %v", encrypted, err, want)
		}
		if _, err := c.CopyPart(t.Context(), Upload{Key: "k", ID: "u"}, 1, obj, 0,
			3); !isKind(err, want) {
			t.Errorf("copy of a part of what is encrypted (%v): %v, want %v", encrypted, err, want)
		}
		if _, err := c.Get(t.Context(), obj, 0, 3); errors.Is(err, CustomerKey) != encrypted {
			t.Errorf("get of what is encrypted (%v): %v", encrypted, err)
		}
		if _, err := c.Head(t.Context(), "s"); errors.Is(err, CustomerKey) != encrypted {
			t.Errorf("head of what is encrypted (%v): %v", encrypted, err)
		}
	}
}

// TestStorageClassIsKept by a copy of what a listing or a HEAD has told of, or nothing.
func TestStorageClassIsKept(t *testing.T) {
	for _, class := range []string{"", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
		"GLACIER_IR", "GLACIER", "DEEP_ARCHIVE", "REDUCED_REDUNDANCY", "EXPRESS_ONEZONE"} {
		var sent []string
		c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodHead:
				w.Header().Set("ETag", `"e"`)
				w.Header().Set("Content-Length", "3")
				if class != "" {
					w.Header().Set("X-Amz-Storage-Class", class)
				}
			default:
				if creates(r) {
					sent = append(sent, r.Header.Get("X-Amz-Storage-Class"))
				}
				yes(w, r)
			}
		}))
		c.notAWS = false
		now, err := c.Head(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		want := class
		if class == "EXPRESS_ONEZONE" { // no request can ask for it
			want = ""
		}
		listed := Object{Key: "s", ETag: "e", Size: 3, Class: now.Class}
		for name, do := range map[string]func() (Object, error){
			"copy of what was listed": func() (Object, error) { return c.Copy(t.Context(), listed, "k", nil, Condition{}) },
			"copy of what is not known": func() (Object, error) {
				return c.Copy(t.Context(),
					Object{Key: "s", ETag: "e", Size: 3}, "k", nil, Condition{})
			},
			"copy with another header": func() (Object, error) { return c.Copy(t.Context(), listed, "s", now.Header, Condition{}) },
			"copy in parts": func() (Object, error) {
				return c.Copy(t.Context(),
					Object{Key: "s", ETag: "e", Size: 6 << 30}, "k", nil, Condition{})
			},
			"put": func() (Object, error) {
				return c.Put(t.Context(), "s", strings.NewReader("abc"), 3, now.Header, Condition{})
			},
			"put, directly": func() (Object, error) {
				return c.Put(t.Context(), "s", strings.NewReader("abc"), 3, now.Header, Condition{})
			},
			"put of more than goes at once": func() (Object, error) {
				return c.Put(t.Context(), "s", strings.NewReader(strings.Repeat("x", mostDirect+1)),
					mostDirect+1, now.Header, Condition{})
			},
			"upload": func() (Object, error) { _, err := c.CreateUpload(t.Context(), "s", now.Header); return Object{}, err },
		} {
			sent = nil
			if _, err := do(); err != nil {
				t.Errorf("%s in %s: %v", name, class, err)
			}
			if len(sent) != 1 || sent[0] != want {
				t.Errorf("%s in %q: sent with the class %q, want %q", name, class, sent, want)
			}
		}
	}
}
