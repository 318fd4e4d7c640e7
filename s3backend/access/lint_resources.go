package access

import (
	"fmt"
	"slices"
	"strings"
)

// beginning is the text that all that a resource's pattern means begins with, and whether
// that is not the whole of it.
func beginning(pattern string) (text string, open bool) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case strings.HasPrefix(rest, "${") && len(rest) > 3 && rest[3] == '}' && strings.IndexByte("*?$", rest[2]) >= 0:
			b.WriteByte(rest[2])
			i += 3
		case rest[0] == '*' || rest[0] == '?' || strings.HasPrefix(rest, "${"):
			return b.String(), true
		default:
			b.WriteByte(rest[0])
		}
	}
	return b.String(), false
}

// checkResources tells of what a statement reaches beside the two folders.
func (l Lint) checkResources(s Statement, onObjects bool, say func(Level, string, ...any)) {
	if len(s.NotResource) > 0 {
		say(Wide, "it allows everything but a few resources (NotResource)")
		return
	}
	beyond := Strings{}
	arn := l.arn("")
	for _, r := range s.Resource {
		switch text, open := beginning(r); {
		case !open && text == arn, l.within(text):
		case !open && !strings.HasPrefix(text, arn+"/"), open && !strings.HasPrefix(arn+"/", text) && !strings.HasPrefix(text, arn+"/"):
			say(Wrong, "the resource %q is not of the bucket %s", r, l.Bucket)
		case onObjects:
			beyond = append(beyond, r)
		}
	}
	if len(beyond) > 0 {
		say(Wide, "it reaches beyond the folders %s (%s)", strings.Join(slashed(l.Folders), " and "), strings.Join(beyond, ", "))
	}
}

// within reports whether all that begins with a text is in one of the folders.
func (l Lint) within(text string) bool {
	return slices.ContainsFunc(l.Folders, func(f string) bool { return strings.HasPrefix(text, l.arn("")+"/"+f+"/") })
}

// overlapsFolders reports whether a statement may reach into one of the folders.
func (l Lint) overlapsFolders(s Statement) bool {
	return len(s.NotResource) > 0 || slices.ContainsFunc(s.Resource, func(r string) bool {
		text, open := beginning(r)
		return l.within(text) || open && slices.ContainsFunc(l.Folders, func(f string) bool {
			return strings.HasPrefix(fmt.Sprintf("%s/%s/", l.arn(""), f), text)
		})
	})
}
