package access

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// marks show a step's state.
var marks = map[StepState]string{Change: "+", Done: "=", Left: "-", byHand: "!"}

// Write writes the plan for people to read.
func (p *Plan) Write(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range p.Steps {
		fmt.Fprintf(tab, "  %s %s\t%s\n", marks[s.State], s.What, s.Detail)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	if p.needsKey() {
		fmt.Fprintf(w, "\nThe policy of the key needs this statement:\n%s\n",
			indent(p.keyStatement().String()))
	}
	return nil
}

func (p *Plan) keyStatement() Statement { return p.Setup.keyStatement(p.Found.Region) }

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

// MarshalJSON writes the plan for scripts.
func (p *Plan) MarshalJSON() ([]byte, error) {
	out := struct {
		Bucket   string     `json:"bucket"`
		Region   string     `json:"region,omitempty"`
		Endpoint string     `json:"endpoint,omitempty"`
		Owner    string     `json:"owner,omitempty"`
		Client   string     `json:"client"`
		Grant    Grant      `json:"grant"`
		Until    string     `json:"until,omitempty"`
		Steps    []Step     `json:"steps"`
		Policy   *Document  `json:"policy,omitempty"`
		Key      *Statement `json:"key_statement,omitempty"`
		Deletes  string     `json:"deletes,omitempty"`
		Wider    []string   `json:"wider"`
		Remarks  []Remark   `json:"findings"`
		Join     string     `json:"join"`
	}{
		p.Setup.Bucket, p.Found.Region, p.Found.Endpoint, p.Found.Owner,
		p.Setup.Client, p.Setup.Grant, "",
		p.Steps, nil, nil, p.Deletes, append([]string{},
			p.Wider...), p.Remarks(), p.Invitation().String(),
	}
	if !p.Setup.Until.IsZero() {
		out.Until = policyTime(p.Setup.Until)
	}
	if p.Found.NoPolicies == "" {
		out.Policy = &p.Policy
	}
	if p.needsKey() {
		s := p.keyStatement()
		out.Key = &s
	}
	return json.Marshal(out)
}

// Ended reports whether the access of the plan's client is over.
func (p *Plan) Ended() bool {
	return !p.Setup.Until.IsZero() && !p.Setup.Until.After(time.Now())
}

// Remarks are what is to be said of statements that are not as the terms have them.
func (p *Plan) Remarks() []Remark {
	theirs, ours := map[string]bool{}, p.Setup.allStatements()
	for i, s := range p.Policy.Statement {
		if !slices.ContainsFunc(ours, s.Equal) {
			theirs[p.Policy.name(i)] = true
		}
	}
	all := []Remark{}
	for _, f := range LintTerms(p.Policy, p.Setup.Terms).Remarks() {
		if theirs[f.Statement] || f.Statement == "" && f.Level == Lacks && !p.Ended() {
			all = append(all, f)
		}
	}
	return all
}
