package prefetch

import "github.com/s3share/s3share/cache/content/diskcache"

// Supply is what all sequences share.
type Supply struct {
	Memory    int64 // bytes of what is fetched ahead and not read yet
	Streams   int   // requests at a time
	Enough    int   // of them, those that bring together what a mount can pass on
	Single    bool  // one is enough for each reader, for Plan and Demand
	Measured  bool  // Enough and Single are no guess
	Bandwidth int64 // bytes a second of all together, lately; 0 where that is not known
	Sequences int   // those that were read lately, at least one
}

// Share is what one sequence may have of a Supply.
type Share struct {
	Window  int64 // bytes ahead of its reads
	Request int64 // bytes of each request
}

// Share returns how far ahead s may be and how large its requests are to be, at least one block
// each. A window that is larger than that becomes smaller.
func (s *Sequence) Share(u Supply) Share {
	// What is in flight holds half of its bytes, on the average.
	most := min(2*u.Memory, int64(u.Streams)*MaxRequest)
	largest := int64(MaxRequest)
	if int64(u.Enough)*MaxRequestNear <= most {
		largest = MaxRequestNear
	}
	parts := int64(4) // so many at a time at least
	if u.Bandwidth > 0 {
		if brings := max(2*MinWindow, u.Bandwidth*MaxAheadSeconds); brings < most {
			most, parts = brings, aheadParts
		}
	}
	most /= int64(u.Sequences)
	s.window = min(s.window, max(most, MinWindow))
	window := max(blockSize, min(s.window, most)&^(blockSize-1))
	if window >= most&^(blockSize-1) && parts < aheadParts {
		parts = 2 // as many as memory allows
	}
	request := min(largest, max(window/parts, min(MinWindow, window)))
	if first := s.next - s.begin; !u.Measured && s.ahead-s.begin >= MinWindow &&
		MinWindow/4 <= first && first <= MinWindow {
		window, request = MinWindow+secondRequest, secondRequest // and then it is known
	}
	return Share{window, max(blockSize, request&^(blockSize-1))}
}

// longRequest returns how long the next long request is to be, in bytes.
func (s *Sequence) longRequest() int64 {
	return min(max(longGrowth*(s.next-s.begin), MaxRequest), maxLong) &^ (blockSize - 1)
}

// Demand returns the block before which a request ends that begins with block from, which a
// read waits for. The read ends before block end.
func (s *Sequence) Demand(u Supply, from, end int64) int64 {
	request, most := s.Share(u).Request, int64(MaxRequest)
	if u.Single && s.next > s.begin {
		request = s.longRequest()
		most = request
	}
	end = max(end, min(diskcache.BlocksIn(s.object), from+request/blockSize))
	return min(end, from+most/blockSize)
}

// State is where a block is.
type State int

const (
	Missing State = iota
	Here          // in memory, or on its way there
	OnDisk        // in the disk cache
)

// Blocks says where the blocks of an object are.
type Blocks interface {
	State(i int64) State
}

// Request is a request to start ahead of a reader. It is for the blocks [From, End), those that
// are here already left out.
type Request struct {
	From, End int64
	Room      int  // for how many of them there has to be memory
	OnDisk    bool // it is the disk cache that is asked
}

// Plan is what to fetch ahead of a sequence now.
type Plan struct {
	s     *Sequence
	share Share
	long  bool // one long request, and then the next
}

// Plan returns what to fetch ahead of s.
func (s *Sequence) Plan(u Supply) Plan {
	p := Plan{s, s.Share(u), u.Single}
	s.Fetched(s.next &^ (blockSize - 1))
	return p
}

// Next returns the next request to start; false for none. The caller calls Fetched with its
// end, or starts nothing more of the Plan.
func (p *Plan) Next(blocks Blocks) (Request, bool) {
	s := p.s
	for s.ahead < s.object && s.ahead-s.next <= p.lead() {
		from := s.ahead / blockSize
		switch state := blocks.State(from); {
		case state == Here:
			s.ahead += blockSize
		case p.long && state == OnDisk:
			p.long = false // many requests go on from here
		case p.long:
			return p.request(from, s.longRequest(), int(p.share.Window/blockSize)/4), true
		default:
			r := p.request(from, p.share.Request, 0)
			r.Room, r.OnDisk = int(r.End-from), state == OnDisk
			return r, true
		}
	}
	return Request{}, false
}

// lead is how far ahead of the reads the last request begins.
func (p *Plan) lead() int64 {
	if p.long {
		return min(p.share.Window/2, longLead)
	}
	return p.share.Window - p.share.Request
}

func (p *Plan) request(from, size int64, room int) Request {
	return Request{From: from,
		End: min(diskcache.BlocksIn(p.s.object), from+size/blockSize), Room: room}
}
