package outbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// CopyRefusedError lists the objects of a Move that keep their keys, since S3 refuses to copy them
// for what they are. All others have moved.
type CopyRefusedError struct {
	Keys []string
	Err  error // the refusal of the first of them
}

func (e *CopyRefusedError) Error() string {
	if len(e.Keys) == 1 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (so are %d others)", e.Err, len(e.Keys)-1)
}

// Unwrap is the refusal.
func (e *CopyRefusedError) Unwrap() error { return e.Err }

// below reports whether any of them stays below a prefix.
func (e *CopyRefusedError) below(prefix string) bool {
	return e != nil && slices.ContainsFunc(e.Keys, func(key string) bool {
		return strings.HasPrefix(key, prefix)
	})
}

// refusedCopies gathers the objects of a move that stay, nil for none.
func refusedCopies(moves []Move, refused []error) *CopyRefusedError {
	var all *CopyRefusedError
	for i, err := range refused {
		if err == nil {
			continue
		}
		if all == nil {
			all = &CopyRefusedError{Err: err}
		}
		all.Keys = append(all.Keys, moves[i].From.Key)
	}
	return all
}

// isSourceRefused reports whether a copy is refused because of its source, so that other copies may
// be granted: it is archived, or its tags, its encryption or a condition on it forbid it.
func isSourceRefused(err error) bool {
	return isKind(err, s3backend.Archived) || isKind(err, s3backend.CustomerKey) ||
		errors.Is(err, s3backend.ErrTagsRefused) ||
		errors.Is(err, s3backend.ErrAnnotationsRefused) ||
		errors.Is(err, s3backend.ErrSourceRefused)
}
