//go:build failpoint

package cache

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// nameKill is what the disk and S3 hold at an instant at which the process may be killed,
// and how far the steps were.
type nameKill struct {
	at     string
	done   int
	doing  bool // the next step has begun
	files  map[string][]byte
	bucket *buckettest.Bucket
}

// nameKills gathers them while steps are done.
type nameKills struct {
	t   *testing.T
	b   *buckettest.Bucket
	dir string

	mu    sync.Mutex // while it is held no request is carried out, and no step of a journal
	on    bool
	done  int
	doing bool
	seen  map[uint64]bool
	all   []nameKill
}

// take notes an instant. What others do meanwhile is not seen in part: it reads the disk
// until nothing has changed since.
func (k *nameKills) take(at string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.on {
		return
	}
	files := readTree(k.t, k.dir)
	for {
		bucket := k.b.Clone()
		again := readTree(k.t, k.dir)
		if maps.EqualFunc(files, again, bytes.Equal) {
			k.addLocked(nameKill{at: at, done: k.done, doing: k.doing,
				files: files, bucket: bucket})
			return
		}
		files = again
	}
}

func (k *nameKills) addLocked(kill nameKill) {
	h := fnv.New64()
	fmt.Fprintln(h, kill.done, kill.doing)
	for _, name := range slices.Sorted(maps.Keys(kill.files)) {
		fmt.Fprintf(h, "%q %q\n", name, kill.files[name])
	}
	for _, key := range kill.bucket.Keys() {
		data, _ := kill.bucket.Data(key)
		fmt.Fprintf(h, "%q %q\n", key, data)
	}
	if sum := h.Sum64(); !k.seen[sum] {
		k.seen[sum] = true
		k.all = append(k.all, kill)
	}
}

// set notes how far the steps are. A file that is being written is not looked at: it is
// interrupted.
func (k *nameKills) set(done int, op string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on, k.done, k.doing = !slices.Contains([]string{"put", "append", "cut"}, op), done, op != ""
}

// readTree reads all files below dir.
func readTree(t *testing.T, dir string) map[string][]byte {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		files[name] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestKilledBetweenSteps kills the process at each instant of each list of steps at which
// its journals or S3 have changed. The next one shows what the steps had come to, in the
// bucket too: of the step that was cut off all or nothing.
func TestKilledBetweenSteps(t *testing.T) {
	kills := 0
	for _, c := range nameOrders {
		for _, start := range nameStarts {
			for i, weather := range nameWeathers[:3] {
				if i != 1 && testing.Short() {
					continue
				}
				t.Run(c.steps+"/"+start.name+"/"+weather.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						kills += killedBetweenSteps(t, c.files, c.steps, start, weather)
					})
				})
			}
		}
	}
	t.Logf("%d kills", kills)
}

func killedBetweenSteps(t *testing.T, files, steps string, start nameStart,
	weather nameWeather) int {
	rnd := rand.New(rand.NewPCG(1, 5))
	b := buckettest.New()
	var s3 buckettest.S3 = b
	if weather.around != nil {
		s3 = buckettest.Wrap(b, weather.around(rand.New(rand.NewPCG(1, 6))))
	}
	dir := t.TempDir()
	k := &nameKills{t: t, b: b, dir: dir, seen: map[uint64]bool{}}
	outbox.AtFailpoint(k.take)
	defer outbox.AtFailpoint(nil)
	c, err := New(s3,
		Config{Folders: []string{"Delivery"}, StateDir: dir, Memory: 4 << 20, Sync: start.sync})
	if err != nil {
		t.Fatal(err)
	}
	r := &namesRig{rig: &rig{t, c, b}}
	trees := []nameTree{start.begin(r, files)}
	for i, s := range nameSteps(steps) {
		k.set(i, s.op)
		if err := r.do(s); err != nil {
			t.Fatalf("step %d, %+v: %v", i+1, s, err)
		}
		trees = append(trees, trees[i].after(s))
		k.set(i+1, "")
		k.take("between two steps")
		time.Sleep(weather.pauses[rnd.IntN(len(weather.pauses))])
	}
	r.drain()
	outbox.AtFailpoint(nil)
	c.Close()
	for _, kill := range k.all {
		kill.check(t, steps, trees)
		if t.Failed() {
			break
		}
	}
	return len(k.all)
}

// check goes on as the next process does.
func (kill nameKill) check(t *testing.T, steps string, trees []nameTree) {
	dir := t.TempDir()
	for name, data := range kill.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		err := os.WriteFile(path, bytes.TrimRight(data, "\x00"), 0o600)
		if err == nil {
			err = os.Truncate(path, int64(len(data))) // what was never written stays a hole
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	may := trees[kill.done : kill.done+1]
	if kill.doing {
		may = trees[kill.done : kill.done+2]
	}
	c, err := New(kill.bucket,
		Config{Folders: []string{"Delivery"}, StateDir: dir, Memory: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := &namesRig{rig: &rig{t, c, kill.bucket}}
	where := fmt.Sprintf("killed at %q, %d steps done, in the next: %v",
		kill.at, kill.done, kill.doing)
	is := func(when string) (tree nameTree) {
		got, err := r.view()
		for range 3 {
			if !errors.Is(err, s3backend.NotExist) {
				break
			}
			got, err = r.view() // it was removed between its being listed and read
		}
		for _, want := range may {
			if err == nil && maps.Equal(got, want) {
				return want
			}
		}
		t.Errorf("%s: %s there is %v, %v, want one of %v\n%s", where, when, got,
			err, may, kill.journals())
		return nil
	}
	if !kill.doing {
		is("at once")
	}
	for range 2 {
		if err := r.deliveries.Drain(t.Context()); err != nil {
			t.Fatalf("%s: Drain: %v\n%s", where, err, kill.journals())
		}
		time.Sleep(time.Minute)
	}
	if want := is("in the end"); want != nil {
		if wrong := want.inBucket(kill.bucket); wrong != "" {
			t.Errorf("%s: in the end %s\n%s", where, wrong, kill.journals())
		}
	}
}

// journals is what the journals said, for a failure.
func (kill nameKill) journals() string {
	var s bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(kill.files)) {
		if data := bytes.ReplaceAll(kill.files[name], []byte{0}, nil); len(data) > 0 {
			fmt.Fprintf(&s, "%s: %s\n", name, data)
		}
	}
	return s.String()
}
