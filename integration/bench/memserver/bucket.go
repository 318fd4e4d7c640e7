package memserver

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"slices"
)

// ownerID is the canonical user id of everything here: 64 hex digits, as S3's.
const ownerID = "6d656d7365727665726d656d7365727665726d656d7365727665726d656d7365"

func (s *Server) listBuckets(q *request) error {
	type bucket struct{ Name, CreationDate string }
	out := struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		ID      string   `xml:"Owner>ID"`
		Buckets []bucket `xml:"Buckets>Bucket"`
	}{ID: ownerID}
	s.store.mu.RLock()
	for name := range s.store.buckets {
		out.Buckets = append(out.Buckets, bucket{name, "2026-01-01T00:00:00.000Z"})
	}
	s.store.mu.RUnlock()
	slices.SortFunc(out.Buckets, func(a, b bucket) int { return cmp.Compare(a.Name, b.Name) })
	return writeXML(q.w, http.StatusOK, out)
}

func (s *Server) headBucket(q *request) error {
	if err := s.store.exists(q.bucket); err != nil {
		return err
	}
	q.w.Header().Set("x-amz-bucket-region", "us-east-1")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) createBucket(q *request) error {
	s.store.create(q.bucket)
	q.w.Header().Set("Location", "/"+q.bucket)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// listUploads says that none is under way: nobody may clear up after another.
func (s *Server) listUploads(q *request) error {
	if err := s.store.exists(q.bucket); err != nil {
		return err
	}
	return writeXML(q.w, http.StatusOK, struct {
		XMLName     xml.Name `xml:"ListMultipartUploadsResult"`
		Bucket      string
		MaxUploads  int
		IsTruncated bool
	}{Bucket: q.bucket, MaxUploads: maxKeysPage})
}

// subresource is a setting of a bucket as it is where nobody set it.
type subresource struct {
	query, op string
	body      string    // the whole document,
	err       *apiError // or what S3 says of a setting that is not there
}

var bucketSubresources = []subresource{
	{"location", "GetBucketLocation",
		`<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`,
		nil},
	{"versioning", "GetBucketVersioning",
		`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></VersioningConfiguration>`, nil},
	{"acl", "GetBucketAcl", accessPolicy, nil},
	{"policy", "GetBucketPolicy",
		"", &apiError{404, "NoSuchBucketPolicy", "The bucket policy does not exist"}},
	{"lifecycle", "GetBucketLifecycleConfiguration", "", &apiError{404,
		"NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"}},
	{"ownershipControls", "GetBucketOwnershipControls", "", &apiError{404,
		"OwnershipControlsNotFoundError", "The bucket ownership controls were not found"}},
	{"encryption", "GetBucketEncryption", "",
		&apiError{404, "ServerSideEncryptionConfigurationNotFoundError",
			"The server side encryption configuration was not found"}},
	{"publicAccessBlock", "GetPublicAccessBlock", "",
		&apiError{404, "NoSuchPublicAccessBlockConfiguration",
			"The public access block configuration was not found"}},
	{"object-lock", "GetObjectLockConfiguration", "",
		&apiError{404, "ObjectLockConfigurationNotFoundError",
			"Object Lock configuration does not exist for this bucket"}},
	{"policyStatus", "GetBucketPolicyStatus", "", errNotImplemented},
	{"versions", "ListObjectVersions", "", errNotImplemented},
	{"notification", "GetBucketNotificationConfiguration", "", errNotImplemented},
	{"tagging", "GetBucketTagging",
		"", &apiError{404, "NoSuchTagSet", "The TagSet does not exist"}},
}

const accessPolicy = `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>` + ownerID +
	`</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>` +
	ownerID +
	`</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`

func (s *Server) bucketSubresource(q *request, sub subresource) error {
	if err := s.store.exists(q.bucket); err != nil {
		return err
	}
	if sub.err != nil {
		return sub.err
	}
	writeXMLBytes(q.w, http.StatusOK, []byte(sub.body))
	return nil
}

func (s *Server) getObjectACL(q *request) error {
	if _, err := s.store.get(q.bucket, q.key); err != nil {
		return err
	}
	writeXMLBytes(q.w, http.StatusOK, []byte(accessPolicy))
	return nil
}

// putObjectACL takes any ACL: there is one user.
func (s *Server) putObjectACL(q *request) error {
	if _, err := s.store.get(q.bucket, q.key); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) getObjectTagging(q *request) error {
	if _, err := s.store.get(q.bucket, q.key); err != nil {
		return err
	}
	writeXMLBytes(q.w, http.StatusOK,
		[]byte(
			`<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet></TagSet></Tagging>`))
	return nil
}
