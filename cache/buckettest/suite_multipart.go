package buckettest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// begin starts an upload and sends data as parts of these sizes.
func (s *suite) begin(name string, data []byte, sizes ...int) (s3backend.Upload, []s3backend.Part) {
	s.Helper()
	up, err := s.b.CreateUpload(s.Context(),
		s.prefix+name, &s3backend.Header{User: map[string]string{"mode": "33188"}})
	if err != nil || up.ID == "" || up.Key != s.prefix+name {
		s.Fatalf("CreateUpload = %+v, %v", up, err)
	}
	var parts []s3backend.Part
	for i, n := range sizes {
		p, err := s.b.UploadPart(s.Context(), up, int32(i+1), bytes.NewReader(data), int64(n))
		if err != nil || p.ETag == "" || p.Number != int32(i+1) || p.Size != int64(n) {
			s.Fatalf("UploadPart %d = %+v, %v", i+1, p, err)
		}
		parts, data = append(parts, p), data[n:]
	}
	return up, parts
}

func random(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

func (s *suite) multipart() {
	data := random(5<<20 + 17)
	up, parts := s.begin("big", data, 5<<20, 17)
	if left := s.listAll(s3backend.ListInput{Prefix: s.prefix}); len(left.Objects) > 0 {
		s.Errorf("an upload under way is listed: %+v", left.Objects)
	}
	again := bytes.Repeat([]byte("x"), 20)
	p, err := s.b.UploadPart(s.Context(), up, 2, bytes.NewReader(again), 20)
	if err != nil {
		s.Fatalf("UploadPart again: %v", err)
	}
	if _, err := s.b.Complete(s.Context(), up, parts, int64(len(data)),
		s3backend.Condition{}); err == nil {
		s.Error("Complete with a part that was replaced: nil")
	}
	slices.Reverse(parts)
	parts[0] = p // in any order
	obj, err := s.b.Complete(s.Context(), up, parts, 5<<20+20,
		s3backend.Condition{IfNoneMatch: true})
	if err != nil {
		s.Fatalf("Complete: %v", err)
	}
	got := s.wantHolds("big", append(data[:5<<20:5<<20], again...))
	if got.ETag != obj.ETag || got.Header == nil || got.Header.User["mode"] != "33188" {
		s.Errorf("Head = %+v, Complete told %+v", got, obj)
	}
	// A server may know the upload that it completed and confirm it once more.
	_, err = s.b.Complete(s.Context(), up, parts, 5<<20+20, s3backend.Condition{IfNoneMatch: true})
	if err != nil && !errors.Is(err, s3backend.NotExist) && !errors.Is(err, s3backend.Stale) {
		s.Errorf("Complete a second time: %v, want nil, NotExist or Stale", err)
	}
	s.wantHolds("big", append(data[:5<<20:5<<20], again...))
	up, _ = s.begin("aborted", data, 17)
	if err := s.b.Abort(s.Context(), up); err != nil {
		s.Errorf("Abort: %v", err)
	}
	if err := s.b.Abort(s.Context(), up); err != nil {
		s.Errorf("Abort a second time: %v", err)
	}
	_, err = s.b.UploadPart(s.Context(), up, 1, strings.NewReader("x"), 1)
	s.wantNotExist("UploadPart after Abort", err)
	up, parts = s.begin("small", data, 100, 100)
	if _, err := s.b.Complete(s.Context(), up, parts, 200, s3backend.Condition{}); err == nil {
		s.Error("Complete with a first part of 100 bytes: nil")
	}
	if err := s.b.Abort(s.Context(), up); err != nil {
		s.Errorf("Abort: %v", err)
	}
}

func (s *suite) completeConditions() {
	one := s.put("f", "one", nil, s3backend.Condition{})
	up, parts := s.begin("f", []byte("two!"), 4)
	for what, cond := range map[string]s3backend.Condition{
		"IfNoneMatch over an object": {IfNoneMatch: true},
		"another version's IfMatch":  {IfMatch: noSuchETag},
	} {
		_, err := s.b.Complete(s.Context(), up, parts, 4, cond)
		s.wantStale("Complete with "+what, err)
	}
	s.wantHolds("f", []byte("one"))
	if _, err := s.b.Complete(s.Context(),
		up, parts, 4, s3backend.Condition{IfMatch: one.ETag}); err != nil {
		s.Fatalf("Complete with IfMatch, after it was refused: %v", err)
	}
	s.wantHolds("f", []byte("two!"))
}

func (s *suite) copyPart() {
	data := random(6 << 20)
	src, err := s.b.Put(s.Context(), s.prefix+"src", bytes.NewReader(data), int64(len(data)),
		nil, s3backend.Condition{})
	if err != nil {
		s.Fatal(err)
	}
	up, _ := s.begin("dst", nil)
	one, err := s.b.CopyPart(s.Context(), up, 1, src, 1<<20, 5<<20)
	if err != nil {
		s.Fatalf("CopyPart: %v", err)
	}
	two, err := s.b.UploadPart(s.Context(), up, 2, strings.NewReader("tail"), 4)
	if err != nil {
		s.Fatal(err)
	}
	stale := src
	stale.ETag = noSuchETag
	_, err = s.b.CopyPart(s.Context(), up, 3, stale, 0, 5<<20)
	s.wantStale("CopyPart of a version that is gone", err)
	none := src
	none.Key += "-none"
	_, err = s.b.CopyPart(s.Context(), up, 3, none, 0, 5<<20)
	s.wantNotExist("CopyPart of nothing", err)
	if _, err := s.b.Complete(s.Context(), up, []s3backend.Part{one, two}, 5<<20+4,
		s3backend.Condition{}); err != nil {
		s.Fatalf("Complete: %v", err)
	}
	s.wantHolds("dst", append(data[1<<20:], "tail"...))
}
