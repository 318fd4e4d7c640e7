package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// answer is what a command has to say of a file: its exit code, and words in its output
// that must be there, or not.
type answer struct {
	code int
	has  []string
	not  []string
}

func says1(words ...string) answer { return answer{1, words, []string{"is delivered"}} }
func says0(words ...string) answer { return answer{0, words, nil} }

// answers are what each command says of one file. What is not here is not asked.
type answers struct {
	status, wait, why, retry, deliver answer
	// state is user.s3share.state, or the error of asking for it; "" for any.
	state string
	// json is the state in status --json, if it is another; moving for on its way or not.
	json string
}

// moving is the state of a file that is sent again and again.
const moving = "moving"

// waitsFor are the answers of a file that waits: nothing says that it is delivered.
func waitsFor(state, reason string) answers {
	const is = "is delivered"
	if state == moving {
		a := waitsFor("", reason)
		a.json = moving
		return a
	}
	return answers{
		status:  answer{0, []string{state, reason}, []string{is}},
		wait:    answer{1, []string{"not delivered: ", reason}, nil},
		why:     answer{0, []string{": " + state, "because: ", reason}, []string{is}},
		retry:   answer{0, []string{"1 file"}, []string{is}},
		deliver: says1("nothing at ", " is interrupted: ", " is "+state),
		state:   state,
		json:    state,
	}
}

// isThere are the answers of a file that S3 is known to hold.
func isThere(more ...string) answers {
	is := append([]string{"is delivered"}, more...)
	return answers{says0(is...), says0(), says0(is...), says0("nothing to try again"),
		answer{1, []string{"is interrupted: it is delivered"}, nil}, "delivered", "delivered"}
}

// isNot are the answers of a name under which S3 is known to hold nothing.
func isNot(state string) answers {
	no := says1("there is no such file in the exchange")
	return answers{no, no, no, no, no, state, "absent"}
}

// notKnown are the answers where S3 was not asked in vain for nothing: with the reason.
func notKnown(state string, reason ...string) answers {
	no := answer{1, append([]string{"it is not known whether ", "delivered: "}, reason...), nil}
	return answers{no, no, no, no, no, state, "unknown"}
}

// ask wants the commands to say of the file at key what want has of them.
func (m *mount) ask(t *testing.T, key string, want answers, commands ...string) {
	t.Helper()
	for _, name := range commands {
		w := map[string]answer{"status": want.status, "wait": want.wait, "why": want.why,
			"retry": want.retry, "deliver": want.deliver}[name]
		args := []string{name, m.path(key)}
		if name == "wait" {
			args = append(args, "--timeout", "100ms")
		}
		out, err := m.run(args...)
		if code := exitCode(t, err); code != w.code || !containsAll(out, w.has) ||
			containsAny(out, w.not) {
			t.Errorf("%s %q ends with %d and says\n%swant %d, %q, and not %q", name,
				key, code, out, w.code, w.has, w.not)
		}
		if strings.ContainsAny(strings.TrimRight(out, "\n"), "\x1b\r\x00") {
			t.Errorf("%s %q prints control characters: %q", name, key, out)
		}
	}
}

// hold compares what each command says of the file at key with want, and its attribute.
func (m *mount) hold(t *testing.T, key string, want answers) {
	t.Helper()
	if got := m.fileState(key); want.state != "" && got != want.state {
		t.Errorf("user.s3share.state of %q is %q, want %q", key, got, want.state)
	}
	m.ask(t, key, want, "status", "wait", "why", "deliver", "retry")
	m.holdJSON(t, key, want)
}

// holdJSON compares what status --json says.
func (m *mount) holdJSON(t *testing.T, key string, want answers) {
	t.Helper()
	cmd := exec.Command(s3shareBin, "status", "--json", m.path(key))
	cmd.Env = m.env
	out, err := cmd.Output()
	if code := exitCode(t, err); code != want.status.code {
		t.Errorf("status --json %q ends with %d, want %d", key, code, want.status.code)
	}
	var all []struct {
		Owed []struct{ State, Path string }
		File *struct{ State, Reason string }
	}
	if err := json.Unmarshal(out, &all); err != nil || len(all) != 1 {
		t.Errorf("status --json %q says %q: %v", key, out, err)
		return
	}
	got := ""
	switch {
	case len(all[0].Owed) > 0:
		got = all[0].Owed[0].State
	case all[0].File != nil:
		got = all[0].File.State
	}
	if want.json == moving && (got == "sealed" || got == "uploading") {
		got = moving
	}
	if got != want.json {
		t.Errorf("status --json %q says that it is %s, want %s:\n%s", key, got, want.json, out)
	}
}

func containsAny(s string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}

// unprintableNames have bytes that a name may have and a line or JSON may not.
var unprintableNames = []string{"tab\there", "line\nfeed", "cr\rhere", "esc\x1b[31mred",
	"latin\xe9", "back\\slash", "quote\"d", "sur\xed\xb3\xa9",
	"bidi\u202etxt", "space ", "replacement\ufffd"}

// TestEveryAnswerIsWhatIsKnown asks each command about a file in every situation.
func TestEveryAnswerIsWhatIsKnown(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "full")
	x, g := direct.through(t)
	held := make(chan struct{})
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		path, _ := url.PathUnescape(r.URL.EscapedPath())
		name := path[strings.LastIndexByte(path, '/')+1:]
		put := op == "PutObject" || op == "CreateMultipartUpload"
		switch {
		case put && strings.HasPrefix(name, "waits"):
			return refuse(w, r, 500, "InternalError")
		case put && strings.HasPrefix(name, "blocked"):
			return refuse(w, r, 403, "AccessDenied")
		case put && strings.HasPrefix(name, "slow"), strings.HasPrefix(op, "Delete") &&
			!strings.HasPrefix(name, "."):
			select {
			case <-held:
			case <-r.Context().Done():
			}
		}
		return false
	})
	m := x.mount(client)
	direct.put(owner, delivery+"theirs", []byte("theirs"), false)
	m.awaitName(delivery+"theirs", true)
	m.deliver(delivery+"ours", []byte("ours"))
	if err := os.Mkdir(m.path(delivery+"dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.deliver(delivery+"dir/below", []byte("below"))
	m.deliver(delivery+"removing", []byte("removed here, and not at S3"))
	beside := m.collide(delivery + "plan")
	if err := os.Remove(m.path(delivery + "removing")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"waits", "blocked", "slow", "private.part"} {
		m.write(delivery+name, []byte(name))
	}
	if out, err := tryShell(t, `sh -c 'echo half; kill -INT $$' > "$1"`,
		m.path(delivery+"interrupted")); err == nil {
		t.Fatalf("the shell was not ended by its signal\n%s", out)
	}
	open, err := os.Create(m.path(delivery + "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	await(t, "each state", func() bool {
		return m.fileState(delivery+"blocked") == "blocked" &&
			m.fileState(delivery+"slow") == "uploading" && m.reason(delivery+"waits") != ""
	})

	private := waitsFor("private", "a private name, never sent")
	private.retry = answer{0, []string{"private"}, nil}
	private.status = says0("a private name, never sent")
	interrupted := waitsFor("interrupted", "ended by a signal")
	interrupted.deliver = answer{}
	blocked := waitsFor("blocked", "access denied (s3:PutObject on Delivery/)")
	removing := waitsFor("removing", "being removed")
	removing.state = unix.ENOENT.Error()
	removing.status = says0("1 file ", "being removed")
	slow := waitsFor("uploading", "being sent")
	slow.status.has = []string{"1 file ", "uploading"}
	conflict := isThere()
	conflict.status, conflict.why = says0("conflict",
		"it changed in the bucket too"), says0("conflict", "join it with")
	conflict.wait = answer{1, []string{"conflict: ", "went beside the other party's version"}, nil}
	theirs := isThere()
	theirs.status, theirs.why, theirs.wait = conflict.status, conflict.why, conflict.wait
	// Before S3 has been silent for so long that the request is made again.
	t.Run(delivery+"slow", func(t *testing.T) { m.hold(t, delivery+"slow", slow) })
	for key, want := range map[string]answers{
		delivery + "waits":        waitsFor(moving, "InternalError"),
		delivery + "blocked":      blocked,
		delivery + "open":         waitsFor("open", "open for writing"),
		delivery + "private.part": private,
		delivery + "removing":     removing,
		delivery + "ours":         isThere(),
		delivery + "theirs":       isThere(),
		delivery + "dir/below":    isThere(),
		delivery + "never":        isNot(unix.ENOENT.Error()),
		delivery + "dir/never":    isNot(unix.ENOENT.Error()),
		delivery + "ours/below":   isNot(""),
		"Elsewhere/never":         isNot(unix.ENOENT.Error()),
		delivery + "plan":         theirs,
	} {
		t.Run(key, func(t *testing.T) { m.hold(t, key, want) })
	}
	t.Run("conflict", func(t *testing.T) {
		conflict.state = "conflict"
		for _, args := range [][]string{{"status"}, {"why"}} {
			if out, err := m.run(append(args, m.path(beside))...); err != nil ||
				!containsAll(out, conflict.status.has) {
				t.Errorf("%s: %v\n%s", args, err, out)
			}
		}
		if out, err := m.run("wait", m.path(beside)); exitCode(t, err) != 1 ||
			!containsAll(out, conflict.wait.has) {
			t.Errorf("wait: %v\n%s", err, out)
		}
	})
	t.Run("directories", func(t *testing.T) {
		for _, args := range [][]string{{"status"}, {"why"}} {
			if out, err := m.run(append(args, m.path(delivery+"dir"))...); err != nil ||
				!strings.Contains(out, "all below") || !strings.Contains(out, "dir is delivered") {
				t.Errorf("%s of a directory: %v\n%s", args, err, out)
			}
		}
		if out, err := m.run("wait", m.path(delivery+"dir")); err != nil || out != "" {
			t.Errorf("wait for a directory: %v\n%s", err, out)
		}
		if out, err := m.run("wait", m.path(delivery+"nodir")); exitCode(t, err) != 1 ||
			!strings.Contains(out, "there is no such file") {
			t.Errorf("wait for no directory: %v\n%s", err, out)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		key := delivery + "interrupted"
		for _, c := range []struct {
			args []string
			want answer
		}{
			{[]string{"status"}, interrupted.status},
			{[]string{"wait"}, answer{1, []string{"not delivered: ", "ended by a signal", "s3share deliver"}, nil}},
			{[]string{"retry"}, answer{0, []string{"1 file interrupted, which s3share deliver sends"}, nil}},
			{[]string{"why"}, interrupted.why},
			{[]string{"deliver"}, says0("delivering 1 file")},
		} {
			out, err := m.run(append(c.args, m.path(key))...)
			if code := exitCode(t, err); code != c.want.code || !containsAll(out, c.want.has) ||
				containsAny(out, c.want.not) {
				t.Errorf("%s ends with %d and says\n%swant %d and %q", c.args[0],
					code, out, c.want.code, c.want.has)
			}
		}
		m.awaitDelivered(key)
	})
	close(held)
	m.awaitGoneFile(delivery + "removing")
	t.Run("removed", func(t *testing.T) {
		removed := isNot(unix.ENOENT.Error())
		removed.json = "removed"
		m.hold(t, delivery+"removing", removed)
	})
	if err := open.Close(); err != nil {
		t.Error(err)
	}
	m.leaveAsItIs()
}

// TestEveryNameCanBeAskedAbout has files wait under names of all kinds of bytes.
func TestEveryNameCanBeAskedAbout(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, g := direct.through(t)
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return op == "PutObject" && refuse(w, r, 403, "AccessDenied")
	})
	m := x.mount(client)
	for _, name := range unprintableNames {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			key := delivery + "blocked " + name
			switch err := os.WriteFile(m.path(key), []byte("x"), 0o644); {
			case errors.Is(err, unix.EILSEQ):
				m.ask(t, key, isNot(""), "status", "wait", "why")
				return
			case err != nil:
				t.Fatal(err)
			}
			await(t, "a refusal", func() bool { return m.fileState(key) == "blocked" })
			if got, want := m.reason(key),
				"AccessDenied: access denied (s3:PutObject on Delivery/)"; got != want {
				t.Errorf("user.s3share.error is %q, want %q", got, want)
			}
			m.ask(t, key, waitsFor("blocked", "access denied (s3:PutObject on Delivery/)"),
				"status", "wait", "why")
			m.holdJSON(t, key, waitsFor("blocked", "access denied (s3:PutObject on Delivery/)"))
			m.ask(t, key+"?", isNot(""), "status")
		})
	}
	m.leaveAsItIs()
}

// reason is why a file is not delivered, "" for none.
func (m *mount) reason(key string) string {
	value, err := xattr(m.path(key), "user.s3share.error")
	if err != nil {
		return ""
	}
	return value
}

// awaitGoneFile waits until nothing of the file waits any more.
func (m *mount) awaitGoneFile(key string) {
	m.t.Helper()
	await(m.t, "the removal of "+key, func() bool {
		out, err := m.run("status", m.path(key))
		return err != nil && strings.Contains(out, "no such file")
	})
}

// TestNoAnswerIsNoAnswer asks each command about files while S3 is away, or refuses.
func TestNoAnswerIsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		fails   func(w *wire, g *gateway)
		reason  string
		waiting string // why a file waits
		errno   unix.Errno
	}{
		{"S3 is away", func(w *wire, _ *gateway) { w.cut() }, "nothing answers at http", "nothing answers at http", unix.EIO},
		{"S3 fails", func(_ *wire, g *gateway) {
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return refuse(w, r, 500, "InternalError")
			})
		}, "Internal", "Internal", unix.EIO},
		{"S3 throttles", func(_ *wire, g *gateway) {
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return refuse(w, r, 503, "SlowDown")
			})
		}, "throttling", "throttling", unix.EIO},
		{"credentials expired", func(_ *wire, g *gateway) {
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return refuse(w, r, 403, "ExpiredToken")
			})
		}, "refused the credentials: expired", "ExpiredToken", unix.EACCES},
		{"everything denied", func(_ *wire, g *gateway) {
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return refuse(w, r, 403, "AccessDenied")
			})
			// It is a refused listing or a dropbox: what the policy grants is found out meanwhile.
		}, "", "AccessDenied", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			behind, g := direct.through(t)
			x, w := behind.over(t)
			direct.put(owner, delivery+"theirs", []byte("theirs"), false)
			m := x.mount(client)
			m.awaitName(delivery+"theirs", true)
			m.deliver(delivery+"ours", []byte("ours"))
			f, err := os.Create(m.path(delivery + "waits"))
			if err != nil {
				t.Fatal(err)
			}
			m.write(delivery+"dropped.part", nil)
			c.fails(w, g)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			await(t, "an attempt",
				func() bool { return strings.Contains(m.reason(delivery+"waits"), c.waiting) })
			await(t, "answers of before to be too old",
				func() bool { return m.fileState(delivery+"theirs") != "delivered" })
			errno := ""
			if c.errno != 0 {
				errno = c.errno.Error()
			}

			waits := waitsFor(moving, c.reason)
			if c.name == "everything denied" {
				waits = waitsFor("blocked", "access denied (s3:PutObject on Delivery/)")
			}
			// The line of the mount's health gives the reason, in words of its own.
			if c.name == "credentials expired" {
				waits.status.has = []string{"login expired since ", "waits"}
			}
			m.hold(t, delivery+"waits", waits)
			m.hold(t, delivery+"theirs", notKnown(errno, c.reason))
			if c.name == "S3 is away" || c.name == "credentials expired" {
				// The mount knows that it cannot ask, and shows what S3 listed last.
				errno = unix.ENOENT.Error()
			}
			m.hold(t, delivery+"never", notKnown(errno, c.reason))
			ours := isThere("as S3 confirmed at ", "it cannot be asked again now: ", c.reason)
			// The attribute may fail.
			m.ask(t, delivery+"ours", ours, "status", "wait", "why", "retry")

			for _, name := range []string{"waits", "dropped.part"} {
				if err := os.Remove(m.path(delivery + name)); err != nil {
					t.Fatal(err)
				}
			}
			m.hold(t, delivery+"dropped.part", notKnown("", c.reason))
			w.heal()
			g.when(nil)
		})
	}
}

// TestDeadLineIsNoAnswer asks about files while requests leave, and no answer comes.
func TestDeadLineIsNoAnswer(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, w := direct.over(t)
	direct.put(owner, delivery+"theirs", []byte("theirs"), false)
	m := x.mount(client)
	m.awaitName(delivery+"theirs", true)
	m.deliver(delivery+"ours", []byte("ours"))
	w.spoil("timeout", "upstream", map[string]any{"timeout": 0})
	defer w.heal()
	await(t, "answers of before to be too old",
		func() bool { return m.fileState(delivery+"theirs") != "delivered" })
	await(t, "status to ask S3", func() bool {
		out, err := m.run("status", m.dir)
		return err == nil &&
			containsAll(out, []string{"no answer from http", "all is delivered as of "})
	})
	m.ask(t, delivery+"theirs", notKnown("", "no answer from http"), "status", "wait")
	m.ask(t, delivery+"never", notKnown("", "no answer from http"), "status", "why")
	m.ask(t, delivery+"ours", isThere("as S3 confirmed at ",
		"it cannot be asked again now: no answer from http"), "status", "wait", "why")
}

// TestIdleMountTellsThatS3IsAway makes no request of its own before status is asked.
func TestIdleMountTellsThatS3IsAway(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	behind, g := direct.through(t)
	x, w := behind.over(t)
	m := x.mount(client)
	m.deliver(delivery+"a", []byte("a"))
	w.cut()
	await(t, "status to ask S3", func() bool {
		out, err := m.run("status", m.dir)
		return err == nil && containsAll(out,
			[]string{"offline since ", "nothing answers at ", "all is delivered as of "})
	})
	w.heal()
	await(t, "status to ask S3 again", func() bool {
		out, err := m.run("status", m.dir)
		return err == nil && strings.Contains(out, "  online; all is delivered\n") &&
			!strings.Contains(out, "offline")
	})
	g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
		return refuse(w, r, 403, "ExpiredToken")
	})
	await(t, "status to tell of the credentials", func() bool {
		out, err := m.run("status", m.dir)
		return err == nil &&
			containsAll(out, []string{"login expired since ", "to do: ", "all is delivered as of "})
	})
	g.when(nil)
}

// TestDropboxAnswers asks about files where the policy lets nobody get, and nobody list.
func TestDropboxAnswers(t *testing.T) {
	t.Parallel()
	for _, list := range []bool{true, false} {
		t.Run(fmt.Sprintf("list: %v", list), func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "dropbox")
			x, g := direct.through(t)
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return !list && op == "ListObjectsV2" && refuse(w, r, 403, "AccessDenied")
			})
			direct.put(owner, delivery+"theirs", []byte("theirs"), false)
			m := x.mount(client)
			m.deliver(delivery+"ours", []byte("ours"))
			ours, theirs, never := isThere(), isThere(), isNot(unix.ENOENT.Error())
			if !list {
				await(t, "the policy to be known", func() bool {
					out, _ := m.run("status", m.path(delivery+"never"))
					return strings.Contains(out, "does not let this account list")
				})
				never = notKnown("", "the policy does not let this account list the directory")
				theirs = never
				ours = isThere("as S3 confirmed at ",
					"it cannot be asked again now: the policy does not let this account list the directory\n")
				ours.retry, ours.deliver = says0("nothing to try again"), answer{1,
					[]string{"is interrupted: it is delivered"}, nil}
			}
			m.hold(t, delivery+"ours", ours)
			m.hold(t, delivery+"theirs", theirs)
			m.hold(t, delivery+"never", never)
		})
	}
}

// TestRefusedCreateIsNoDelivery has the policy refuse a new file.
func TestRefusedCreateIsNoDelivery(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "folders")
	x, g := direct.through(t)
	m := x.mount(client)
	const key = submissions + "refused"
	await(t, "a refusal", func() bool {
		f, err := os.Create(m.path(key))
		if err == nil {
			f.Close()
			_ = os.Remove(m.path(key))
		}
		return errors.Is(err, unix.EACCES)
	})
	m.hold(t, key, isNot(unix.ENOENT.Error()))
	g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
		return (op == "ListObjectsV2" || op == "HeadObject") && refuse(w, r, 403, "AccessDenied")
	})
	await(t, "answers of before to be too old",
		func() bool { return m.fileState(key) == unix.EACCES.Error() })
	m.hold(t, key, notKnown(unix.EACCES.Error(), "access denied"))
	g.when(nil)
}
