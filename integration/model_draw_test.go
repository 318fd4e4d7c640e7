package integration

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// drawing draws the arguments of steps. What it draws first is the simplest, which
// shrinking goes to.
type drawing struct {
	rt    *rapid.T
	mode  mode
	names []string // of files
	dirs  []string // of directories
}

// Plain names are few, so that steps meet.
var (
	plainNames   = []string{"a", "b", "f.txt"}
	privateNames = []string{"c.part", "g~", ".h.swp"}
	dirNames     = []string{"d", "e"}
)

// oddNames are names that have something to be got wrong. A sequence takes two.
var oddNames = []string{
	"with space", "ünïcödé", "e\u0301", "[x]", "a*", "what?", `back\slash`, "-rf", "%41%2F", "a+b&c=d;e", "'\"`$(x)",
	"a.txt.gz", ".hidden", "...", "x ", " x", "日本語.txt", "😀", "a\u2028b", "\ufeffbom", "q#?x=1", "~", "@", ":", "a:b|c<d>",
	// localbucket takes none of 255 bytes for an object that is replaced.
	strings.Repeat("n", 200), strings.Repeat("ö", 100),
}

// controlNames have control characters.
var controlNames = []string{"Icon\r", "two\nlines", "tab\there", "\x01", "\x7f", "bell\a"}

// bytesNames are not UTF-8.
var bytesNames = []string{"caf\xe9", "caf\xe8", "\xff", "a\xc3", "\xed\xa0\x80"}

// escapeNames look like what s3share makes of a key that is no name. One is that of a
// key that can be made, the others are of none.
var escapeNames = []string{"50␛E2␛90␛9B", "␛", "a␛", "␛2E", "x␛0D", "a␛~0123456789abcdef"}

func (g *drawing) drawNames() {
	g.names = append(g.names, plainNames...)
	g.names = append(g.names, g.one(privateNames...))
	pool := slices.Concat(oddNames, controlNames, bytesNames, escapeNames)
	pool = append(pool, g.anyName(), g.anyName(), g.anyName())
	g.names = append(g.names, g.one(pool...))
	g.dirs = append(g.dirs, dirNames...)
	g.dirs = append(g.dirs, dirNames...)
	g.dirs = append(g.dirs, g.one(pool...))
}

// anyName is a name of characters, or bytes, of every kind.
func (g *drawing) anyName() string {
	var b []byte
	for range g.within(1, 8) {
		switch g.pick(4) {
		case 0:
			b = append(b, byte(g.within(1, 0xff)))
		case 1:
			b = append(b, byte(g.within(1, 0x7f)))
		default:
			b = utf8.AppendRune(b, rune(oneOf(g, g.within(1, 0x7ff), g.within(0x800, 0xffff),
				g.within(0x10000, utf8.MaxRune))))
		}
	}
	name := strings.ReplaceAll(string(b), "/", "|")
	if strings.Trim(name, ".") == "" {
		return "dots" + name
	}
	return name
}

// pick is one of 0 to n-1, all alike: rapid itself prefers small numbers.
func (g *drawing) pick(n int) int {
	x := 0
	for range 16 {
		x <<= 1
		if coin.Draw(g.rt, "coin") {
			x++
		}
	}
	return x * n >> 16
}

var coin = rapid.Bool()

// oneOf is one of the values.
func oneOf[T any](g *drawing, values ...T) T { return values[g.pick(len(values))] }

func (g *drawing) one(values ...string) string { return oneOf(g, values...) }

// within is a number from low to high.
func (g *drawing) within(low, high int) int { return low + g.pick(high-low+1) }

// once reports true once in n times.
func (g *drawing) once(n int) bool { return g.pick(n) == n-1 }

// sometimes is the option once in n times.
func (g *drawing) sometimes(n int, option string) string {
	if g.once(n) {
		return option
	}
	return ""
}

func (g *drawing) name() string { return g.one(g.names...) }

// dirName is a name that mostly a directory has.
func (g *drawing) dirName() string {
	if g.once(10) {
		return g.name()
	}
	return g.one(g.dirs...)
}

// path is that of a file, mostly, at times in a directory.
func (g *drawing) path() string {
	p := g.name()
	if g.once(8) {
		p = g.dirName()
	}
	return g.below(p)
}

// dirPath is that of a directory, mostly.
func (g *drawing) dirPath() string { return g.below(g.dirName()) }

func (g *drawing) below(p string) string {
	for range oneOf(g, 0, 0, 0, 0, 1, 1, 1, 2) {
		p = g.dirName() + "/" + p
	}
	return p
}

// two are two paths, of files or of directories.
func (g *drawing) two() (from, to string) {
	if g.once(3) {
		return g.dirPath(), g.dirPath()
	}
	return g.path(), g.path()
}

// dir is a path, or the sequence's own directory.
func (g *drawing) dir() string {
	if g.once(2) {
		return ""
	}
	return g.dirPath()
}

func (g *drawing) slot() int    { return g.pick(modelSlots) }
func (g *drawing) dirSlot() int { return g.pick(modelDirs) }

// size is around the sizes at which something changes: a page, what a small
// file's slot holds, and rarely a part of an upload.
func (g *drawing) size() int64 {
	switch g.pick(150) {
	case 149:
		return 16*mib + int64(g.within(-1, 70000))
	case 148:
		return 200_001
	}
	return int64(oneOf(g, 1, 0, 10, 100, g.within(1, 5000), 4095,
		4096, 4097, 60<<10, 60<<10+1, 65536))
}

func (g *drawing) offset() int64 {
	if g.once(200) {
		return 17 * mib
	}
	return int64(oneOf(g, 0, 1, 5, 50, g.within(0, 9000), 4096, 60<<10, 100_000))
}

// seed is one of few at times: equal contents have equal ETags.
func (g *drawing) seed() uint64 {
	if g.once(2) {
		return uint64(g.pick(3))
	}
	return uint64(g.pick(1 << 16))
}

func (g *drawing) permissions() uint32 {
	return oneOf[uint32](g, 0o644, 0o600, 0o755, 0o444, 0o666,
		0o777, 0o640, 0o700, 0o400, 0o200, 0o111, 0)
}

func (g *drawing) createMode() uint32 {
	return oneOf[uint32](g, 0o644, 0o644, 0o600, 0o666, 0o755, 0o640)
}

// time is a file time that is not near now.
func (g *drawing) time() time.Time {
	sec := oneOf[int64](g,
		1_000_000_000, 0, 1, -1, 981_173_106, 315_532_800, 315_532_799,
		2_147_483_647, 2_147_483_648,
		4_294_967_295, 4_294_967_296, 4_500_000_000, -1_000_000_000, -2_000_000_000,
	)
	return time.Unix(sec,
		oneOf[int64](g, 0, 0, 500_000_000, 789_000_000, 123_456_789, 999_999_999, 1))
}

// options are some of these.
func (g *drawing) options(names ...string) string {
	var all []string
	for _, name := range names {
		if o := g.sometimes(5, name); o != "" {
			all = append(all, o)
		}
	}
	return strings.Join(all, ",")
}

// pause is the time of a user: at once, around the settle time, a second.
func (g *drawing) pause() time.Duration {
	ms := 0
	if g.once(3) {
		ms = oneOf(g, 10, 10, 10, 240, 250, 260, 600, 1100)
	}
	return time.Duration(ms) * time.Millisecond
}

// drawSequence draws the steps of one run. Each step is one action of rapid's state
// machine, so that shrinking takes steps out of the midst.
func drawSequence(rt *rapid.T, m mode) sequence {
	g := &drawing{rt: rt, mode: m}
	g.drawNames()
	kinds, draw := modelKinds(m), func(op string) step { return operations[op].draw(g) }
	if m.parties {
		kinds, draw = partyKinds(), func(op string) step { return partyOperations[op].draw(g) }
	}
	var q sequence
	rt.Repeat(map[string]func(*rapid.T){"step": func(*rapid.T) {
		op := g.one(kinds...)
		s := draw(op)
		s.op, s.after = op, g.pause()
		q = append(q, s)
	}})
	return q
}

// modelKinds are the operations of a mode, each as often as it weighs.
func modelKinds(m mode) (kinds []string) {
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		_, fault := faultOperations[name]
		_, disk := diskOperations[name]
		if op := operations[name]; (!fault || m.faults) && (!disk || m.disk) {
			kinds = append(kinds, slices.Repeat([]string{name}, op.weight)...)
		}
	}
	return kinds
}

func partyKinds() (kinds []string) {
	for _, name := range slices.Sorted(maps.Keys(partyOperations)) {
		kinds = append(kinds, slices.Repeat([]string{name}, partyOperations[name].weight)...)
	}
	return kinds
}
