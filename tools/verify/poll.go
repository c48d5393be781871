package verify

import (
	"context"
	"fmt"
	"time"
)

// poll keeps the device's store up to date over REST alone, until ctx ends. It uses
// sessions without a socket.
func (d *device) poll(ctx context.Context) {
	r := d.user.r
	for ctx.Err() == nil {
		s := &session{r: r, d: d, stream: newStream(d.user.name), done: make(chan struct{}), url: d.user.node(d.rng)}
		s.name = fmt.Sprintf("%s/%s over REST", d.user.name, d.id)
		s.number = r.observed.client(s.name)
		s.epoch = d.epoch
		d.mu.Lock()
		d.serial++
		d.session = s
		d.mu.Unlock()
		until := time.Now().Add(time.Duration(d.rng.ExpFloat64() * float64(8*time.Second)))
		for ctx.Err() == nil && (r.quiet.Load() || time.Now().Before(until)) {
			if d.complete(ctx) == nil && d.rng.IntN(4) == 0 {
				d.probe(ctx, s)
			}
			sleep(ctx, time.Duration(d.rng.Int64N(int64(2*pingInterval))))
		}
		if ctx.Err() == nil && d.rng.IntN(3) == 0 && !d.steady {
			d.renew()
		}
	}
}

// inEpoch reports whether an answer belongs to the epoch of the session. Over
// REST alone this is how a device learns of a new epoch; it then drops what it
// stored.
func (d *device) inEpoch(s *session, name string) bool {
	epoch := s.r.epoch(name)
	if s.ws == nil && epoch != s.epoch {
		d.mu.Lock()
		defer d.mu.Unlock()
		if s.epoch > 0 {
			d.holdings, d.cursor = map[string]*holding{}, ""
		}
		d.epoch, s.epoch = epoch, epoch
	}
	return epoch == s.epoch
}
