package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/changes"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// rig is a bucket and a program that is told of its changes.
type rig struct {
	*buckettest.Bucket
	cfg   Config
	notes bytes.Buffer
	knows map[string]string // ETags, by the program
	told  []request
	// fate says what becomes of an event; nil for what is taken.
	fate func() fate
}

type fate int

// What becomes of an event.
const (
	taken fate = iota
	refused
	killedBefore // the teller is killed before it tells
	killedAfter  // it is killed before it records that it has told
	killedLater  // it is killed before it answers
)

func newRig(t testing.TB, dir string) *rig {
	r := &rig{Bucket: buckettest.New(), knows: map[string]string{}}
	r.cfg = Config{
		Bucket: r.Bucket, Target: config.Destination{Bucket: "b"}, Prefixes: []string{"Delivery/"},
		StateDir: filepath.Join(dir, "state"),
		ID:       "b", NotesDir: filepath.Join(dir,
			"notes"), Existing: true, Once: true, Errs: &r.notes,
		start: func(_ hello, cursor, _ *os.File) (teller, error) {
			return &fakeTeller{r, changes.NewLog(cursor)}, nil
		},
	}
	return r
}

// fakeTeller is a teller in this process.
type fakeTeller struct {
	*rig
	log *changes.Log
}

func (f *fakeTeller) tell(_ context.Context, r request) (answer, error) {
	is := taken
	if f.fate != nil {
		is = f.fate()
	}
	if err := f.log.Begin(r.Event); err != nil {
		return answer{}, err
	}
	if is == killedBefore {
		return answer{}, errTellerEnded
	}
	f.told = append(f.told, r)
	if r.Kind == changes.Removed {
		delete(f.knows, r.Key)
	} else {
		f.knows[r.Key] = r.ETag
	}
	switch is {
	case refused:
		return answer{Refused: "the command ended with exit status 1"}, nil
	case killedAfter:
		return answer{}, errTellerEnded
	}
	if err := f.log.End(r.Event); err != nil {
		return answer{}, err
	}
	if is == killedLater {
		return answer{}, errTellerEnded
	}
	return answer{}, nil
}

func (f *fakeTeller) close() error { return nil }

// events are what was told since the last call, in short.
func (r *rig) events() (all []string) {
	for _, e := range r.told {
		again := ""
		if e.Again {
			again = " again"
		}
		all = append(all, fmt.Sprintf("%s %s%s", e.Kind, e.Path, again))
	}
	r.told = nil
	return all
}

// TestEveryChangeIsToldOnceByWatches has another party change a bucket between the looks of
// watches, whose tellers are killed at any instant. The program that was told knows in the end what
// the bucket has, and no event is told twice that does not say so.
func TestEveryChangeIsToldOnceByWatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "watch")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		r := newRig(nil, dir)
		r.PageSize = 3
		r.fate = func() fate {
			return fate(max(0, rapid.IntRange(-4, int(killedLater)).Draw(t, "fate")))
		}
		seen := map[uint64]bool{}
		look := func() error {
			err := Run(context.Background(), r.cfg)
			for _, e := range r.told {
				if seen[e.ID] && !e.Again {
					t.Fatalf("event %d is told twice and does not say so: %+v", e.ID, e)
				}
				seen[e.ID] = true
			}
			r.told = nil
			return err
		}
		content := 0
		for range rapid.IntRange(1, 8).Draw(t, "looks") {
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				key := rapid.SampledFrom([]string{"Delivery/a", "Delivery/a/b", "Delivery/\xff",
					"Delivery/c", "Delivery/d", "Other/e"}).Draw(t, "key")
				if rapid.Bool().Draw(t, "remove") {
					r.Discard(key)
					continue
				}
				content++
				r.Store(key, fmt.Append(nil, content), nil)
			}
			_ = look()
		}
		r.fate = nil
		if err := look(); err != nil {
			t.Fatal(err)
		}
		has := map[string]string{}
		for _, key := range r.Keys() {
			if strings.HasPrefix(key, "Delivery/") {
				has[key] = r.Object(key).ETag
			}
		}
		if !maps.Equal(r.knows, has) {
			t.Fatalf("the program knows %q, and the bucket has %q", r.knows, has)
		}
		n := len(seen)
		if err := look(); err != nil || len(seen) != n {
			t.Fatalf("a look at what has not changed tells something: %v", err)
		}
	})
}

// want looks once and compares what is told.
func (r *rig) want(t *testing.T, want ...string) {
	t.Helper()
	r.notes.Reset()
	if err := Run(t.Context(), r.cfg); err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := r.events(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// TestFirstWatchBeginsNow does not tell what is there, unless it is to.
func TestFirstWatchBeginsNow(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.Store("Delivery/before", []byte("x"), nil)
	r.Store("Delivery/folder/", nil, nil)
	r.cfg.Existing = false
	r.want(t)
	if got := r.notes.String(); !strings.Contains(got, "1 object is there already") {
		t.Errorf("it notes %q", got)
	}
	r.Store("Delivery/after", []byte("x"), nil)
	r.Discard("Delivery/before")
	r.want(t, "created Delivery/after", "removed Delivery/before")
	r.cfg.Existing, r.cfg.Cursor = true, "another"
	r.want(t, "created Delivery/after")
}

// TestDamagedCursorTellsAgain: what a damaged cursor does not know any more is told again, and
// marked; a note says so once.
func TestDamagedCursorTellsAgain(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.Store("Delivery/a", []byte("x"), nil)
	r.Store("Delivery/b", []byte("x"), nil)
	r.want(t, "created Delivery/a", "created Delivery/b")
	files, err := filepath.Glob(filepath.Join(r.cfg.StateDir, "watch", "*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the cursors are %q, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err == nil {
		err = os.WriteFile(files[0],
			bytes.ReplaceAll(text, []byte("Delivery/b"), []byte("Delivery/c")), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Store("Delivery/new", []byte("x"), nil)
	r.want(t, "created Delivery/b again", "created Delivery/new again")
	const note = " is damaged (2 lines): what it does not know any more is told again, and marked"
	if got := r.notes.String(); strings.Count(got, note) != 1 {
		t.Errorf("it notes %q", got)
	}
	r.Store("Delivery/newer", []byte("x"), nil)
	r.want(t, "created Delivery/newer")
	if got := r.notes.String(); got != "" {
		t.Errorf("once all was told, it notes %q", got)
	}
}

// TestPathsAreThoseOfAMount names objects as a mount shows them.
func TestPathsAreThoseOfAMount(t *testing.T) {
	r := newRig(t, t.TempDir())
	for _, key := range []string{"Delivery/a", "Delivery/a-b",
		"Delivery/a/b", "Delivery/x\xff", "Delivery//y"} {
		r.Store(key, []byte("x"), nil)
	}
	r.want(t, "created Delivery/␛/y", "created Delivery/a␛", "created Delivery/a-b",
		"created Delivery/a/b", "created Delivery/x␛FF")
}

// TestUnreadableIsHeld tells what cannot be read once it can.
func TestUnreadableIsHeld(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.Store("Delivery/closed", []byte("x"), nil)
	r.Store("Delivery/open", []byte("x"), nil)
	r.cfg.Bucket = buckettest.Deny(r.Bucket, buckettest.Head, "Delivery/closed")
	r.want(t, "created Delivery/open")
	if got := r.notes.String(); !strings.Contains(got,
		"Delivery/closed cannot be read, and is told once it can: access denied (s3:GetObject on Delivery/)") {
		t.Errorf("it notes %q", got)
	}
	r.cfg.Bucket = r.Bucket
	r.want(t, "created Delivery/closed")
	r.want(t)
}

// TestOwnIsNotTold leaves out what this machine has sent, and its removal, and not what the other
// party makes of it.
func TestOwnIsNotTold(t *testing.T) {
	r := newRig(t, t.TempDir())
	send := func(key, content string) {
		obj := r.Store(key, []byte(content), nil)
		l, err := ledger.Open(filepath.Join(r.cfg.StateDir, "ledger.jsonl"))
		if err == nil {
			err = errors.Join(l.Put(ledger.Entry{Key: key, ETag: obj.ETag, Ours: true}), l.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.want(t) // makes the state directory
	send("Delivery/ours", "1")
	send("Delivery/changed", "2")
	r.want(t)
	r.Discard("Delivery/ours")
	r.Store("Delivery/changed", []byte("by the other party"), nil)
	r.want(t, "changed Delivery/changed")
	r.cfg.Own = true
	send("Delivery/told", "3")
	r.want(t, "created Delivery/told")
}

// TestRefusedIsRunAgain marks what a command has refused, and goes on with the rest.
func TestRefusedIsRunAgain(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.Store("Delivery/a", []byte("x"), nil)
	r.Store("Delivery/b", []byte("x"), nil)
	fates := []fate{refused, taken}
	r.fate = func() fate { is := fates[0]; fates = fates[1:]; return is }
	err := Run(t.Context(), r.cfg)
	if err == nil || err.Error() != "1 event not taken by the command" {
		t.Errorf("Run = %v", err)
	}
	if got :=
		r.notes.String(); got != "s3share: note: created Delivery/a: the command ended with exit status 1; the next look runs it again\n" {
		t.Errorf("it notes %q", got)
	}
	r.fate, r.told = nil, nil
	r.want(t, "created Delivery/a again")
}

// TestUnshownHoldsBackNothing has a mount not show some objects: one look waits for all of them no
// longer than for one, the other events are told, and --once says what was not.
func TestUnshownHoldsBackNothing(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.cfg.Mount = "/mnt"
	hidden := map[string]bool{"Delivery/a": true, "Delivery/b": true, "Delivery/d": true}
	var deadlines []time.Time
	r.cfg.shown = func(_ context.Context, _, path, _ string, deadline time.Time) error {
		if !hidden[path] {
			return nil
		}
		deadlines = append(deadlines, deadline)
		return errNotShown
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		r.Store("Delivery/"+name, []byte("x"), nil)
	}
	began := time.Now()
	err := Run(t.Context(), r.cfg)
	if err == nil || err.Error() != "3 events not told: the mount does not show the objects" {
		t.Errorf("Run = %v", err)
	}
	if got, want := r.events(), []string{"created /mnt/Delivery/c",
		"created /mnt/Delivery/e"}; !slices.Equal(got, want) {
		t.Errorf("it tells %q, want %q", got, want)
	}
	for _, d := range deadlines {
		if d != deadlines[0] || d.Before(began) {
			t.Errorf("it waits until %v, want the same for all", deadlines)
		}
	}
	if n := strings.Count(r.notes.String(), "is told once the mount shows this version"); n != 3 {
		t.Errorf("it notes %q", r.notes.String())
	}
	clear(hidden)
	if err := Run(t.Context(), r.cfg); err != nil {
		t.Error(err)
	}
	if got, want := r.events(), []string{"created /mnt/Delivery/a", "created /mnt/Delivery/b",
		"created /mnt/Delivery/d"}; !slices.Equal(got, want) {
		t.Errorf("then it tells %q, want %q", got, want)
	}
}

// TestRequests counts what a look costs: a listing, and one request for each event.
func TestRequests(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.want(t)
	for i := range 2500 {
		r.Store(fmt.Sprintf("Delivery/%d", i), []byte("x"), nil)
	}
	r.ForgetLog()
	if err := Run(t.Context(), r.cfg); err != nil || len(r.told) != 2500 {
		t.Fatalf("Run tells %d, %v", len(r.told), err)
	}
	if lists, heads := r.Count(buckettest.List), r.Count(buckettest.Head); lists != 3 ||
		heads != 2500 {
		t.Errorf("%d listings and %d HeadObjects, want 3 and 2500", lists, heads)
	}
	r.ForgetLog()
	r.told = nil
	r.want(t)
	if n := r.Count(""); n != 3 {
		t.Errorf("a look at nothing new takes %d requests, want 3", n)
	}
}

// TestOneWatchAtATime refuses a second watch of a folder, unless it has another cursor.
func TestOneWatchAtATime(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.Store("Delivery/a", []byte("x"), nil)
	other := newRig(t, "")
	other.cfg = r.cfg
	r.fate = func() fate {
		if err := Run(t.Context(), other.cfg); !errors.Is(err, errWatched) {
			t.Errorf("a second watch: %v", err)
		}
		return taken
	}
	r.want(t, "created Delivery/a")
}

// TestVariablesAreNoSettings has a command that is run for an event call s3share, which reads
// settings from such variables.
func TestVariablesAreNoSettings(t *testing.T) {
	for _, v := range variables(request{Event: changes.Event{Kind: changes.Created,
		Key: "k", Sender: "s", Own: true, Again: true}, Path: "p"}) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
		if slices.Contains(config.SettingVariables(), name) {
			t.Errorf("%s is a setting", name)
		}
	}
	if _, err := config.Environment(); err != nil {
		t.Error(err)
	}
}

// TestLineIsDocumented holds what --json prints, what commands find in their environment, and
// docs/watch.md to each other.
func TestLineIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/watch.md")
	if err != nil {
		t.Fatal(err)
	}
	line := Line{Schema, 1, changes.Created, "p", "k", 1, "e",
		time.Unix(1, 0).UTC(), "s", true, true}
	for i, v := 0, reflect.ValueOf(line); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the test sets no %s", v.Type().Field(i).Name)
		}
	}
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	var printed, documented []string
	for name, value := range fields {
		kind := map[bool]string{true: "time"}[name == "modified"]
		if kind == "" {
			kind = map[string]string{"float64": "number", "bool": "boolean",
				"string": "string"}[reflect.TypeOf(value).String()]
		}
		printed = append(printed, name+" "+kind)
	}
	for _, v := range variables(request{}) {
		name, _, _ := strings.Cut(v, "=")
		printed = append(printed, name)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (number|string|boolean|time) \\|").
		FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1]+" "+m[2])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(S3SHARE_[A-Z_]+)` \\|").
		FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(printed)
	slices.Sort(documented)
	if !slices.Equal(printed, documented) {
		t.Errorf("docs/watch.md documents\n%q, and there is\n%q", documented, printed)
	}
	if want := fmt.Sprintf("The schema is version %d.",
		Schema); !bytes.Contains(page, []byte(want)) {
		t.Errorf("docs/watch.md does not say %q", want)
	}
}

var _ s3backend.Finder = (*buckettest.Bucket)(nil)

// TestFolderThatIsNotThere refuses the first watch of a folder in which there is nothing; what was
// watched before may be empty.
func TestFolderThatIsNotThere(t *testing.T) {
	for _, existing := range []bool{false, true} {
		r := newRig(t, t.TempDir())
		r.cfg.Existing = existing
		r.Store("Delivery/january/f", []byte("x"), nil)
		r.Store("Delivery/empty/", nil, nil)
		r.Store("Delivery/file", []byte("x"), nil)
		for folder, want := range map[string]string{
			"Delivery/janaury": "S3 holds nothing in", "Delivery/file": "is a file", "Delivery/january": "", "Delivery/empty": "", "Submissions": "",
		} {
			r.cfg.Prefixes = []string{folder + "/"}
			err := Run(t.Context(), r.cfg)
			if want == "" && err != nil || want != "" &&
				(!errors.Is(err, errNoFolder) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v, want %q", folder, err, want)
			}
			if code, _ := hint.ExitCode(err); err != nil && code != hint.ExitUsage {
				t.Errorf("%s: exit code %d", folder, code)
			}
		}
		r.Discard("Delivery/january/f")
		r.cfg.Prefixes = []string{"Delivery/january/"}
		if err := Run(t.Context(), r.cfg); err != nil {
			t.Errorf("what was watched before: %v", err)
		}
	}
}
