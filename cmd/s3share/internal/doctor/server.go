package doctor

import (
	"context"
	"os"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// serverTable is what a server that is not AWS was found to do, and not to do. doctor itself
// tries nothing of it, since that would take objects: a mount learns it as it works.
type serverTable struct {
	Mount     string              `json:"mount,omitempty"` // whose word it is, "" for no mount
	Abilities []s3backend.Ability `json:"abilities"`
}

// newServerTable asks the mount with this state directory, if one is there. Without a mount
// the table is what the client knows. It is nil for AWS.
func newServerTable(ctx context.Context, client *s3backend.Client, stateDir string) *serverTable {
	t := &serverTable{Abilities: client.Abilities()}
	if t.Abilities == nil {
		return nil
	}
	tenant, err := statedir.ReadLock(stateDir)
	if err != nil {
		return t
	}
	_, st, err := control.FindDaemon(ctx, string(tenant.Dir), os.Getuid())
	if err == nil && st.StateDir == stateDir && len(st.Server) > 0 {
		t.Mount, t.Abilities = st.Dir, st.Server
	}
	return t
}

// print adds a line for each operation.
func (t *serverTable) print(p *ui.Page) {
	if t == nil {
		return
	}
	by := "no mount tells"
	if t.Mount != "" {
		by = "as the mount on " + t.Mount + " has learnt"
	}
	p.Line(0)
	p.Line(0, ui.Span{Text: "What this server does (" + by + "):"})
	for i, a := range t.Abilities {
		if i > 0 && t.Abilities[i-1].Operation == a.Operation {
			continue
		}
		var all []string
		for _, b := range t.Abilities {
			if b.Operation == a.Operation {
				all = append(all, b.Ability+": "+string(b.Known))
			}
		}
		p.Line(2, ui.Span{Code: ui.Bold, Text: a.Operation},
			ui.Span{Text: "  " + strings.Join(all, ", ")})
	}
}
