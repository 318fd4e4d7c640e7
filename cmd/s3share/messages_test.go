package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// troubleshooting is the page that has a row for each message of the program.
const troubleshooting = "../../docs/troubleshooting.md"

// messageRoots are the packages whose messages reach people.
var messageRoots = []string{".", "../../cache", "../../fs", "../../s3backend"}

// withoutMessages are directories below messageRoots whose messages need no row, and why.
var withoutMessages = map[string]string{
	"testdata":          "no code of the program",
	"internal/testhome": "for tests",
	"cache/buckettest":  "for tests",
	"internal/demo":     "the demo's own steps, on a bucket of its own",
}

// A sink is an argument that becomes a message, of a function that is called by this name.
var messageSinks = map[string]int{
	"errors.New": 0, "fmt.Errorf": 0, "hint.Usage": 1, "Usage": 1,
	"ui.Reword": 0, "Reword": 0, "protocolError": 2, "refuse": 1,
}

// messageTables are the variables whose texts are messages.
var messageTables = map[string]bool{"reasonWords": true, "consequences": true, "stateWords": true}

// messageNames are variables and fields to which messages are assigned.
var messageNames = map[string]bool{"Reason": true, "reason": true, "cause": true,
	"summary": true, "text": true, "NoPolicies": true}

// programMessages returns the messages in the code of the program, with … for what differs, and
// where each is. Messages are: the texts of errors; the first results of functions that
// return a cause and a hint, and those of functions called Error, …Text or …Sentence; the texts of
// messageTables; what is assigned to messageNames; and lines that are printed with "s3share: "
// before them. A hint is printed with its message and needs no row of its own; what goes to the log
// alone is none.
func programMessages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	set := token.NewFileSet()
	var files []*ast.File
	for _, root := range messageRoots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				for dir := range withoutMessages {
					if strings.HasSuffix(filepath.ToSlash(path), dir) {
						return filepath.SkipDir
					}
				}
				return nil
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			files = append(files, file)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		inspectMessages(file, constantsOf(set, file, files), func(at token.Pos, text string) {
			if text = messageText(text); text != "" && notMessages[text] == "" {
				found[text] = set.Position(at).String()
			}
		})
	}
	return found
}

// constantsOf returns the constants that are texts and that a file can name: by their name, and
// those of other packages with a dot before it.
func constantsOf(set *token.FileSet, file *ast.File, files []*ast.File) map[string]string {
	dir := func(f *ast.File) string { return filepath.Dir(set.Position(f.Pos()).Filename) }
	texts := map[string]string{}
	take := func(decl *ast.GenDecl, prefix string) {
		for _, spec := range decl.Specs {
			spec, ok := spec.(*ast.ValueSpec)
			// A typed constant is put into words by a table.
			if !ok || decl.Tok != token.CONST || spec.Type != nil {
				continue
			}
			for i, value := range spec.Values {
				if all := textsOf(value, nil); len(all) == 1 {
					texts[prefix+spec.Names[i].Name] = all[0]
				}
			}
		}
	}
	for _, f := range files {
		for _, d := range f.Decls {
			if decl, ok := d.(*ast.GenDecl); ok {
				take(decl, ".")
				if dir(f) == dir(file) {
					take(decl, "")
				}
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if decl, ok := n.(*ast.GenDecl); ok {
			take(decl, "")
		}
		return true
	})
	return texts
}

// notMessages are texts that inspectMessages finds and that need no row, and why.
var notMessages = map[string]string{
	"\"…\" is the version … again": "all is well", ", of …": "a part of a sentence",
	"up …, down …": "the limits", ", until s3share limit default or unmount": "the limits",
	"… ago": "a time", "now": "a time", "… days left": "a time", "… h left": "a time", "… min left": "a time", "… s left": "a time",
	"…, … … in …": "how much was delivered", "… were": "a count", "1 was": "a count",
	"online": "all is well", "all is delivered…": "all is well", "nothing waits in its outbox": "all is well",
	"granted": "all is well", "refused": "for the log", "unknown: …": "for the log", "…, renew with …": "advice",
	"… of …": "how much", "… wait": "how many", "… waits": "how many", "… on its way": "how many", "… on their way": "how many",
	"at …": "a part of a sentence", "of …": "a part of a sentence", "of the account …": "a part of a sentence", "by …": "a part of a sentence",
	"The bucket has lifecycle rules of others. One of them, or another one, has to end incomplete uploads (abort_incomplete_multipart_upload) after … days.": "a comment of what init prints",
	"the bucket \"…\"": "a part of a sentence", "… … let in …": "a comment of what init prints",
	"(unknown)": "a version", "left to the SDK": "done by the SDK", "the … …": "a name of what is wrong", "the config file …": "a name of what is wrong",
	"… …; say a later date": "what is wrong is in the middle",

	"it is looked at again": "decided by the next look of watch", "the mount does not show it yet": "told by the next look of watch",
	"the file is not this cursor's": "put into other words",
	"negative size":                 "a mistake in the program", "seek before the start": "a mistake in the program",
	"request of type …": "a mistake in the program", "… bytes from … on: not a range": "a mistake in the program",
	"content: closed": "a mistake in the program", "content: … streams": "a mistake in the program",
	"content: … bytes of memory are less than …": "a mistake in the program", "content: read at … of \"…\"": "a mistake in the program",
	"content: no room for what nobody waits for": "read ahead that is given up", "listing forgotten": "asked again by itself",
	"not the bytes that were written": "a block of the cache, which is fetched again", "content: damaged index": "the cache is emptied",
	"no space in its slot": "it gets a file of its own", "not a request of this upload or download": "the SDK's, of calls that are not made",
}

// inspectMessages calls add for each message in file.
func inspectMessages(file *ast.File, constants map[string]string, add func(token.Pos, string)) {
	all := func(e ast.Expr) {
		for _, text := range textsOf(e, constants) {
			add(e.Pos(), text)
		}
	}
	// returns adds the first results of a function that returns two texts.
	returns := func(kind *ast.FuncType, body *ast.BlockStmt, isText bool) {
		if body == nil || !returnsCauseAndHint(kind) && !isText {
			return
		}
		ast.Inspect(body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return false // has its own
			case *ast.ReturnStmt:
				if len(n.Results) > 0 {
					all(n.Results[0])
				}
			case *ast.CallExpr: // sentences that are joined
				if calledName(n) == "append" && isText {
					all(n.Args[1])
				}
			}
			return true
		})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			returns(n.Type, n.Body, strings.HasSuffix(n.Name.Name, "Text") ||
				strings.HasSuffix(n.Name.Name, "Sentence") || n.Name.Name == "Error")
		case *ast.FuncLit:
			returns(n.Type, n.Body, false)
		case *ast.CallExpr:
			name := calledName(n)
			if i, ok := messageSinks[name]; ok && i < len(n.Args) {
				all(n.Args[i])
			}
			if strings.HasPrefix(name, "fmt.Fprint") && len(n.Args) > 1 {
				for _, text := range textsOf(n.Args[1], constants) {
					if message, ok := strings.CutPrefix(text, "s3share: "); ok &&
						!strings.HasPrefix(message, "hint: ") {
						add(n.Pos(), message)
					}
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) && messageTables[name.Name] {
					ast.Inspect(n.Values[i], func(n ast.Node) bool {
						switch n := n.(type) {
						case *ast.KeyValueExpr:
							if row, ok := n.Value.(*ast.CompositeLit); ok {
								if hint, ok := row.Elts[1].(*ast.BasicLit); !ok ||
									hint.Value != `""` {
									all(row.Elts[0])
								}
							} else {
								all(n.Value)
							}
							return false
						}
						return true
					})
				}
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if messageNames[lastName(to)] && i < len(n.Rhs) {
					all(n.Rhs[i])
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && messageNames[key.Name] {
				all(n.Value)
			}
		}
		return true
	})
}

// returnsCauseAndHint reports whether a function returns a sentence and what to do.
func returnsCauseAndHint(kind *ast.FuncType) bool {
	if kind.Results == nil {
		return false
	}
	var types, names []string
	for _, f := range kind.Results.List {
		name, _ := f.Type.(*ast.Ident)
		if name == nil {
			return false
		}
		for range max(1, len(f.Names)) {
			types = append(types, name.Name)
		}
		for _, n := range f.Names {
			names = append(names, n.Name)
		}
	}
	if !slices.Equal(types, []string{"string", "string"}) {
		return false
	}
	return len(names) == 2 && (names[1] == "hint" || names[1] == "advice") || len(names) == 0
}

func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// textsOf returns the texts that an expression can have, with %v for what is not known; none
// if nothing is known of it.
func textsOf(e ast.Expr, constants map[string]string) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return []string{text}
		}
	case *ast.Ident:
		if text, ok := constants[e.Name]; ok {
			return []string{text}
		}
	case *ast.SelectorExpr:
		if text, ok := constants["."+e.Sel.Name]; ok {
			return []string{text}
		}
	case *ast.ParenExpr:
		return textsOf(e.X, constants)
	case *ast.BinaryExpr:
		left, right := textsOf(e.X, constants), textsOf(e.Y, constants)
		if e.Op != token.ADD || left == nil && right == nil {
			return nil
		}
		if left == nil {
			left = []string{"%v"}
		}
		if right == nil {
			right = []string{"%v"}
		}
		var all []string
		for _, l := range left {
			for _, r := range right {
				all = append(all, l+r)
			}
		}
		return all
	case *ast.CallExpr:
		switch calledName(e) {
		case "fmt.Sprintf", "fmt.Sprint":
			return textsOf(e.Args[0], constants)
		case "pick": // one or more
			if len(e.Args) == 3 {
				return slices.Concat(textsOf(e.Args[1], constants), textsOf(e.Args[2], constants))
			}
		}
	}
	return nil
}

var (
	messageVerb = regexp.MustCompile(`%[-+# 0-9.\[\]]*[a-zA-Z]`)
	hasWord     = regexp.MustCompile(`\pL{2}`)
)

// messageText writes a format as docs/troubleshooting.md does; "" if there is no word in it.
func messageText(format string) string {
	text := strings.ReplaceAll(format, "%%", "\x00")
	text = messageVerb.ReplaceAllStringFunc(text, func(verb string) string {
		if verb == "%q" {
			return `"…"`
		}
		return "…"
	})
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\x00", "%")), " ")
	text = strings.ReplaceAll(text, "……", "…")
	if !hasWord.MatchString(text) {
		return ""
	}
	return text
}

var (
	messageSpan = regexp.MustCompile("`([^`]+)`")
	tableRow    = regexp.MustCompile(`(?m)^\|(.+)\|$`)
)

// documentedMessages returns the messages that docs/troubleshooting.md has a row for: what is in
// code in the first of its three cells.
func documentedMessages(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, row := range tableRow.FindAllStringSubmatch(string(page), -1) {
		cells := strings.Split(strings.ReplaceAll(row[1], `\|`, "\x00"), "|")
		if len(cells) != 3 {
			t.Errorf("a row of %s has %d cells, and not what is seen, why, and what to do: %s",
				troubleshooting, len(cells), row[0])
			continue
		}
		for _, m := range messageSpan.FindAllStringSubmatch(cells[0], -1) {
			if strings.TrimSpace(cells[1]) == "" || strings.TrimSpace(cells[2]) == "" {
				t.Errorf("%s: %q has no cause or no cure", troubleshooting, m[1])
			}
			message := strings.ReplaceAll(m[1], "\x00", "|")
			if found[message] {
				t.Errorf("%s has %q twice", troubleshooting, message)
			}
			found[message] = true
		}
	}
	return found
}

// TestEveryMessageHasItsCure compares the messages in the code with the rows of
// docs/troubleshooting.md, both ways.
func TestEveryMessageHasItsCure(t *testing.T) {
	said, documented := programMessages(t), documentedMessages(t)
	if len(said) < 300 {
		t.Errorf("only %d messages are found in the code", len(said))
	}
	for _, message := range slices.Sorted(maps.Keys(said)) {
		if !documented[message] {
			t.Errorf("%s has no row for %q (%s)", troubleshooting, message, said[message])
		}
	}
	for _, message := range slices.Sorted(maps.Keys(documented)) {
		if said[message] == "" {
			t.Errorf("%s has a row for %q, which the program does not say",
				troubleshooting, message)
		}
	}
}

// ofTheSystem matches what the system, a fake of it, or the reader of TOML says after a frame.
var ofTheSystem = regexp.MustCompile(
	`: (no such file or directory|is a directory|not a directory|it said no|executable file not found in \$PATH)$|: key \S+ is already defined$`)

// TestShownMessagesAreDocumented compares what the tests have seen the program print, in their
// golden files, with the rows of docs/troubleshooting.md: it would show if programMessages missed
// a kind of message.
func TestShownMessagesAreDocumented(t *testing.T) {
	var causes []*regexp.Regexp
	for message := range documentedMessages(t) {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(message), "…", ".*")
		switch {
		case strings.HasPrefix(message, "cannot ") && strings.HasSuffix(message, ": …"):
			continue // a frame: it has to have a cause in it
		case strings.HasPrefix(message, "…") && len(strings.ReplaceAll(message, "…", "")) < 8:
			// Such as "put needs …", "2 files not …".
			pattern = strings.Replace(pattern, ".*", `[^ ]*( \pL+)?`, 1)
			causes = append(causes, regexp.MustCompile(`^`+pattern+`$`))
			continue
		}
		causes = append(causes,
			regexp.MustCompile(`(^|: |, but |\d )`+pattern+`(; say a later date|: number \d+)?$`))
	}
	goldens, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	lines := 0
	for _, golden := range goldens {
		text, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			message, ok := strings.CutPrefix(strings.TrimSpace(line), "s3share: ")
			if !ok || strings.HasPrefix(message, "hint: ") || ofTheSystem.MatchString(message) {
				continue
			}
			lines++
			if !slices.ContainsFunc(causes,
				func(c *regexp.Regexp) bool { return c.MatchString(message) }) {
				t.Errorf("%s shows a message that has no row in %s: %s", golden,
					troubleshooting, message)
			}
		}
	}
	if lines < 100 {
		t.Errorf("only %d messages are in the golden files", lines)
	}
}
