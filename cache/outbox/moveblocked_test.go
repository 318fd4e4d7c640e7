package outbox

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// objectsAsFiles is a server that has no object below the key of another, as those do that keep
// each object in a file.
func objectsAsFiles(s buckettest.S3) buckettest.S3 {
	b := s.(*buckettest.Bucket)
	return buckettest.Wrap(s, func(_ context.Context, op, key string, send func() error) error {
		blocks := func(other string) bool {
			return strings.HasPrefix(key, other+"/") || strings.HasPrefix(other, key+"/")
		}
		if op == buckettest.Delete || op == buckettest.DeleteAll {
			time.Sleep(100 * time.Millisecond)
		}
		switch creates := op == buckettest.Copy || op == buckettest.Put; {
		case !creates || !slices.ContainsFunc(b.Keys(), blocks):
		case strings.HasSuffix(key, "/"):
			return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Stale,
				Err: errors.New("PreconditionFailed")}
		default:
			return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Other,
				Err: &smithyhttp.ResponseError{
					Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusConflict}},
					Err:      &smithy.GenericAPIError{Code: "ObjectParentIsFile"},
				}}
		}
		return send()
	})
}

// TestSwapWhereObjectsAreFiles moves objects to keys that are free as soon as what was moved away
// from above or below them has been removed.
func TestSwapWhereObjectsAreFiles(t *testing.T) {
	for _, moves := range [][]string{
		{"a a.x", "d/1 a/1", "a.x d"},
		{"d/1 d.x/1", "a d", "d.x/1 a/1"},
		{"e/f/2 f", "f e/f/g"},
		{"a b/c", "d/1 a/b/c/d"},
	} {
		t.Run(strings.Join(moves, ", "), func(t *testing.T) {
			bubble(t, Config{}, objectsAsFiles, func(r *rig) {
				held := map[string]string{}
				for _, key := range []string{"a", "d/1", "e/f/2"} {
					r.b.Store("Delivery/"+key, []byte(key), nil)
					held[key] = key
				}
				for _, m := range moves {
					from, to, _ := strings.Cut(m, " ")
					obj, err := r.b.Head(r.Context(), "Delivery/"+from)
					if err != nil {
						r.Fatal(err)
					}
					obj.Key = "Delivery/" + from
					if _, err := r.Move(r.Context(),
						[]Move{{From: obj, To: "Delivery/" + to}}, nil); err != nil {
						r.Fatalf("%s: %v", m, err)
					}
					held[to] = held[from]
					delete(held, from)
				}
				r.drain()
				var keys []string
				for key, data := range held {
					r.wantHolds("Delivery/"+key, []byte(data))
					keys = append(keys, "Delivery/"+key)
				}
				r.wantKeys(slices.Sorted(slices.Values(keys))...)
			})
		})
	}
}

// TestDirectoryInPlaceOfAPrivateFile gives a name to a directory whose object S3 keeps for a while,
// since its file was renamed to a private name. That object is removed at once, where the server
// has nothing below it before.
func TestDirectoryInPlaceOfAPrivateFile(t *testing.T) {
	for name, take := range map[string]func(*rig) (made string){
		"a directory": func(r *rig) string {
			it, err := r.CreateFolder("Delivery/a/")
			if err != nil {
				r.Fatal(err)
			}
			it.Release()
			return "Delivery/a/"
		},
		"a file below": func(r *rig) string {
			r.done(r.create("Delivery/a/1", []byte("below")))
			return "Delivery/a/1"
		},
		"a directory by its new name": func(r *rig) string {
			r.b.Store("Delivery/d/1", []byte("moved"), nil)
			obj := r.b.Object("Delivery/d/1")
			if _, err := r.Move(r.Context(),
				[]Move{{From: obj, To: "Delivery/a/1"}}, nil); err != nil {
				r.Error(err)
			}
			return "Delivery/a/1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, objectsAsFiles, func(r *rig) {
				r.b.Store("Delivery/a", []byte("kept"), nil)
				obj := r.b.Object("Delivery/a")
				it, err := r.CreatePrivate("Delivery/a~", obj, source{r.b, obj})
				if err == nil {
					err = it.KeepPrivate(r.Context(), obj)
				}
				if err != nil {
					r.Fatal(err)
				}
				r.done(it)
				time.Sleep(time.Second)
				r.wantKeys("Delivery/a")
				made := take(r)
				time.Sleep(5 * time.Second)
				r.wantKeys(made)
			})
		})
	}
}
