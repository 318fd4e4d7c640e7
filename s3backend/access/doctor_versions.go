package access

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// versions finds out whether earlier versions may be listed and read, with an object that is there:
// a refusal of what does not exist shows nothing.
func (e *exam) versions(ctx context.Context) Finding {
	f := Finding{Check: CheckVersions, State: StateUnknown, Reason: WhyUntold,
		How: "ListObjectVersions, and HeadObject of a version"}
	list, get := StateUnknown, StateUnknown
	if key := e.existing(ctx); key != "" {
		_, err := e.Client.Versions(ctx, key)
		list = grantedBy(err, s3backend.ErrVersionsRefused)
		if obj, err := e.Client.Head(ctx, key); err == nil {
			obj.Version = cmp.Or(obj.Version, s3backend.NullVersion)
			_, err = e.Client.HeadVersion(ctx, obj)
			get = grantedBy(err, s3backend.ErrVersionRefused)
		}
	}
	switch {
	case list == StateOK && get == StateOK:
		f.State, f.Reason = StateOK, WhyGranted
	case list == StateMissing || get == StateMissing:
		f.State, f.Reason = StateNote, WhyVersions
	case list != get:
		f.Reason = WhyVersions
	}
	if f.Reason == WhyVersions {
		words := map[State]string{StateOK: " is granted", StateMissing: " is not granted",
			StateUnknown: " is unknown"}
		f.Detail = ListVersions + words[list] + ", " + GetVersion + words[get]
	}
	return f
}

// existing returns the key of an object, "" if none is seen. Some servers keep no versions of the
// objects that stand for directories, so any other goes first.
func (e *exam) existing(ctx context.Context) string {
	found := ""
	for _, d := range e.folders {
		page, err := e.Client.List(ctx, s3backend.ListInput{Prefix: d.prefix, Max: 100})
		if err != nil {
			continue
		}
		for _, obj := range page.Objects {
			if !strings.HasSuffix(obj.Key, "/") {
				return obj.Key
			}
			found = cmp.Or(found, obj.Key)
		}
	}
	return found
}

// grantedBy returns what the answer to a request shows of the permission that it takes.
func grantedBy(err, refused error) State {
	switch {
	case err == nil:
		return StateOK
	case errors.Is(err, refused):
		return StateMissing
	}
	return StateUnknown
}
