package control

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// SettingsOf resolves the settings of the exchange that args names, or that is mounted on
// the directory that they name.
func SettingsOf(ctx context.Context, c *config.CommandLine,
	args []string) (*config.Settings, error) {
	if len(args) == 0 {
		return c.Resolve()
	}
	dir, err := filepath.Abs(args[0])
	m, merr := mounts.At(dir)
	if err != nil || merr != nil || m == nil || !mounts.IsOurs(m) {
		c.Exchange = args[0]
		return c.Resolve()
	}
	if uid := mounts.Owner(m); uid >= 0 && uid != os.Getuid() {
		return nil, NotYourMount(dir, uid)
	}
	p, err := FindTarget(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("cannot tell what is mounted on %s: %w", dir, err)
	}
	if p.Client.Foreign() {
		return nil, NotYourMount(dir, p.Client.UID)
	}
	st := p.State
	if st.Exchange != "" {
		c.Exchange = st.Exchange
		if s, err := c.Resolve(); err == nil {
			return s, nil
		}
		c.Exchange = ""
	}
	for name, value := range map[string]string{
		"bucket": st.Bucket, "endpoint-url": st.Endpoint, "region": st.Region,
		"state-dir": st.StateDir,
	} {
		if value != "" && len(c.Flags[name]) == 0 {
			c.Flags[name] = []string{value}
		}
	}
	if len(c.Flags[config.FolderSetting]) == 0 {
		c.Flags[config.FolderSetting] = st.Folders
	}
	if st.Payer && len(c.Flags[config.PayerSetting]) == 0 {
		c.Flags[config.PayerSetting] = []string{"true"}
	}
	return c.Resolve()
}
