package outbox

import "time"

// together is into how many steps the settle time is cut, at which files settle.
const together = 32

// settle is how long a file that is closed now settles: as long as it has to, and on to
// the next step. Where many are closed one after another, some ten settle together,
// and are delivered by a machine that is awake, instead of waking it for each.
func (o *Outbox) settle() time.Duration {
	step := o.cfg.Settle / together
	if step == 0 {
		return o.cfg.Settle
	}
	end := time.Since(o.begun) + o.cfg.Settle
	return o.cfg.Settle + (step-end%step)%step
}
