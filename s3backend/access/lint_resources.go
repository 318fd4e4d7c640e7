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
		case strings.HasPrefix(rest, "${") && len(rest) > 3 && rest[3] == '}' &&
			strings.IndexByte("*?$", rest[2]) >= 0:
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

// checkFit finds resources of other buckets, and actions that none of the resources fits:
// S3 refuses both.
func (l Lint) checkFit(s Statement, wrong func(string)) {
	hasBucket, hasObjects := len(s.NotResource) > 0, len(s.NotResource) > 0
	arn := l.arn("")
	others := false
	for _, r := range s.Resource {
		text, open := beginning(r)
		inBucket := l.hasObjects(r)
		whole := matchesPattern(r, arn, false) || open && strings.HasPrefix(arn, text)
		if !inBucket && !whole {
			wrong(fmt.Sprintf("the resource %q is not of the bucket %s", r, l.Bucket))
			others = true
		}
		hasBucket, hasObjects = hasBucket || whole, hasObjects || inBucket
	}
	if l.Elsewhere || others || len(s.Resource)+len(s.NotResource) == 0 {
		return
	}
	for _, action := range s.Action {
		switch forBucket, forObjects := fits(action); {
		case forBucket && !forObjects && !hasBucket:
			wrong(fmt.Sprintf("%s is about the bucket, and none of the resources is the bucket",
				action))
		case forObjects && !forBucket && !hasObjects:
			wrong(fmt.Sprintf("%s is about objects, and none of the resources is objects", action))
		}
	}
}

// hasObjects reports whether a resource means objects of the bucket.
func (l Lint) hasObjects(resource string) bool {
	text, open := beginning(resource)
	return strings.HasPrefix(text, l.arn("")+"/") || open && strings.HasPrefix(l.arn("")+"/", text)
}

// fits reports what the actions of a pattern are about: the bucket, objects, or, where that
// is not known, both.
func fits(pattern string) (bucket, objects bool) {
	known := false
	for _, of := range []struct {
		actions         Strings
		bucket, objects bool
	}{
		{neededOnBucket, true, false}, {readsBucket, true, false}, {neededOnObjects,
			false, true}, {readsObjects, false, true},
	} {
		for _, a := range of.actions {
			if matchesPattern(pattern, a, true) {
				known, bucket, objects = true, bucket || of.bucket, objects || of.objects
			}
		}
	}
	for _, d := range dangerous {
		if matchesPattern(pattern, d.action, true) {
			known, bucket, objects = true, true, true // each kind is among them
		}
	}
	return bucket || !known, objects || !known
}

// hasVariables reports whether a resource or a condition has a policy variable.
func (s Statement) hasVariables() bool {
	has := func(values Strings) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "${") })
	}
	for _, keys := range s.Condition {
		for _, values := range keys {
			if has(values) {
				return true
			}
		}
	}
	return has(s.Resource) || has(s.NotResource)
}

// checkResources finds what a statement covers besides the two folders.
func (l Lint) checkResources(s Statement, onObjects bool, say func(Level, string, ...any)) {
	if len(s.NotResource) > 0 {
		say(Wide, "it allows everything but a few resources (NotResource)")
		return
	}
	beyond := Strings{}
	for _, r := range s.Resource {
		if text, _ := beginning(r); onObjects && l.hasObjects(r) && !l.within(text) {
			beyond = append(beyond, r)
		}
	}
	if len(beyond) > 0 {
		say(Wide, "it reaches beyond the folders %s (%s)",
			strings.Join(slashed(l.Folders), " and "), strings.Join(beyond, ", "))
	}
}

// within reports whether all that begins with a text is in one of the folders.
func (l Lint) within(text string) bool {
	return slices.ContainsFunc(l.Folders,
		func(f string) bool { return strings.HasPrefix(text, l.arn("")+"/"+f+"/") })
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
