package s3backend

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// quirks are deviations from AWS that the server was found to have.
type quirks struct {
	noChecksum     atomic.Bool // x-amz-checksum-crc32 is refused
	noPartSums     atomic.Bool // CompleteMultipartUpload refuses the parts' checksums
	noDeleteMany   atomic.Bool // DeleteObjects is refused
	noSourceMatch  atomic.Bool // a copy's condition on its source is refused
	noSourceDashes atomic.Bool // it never matches the ETags of uploads in parts

	// Whether conditions are checked, by operation: a server may check them in one and not in
	// another.
	put, complete, destination, delete writeProbes
	source                             conditionProbe

	// completeETag is whether the reply to CompleteMultipartUpload has the object's ETag.
	completeETag conditionProbe

	worked succeeded

	noHead       refusedFolders // HEAD is refused, a listing is not
	noHeadNoList refusedFolders // both are refused
}

// refusedFolders remembers top-level folders in which S3 has refused a request, for a minute:
// policies differ by folder, and to ask again before each write would be one more refusal each
// time.
type refusedFolders struct {
	mu sync.Mutex
	at map[string]time.Time // by folder, when it was refused
}

// refusedFor is how long a refusal is remembered.
const refusedFor = time.Minute

func (f *refusedFolders) note(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[string]time.Time{}
	}
	f.at[folderOf(key)] = time.Now()
}

// has reports whether a request was refused within refusedFor in the folder that key is in.
func (f *refusedFolders) has(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.at[folderOf(key)]
	return ok && time.Since(at) < refusedFor
}

// folderOf returns the top-level folder that key is in.
func folderOf(key string) string {
	folder, _, _ := strings.Cut(key, "/")
	return folder
}
