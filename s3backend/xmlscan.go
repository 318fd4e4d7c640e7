package s3backend

import (
	"bytes"
	"strconv"
	"strings"
)

// xmlScanner reads XML of the kind that S3 servers write: elements that contain elements or text,
// without comments, CDATA sections, or name spaces that matter. Anything else sets bad, and from
// then on it finds nothing.
type xmlScanner struct {
	rest  []byte
	last  []byte // the text read last
	empty bool   // the element entered last was <name/>
	bad   bool
}

// child enters the next element in parent ("" for the document) and returns its
// name, nil where there is none and parent has been left.
func (s *xmlScanner) child(parent string) []byte {
	if s.empty {
		s.empty = false
		return nil
	}
	text, tag := s.tag()
	s.bad = s.bad || len(bytes.TrimSpace(text)) > 0
	// Skip the XML declaration.
	for parent == "" && len(tag) > 0 && tag[0] == '?' {
		text, tag = s.tag()
		s.bad = s.bad || len(bytes.TrimSpace(text)) > 0
	}
	switch {
	case s.bad:
		return nil
	case tag[0] == '/':
		s.bad = string(tag[1:]) != parent
		return nil
	case tag[len(tag)-1] == '/':
		s.empty = true
		tag = tag[:len(tag)-1]
	}
	name, _, _ := bytes.Cut(tag, []byte(" ")) // attributes are not used
	s.bad = len(name) == 0
	return name
}

// text leaves the element entered last, and returns its text.
func (s *xmlScanner) text(name []byte) []byte {
	s.last = nil
	if s.empty {
		s.empty = false
		return nil
	}
	text, tag := s.tag()
	if s.bad || tag[0] != '/' || !bytes.Equal(tag[1:], name) {
		s.bad = true
		return nil
	}
	s.last = s.unescape(text)
	return s.last
}

// skip leaves the element entered last, whatever is in it.
func (s *xmlScanner) skip(name []byte) {
	if s.empty {
		s.empty = false
		return
	}
	for depth := 1; depth > 0 && !s.bad; {
		switch _, tag := s.tag(); {
		case s.bad:
		case tag[0] == '/':
			depth--
			s.bad = depth == 0 && !bytes.Equal(tag[1:], name)
		case tag[len(tag)-1] != '/':
			depth++
		}
	}
}

// ended reports whether the document was read to its end, and nothing was bad.
func (s *xmlScanner) ended() bool {
	return !s.bad && len(bytes.TrimSpace(s.rest)) == 0
}

// tag returns the text up to the next tag, and what stands between its brackets:
// at least one byte, unless the scanner is bad.
func (s *xmlScanner) tag() (text, tag []byte) {
	i := bytes.IndexByte(s.rest, '<')
	if s.bad || i < 0 {
		s.bad = true
		return nil, nil
	}
	text, s.rest = s.rest[:i], s.rest[i+1:]
	if i = bytes.IndexByte(s.rest, '>'); i < 1 {
		s.bad = true
		return nil, nil
	}
	tag, s.rest = s.rest[:i], s.rest[i+1:]
	// A quote that is not closed has the bracket inside; "!" begins what is not plain.
	s.bad = tag[0] == '!' || bytes.IndexByte(tag, '<') >= 0 ||
		bytes.Count(tag, []byte(`"`))%2 != 0 || bytes.IndexByte(tag, '\'') >= 0
	return text, tag
}

// unescape puts characters in the place of the references to them.
func (s *xmlScanner) unescape(text []byte) []byte {
	for _, c := range text {
		if c < ' ' { // XML allows only three, and changes one of them
			s.bad = true
			return nil
		}
	}
	i := bytes.IndexByte(text, '&')
	if i < 0 {
		return text
	}
	out := append(make([]byte, 0, len(text)), text[:i]...)
	for rest := text[i:]; len(rest) > 0; {
		if rest[0] != '&' {
			out = append(out, rest[0])
			rest = rest[1:]
			continue
		}
		ref, after, ok := bytes.Cut(rest[1:], []byte(";"))
		r, known := reference(string(ref))
		if !ok || !known {
			s.bad = true
			return nil
		}
		out, rest = append(out, r...), after
	}
	return out
}

// reference is the character that &name; stands for.
func reference(name string) (string, bool) {
	switch name {
	case "quot":
		return `"`, true
	case "amp":
		return "&", true
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "apos":
		return "'", true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	// What else XML allows of these is rare enough for the SDK.
	return string(rune(n)), ok && err == nil && n >= ' ' && n < 0xd800
}
