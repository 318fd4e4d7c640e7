package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// semanticsDoc says how a mount behaves.
const semanticsDoc = "../docs/semantics.md"

// exampleDocs are the pages of which each example is a test.
var exampleDocs = []string{semanticsDoc, "../docs/file-manager.md", "../docs/offline.md",
	"../docs/many-mounts.md"}

// exampleTools are the programs that examples may call and a machine may lack.
var exampleTools = []string{"getfattr", "git", "python3", "rsync", "setfattr", "vim"}

// example is a fenced block of the document that is marked console. What follows
// the mark names the client's policy, if it is not full, and options of the
// client's mount; or that its line to S3 is cut in the example: "offline".
type example struct {
	page    string
	section string
	line    int // of its first command in the document
	policy  string
	options []string
	cut     bool // the client's line to S3 is cut in it
	calls   []call
}

// call is one command of an example and what it says.
type call struct {
	line    int
	command string
	says    string
	soon    bool // it comes to say so, since another party's change takes its time
}

// TestSemantics does what docs/semantics.md and other pages show, and compares what is said. The
// examples of a section that ask for the same policy and options share an exchange.
func TestSemantics(t *testing.T) {
	t.Parallel()
	var all []example
	for _, page := range exampleDocs {
		examples := readExamples(t, page)
		if len(examples) == 0 {
			t.Fatalf("%s has no examples", page)
		}
		all = append(all, examples...)
	}
	groups := map[string][]example{}
	var names []string
	for _, e := range all {
		name := strings.Join(append([]string{e.section, e.policy}, e.options...), " ")
		if e.cut {
			name += " offline"
		}
		if e.page != semanticsDoc {
			name = filepath.Base(e.page) + " " + name
		}
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], e)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needTools(t, "bash")
			first := groups[name][0]
			x := newExchange(t, first.policy)
			ofClient, line := x, (*wire)(nil)
			if first.cut {
				ofClient, line = x.over(t)
			}
			ours := ofClient.mount(client, first.options...)
			theirs := x.mount(owner)
			for _, e := range groups[name] {
				t.Run(fmt.Sprintf("line %d", e.line),
					func(t *testing.T) { e.run(t, ours, theirs, line) })
			}
			if t.Failed() {
				return // something may be left, and has been told
			}
			for _, m := range []*mount{ours, theirs} {
				m.leaveAsItIs()
			}
		})
	}
}

// leaveAsItIs undoes the mount though an example may have left what cannot be
// delivered.
func (m *mount) leaveAsItIs() {
	m.done = true
	if out, err := m.run("unmount", "--keep", "--timeout", patience.String(), m.dir); err != nil &&
		!strings.Contains(out, "stays in the outbox") && !strings.Contains(out,
		"beside the other party's version") && !strings.Contains(out, "not removed: ") {
		m.t.Errorf("unmount: %v\n%s", err, out)
	}
}

// Commands that are none of the shell's, in an example that is marked "offline".
const (
	cutOff      = "# the client's connection to S3 is cut"
	reconnected = "# the connection is there again"
)

// run types an example into a shell that stands beside both mounts. line is that of the
// client's mount, nil where it is not cut.
func (e example) run(t *testing.T, ours, theirs *mount, line *wire) {
	for _, c := range e.calls {
		for _, tool := range exampleTools {
			if slices.Contains(strings.FieldsFunc(c.command,
				func(r rune) bool { return strings.ContainsRune(" $(|;", r) }), tool) {
				needTools(t, tool)
			}
		}
	}
	sh := newSession(t, ours, theirs)
	for _, c := range e.calls {
		switch c.command {
		case cutOff:
			line.cut()
			continue
		case reconnected:
			line.heal()
			continue
		}
		want := saying(c.says)
		deadline := time.Now().Add(patience)
		for {
			got := sh.say(c.command)
			if want.MatchString(plain(got)) {
				break
			}
			if !c.soon || time.Now().After(deadline) {
				t.Fatalf("%s:%d: $ %s\nsays:\n%s\nwant:\n%s",
					e.page, c.line, c.command, got, c.says)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// saying is what an example shows as a pattern: <anything> stands for what differs
// from run to run.
func saying(says string) *regexp.Regexp {
	var b strings.Builder
	for i, part := range regexp.MustCompile(`<[a-z ]+>`).Split(plain(says), -1) {
		if i > 0 {
			b.WriteString(`[^\n]+`)
		}
		b.WriteString(regexp.QuoteMeta(part))
	}
	return regexp.MustCompile(`^` + b.String() + `$`)
}

var (
	spaces   = regexp.MustCompile(` +`)
	bashLine = regexp.MustCompile(`(?m)^bash: line \d+: `)
)

// plain takes away what depends on the width of a column, or on bash being given
// its commands by a program.
func plain(s string) string {
	return spaces.ReplaceAllString(bashLine.ReplaceAllString(s, "bash: "), " ")
}

// readExamples finds the examples of a document.
func readExamples(t *testing.T, path string) []example {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var (
		all     []example
		section string
		cur     *example // inside of one
	)
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		mark, fenced := strings.CutPrefix(line, "```")
		switch {
		case cur != nil && fenced:
			if len(cur.calls) == 0 {
				t.Errorf("%s:%d: an example without a command", path, n)
				continue
			}
			all, cur = append(all, *cur), nil
		case cur != nil:
			if err := cur.add(line, n); err != nil {
				t.Fatalf("%s:%d: %v", path, n, err)
			}
		case fenced:
			words := strings.Fields(mark)
			if len(words) == 0 || words[0] != "console" {
				continue
			}
			cur = &example{page: path, section: section, line: n + 1, policy: "full"}
			for _, word := range words[1:] {
				switch word {
				case "article", "dropbox", "folders":
					cur.policy = word
				case "offline":
					cur.cut = true
				default:
					cur.options = append(cur.options, "-o", word)
				}
			}
		case strings.HasPrefix(line, "## "):
			section = strings.TrimPrefix(line, "## ")
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// add takes one line of an example.
func (e *example) add(line string, n int) error {
	command, isCommand := strings.CutPrefix(line, "$ ")
	more, isMore := strings.CutPrefix(line, "> ")
	last := len(e.calls) - 1
	switch {
	case isCommand:
		e.calls = append(e.calls,
			call{line: n, command: command, soon: strings.HasSuffix(command, "# soon")})
	case last < 0:
		return fmt.Errorf("an example begins with %q, not with a command", line)
	case isMore && e.calls[last].says == "":
		e.calls[last].command += "\n" + more
	default:
		e.calls[last].says += line + "\n"
	}
	return nil
}

// session is a shell that commands are typed into one by one.
type session struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
}

// sessionMark stands behind what a command said.
const sessionMark = "--- said ---"

// newSession starts a shell in a folder where client and owner lead to the mounts
// and s3share to the program.
func newSession(t *testing.T, ours, theirs *mount) *session {
	t.Helper()
	home, bin := t.TempDir(), t.TempDir()
	for link, to := range map[string]string{
		filepath.Join(home, "client"): ours.dir, filepath.Join(home,
			"owner"): theirs.dir, filepath.Join(bin, "s3share"): s3shareBin,
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc")
	cmd.Dir = home
	cmd.Env = append(slices.Clone(ours.env), "PATH="+bin+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8",
		"TZ=UTC", "GIT_CONFIG_NOSYSTEM=1")
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil && ctx.Err() != nil {
			t.Errorf("the shell: %v", err)
		}
		cancel()
	})
	return &session{t, in, bufio.NewReader(out)}
}

// say types a command and returns what it said.
func (s *session) say(command string) string {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.in, "{ %s\n} </dev/null\nprintf '\\n%%s\\n' '%s'\n",
		command, sessionMark); err != nil {
		s.t.Fatal(err)
	}
	var said strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("the shell ended at %s: %v\n%s", command, err, said.String())
		}
		if line == sessionMark+"\n" {
			break
		}
		said.WriteString(line)
	}
	// The mark is on a line of its own, whether what was said ended one or not.
	text := strings.TrimSuffix(said.String(), "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// TestSemanticsTables holds the document's tables against what they tell of.
func TestSemanticsTables(t *testing.T) {
	text, err := os.ReadFile(semanticsDoc)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for name := range posixLeftOut {
		if !regexp.MustCompile(`(?m)^\|[^|]*\b` + name + `\b`).MatchString(doc) {
			t.Errorf("%s does not tell that %s is left out", semanticsDoc, name)
		}
	}
	source, err := os.ReadFile("../cache/privatename/privatename.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(source), "var builtin = []entry{\n")
	list, _, _ = strings.Cut(list, "\n}")
	patterns := regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(list, -1)
	if len(patterns) == 0 {
		t.Error("no private names are found")
	}
	for _, p := range patterns {
		if !strings.Contains(doc, "`"+p[1]+"`") {
			t.Errorf("%s does not tell that %s is a private name", semanticsDoc, p[1])
		}
	}
}
