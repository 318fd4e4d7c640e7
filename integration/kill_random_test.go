package integration

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// lives is how many kills one exchange sees, one upon the other: the process that
// goes on with what an earlier one owed is killed as well.
const lives = 10

// TestKilledAnytime kills the daemon at random instants while programs write,
// append, rename, delete and set aside. S3SHARE_SOAK is how many kills there are,
// 200 unless told otherwise.
func TestKilledAnytime(t *testing.T) {
	t.Parallel()
	kills := soaking(200, soak)
	for n := range (kills + lives - 1) / lives {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			seed := [2]uint64{rand.Uint64(), rand.Uint64()}
			t.Logf("seed %v", seed) // of the operations; their timing is nobody's
			x := newExchange(t, "full")
			o := newModel()
			var m *mount
			for life := range lives {
				var err error
				if life == 0 {
					m = x.mount(client)
				} else if m, err = m.again(t, s3shareBin); err != nil {
					t.Fatalf("mount again: %v\n%s", err, m.log)
				}
				rnd := rand.New(rand.NewPCG(seed[0], seed[1]+uint64(life)))
				kill := time.AfterFunc(time.Duration(rnd.IntN(900))*time.Millisecond,
					func() { _ = m.cmd.Process.Kill() })
				var programs sync.WaitGroup
				for i := range 3 {
					p := &writer{
						hand: hand{model: o, m: m, prefix: fmt.Sprintf("%s%08x-%d-%d-",
							delivery, uint32(seed[0]), life, i)},
						rnd: rand.New(rand.NewPCG(seed[0], seed[1]+uint64(100*life+i))),
					}
					programs.Go(func() { p.awaitEnd(t, p.run()) })
				}
				programs.Wait()
				kill.Stop()
				m.bury()
			}
			o.check(t, m.revive(t))
			o.mu.Lock()
			t.Logf("%d files are certain, %d were cut off, %d calls may have been done or not",
				len(o.now), len(o.cut), len(o.either))
			o.mu.Unlock()
		})
	}
}

// writer works on files of its own until the daemon dies.
type writer struct {
	hand
	rnd   *rand.Rand
	files []string
	made  int
}

func (p *writer) run() error {
	for {
		if err := p.step(); err != nil {
			return err
		}
		// Some of what is done next meets what is owed, some what S3 has.
		time.Sleep(time.Duration(p.rnd.IntN(60)) * time.Millisecond)
	}
}

// step is one thing that programs do.
func (p *writer) step() error {
	data := make([]byte, p.rnd.IntN(50_000))
	for i := range data {
		data[i] = byte(p.rnd.Uint32())
	}
	if len(p.files) < 2 || p.rnd.IntN(3) == 0 {
		if p.rnd.IntN(8) == 0 {
			data = append(data, make([]byte, 17*mib)...) // by parts
		}
		if p.rnd.IntN(3) > 0 {
			return p.put(p.name(), data)
		}
		key := p.name()
		if err := p.put(key+".part", data); err != nil {
			return err
		}
		return p.rename(key+".part", key)
	}
	i := p.rnd.IntN(len(p.files))
	key := p.files[i]
	switch p.rnd.IntN(6) {
	case 0, 1:
		return p.put(key, data)
	case 2:
		return p.add(key, data)
	case 3:
		p.files = append(p.files[:i], p.files[i+1:]...)
		return p.settledThen(key, p.unlink)
	case 4:
		p.files = append(p.files[:i], p.files[i+1:]...)
		return p.rename(key, p.name())
	default:
		p.files = append(p.files[:i], p.files[i+1:]...)
		if err := p.settledThen(key, p.setAside); err != nil {
			return err
		}
		return p.put(key, data)
	}
}

// settledThen waits until S3 has the file, and does something to it.
func (p *writer) settledThen(key string, do func(key string) error) error {
	for {
		switch state, err := xattr(p.m.path(key), "user.s3share.state"); {
		case err != nil:
			return err
		case state == "delivered":
			return do(key)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// name is a new file's.
func (p *writer) name() string {
	p.made++
	key := p.at(fmt.Sprint(p.made))
	p.files = append(p.files, key)
	return key
}
