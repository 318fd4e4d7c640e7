package memserver

import (
	"encoding/xml"
	"errors"
	"net/http"
)

// apiError is an error that S3 knows by name.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// Source of codes and statuses: Amazon S3 API Reference, "Error responses".
var (
	errNoSuchBucket = &apiError{404, "NoSuchBucket", "The specified bucket does not exist"}
	errNoSuchKey    = &apiError{404, "NoSuchKey", "The specified key does not exist."}
	errNoSuchUpload = &apiError{404,
		"NoSuchUpload", "The specified multipart upload does not exist."}
	errPreconditionFailed = &apiError{412, "PreconditionFailed",
		"At least one of the pre-conditions you specified did not hold"}
	errNotModified  = &apiError{304, "NotModified", "Not Modified"}
	errInvalidRange = &apiError{416, "InvalidRange", "The requested range is not satisfiable"}
	errInvalidPart  = &apiError{400,
		"InvalidPart", "One or more of the specified parts could not be found."}
	errInvalidPartOrder = &apiError{400, "InvalidPartOrder",
		"The list of parts was not in ascending order."}
	errEntityTooSmall = &apiError{400, "EntityTooSmall",
		"Your proposed upload is smaller than the minimum allowed size"}
	errInvalidArgument = &apiError{400, "InvalidArgument", "Invalid Argument"}
	errInvalidRequest  = &apiError{400, "InvalidRequest",
		"This copy request is illegal because it changes nothing."}
	errIncompleteBody = &apiError{400, "IncompleteBody",
		"You did not provide the number of bytes that the request announced"}
	errMalformedXML = &apiError{400,
		"MalformedXML", "The XML you provided was not well-formed"}
	errMissingLength = &apiError{411, "MissingContentLength",
		"You must provide the Content-Length HTTP header."}
	errNotImplemented = &apiError{501, "NotImplemented", "This server does not implement it."}
)

// writeError answers r with err and returns its code.
func writeError(w http.ResponseWriter, r *http.Request, err error) string {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{500, "InternalError", err.Error()}
	}
	if e.status == http.StatusNotModified || r.Method == http.MethodHead {
		w.WriteHeader(e.status)
		return e.code
	}
	writeXML(w, e.status, struct {
		XMLName  xml.Name `xml:"Error"`
		Code     string
		Message  string
		Resource string
	}{Code: e.code, Message: e.message, Resource: r.URL.Path})
	return e.code
}

// writeXML answers with v as an XML document.
func writeXML(w http.ResponseWriter, status int, v any) error {
	b, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	writeXMLBytes(w, status, b)
	return nil
}

func writeXMLBytes(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	w.Write([]byte(xml.Header)) // a client that is gone is no error of ours
	w.Write(b)
}
