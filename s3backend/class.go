package s3backend

import (
	"cmp"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ClassStandard is the storage class of what is stored without naming one.
const ClassStandard = string(types.StorageClassStandard)

const classIntelligent = string(types.StorageClassIntelligentTiering)

// Archives reports whether what is stored in a class has to be restored before it can be
// read. Objects of INTELLIGENT_TIERING may have to be as well, but never new ones.
func Archives(class string) bool {
	switch types.StorageClass(class) {
	case types.StorageClassGlacier, types.StorageClassDeepArchive:
		return true
	}
	return false
}

// storageClass is the class to ask for, nil for the standard one, in which S3 stores what
// names none. Some classes cannot be asked for: they belong to other kinds of buckets.
func (h *Header) storageClass() *string {
	if h == nil || h.Class == "" || h.Class == ClassStandard {
		return nil
	}
	switch types.StorageClass(h.Class) {
	case types.StorageClassOutposts, types.StorageClassSnow, types.StorageClassExpressOnezone,
		types.StorageClassFsxOpenzfs, types.StorageClassFsxOntap,
		types.StorageClassAwsBackupWarm, types.StorageClassAwsBackupLowCostWarm:
		return nil
	}
	return &h.Class
}

// classOf is the class of an object that was made with this header.
func classOf(h *Header) string {
	return cmp.Or(val(h.storageClass()), ClassStandard)
}
