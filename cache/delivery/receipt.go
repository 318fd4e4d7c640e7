package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Receipt is the acknowledgement of a receiver that has verified each file of a delivery.
type Receipt struct {
	Version        int       `json:"version"` // of this format
	Name           string    `json:"name"`
	ManifestSHA256 string    `json:"manifest_sha256"`    // of the bytes of the manifest
	Receiver       string    `json:"receiver,omitempty"` // as the receiver says
	Verified       time.Time `json:"verified"`           // when the last file was
	Files          int       `json:"files"`
	Bytes          int64     `json:"bytes"`
}

// NewReceipt returns the receipt for a delivery of which all is verified.
func NewReceipt(d *Delivery, receiver string, now time.Time) Receipt {
	return Receipt{
		Version: formatVersion, Name: d.Name, ManifestSHA256: d.SHA256, Receiver: receiver,
		Verified: now.UTC().Truncate(time.Second), Files: len(d.Manifest.Files),
		Bytes: d.Manifest.Bytes(),
	}
}

// Encode returns the JSON of a receipt.
func (r Receipt) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", " ")
	return append(data, '\n'), err
}

// ParseReceipt reads the receipt for the delivery of this name. The error is an
// [InvalidError].
func ParseReceipt(data []byte, name string) (Receipt, error) {
	var r Receipt
	reason := ""
	switch err := decode(data, &r); {
	case err != nil:
		reason = err.Error()
	case r.Version != formatVersion:
		reason = fmt.Sprintf("it is of the version %d", r.Version)
	case r.Name != name:
		reason = fmt.Sprintf("it is for the delivery %q", clip(r.Name))
	case !isSHA256(r.ManifestSHA256), !isLine(r.Receiver), r.Verified.IsZero(),
		r.Files < 0, r.Bytes < 0:
		reason = "a field of it is missing or wrong"
	default:
		return r, nil
	}
	return Receipt{}, &InvalidError{"receipt", reason}
}

func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
