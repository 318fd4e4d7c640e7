package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

const (
	// seenPatience is how long the other side may take to see a file. A listing is
	// up to a second old, and the machine may be busy.
	seenPatience = 30 * time.Second
	seenPause    = 100 * time.Millisecond
	// manyParts is a size that goes up in more than one part.
	manyParts = 24 << 20
)

// A step of the demo does something and says what it has shown.
type step func(context.Context) (said string, err error)

func (st *setting) steps() []step {
	report := []byte("quarter,units\nQ1,120\nQ2,135\nQ3,150\n")
	large := make([]byte, manyParts)
	_, _ = rand.Read(large) // it never fails
	return []step{
		func(ctx context.Context) (string, error) {
			return pass(ctx, st.owner, st.client, "Submissions/brief.txt",
				[]byte("Please send the figures of Q3.\n"))
		},
		func(ctx context.Context) (string, error) {
			return pass(ctx, st.client, st.owner, "Delivery/q3.csv", report)
		},
		func(ctx context.Context) (string, error) {
			return pass(ctx, st.client, st.owner, "Delivery/footage.bin", large)
		},
		func(ctx context.Context) (string, error) {
			return st.trap(ctx, "Delivery/q3-other-tool.csv", report)
		},
	}
}

// pass writes a file on one side and reads it on the other, where it has to appear
// whole or not at all.
func pass(ctx context.Context, from, to *party, name string, content []byte) (string, error) {
	said := fmt.Sprintf("the %s drops %s (%s), and the %s reads the same bytes",
		from.name(), name, ui.SizeText(int64(len(content))), to.name())
	if err := os.WriteFile(filepath.Join(from.dir, name), content, 0o644); err != nil { // #nosec G306 -- of the demo's own exchange
		return said, err
	}
	err := poll(ctx, func() (bool, error) {
		got, err := os.ReadFile(filepath.Join(to.dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return false, nil
		case err != nil:
			return false, err
		case !bytes.Equal(got, content):
			return false, fmt.Errorf(
				"%d bytes were read, and they are not the ones that were written", len(got))
		}
		return true, nil
	})
	return said, err
}

// trap uploads a file as the client, the way other tools do: without the ACL. The
// bucket's owner then sees it and cannot read it.
func (st *setting) trap(ctx context.Context, name string, content []byte) (string, error) {
	said := fmt.Sprintf(
		"another tool uploads %s as the client, without the ACL: the owner sees it and may not read it", name)
	plain := s3.New(s3.Options{
		BaseEndpoint: &st.bucket.Endpoint, Region: st.bucket.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(st.bucket.Client.Key,
			st.bucket.Client.Secret, ""),
	})
	_, err := plain.PutObject(ctx, &s3.PutObjectInput{Bucket: &st.bucket.Bucket,
		Key: aws.String(name), Body: bytes.NewReader(content)})
	if err != nil {
		return said, err
	}
	seen := filepath.Join(st.owner.dir, name)
	err = poll(ctx, func() (bool, error) {
		entries, err := os.ReadDir(filepath.Dir(seen))
		for _, e := range entries {
			if e.Name() == filepath.Base(seen) {
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		return said, err
	}
	switch got, err := os.ReadFile(seen); {
	case err == nil:
		return said, fmt.Errorf("the owner read %d bytes of it", len(got))
	case !errors.Is(err, fs.ErrPermission):
		return said, err
	}
	return said, nil
}

// poll asks done until it says yes, fails, or too much time has passed.
func poll(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, seenPatience)
	defer cancel()
	for {
		yes, err := done()
		if yes || err != nil {
			return err
		}
		select {
		case <-time.After(seenPause):
		case <-ctx.Done():
			return fmt.Errorf("it was not there after %s", seenPatience)
		}
	}
}

func (p *party) name() string { return filepath.Base(p.dir) }
