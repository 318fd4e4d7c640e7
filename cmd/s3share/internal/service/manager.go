package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Manager is a user's systemd.
type Manager struct{ systemctl string }

// NewManager finds the systemd of this user, and proves that it answers.
func NewManager(ctx context.Context) (*Manager, error) {
	path, err := exec.LookPath("systemctl")
	if err != nil {
		return nil,
			hint.With(errors.New("there is no systemd on this machine: systemctl is not in PATH"),
				"have what starts your programs run: s3share mount EXCHANGE DIR")
	}
	m := &Manager{path}
	if _, err := m.run(ctx, "show-environment"); err != nil {
		return nil, hint.With(fmt.Errorf("your systemd does not answer: %w", err),
			"log in as this user, at the machine or by ssh: after su and sudo, and in most containers, there is none")
	}
	return m, nil
}

// Command is a command of systemctl as people type it.
func Command(args ...string) string {
	said := "systemctl --user"
	for _, a := range args {
		said += " " + hint.ShellQuote(a)
	}
	return said
}

// run runs systemctl, and returns what it prints.
func (m *Manager) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, m.systemctl, append([]string{"--user"}, args...)...) // #nosec G204 -- systemctl, without a shell
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(errs.String()); said != "" {
			err = errors.New(hint.OneLine(strings.ReplaceAll(said, "\n", "; ")))
		}
		return out.String(), err
	}
	return out.String(), nil
}

// Do runs one command.
func (m *Manager) Do(ctx context.Context, args ...string) error {
	if _, err := m.run(ctx, args...); err != nil {
		return fmt.Errorf("%s: %w", Command(args...), err)
	}
	return nil
}

// State is what systemd knows of a unit.
type State struct {
	Enabled string // enabled, disabled, ...; "" if there is no such unit
	Active  string // active, inactive, failed, activating, ...
	Result  string // of its last end: success, exit-code, watchdog, ...
	Status  string // what it says of itself, "" for nothing
}

// State asks for the state of the unit of an exchange.
func (m *Manager) State(ctx context.Context, exchange string) (State, error) {
	out, err := m.run(ctx,
		"show", "--property=UnitFileState,ActiveState,Result,StatusText", UnitName(exchange))
	if err != nil {
		return State{}, err
	}
	of := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		of[key] = value
	}
	return State{Enabled: of["UnitFileState"], Active: of["ActiveState"], Result: of["Result"],
		Status: of["StatusText"]}, nil
}
