package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// Delivery is a manifest that S3 holds.
type Delivery struct {
	Name     string
	Object   s3backend.Object // the manifest
	Receipt  s3backend.Object // no key: there is none
	Manifest *Manifest        // nil until Read
	SHA256   string           // of the manifest's bytes, once they are read
}

// Sent is when S3 got the manifest, by its clock.
func (d *Delivery) Sent() time.Time { return d.Object.Modified }

// Received reports whether there is a receipt.
func (d *Delivery) Received() bool { return d.Receipt.Key != "" }

// maxDeliveries bounds a listing: the other party may put any number of objects.
const maxDeliveries = 100_000

// List returns all deliveries of a route, the oldest first, with their receipts. It reads none
// of them. Objects with names that no delivery can have are left out, and counted.
func List(ctx context.Context, b transfer.Bucket,
	r Route) (all []*Delivery, ignored int, err error) {
	manifests, err := listDocuments(ctx, b, r.From)
	if err != nil {
		return nil, 0, err
	}
	receipts := manifests
	if r.To != r.From {
		if receipts, err = listDocuments(ctx, b, r.To); err != nil {
			return nil, 0, err
		}
	}
	received := map[string]s3backend.Object{}
	for _, obj := range receipts {
		if name, ok := strings.CutSuffix(baseOf(obj.Key), receiptSuffix); ok {
			received[name] = obj
		}
	}
	for _, obj := range manifests {
		name, ok := strings.CutSuffix(baseOf(obj.Key), manifestSuffix)
		switch {
		case ok && CheckName(name) == nil:
			all = append(all, &Delivery{Name: name, Object: obj, Receipt: received[name]})
		case !ok || !strings.HasSuffix(name, receiptMark):
			ignored++
		}
	}
	slices.SortFunc(all, func(a, b *Delivery) int {
		return cmp.Or(a.Sent().Compare(b.Sent()), strings.Compare(a.Name, b.Name))
	})
	return all, ignored, nil
}

func baseOf(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// listDocuments lists what is directly in the directory of a folder, but for its own object.
func listDocuments(ctx context.Context, b transfer.Bucket,
	folder string) (all []s3backend.Object, err error) {
	in := s3backend.ListInput{Prefix: folder + "/" + Directory + "/", Delimiter: "/"}
	for {
		page, err := b.List(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, obj := range page.Objects {
			if obj.Key != in.Prefix {
				all = append(all, obj)
			}
		}
		if len(all) > maxDeliveries {
			return nil, fmt.Errorf("there are more than %d manifests and receipts in %q",
				maxDeliveries, in.Prefix)
		}
		if in.Token = page.Next; page.Next == "" {
			return all, nil
		}
	}
}

// Find returns one delivery. The error is s3backend.NotExist if there is none.
func Find(ctx context.Context, b transfer.Bucket, r Route, name string) (*Delivery, error) {
	obj, err := s3backend.HeadOrList(ctx, b, r.manifestKey(name))
	if err != nil {
		return nil, err
	}
	d := &Delivery{Name: name, Object: obj}
	switch receipt, err := s3backend.HeadOrList(ctx, b, r.receiptKey(name)); {
	case err == nil:
		d.Receipt = receipt
	case !errors.Is(err, s3backend.NotExist) && !errors.Is(err, s3backend.Denied):
		return nil, err
	}
	return d, nil
}

// Read reads the manifest of a delivery. The error is an [InvalidError] if it is none.
func Read(ctx context.Context, b transfer.Bucket, r Route, d *Delivery) error {
	data, err := readDocument(ctx, b, d.Object, "manifest")
	if err != nil {
		return err
	}
	m, err := Parse(data, r.From, d.Name)
	if err != nil {
		return err
	}
	d.Manifest, d.SHA256 = m, sha256Of(data)
	return nil
}

// ReadReceipt reads the receipt for a delivery.
func ReadReceipt(ctx context.Context, b transfer.Bucket, d *Delivery) (Receipt, error) {
	data, err := readDocument(ctx, b, d.Receipt, "receipt")
	if err != nil {
		return Receipt{}, err
	}
	return ParseReceipt(data, d.Name)
}

func readDocument(ctx context.Context, b transfer.Bucket, obj s3backend.Object,
	what string) ([]byte, error) {
	if obj.Size > maxDocument {
		return nil, &InvalidError{what, fmt.Sprintf("it is longer than %d bytes", maxDocument)}
	}
	body, err := b.Get(ctx, obj, 0, obj.Size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, maxDocument))
}
