package gateway

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/objacl"
)

// metaAnnotations is the entry in an object's user metadata that names its annotations. A version
// that replaces it has no such entry, and so no annotations.
const metaAnnotations = ":annotations"

// The limits of annotations.
// Source: Amazon S3 User Guide, "Annotating your objects".
const (
	maxAnnotations     = 1000
	maxAnnotationName  = 512
	maxAnnotationBytes = 1 << 20
)

// annotations are those of all objects, by the entries that name them. They are kept in memory.
type annotations struct {
	mu   sync.Mutex
	sets map[string]map[string]annotation
}

type annotation struct {
	text []byte
	at   time.Time
}

func (a annotation) etag() string {
	sum := md5.Sum(a.text)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// copyOf makes a copy of a set, and returns what names it, "" for no annotations.
func (a *annotations) copyOf(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sets[id]) == 0 {
		return ""
	}
	return a.addLocked(maps.Clone(a.sets[id]))
}

func (a *annotations) addLocked(set map[string]annotation) string {
	if a.sets == nil {
		a.sets = map[string]map[string]annotation{}
	}
	id := rand.Text()
	a.sets[id] = set
	return id
}

// Annotated implements awsrules.Facts.
func (s *store) Annotated(p awsrules.Place) bool {
	m, err := s.metadata(p.Bucket, p.Key)
	if err != nil {
		return false
	}
	s.annotations.mu.Lock()
	defer s.annotations.mu.Unlock()
	return len(s.annotations.sets[m[metaAnnotations]]) > 0
}

// copyAnnotations returns the entry by which a copy has the annotations of its source.
func (l *layer) copyAnnotations(ctx context.Context, bucketName, key string) string {
	v := verdictOf(ctx)
	if v == nil || !v.rules[awsrules.Annotations] ||
		header(ctx, awsrules.AnnotationDirective) == "EXCLUDE" {
		return ""
	}
	m, err := l.store.metadata(bucketName, key)
	if err != nil {
		return ""
	}
	return l.store.annotations.copyOf(m[metaAnnotations])
}

// serveAnnotations answers what is about annotations, false for what is not.
func (l *layer) serveAnnotations(ctx fiber.Ctx, c awsrules.Call, v *verdict) (bool, error) {
	if c.Key == "" || !c.Query.Has("annotation") {
		return false, nil
	}
	if !v.rules[awsrules.Annotations] {
		return true, s3err.GetAPIError(s3err.ErrNotImplemented)
	}
	r := ctx.RequestCtx()
	asCaller(r, v)
	need := objacl.Read
	if c.Method != http.MethodGet {
		need = objacl.FullControl
	}
	if err := l.reach(r, c.Bucket, c.Key, need); err != nil {
		return true, err
	}
	if _, ok := l.store.acl(c.Bucket, c.Key); !ok {
		return true, s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	if want := strings.Trim(c.Header("X-Amz-Object-If-Match"), `"`); want != "" {
		now, err := l.Backend.HeadObject(r, &s3.HeadObjectInput{Bucket: &c.Bucket, Key: &c.Key})
		if err != nil {
			return true, err
		}
		if strings.Trim(value(now.ETag), `"`) != want {
			return true, apiError(http.StatusPreconditionFailed, "PreconditionFailed",
				"At least one of the pre-conditions you specified did not hold")
		}
	}
	m, err := l.store.metadata(c.Bucket, c.Key)
	if err != nil {
		return true, err
	}
	name, id := c.Query.Get("annotationName"), m[metaAnnotations]
	switch c.Op() {
	case "PutObjectAnnotation":
		return true, l.putAnnotation(ctx, c, name, m)
	case "GetObjectAnnotation":
		return true, l.store.annotations.get(ctx, id, name)
	case "DeleteObjectAnnotation":
		return true, l.store.annotations.remove(ctx, id, name)
	}
	return true, l.store.annotations.list(ctx, c, id)
}

func (l *layer) putAnnotation(ctx fiber.Ctx, c awsrules.Call,
	name string, m map[string]string) error {
	text := slices.Clone(ctx.BodyRaw())
	letters := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.-", r)
	}
	low := strings.ToLower(name)
	switch {
	case len(name) > maxAnnotationName:
		return apiError(http.StatusBadRequest, "AnnotationNameTooLong",
			"The annotation name exceeds 512 bytes.")
	case name == "", strings.ContainsFunc(name, letters), strings.HasPrefix(low, "aws"),
		strings.HasPrefix(low, "s3"):
		return apiError(http.StatusBadRequest, "InvalidAnnotationName",
			"The annotation name you provided is invalid.")
	case m[metaCustomer] != "":
		return apiError(http.StatusBadRequest, "InvalidRequest",
			"Objects encrypted with SSE-C cannot have annotations.")
	case len(text) == 0 || len(text) > maxAnnotationBytes:
		return apiError(http.StatusBadRequest, "InvalidRequest",
			"An annotation has 1 byte to 1 MiB.")
	case !utf8.Valid(text):
		return apiError(http.StatusUnsupportedMediaType, "UnsupportedMediaType",
			"The annotation payload is not valid UTF-8 encoded text.")
	}
	a := &l.store.annotations
	a.mu.Lock()
	defer a.mu.Unlock()
	id := m[metaAnnotations]
	if a.sets[id] == nil {
		id = a.addLocked(map[string]annotation{})
		if err := l.store.setMetadata(c.Bucket, c.Key, metaAnnotations, id); err != nil {
			return err
		}
	}
	set := a.sets[id]
	if _, has := set[name]; !has && len(set) >= maxAnnotations {
		return apiError(http.StatusBadRequest, "AnnotationLimitExceeded",
			"The request would exceed the maximum number of annotations allowed per object.")
	}
	set[name] = annotation{text, time.Now().UTC()}
	ctx.Set("ETag", set[name].etag())
	ctx.Set("x-amz-annotation-name", name)
	ctx.Status(http.StatusOK)
	return nil
}

func noSuchAnnotation() error {
	return apiError(http.StatusNotFound, "NoSuchAnnotation",
		"The specified annotation does not exist on this object.")
}

func (a *annotations) get(ctx fiber.Ctx, id, name string) error {
	a.mu.Lock()
	one, ok := a.sets[id][name]
	a.mu.Unlock()
	if !ok {
		return noSuchAnnotation()
	}
	ctx.Set("ETag", one.etag())
	ctx.Set("Last-Modified", one.at.Format(http.TimeFormat))
	return ctx.Send(one.text)
}

func (a *annotations) remove(ctx fiber.Ctx, id, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.sets[id][name]; !ok {
		return noSuchAnnotation()
	}
	delete(a.sets[id], name)
	ctx.Status(http.StatusNoContent)
	return nil
}

// list answers with a page of the annotations of an object.
func (a *annotations) list(ctx fiber.Ctx, c awsrules.Call, id string) error {
	type entry struct {
		AnnotationName, ETag, LastModified string
		Size                               int
	}
	var page struct {
		XMLName               xml.Name `xml:"ListObjectAnnotationsResult"`
		AnnotationCount       int
		Annotations           []entry `xml:"Annotations>AnnotationEntry"`
		Bucket, Key           string
		MaxAnnotationResults  int
		NextContinuationToken string `xml:",omitempty"`
	}
	page.Bucket, page.Key, page.MaxAnnotationResults = c.Bucket, c.Key, maxAnnotations
	if n, err := strconv.Atoi(c.Query.Get("max-annotation-results")); err == nil && n > 0 {
		page.MaxAnnotationResults = min(n, maxAnnotations)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(a.sets[id])) {
		if !strings.HasPrefix(name, c.Query.Get("annotation-prefix")) ||
			name <= c.Query.Get("continuation-token") {
			continue
		}
		if len(page.Annotations) == page.MaxAnnotationResults {
			page.NextContinuationToken = page.Annotations[len(page.Annotations)-1].AnnotationName
			break
		}
		one := a.sets[id][name]
		page.Annotations = append(page.Annotations,
			entry{name, one.etag(), one.at.Format(time.RFC3339), len(one.text)})
	}
	page.AnnotationCount = len(page.Annotations)
	text, err := xml.Marshal(page)
	if err != nil {
		return err
	}
	ctx.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	return ctx.Send(append([]byte(xml.Header), text...))
}
