package buckettest

import (
	"slices"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// listed is what stands at the end of names, for the suite's keys.
func (s *suite) listed(p s3backend.Page) (objects, prefixes []string) {
	for _, o := range p.Objects {
		objects = append(objects, strings.TrimPrefix(o.Key, s.prefix))
	}
	for _, key := range p.Prefixes {
		prefixes = append(prefixes, strings.TrimPrefix(key, s.prefix))
	}
	return objects, prefixes
}

func (s *suite) listPages() {
	names := []string{"B", "a b+%20", "a-1", "a/1", "a/2", "a0", "ü", "😀"}
	for _, name := range names {
		s.put(name, name, nil, s3backend.Condition{})
	}
	for _, size := range []int32{0, 1, 2, 4} {
		page := s.listAll(s3backend.ListInput{Prefix: s.prefix, Max: size, Owner: size == 1})
		if got, _ := s.listed(page); !slices.Equal(got, names) {
			s.Errorf("List by %d = %q, want %q", size, got, names)
		}
		for _, o := range page.Objects {
			if o.ETag == "" || o.Size == 0 || o.Modified.IsZero() ||
				(o.Owner != "") != (size == 1) {
				s.Errorf("List by %d tells %+v", size, o)
			}
		}
	}
	if got, _ := s.listed(s.listAll(s3backend.ListInput{Prefix: s.prefix,
		StartAfter: s.prefix + "a-1"})); !slices.Equal(got, names[3:]) {
		s.Errorf("List after a-1 = %q, want %q", got, names[3:])
	}
	if got, _ := s.listed(
		s.listAll(s3backend.ListInput{Prefix: s.prefix + "a"})); !slices.Equal(got, names[1:6]) {
		s.Errorf("List of what begins with a = %q, want %q", got, names[1:6])
	}
}

func (s *suite) listDelimiter() {
	for _, name := range []string{"a-1", "a/1", "a/2/x", "c/d", "e"} {
		s.put(name, "x", nil, s3backend.Condition{})
	}
	s.put("b/", "", nil, s3backend.Condition{})
	for _, size := range []int32{0, 1, 2, 3} {
		objects, prefixes := s.listed(
			s.listAll(s3backend.ListInput{Prefix: s.prefix, Delimiter: "/", Max: size}))
		if !slices.Equal(objects, []string{"a-1", "e"}) ||
			!slices.Equal(prefixes, []string{"a/", "b/", "c/"}) {
			s.Errorf("List by %d = %q and %q", size, objects, prefixes)
		}
		objects, prefixes = s.listed(
			s.listAll(s3backend.ListInput{Prefix: s.prefix + "b/", Delimiter: "/", Max: size}))
		if !slices.Equal(objects, []string{"b/"}) || prefixes != nil {
			s.Errorf("List of b/ by %d = %q and %q", size, objects, prefixes)
		}
	}
}

// listBeside lists an object beside a folder of the same name.
func (s *suite) listBeside() {
	s.put("a/1", "x", nil, s3backend.Condition{})
	s.put("a-1", "x", nil, s3backend.Condition{})
	_, err := s.b.Put(s.Context(), s.prefix+"a", strings.NewReader("x"),
		1, nil, s3backend.Condition{})
	if err != nil {
		s.Skipf("this server keeps no object beside a folder of its name, as S3 does: %v", err)
	}
	objects, prefixes := s.listed(
		s.listAll(s3backend.ListInput{Prefix: s.prefix + "a", Delimiter: "/", Max: 1}))
	if !slices.Equal(objects, []string{"a", "a-1"}) || !slices.Equal(prefixes, []string{"a/"}) {
		s.Errorf("List of a = %q and %q", objects, prefixes)
	}
}
