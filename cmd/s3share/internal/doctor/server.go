package doctor

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
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

// print writes a line for each operation.
func (t *serverTable) print(out io.Writer) error {
	if t == nil {
		return nil
	}
	by := "no mount tells"
	if t.Mount != "" {
		by = "as the mount on " + t.Mount + " has learnt"
	}
	fmt.Fprintf(out, "\nWhat this server does (%s):\n", hint.OneLine(by))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
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
		fmt.Fprintf(w, "  %s\t%s\n", hint.OneLine(a.Operation), hint.OneLine(strings.Join(all, ", ")))
	}
	return w.Flush()
}
