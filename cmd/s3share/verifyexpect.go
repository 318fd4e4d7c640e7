package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// expectedSum is a checksum of a file, as the other party has told it.
type expectedSum struct {
	name string // of the algorithm
	text string // as of writes it
	hash hash.Hash
	of   func([]byte) string
}

// parseExpected reads the SHA-256 of a file in hexadecimal digits, or its CRC64NVME in base64.
func parseExpected(text string) (expectedSum, error) {
	if b, err := hex.DecodeString(text); err == nil && len(b) == sha256.Size {
		return expectedSum{"SHA-256", strings.ToLower(text), sha256.New(), hex.EncodeToString}, nil
	}
	if b, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(b) == 8 {
		return expectedSum{"CRC64NVME", text, s3backend.NewCRC64NVME(),
			base64.StdEncoding.EncodeToString}, nil
	}
	return expectedSum{},
		fmt.Errorf(
			"%q is neither a SHA-256, of 64 hexadecimal digits, nor a CRC64NVME, of 12 characters of base64", text)
}

// expectedJSON is what --expect --json prints.
type expectedJSON struct {
	Schema    int              `json:"schema"`
	Path      jsonbytes.String `json:"path"`
	Key       jsonbytes.String `json:"key"`
	Size      int64            `json:"size"`
	ETag      string           `json:"etag"`
	VersionID string           `json:"version_id,omitempty"`
	Algorithm string           `json:"algorithm"`
	Sum       string           `json:"sum"`
	Expected  string           `json:"expected"`
	Same      bool             `json:"same"`
}

// verifyExpected compares the bytes of the version that S3 holds of a file with a checksum. The log
// is not needed for that.
func (m *verifyCmd) verifyExpected(cmd *cobra.Command, args []string) error {
	sum, err := parseExpected(m.expect)
	switch {
	case err != nil:
		return hint.Usage("s3share receipt prints the checksums of a file",
			"cannot read --expect: %w", err)
	case len(args) == 0:
		return hint.Usage(helpHint(cmd), "--expect needs the file to compare")
	case m.deep:
		return hint.Usage(helpHint(cmd), "--deep and --expect do not go together")
	}
	ctx, stop := hint.SignalContext()
	defer stop()
	s, name, _, err := m.exchangePath(ctx, args[0])
	if err != nil {
		return err
	}
	key, err := keyOf(s, name, false)
	if err != nil {
		return err
	}
	if isFolder(name, key) {
		return hint.Usage("name a file in it", "%q is a folder: --expect compares one file", name)
	}
	client, err := s3backend.OpenSoon(ctx, s.Backend())
	if err == nil {
		defer client.CloseIdle()
	}
	var obj s3backend.Object
	if err == nil {
		obj, err = s3backend.HeadOrList(ctx, client, key)
	}
	if err == nil && obj.Size > 0 {
		var body io.ReadCloser
		if body, err = client.Get(ctx, obj, 0, obj.Size); err == nil {
			_, err = io.CopyBuffer(sum.hash, body, make([]byte, 128<<10))
			_ = body.Close()
		}
	}
	switch {
	case ctx.Err() != nil:
		return hint.ErrInterrupted
	case errors.Is(err, s3backend.NotExist):
		return fmt.Errorf("cannot verify %q: S3 holds no such file", key)
	case errors.Is(err, s3backend.Stale):
		return hint.With(fmt.Errorf("cannot verify %q: the other party has changed it meanwhile",
			key), "verify it again")
	case err != nil:
		reason, advice := ui.ExplainFile(s.Destination(), key, err)
		return hint.With(fmt.Errorf("cannot verify %q: %s", key, reason), advice)
	}
	return m.printExpected(cmd.OutOrStdout(), obj, sum)
}

func (m *verifyCmd) printExpected(out io.Writer, obj s3backend.Object, sum expectedSum) error {
	got := sum.of(sum.hash.Sum(nil))
	path, same := keyname.Path(obj.Key), got == sum.text
	var err error
	switch {
	case m.asJSON:
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		err = enc.Encode(expectedJSON{1, jsonbytes.String(path), jsonbytes.String(obj.Key),
			obj.Size, obj.ETag, obj.Version, sum.name, got, sum.text, same})
	case same:
		_, err = fmt.Fprintf(out, "%s has the %s that is expected: %s, %s\n", hint.Printable(path),
			sum.name, got, ui.SizeText(obj.Size))
	default:
		_, err = fmt.Fprintf(out, "%s is another file: its %s is %s, and %s is expected\n",
			hint.Printable(path), sum.name, got, sum.text)
	}
	if err == nil && !same {
		err = hint.Silent(hint.ExitFailed)
	}
	return err
}
