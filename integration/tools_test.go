package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sum is the SHA-256 of what the bucket's owner reads at key.
func (x *exchange) sum(key string) string {
	x.t.Helper()
	out, err := x.api[owner].GetObject(x.t.Context(),
		&s3.GetObjectInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		x.t.Errorf("get %q: %v", key, err)
		return ""
	}
	defer out.Body.Close()
	return sumOf(x.t, out.Body)
}

func sumOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Error(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return sumOf(t, f)
}

// sumsBelow are the sums of the files below a directory, by path. What git and
// others keep to themselves is among them.
func sumsBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		sums[rel] = fileSum(t, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// sameAtServer compares a local directory with what the server holds below a
// prefix, once the mount has delivered all.
func (x *exchange) sameAtServer(prefix, dir string) {
	x.t.Helper()
	want := sumsBelow(x.t, dir)
	var keys []string
	for key := range x.list() {
		if rel, ok := strings.CutPrefix(key, prefix); ok && !strings.HasSuffix(key, "/") {
			keys = append(keys, rel)
		}
	}
	if len(keys) != len(want) {
		x.t.Errorf("S3 has %d objects below %s, want %d", len(keys), prefix, len(want))
	}
	for _, rel := range keys {
		if got := x.sum(prefix + rel); got != want[rel] {
			x.t.Errorf("%s%s has the sum %.12s, want %.12s", prefix, rel, got, want[rel])
		}
	}
}

// sourceTree is a tree of files that is on every machine that builds this.
func sourceTree(t *testing.T) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src", "net")
}

// TestAttributesAreNotCopied copies with all extended attributes, to a mount and from it:
// ours are no part of the file.
func TestAttributesAreNotCopied(t *testing.T) {
	t.Parallel()
	needTools(t, "rsync", "cp")
	m := newExchange(t, "full").mount(client)
	from, to := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // rsync takes off what the file has there and not here
		shell(t, `rsync -aX --no-o --no-g "$1/" "$2"`, from, m.path("Delivery"))
		m.awaitDelivered(delivery + "file")
	}
	shell(t, `cp -a "$1/file" "$2/cp"; rsync -aX "$1/file" "$2/rsync"`, m.path("Delivery"), to)
	for _, name := range []string{"cp", "rsync"} {
		if value, err := xattr(filepath.Join(to, name), "user.s3share.key"); err == nil {
			t.Errorf("the copy by %s has our key %q", name, value)
		}
	}
}

// TestCopyTree copies a tree to the other party with cp, tar and rsync, and back.
func TestCopyTree(t *testing.T) {
	t.Parallel()
	tree := sourceTree(t)
	// Links are refused, so none are copied; nor are modes that only root may set.
	for _, c := range []struct {
		tool      string
		there     string // from $1 to the new directory $2
		back      string
		sameTimes bool
	}{
		{"cp", `cp -a --no-preserve=ownership "$1" "$2"`, `cp -a "$1" "$2"`, true},
		{"tar", `mkdir "$2"; tar -C "$1" -cf - . | tar -C "$2" --no-same-owner -xf -`, `mkdir "$2"; tar -C "$1" -cf - . | tar -C "$2" -xf -`, true},
		{"rsync", `rsync -a --no-o --no-g "$1/" "$2"`, `rsync -a "$1/" "$2"`, true},
		{"rsync", `rsync -r --inplace "$1/" "$2"; rsync -r --inplace --ignore-times "$1/" "$2"`, `rsync -a "$1/" "$2"`, false},
	} {
		t.Run(strings.Join(strings.Fields(c.there)[:3], " "), func(t *testing.T) {
			t.Parallel()
			needTools(t, c.tool)
			x := newExchange(t, "full")
			from, to := x.mount(client), x.mount(owner)
			local := t.TempDir()
			shell(t, c.there, tree, from.path(delivery+"net"))
			if c.sameTimes {
				sameTimes(t, tree, from.path(delivery+"net"))
			}
			from.unmount()
			x.sameAtServer(delivery+"net/", tree)
			shell(t, c.back, to.path(delivery+"net"), local+"/net")
			got, want := sumsBelow(t, local+"/net"), sumsBelow(t, tree)
			for rel := range want {
				if got[rel] != want[rel] {
					t.Errorf("%s came back with the sum %.12s, want %.12s",
						rel, got[rel], want[rel])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d files came back, want %d", len(got), len(want))
			}
		})
	}
}

// sameTimes compares the times of files to the second; a folder's are of no use.
func sameTimes(t *testing.T, want, got string) {
	t.Helper()
	for rel := range sumsBelow(t, want) {
		w, err := os.Stat(filepath.Join(want, rel))
		if err != nil {
			t.Fatal(err)
		}
		g, err := os.Stat(filepath.Join(got, rel))
		if err != nil {
			t.Error(err)
			continue
		}
		if w.ModTime().Unix() != g.ModTime().Unix() {
			t.Errorf("%s is of %v, want %v", rel, g.ModTime(), w.ModTime())
		}
	}
}

// TestLarge copies a file there and back that fits in no budget of memory.
func TestLarge(t *testing.T) {
	t.Parallel()
	size := soaking(320*mib, 1<<30)
	x := newExchange(t, "article")
	from := x.mount(client)
	const key = delivery + "large.bin"
	// The sum is of what dd was given, not of what can be read again.
	h := sha256.New()
	dd := exec.CommandContext(t.Context(), "dd", "of="+from.path(key),
		"bs=1M", "iflag=fullblock", "status=none")
	dd.Stdin = io.TeeReader(io.LimitReader(mathrand.NewChaCha8([32]byte{}), int64(size)), h)
	if out, err := dd.CombinedOutput(); err != nil {
		t.Fatalf("dd: %v\n%s", err, out)
	}
	want := hex.EncodeToString(h.Sum(nil))
	from.unmount()
	if got := x.sum(key); got != want {
		t.Errorf("S3 holds the sum %.12s, want %.12s", got, want)
	}
	to := x.mount(owner)
	if got := strings.Fields(shell(t, `dd if="$1" bs=1M status=none | sha256sum`,
		to.path(key)))[0]; got != want {
		t.Errorf("the other party reads the sum %.12s, want %.12s", got, want)
	}
}

// TestGit keeps a repository in an exchange.
func TestGit(t *testing.T) {
	t.Parallel()
	needTools(t, "git")
	x := newExchange(t, "full")
	m := x.mount(client)
	dir, local := m.path(delivery+"repo"), t.TempDir()
	shell(t, `export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
		git init -q -b main "$1"; cd "$1"
		for i in 1 2 3 4 5; do for f in a b c; do echo "$i $f" >> $f; done; git add .; git commit -q -m "commit $i"; done
		git checkout -q -b side HEAD~2; echo side > s; git add s; git commit -q -m side
		git checkout -q main; git merge -q --no-edit side
		git gc -q; git fsck --strict
		git status --porcelain > "$2/status"; test ! -s "$2/status"
		git clone -q "$1" "$2/clone"; git -C "$2/clone" log --oneline | wc -l > "$2/count"
		git clone -q --no-hardlinks "$2/clone" "$1-clone"; git -C "$1-clone" fsck --strict`, dir, local)
	if n, err := os.ReadFile(local + "/count"); err != nil || strings.TrimSpace(string(n)) != "7" {
		t.Errorf("the clone has %s commits, %v, want 7", n, err)
	}
	m.unmount()
	// What is at S3 is the repository.
	other := x.mount(owner)
	shell(t, `git -c safe.directory='*' -C "$1" fsck --strict && cmp "$1/a" "$2/clone/a"`,
		other.path(delivery+"repo"), local)
}

// TestSqlite keeps a database in an exchange. Its wal mode needs shared memory
// that is mapped for writing by several processes; with the most caution it fsyncs the
// directory, too.
func TestSqlite(t *testing.T) {
	t.Parallel()
	needTools(t, "sqlite3")
	for _, journal := range []string{"delete", "truncate", "persist", "wal"} {
		t.Run(journal, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "full")
			m := x.mount(client)
			got := shell(t, `db=$1
				sqlite3 -cmd "pragma synchronous=extra" "$db" "pragma journal_mode=$2; create table t(i integer primary key, v text);" > /dev/null
				for n in 1 2 3; do
				  sqlite3 -cmd "pragma synchronous=extra" "$db" "with recursive c(i) as (select 1 union all select i+1 from c where i<3000) insert into t(v) select hex(randomblob(50)) from c;"
				  sqlite3 -cmd "pragma synchronous=extra" "$db" "update t set v='x' where i%7=0; delete from t where i%11=0; begin; delete from t; rollback;"
				done
				sqlite3 -cmd "pragma synchronous=extra" "$db" "vacuum; pragma integrity_check; select count(*) from t;"`, m.path(delivery+"data.db"), journal)
			lines := strings.Fields(got)
			if len(lines) != 2 || lines[0] != "ok" {
				t.Fatalf("sqlite3 said %q", got)
			}
			m.unmount()
			content, err := x.get(owner, delivery+"data.db")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "data.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if again := shell(t, `sqlite3 "$1" "pragma integrity_check; select count(*) from t;"`,
				path); again != got {
				t.Errorf("from S3 sqlite3 says %q, want %q", again, got)
			}
		})
	}
}

// TestTools runs a script on a file, or several, on a mount and on a local disk:
// both directories must be the same in the end, also at S3.
func TestTools(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		tools  []string
		script string // works in the directory $1
	}{
		{"zip", []string{"zip", "unzip"}, `cd "$1"; mkdir d; for i in $(seq 40); do seq $((i*100)) > d/$i; done
			zip -qrX a.zip d; zip -qX a.zip -d d/7; zip -qX a.zip d/9; unzip -tq a.zip >/dev/null; mkdir out; cd out; unzip -q ../a.zip; cmp d/9 ../d/9; rm ../a.zip`},
		{"sed -i", []string{"sed"}, `cd "$1"; seq 10000 > f; sed -i s/1/one/g f; sed -i.bak 5d f; sed -i '$a end' f`},
		{"shell redirections", nil, `cd "$1"; echo a > f; echo b >> f; { echo c; cat f; } > g; cat < g >> f; : > empty; exec 3<>f; echo Z >&3; exec 3>&-; truncate -s 5 g; truncate -s 9 g`},
		{"vim", []string{"vim"}, `cd "$1"; seq 100 > f
			vim -u NONE -i NONE -N -es -c 'set backup writebackup backupcopy=no' -c '%s/1/one/' -c 'wq' f
			vim -u NONE -i NONE -N -es -c 'set nobackup writebackup backupcopy=yes' -c '$d' -c 'wq' f
			vim -u NONE -i NONE -N -es -c 'set nobackup nowritebackup' -c '1d' -c 'wq' f
			vim -u NONE -i NONE -N -es -c 'set backup backupcopy=no' -c 'normal ihello' -c 'wq' new
			rm -f ./*~`},
		{"python seek back", []string{"python3"}, `cd "$1"; python3 - <<'END'
import os
with open("f", "wb") as f:
    f.write(b"\0" * 8)
    n = 0
    for i in range(20000):
        n += f.write(b"record %d\n" % i)
    f.seek(0)
    f.write(n.to_bytes(8, "little"))
with open("f", "r+b") as f:
    f.seek(-10, os.SEEK_END)
    f.truncate()
    f.seek(0, os.SEEK_END)
    f.write(b"end")
END`},
		{"python mmap", []string{"python3"}, `cd "$1"; python3 - <<'END'
import mmap
with open("f", "w+b") as f:
    f.truncate(3 << 20)
    with mmap.mmap(f.fileno(), 0) as m:
        for off in range(0, 3 << 20, 10007):
            m[off] = off % 251
        m.flush()
        m[100:105] = b"hello"
with open("f", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
    assert m[100:105] == b"hello"
    m[0:3] = b"xyz"
with open("f", "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
    assert m[0:3] == b"xyz"
END`},
		{"python editors", []string{"python3"}, `cd "$1"; python3 - <<'END'
import os, tempfile
# As office programs and browsers save: a temporary name, fsync, rename over.
for i in range(5):
    fd, name = tempfile.mkstemp(dir=".")
    os.write(fd, b"version %d\n" % i * 1000)
    os.fsync(fd)
    os.close(fd)
    os.chmod(name, 0o644)
    os.replace(name, "doc")
# The old version is kept until the new one is there.
for i in range(3):
    with open("book.new", "w") as f: f.write("edition %d\n" % i)
    if os.path.exists("book"): os.rename("book", "book.old")
    os.rename("book.new", "book")
    if os.path.exists("book.old"): os.remove("book.old")
END`},
		{"mv and cp", nil, `cd "$1"; mkdir -p a/b; seq 1000 > a/b/f; cp a/b/f a/g; mv a c; mv c/b d; cp -r d e; mv -f d/f e/f; rmdir d; mkdir x; touch x/.hidden; mv x y; rm -r c; ln -s f l 2>/dev/null || true; rm -f l`},
		{"many small files", nil, `cd "$1"; for i in $(seq 300); do echo $i > f$i; done; rm f1??; for i in $(seq 20 40); do mv f$i g$i; done`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needTools(t, c.tools...)
			x := newExchange(t, "full")
			m := x.mount(client)
			local := t.TempDir()
			shell(t, c.script, local)
			if err := os.Mkdir(m.path(delivery+"work"), 0o755); err != nil {
				t.Fatal(err)
			}
			shell(t, c.script, m.path(delivery+"work"))
			want := sumsBelow(t, local)
			got := sumsBelow(t, m.path(delivery+"work"))
			if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
				t.Errorf("the mount shows\n%s, want\n%s", g, w)
			}
			m.unmount()
			x.sameAtServer(delivery+"work/", local)
			if left := x.uploads(); len(left) > 0 {
				t.Errorf("uploads of %q are still open", left)
			}
			for key := range x.list() {
				if slices.ContainsFunc([]string{"conflict", ".sw", "~"},
					func(s string) bool { return strings.Contains(key, s) }) {
					t.Errorf("%q is at S3", key)
				}
			}
		})
	}
}
