package bench

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	drainTimeout = 15 * time.Second
	quiet        = 100 * time.Millisecond // without another event, before a load counts as complete
	maxInFlight  = 64                     // limit requests_in_flight of the contract
)

// load is traffic over connected sockets.
type load struct {
	tag          string
	protocol     protocol
	clock        clock
	from, to     int64 // the measured time, by the clock
	participants []*participant
	others       int64         // recipients of each message other than its sender
	timeout      time.Duration // for messages in flight when the time is over

	acks, ends *latency // send → sent; send → event at a recipient

	sent, acked, refused, received, echoed atomic.Int64 // in the whole run
	ackedIn, receivedIn, echoedIn          atomic.Int64 // within the measured time
	openSenders                            atomic.Int64 // senders of an open loop that still send
	finished                               atomic.Bool
}

// participant is a socket in a load. It sends if it has a sendFrame.
type participant struct {
	index     int
	user      string
	sock      *socket
	sendFrame *sendFrame
	inFlight  int
	interval  int64         // ns between messages in an open loop; 0 in a closed loop
	slots     chan struct{} // of an open loop: one element for each message in flight
}

// newLoad returns a load without sockets. Each message has others recipients other
// than its sender.
func newLoad(tag string, others int) *load {
	return &load{tag: tag, protocol: ours{}, others: int64(others), timeout: drainTimeout, clock: newClock(), acks: newLatency(), ends: newLatency()}
}

// add adds a socket. With inFlight 0 it only receives.
func (l *load) add(sock *socket, user, conversation string, inFlight int) {
	p := &participant{index: len(l.participants), user: user, sock: sock, inFlight: min(inFlight, maxInFlight)}
	if inFlight > 0 {
		p.sendFrame = newTemplate(l.tag, l.protocol.template(blankID(l.tag), conversation, text100))
	}
	l.participants = append(l.participants, p)
}

// text100 is the content of every message.
const text100 = "The quick brown fox jumps over the lazy dog, and the dog, being lazy, lets it; this is 100 bytes of "

// run sends and receives until the time is over and all messages have arrived. It
// calls began and ended at the ends of the measured time.
func (l *load) run(ctx context.Context, o Options, began, ended func()) error {
	l.from = l.clock.now() + int64(o.Warmup)
	l.to = l.from + int64(o.Duration)
	l.setRate(o.Rate)
	g, ctx := errgroup.WithContext(ctx)
	sending, stop := context.WithCancel(ctx)
	for _, p := range l.participants {
		g.Go(func() error { return l.serve(p) })
		if p.interval > 0 {
			l.openSenders.Add(1)
			g.Go(func() error { return l.sendOnTime(sending, p) })
		}
	}
	g.Go(func() error {
		defer stop()
		defer l.close()
		if err := l.clock.sleepUntil(ctx, l.from); err != nil {
			return err
		}
		began()
		if err := l.clock.sleepUntil(ctx, l.to); err != nil {
			return err
		}
		ended()
		return l.drain(ctx)
	})
	return g.Wait()
}

// setRate divides the rate of an open loop among the senders. 0 makes a closed loop.
func (l *load) setRate(rate float64) {
	senders := 0
	for _, p := range l.participants {
		if p.sendFrame != nil {
			senders++
		}
	}
	for _, p := range l.participants {
		if rate > 0 && p.sendFrame != nil {
			p.interval = max(1, int64(float64(time.Second)*float64(senders)/rate))
			p.slots = make(chan struct{}, maxInFlight)
		}
	}
}

// close closes all sockets, which ends their readers.
func (l *load) close() {
	l.finished.Store(true)
	for _, p := range l.participants {
		p.sock.close()
	}
}

// drain waits until the counts of answers and events are complete and no event has
// arrived for a moment: a duplicate may have taken the place of an event that is still
// to come. What does not arrive in time shows as a difference of the counts.
func (l *load) drain(ctx context.Context) error {
	deadline := time.After(l.timeout)
	var events int64
	var last time.Time
	for {
		if now := l.received.Load() + l.echoed.Load(); now != events || last.IsZero() {
			events, last = now, time.Now()
		}
		complete := l.openSenders.Load() == 0 && l.acked.Load()+l.refused.Load() >= l.sent.Load() && l.lost() <= 0
		if complete && time.Since(last) > quiet {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return nil
		case <-time.After(poll):
		}
	}
}

// lost returns how many events of acknowledged messages have not arrived, at the
// recipients and at the sender. It is negative if events arrived twice, or without an
// acknowledgement.
func (l *load) lost() int64 {
	return l.acked.Load()*(l.others+1) - l.received.Load() - l.echoed.Load()
}

// serve reads a socket. In a closed loop it sends a message for each answer.
func (l *load) serve(p *participant) error {
	if p.sendFrame != nil && p.interval == 0 {
		for range p.inFlight {
			p.sock.queue(p.sendFrame, l.clock.now())
		}
		l.sent.Add(int64(p.inFlight))
	}
	var result readResult
	for {
		if err := p.sock.flush(); err != nil {
			return l.ending(err)
		}
		if err := p.sock.fill(); err != nil {
			return l.ending(err)
		}
		result.reset(l.clock.now())
		for {
			payload, err := p.sock.next()
			if err != nil {
				return l.ending(err)
			}
			if payload == nil {
				break
			}
			if err := l.handle(p, payload, &result); err != nil {
				return err
			}
		}
		l.refill(p, result.answered) // before count: sent must never be below answered
		l.count(p, &result)
	}
}

// ending returns nil for the error that close causes at the end of a load.
func (l *load) ending(err error) error {
	if l.finished.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// readResult counts the frames of one read.
type readResult struct {
	now              int64
	answered         int
	acked, refused   int64
	received, echoed int64
	acks, ends       []int64 // latencies of messages that were due in the measured time
}

// reset clears the counts and keeps the memory.
func (r *readResult) reset(now int64) {
	*r = readResult{now: now, acks: r.acks[:0], ends: r.ends[:0]}
}

// handle counts the messages of a frame.
func (l *load) handle(p *participant, payload []byte, r *readResult) error {
	for payload != nil {
		var one message
		var err error
		if one, payload, err = l.protocol.next(payload, r.now, l.tag); err != nil {
			return err
		}
		measured := one.due >= l.from && one.due < l.to
		switch one.kind {
		case isAnswer:
			r.answered++
			r.acked++
			if measured {
				r.acks = append(r.acks, r.now-one.due)
			}
		case isRefusal:
			r.answered++
			r.refused++
		case isEvent:
			if string(one.sender) == p.user {
				r.echoed++
				continue
			}
			r.received++
			if measured {
				r.ends = append(r.ends, r.now-one.due)
			}
		case isPing:
			p.sock.queueText(payloadPong)
		}
	}
	return nil
}

// count adds the counts of one read.
func (l *load) count(p *participant, r *readResult) {
	l.acked.Add(r.acked)
	l.refused.Add(r.refused)
	l.received.Add(r.received)
	l.echoed.Add(r.echoed)
	if r.now >= l.from && r.now < l.to {
		l.ackedIn.Add(r.acked)
		l.receivedIn.Add(r.received)
		l.echoedIn.Add(r.echoed)
	}
	l.acks.add(p.index, r.acks...)
	l.ends.add(p.index, r.ends...)
}

// refill sends a message for each answer. In an open loop it frees their slots instead.
func (l *load) refill(p *participant, answered int) {
	if p.interval > 0 {
		for range answered {
			<-p.slots
		}
		return
	}
	if answered == 0 || l.over() {
		return
	}
	now := l.clock.now()
	for range answered {
		p.sock.queue(p.sendFrame, now)
	}
	l.sent.Add(int64(answered))
}

// over reports whether the measured time has ended.
func (l *load) over() bool { return l.clock.now() >= l.to }

// sendOnTime sends each message when it is due, or later if too many messages are in
// flight. Latency counts from the time at which it was due.
func (l *load) sendOnTime(ctx context.Context, p *participant) error {
	defer l.openSenders.Add(-1)
	due := l.clock.now() + p.interval*int64(p.index)/int64(len(l.participants))
	for ; due < l.to; due += p.interval {
		if l.clock.sleepUntil(ctx, due) != nil {
			return nil
		}
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		l.sent.Add(1)
		p.sock.queue(p.sendFrame, due)
		if err := p.sock.flush(); err != nil {
			return l.ending(err)
		}
	}
	return nil
}
