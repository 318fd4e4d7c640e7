// Package parts divides a file into the parts of an S3 multipart upload.
//
// A file whose size is not known yet is divided by a [Layout], whose parts grow, so that ten
// thousand of them hold the largest object that S3 takes. An edited file is divided by
// [PlanEdit], so that the server copies what the edit has left as it was.
package parts

import (
	"encoding/json"

	"github.com/s3share/s3share/s3backend"
)

// S3's limits of a multipart upload.
const (
	MinSize  = s3backend.MinPartSize // bytes of a part, but for the last
	MaxSize  = s3backend.MaxPartSize // bytes of a part
	MaxCount = s3backend.MaxParts    // parts of an upload
)

const (
	// Size is the size of an upload's first parts, in bytes; a file up to this size is sent by
	// one PutObject. Half of it would double the cost of the requests, and is not faster
	// where 32 are in flight.
	Size = 16 << 20

	// copySize is how many bytes one UploadPartCopy copies: several run at once, and a
	// server copies some 100 MB/s in each.
	copySize = 512 << 20
)

// Part is a part of an upload. The journal holds it as JSON.
type Part struct {
	Num    int32 // from 1
	Off, N int64 // its range in the file, in bytes
	Copied bool  // the server copies it from the version that the file was edited from
}

// MarshalJSON encodes a part as its four numbers.
func (p Part) MarshalJSON() ([]byte, error) {
	copied := int64(0)
	if p.Copied {
		copied = 1
	}
	return json.Marshal([4]int64{int64(p.Num), p.Off, p.N, copied})
}

// UnmarshalJSON decodes what MarshalJSON encoded.
func (p *Part) UnmarshalJSON(b []byte) error {
	var n [4]int64
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*p = Part{Num: int32(n[0]), Off: n[1], N: n[2], Copied: n[3] == 1}
	return nil
}

// End returns the size of a file that consists of these parts, in bytes.
func End(parts []Part) int64 {
	if len(parts) == 0 {
		return 0
	}
	last := parts[len(parts)-1]
	return last.Off + last.N
}
