package arrival

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestEachRemoteChangeIsFoundOnce lets programs and another party change names at random, between
// looks and in the midst of them. A watcher that knows of what programs did, and is told of what
// looks find, knows exactly the names that are there after each look, and is told of nothing twice.
func TestEachRemoteChangeIsFoundOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			n       Names
			there   = map[string]Entry{}
			watcher map[string]Entry // what a watcher knows; nil before the first look
			etags   int
		)
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		fresh := func(name string, dir, ours bool) Entry {
			etags++
			e := Entry{Name: name, Dir: dir, Ours: ours}
			if !dir {
				e.Version = fmt.Sprint("etag", etags)
			}
			return e
		}
		know := func(name string) {
			if watcher == nil {
				return
			}
			if e, ok := there[name]; ok {
				watcher[name] = e
			} else {
				delete(watcher, name)
			}
		}
		program := func() {
			name := name.Draw(t, "program's name")
			n.Begin(name)
			is := Unchanged
			_, ok := there[name]
			switch rapid.IntRange(0, 3).Draw(t, "program's call") {
			case 0:
				there[name] = fresh(name, false, true)
				is = File
			case 1:
				if !ok {
					there[name] = fresh(name, true, false)
					is = Directory
				}
			case 2:
				if ok {
					delete(there, name)
					is = Absent
				}
			}
			n.End(name, is)
			if is != Unchanged {
				know(name)
			}
		}
		other := func() {
			name := name.Draw(t, "other party's name")
			switch rapid.IntRange(0, 2).Draw(t, "other party's change") {
			case 0:
				there[name] = fresh(name, false, false)
			case 1:
				there[name] = fresh(name, true, false)
			case 2:
				delete(there, name)
			}
		}
		look := func(meddle, abandon bool) {
			l := n.Look()
			snapshot := maps.Clone(there) // a listing
			var touched []string
			for _, name := range slices.Sorted(maps.Keys(snapshot)) {
				if meddle && rapid.Bool().Draw(t, "meddle") {
					before := maps.Clone(there)
					program()
					for k := range maps.Keys(there) {
						if before[k] != there[k] {
							touched = append(touched, k)
						}
					}
					for k := range before {
						if _, ok := there[k]; !ok {
							touched = append(touched, k)
						}
					}
				}
				l.See(snapshot[name])
			}
			if abandon {
				l.Abandon()
				return
			}
			first := watcher == nil
			if first {
				watcher = map[string]Entry{}
				for k, e := range snapshot {
					watcher[k] = e
				}
				for _, k := range touched {
					know(k)
				}
			}
			for _, c := range l.End() {
				if first {
					t.Fatalf("the first look finds %+v", c)
				}
				if slices.Contains(touched, c.Name) {
					t.Fatalf("%+v was a program's", c)
				}
				if !n.Current(c) {
					t.Fatalf("%+v does not hold", c)
				}
				e, known := watcher[c.Name]
				switch c.Op {
				case Remove, Rmdir:
					if !known || e.Dir != (c.Op == Rmdir) {
						t.Fatalf("%+v, and the watcher knows %+v, %v", c, e, known)
					}
					delete(watcher, c.Name)
				case Create, Mkdir:
					if known {
						t.Fatalf("%+v, and the watcher knows %+v", c, e)
					}
					watcher[c.Name] = snapshot[c.Name]
				case Change:
					if !known || e.Dir || e.Version == snapshot[c.Name].Version {
						t.Fatalf("%+v, and the watcher knows %+v, %v", c, e, known)
					}
					watcher[c.Name] = snapshot[c.Name]
				}
			}
			if !meddle {
				for k, e := range there {
					if w, ok := watcher[k]; !ok || w.Dir != e.Dir {
						t.Fatalf("%+v is there, and the watcher knows %+v, %v", e, w, ok)
					}
				}
				if len(watcher) != len(there) {
					t.Fatalf("the watcher knows %v of %v", watcher, there)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"program": func(*rapid.T) { program() },
			"other":   func(*rapid.T) { other() },
			"look":    func(*rapid.T) { look(false, false) },
			"midst":   func(*rapid.T) { look(true, false) },
			"abandon": func(t *rapid.T) { look(rapid.Bool().Draw(t, "meddled"), true) },
		})
	})
}

// TestOwnDeliveryIsNoNews has a file that is written here be delivered: nothing of it is announced,
// until the other party replaces it.
func TestOwnDeliveryIsNoNews(t *testing.T) {
	var n Names
	look := func(all ...Entry) (ops []Op) {
		l := n.Look()
		for _, e := range all {
			l.See(e)
		}
		for _, c := range l.End() {
			ops = append(ops, c.Op)
		}
		return ops
	}
	look(Entry{Name: "f", Version: "1"})
	for i, step := range []struct {
		e    Entry
		want []Op
	}{
		{Entry{Name: "f", Version: "1", Pending: true}, nil},
		{Entry{Name: "f", Version: "2"}, nil},
		// Written and delivered between two looks.
		{Entry{Name: "f", Version: "3", Ours: true}, nil},
		{Entry{Name: "f", Version: "4"}, []Op{Change}},
		{Entry{Name: "f", Version: "4"}, nil},
	} {
		if got := look(step.e); !slices.Equal(got, step.want) {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if got := look(Entry{Name: "f", Version: "4"}, Entry{Name: "g", Pending: true}); got != nil {
		t.Errorf("what waits here is announced: %v", got)
	}
}
