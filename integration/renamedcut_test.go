package integration

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRenamedAndCutOffKeepsTheStateBefore changes a delivered file, renames it, and writes it again
// by a program that is cut off, all before anything of it is delivered. S3 then has one whole state
// of the file, at the earlier name: it stays until the file is delivered or removed.
func TestRenamedAndCutOffKeepsTheStateBefore(t *testing.T) {
	t.Parallel()
	before, after := delivery+"before", delivery+"after"
	for _, tt := range []struct {
		name    string
		resolve func(m *mount) error
		want    map[string]string
	}{
		{"deliver", func(m *mount) error {
			_, err := m.run("deliver", m.path(after))
			return err
		}, map[string]string{after: "cut"}},
		{"remove", func(m *mount) error { return os.Remove(m.path(after)) }, map[string]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newExchange(t, "full")
			m := x.mount(client)
			m.deliver(before, []byte("whole"))
			// It is open all the time, so that nothing is delivered in between.
			more, err := os.OpenFile(m.path(before), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer more.Close()
			if _, err := more.WriteString(" and more"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(m.path(before), m.path(after)); err != nil {
				t.Fatal(err)
			}
			again, err := os.OpenFile(m.path(after), os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if _, err := again.WriteString("cut"); err != nil {
				t.Fatal(err)
			}
			m.kill()

			m = m.revive(t)
			rest := m.awaitRest()
			if len(rest) != 1 || rest[0].State != "interrupted" || rest[0].Key != after {
				t.Errorf("after the kill there is %v, want %q interrupted", rest, after)
			}
			x.wantWhole(t, map[string]string{before: "whole"})
			if names := m.names(delivery); !slices.Equal(names, []string{"after"}) {
				t.Errorf("the mount shows %q", names)
			}
			if err := tt.resolve(m); err != nil {
				t.Fatal(err)
			}
			m.unmount()
			x.wantWhole(t, tt.want)
		})
	}
}

// wantWhole checks that the bucket holds these files, and no others.
func (x *exchange) wantWhole(t *testing.T, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for key := range x.list() {
		if strings.HasSuffix(key, "/") {
			continue
		}
		b, err := x.get(owner, key)
		if err != nil {
			t.Error(err)
		}
		got[key] = string(b)
	}
	if !maps.Equal(got, want) {
		t.Errorf("the bucket holds %q, want %q", got, want)
	}
}
