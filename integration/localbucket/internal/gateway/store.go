package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"

	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// Names of the attributes in which the storage keeps what the layer reads.
const (
	attrMetadata  = "metadata"  // of an object or an upload: its user metadata, a JSON map
	attrACL       = "acl"       // of a bucket
	attrOwnership = "ownership" // of a bucket
	attrLock      = "bucket-lock"
	attrTags      = "X-Amz-Tagging"
	attrSetting   = "localbucket-" // ours, of a bucket: see settings
)

// The entries that the layer adds to an object's user metadata, so that they
// travel with it, atomically, through uploads and into the object. No request
// can name them: a header's name has no colon.
const (
	metaPrivate   = ":"
	metaACL       = ":acl"
	metaInitiator = ":initiator" // of an upload: who began it
	metaCanned    = ":canned"    // of an upload: the canned ACL it was begun with
)

// store reads who owns what straight from the storage's attributes.
type store struct {
	attrs       meta.MetadataStorer
	annotations annotations
}

// bucketOwner is the account id of the bucket's owner, "" when there is no
// such bucket.
func (s *store) bucketOwner(bucketName string) string {
	raw, err := s.attrs.RetrieveAttribute(nil, bucketName, "", attrACL)
	if err != nil {
		return ""
	}
	acl, err := auth.ParseACL(raw)
	if err != nil {
		return ""
	}
	return acl.Owner
}

// ownership is the bucket's object ownership. A bucket without controls is as
// AWS's were before there were any: the writer owns the object.
func (s *store) ownership(bucketName string) objacl.Ownership {
	raw, err := s.attrs.RetrieveAttribute(nil, bucketName, "", attrOwnership)
	if err != nil || len(raw) == 0 {
		return objacl.Writer
	}
	return objacl.Ownership(raw)
}

// metadata is an object's or upload's user metadata with the layer's entries.
func (s *store) metadata(bucketName, key string) (map[string]string, error) {
	raw, err := s.attrs.RetrieveAttribute(nil, bucketName, key, attrMetadata)
	if err != nil {
		return nil, fmt.Errorf("read metadata of %q: %w", key, err)
	}
	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("read metadata of %q: %w", key, err)
	}
	return m, nil
}

// acl is the object's ACL as it is stored; false when the key has none, and so
// no object either. In the storage a key that ends in "/" is a directory, and
// no other key is.
func (s *store) acl(bucketName, key string) (objacl.ACL, bool) {
	fi, err := os.Stat(filepath.Join(bucketName, key))
	if err != nil || fi.IsDir() != strings.HasSuffix(key, "/") {
		return objacl.ACL{}, false
	}
	m, err := s.metadata(bucketName, key)
	if err != nil {
		return objacl.ACL{}, false
	}
	var acl objacl.ACL
	if err := json.Unmarshal([]byte(m[metaACL]), &acl); err != nil {
		return objacl.ACL{}, false
	}
	return acl, true
}

// setACL replaces the ACL of an object that has one.
func (s *store) setACL(bucketName, key string, acl objacl.ACL) error {
	return s.setMetadata(bucketName, key, metaACL, aclText(acl))
}

// setMetadata adds an entry to an object's metadata.
func (s *store) setMetadata(bucketName, key, name, value string) error {
	m, err := s.metadata(bucketName, key)
	if err != nil {
		return err
	}
	m[name] = value
	return s.keepMetadata(bucketName, key, m)
}

func (s *store) keepMetadata(bucketName, key string, m map[string]string) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write metadata of %q: %w", key, err)
	}
	if err := s.attrs.StoreAttribute(nil, bucketName, key, attrMetadata, raw); err != nil {
		return fmt.Errorf("write metadata of %q: %w", key, err)
	}
	return nil
}

// upload is the metadata of an upload under way, nil when there is none.
func (s *store) upload(bucketName, key, uploadID string) map[string]string {
	if uploadID == "" || uploadID != filepath.Base(uploadID) {
		return nil
	}
	sum := sha256.Sum256([]byte(key))
	dir := filepath.Join(posix.MetaTmpMultipartDir, hex.EncodeToString(sum[:]), uploadID)
	m, err := s.metadata(bucketName, dir)
	if err != nil {
		return nil
	}
	return m
}

// initiator is the account id of who began an upload, "" when there is none.
func (s *store) initiator(bucketName, key, uploadID string) string {
	return s.upload(bucketName, key, uploadID)[metaInitiator]
}

// tags are an object's.
func (s *store) tags(bucketName, key string) (tags map[string]string) {
	raw, err := s.attrs.RetrieveAttribute(nil, bucketName, key, attrTags)
	if err != nil || json.Unmarshal(raw, &tags) != nil {
		return nil
	}
	return tags
}

// aclText is an ACL as it is kept.
func aclText(acl objacl.ACL) string {
	raw, err := json.Marshal(acl)
	if err != nil {
		panic(err) // strings in slices always marshal
	}
	return string(raw)
}

// withACL is user metadata with the ACL beside what it had.
func withACL(m map[string]string, acl objacl.ACL) map[string]string {
	out := userOnly(m)
	out[metaACL] = aclText(acl)
	return out
}

// userOnly is a copy of the metadata without the layer's entries.
func userOnly(m map[string]string) map[string]string {
	out := make(map[string]string, len(m)+2)
	for k, v := range m {
		if !strings.HasPrefix(k, metaPrivate) {
			out[k] = v
		}
	}
	return out
}
