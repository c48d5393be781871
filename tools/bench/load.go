package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	drainWithin = 15 * time.Second
	quiet       = 100 * time.Millisecond // without an event, after the last that was missing
	maxInFlight = 64                     // the contract's requests_in_flight
)

// load is traffic over sockets that are set up already.
type load struct {
	tag      string
	clock    clock
	from, to int64 // what is measured, by the clock
	chatters []*chatter
	others   int64         // who get each message beside its sender
	patience time.Duration // for what is on its way when the time is over

	acks, ends *latency // send → sent; send → event at a recipient

	sent, acked, refused, received, echoed atomic.Int64 // all of the run
	ackedIn, receivedIn, echoedIn          atomic.Int64 // within the measured time
	pacing                                 atomic.Int64 // senders of an open loop that are not through
	finished                               atomic.Bool
}

// chatter is a socket in a load. With a posting it sends, too.
type chatter struct {
	index    int
	user     string
	sock     *socket
	posting  *posting
	inFlight int
	interval int64         // ns between messages in an open loop; 0: a closed one
	room     chan struct{} // of an open loop: a place for each message in flight
}

// newLoad returns a load without sockets, of messages that so many others get.
func newLoad(tag string, others int) *load {
	return &load{tag: tag, others: int64(others), patience: drainWithin, clock: newClock(), acks: newLatency(), ends: newLatency()}
}

// add joins a socket; inFlight 0: it only listens.
func (l *load) add(sock *socket, user, conversation string, inFlight int) {
	k := &chatter{index: len(l.chatters), user: user, sock: sock, inFlight: min(inFlight, maxInFlight)}
	if inFlight > 0 {
		k.posting = newPosting(l.tag, conversation, text100)
	}
	l.chatters = append(l.chatters, k)
}

// text100 is the content of every message.
const text100 = "The quick brown fox jumps over the lazy dog, and the dog, being lazy, lets it; this is 100 bytes of "

// run sends and receives until the time is over and everything has arrived. At
// is called when the measured time begins and when it ends.
func (l *load) run(ctx context.Context, o Options, began, ended func()) error {
	l.from = l.clock.now() + int64(o.Warmup)
	l.to = l.from + int64(o.Duration)
	l.pace(o.Rate)
	g, ctx := errgroup.WithContext(ctx)
	pacing, stop := context.WithCancel(ctx)
	for _, k := range l.chatters {
		g.Go(func() error { return l.serve(k) })
		if k.interval > 0 {
			l.pacing.Add(1)
			g.Go(func() error { return l.sendOnTime(pacing, k) })
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

// pace shares the rate among the senders.
func (l *load) pace(rate float64) {
	senders := 0
	for _, k := range l.chatters {
		if k.posting != nil {
			senders++
		}
	}
	for _, k := range l.chatters {
		if rate > 0 && k.posting != nil {
			k.interval = max(1, int64(float64(time.Second)*float64(senders)/rate))
			k.room = make(chan struct{}, maxInFlight)
		}
	}
}

// close ends all sockets, and with them what reads from them.
func (l *load) close() {
	l.finished.Store(true)
	for _, k := range l.chatters {
		k.sock.close()
	}
}

// drain waits until no answer and no event is missing any more, and none has come for
// a moment: one that came twice stands for one that is still to come. What does not
// come in time shows as a difference of the counts.
func (l *load) drain(ctx context.Context) error {
	deadline := time.After(l.patience)
	var came int64
	var last time.Time
	for {
		if now := l.received.Load() + l.echoed.Load(); now != came || last.IsZero() {
			came, last = now, time.Now()
		}
		complete := l.pacing.Load() == 0 && l.acked.Load()+l.refused.Load() >= l.sent.Load() && l.lost() <= 0
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

// lost is how many events have not arrived, of what was acknowledged: at the
// others, and at the sender. Below 0, some came that were not acknowledged, or twice.
func (l *load) lost() int64 {
	return l.acked.Load()*(l.others+1) - l.received.Load() - l.echoed.Load()
}

// serve reads a socket, and in a closed loop sends a message for each that was
// answered.
func (l *load) serve(k *chatter) error {
	if k.posting != nil && k.interval == 0 {
		for range k.inFlight {
			k.sock.queue(k.posting, l.clock.now())
		}
		l.sent.Add(int64(k.inFlight))
	}
	var seen batch
	for {
		if err := k.sock.flush(); err != nil {
			return l.ending(err)
		}
		if err := k.sock.fill(); err != nil {
			return l.ending(err)
		}
		seen.reset(l.clock.now())
		for {
			payload, err := k.sock.next()
			if err != nil {
				return l.ending(err)
			}
			if payload == nil {
				break
			}
			if err := l.look(k, payload, &seen); err != nil {
				return err
			}
		}
		l.refill(k, seen.answered) // first: what is sent is never less than what is answered
		l.count(k, &seen)
	}
}

// ending tells an error from the end.
func (l *load) ending(err error) error {
	if l.finished.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// batch is what one read brought.
type batch struct {
	now              int64
	answered         int
	acked, refused   int64
	received, echoed int64
	acks, ends       []int64 // latencies of what was due in the measured time
}

func (b *batch) reset(now int64) {
	*b = batch{now: now, acks: b.acks[:0], ends: b.ends[:0]}
}

// look takes what counts from a frame.
func (l *load) look(k *chatter, payload []byte, seen *batch) error {
	switch string(kindOf(payload)) {
	case "sent":
		due, ok := stampOf(valueOf(payload, `"id":"`), l.tag)
		if !ok {
			return fmt.Errorf("an answer to nothing: %s", payload)
		}
		seen.answered++
		seen.acked++
		if due >= l.from && due < l.to {
			seen.acks = append(seen.acks, seen.now-due)
		}
	case "event":
		due, ok := stampOf(valueOf(payload, `"client_msg_id":"`), l.tag)
		if !ok {
			return nil // of the setting up
		}
		if string(valueOf(payload, `"sender":"`)) == k.user {
			seen.echoed++
			return nil
		}
		seen.received++
		if due >= l.from && due < l.to {
			seen.ends = append(seen.ends, seen.now-due)
		}
	case "error":
		if _, ok := stampOf(valueOf(payload, `"id":"`), l.tag); !ok {
			return fmt.Errorf("the server says: %s", payload)
		}
		seen.answered++
		seen.refused++
	case "gap", "drain":
		return fmt.Errorf("the server says: %s", payload)
	}
	return nil
}

func (l *load) count(k *chatter, seen *batch) {
	l.acked.Add(seen.acked)
	l.refused.Add(seen.refused)
	l.received.Add(seen.received)
	l.echoed.Add(seen.echoed)
	if seen.now >= l.from && seen.now < l.to {
		l.ackedIn.Add(seen.acked)
		l.receivedIn.Add(seen.received)
		l.echoedIn.Add(seen.echoed)
	}
	l.acks.add(k.index, seen.acks...)
	l.ends.add(k.index, seen.ends...)
}

// refill makes up for what was answered; in an open loop it only makes room.
func (l *load) refill(k *chatter, answered int) {
	if k.interval > 0 {
		for range answered {
			<-k.room
		}
		return
	}
	if answered == 0 || l.over() {
		return
	}
	now := l.clock.now()
	for range answered {
		k.sock.queue(k.posting, now)
	}
	l.sent.Add(int64(answered))
}

func (l *load) over() bool { return l.clock.now() >= l.to }

// sendOnTime sends what is due at its time, later only if too many messages
// are in flight; latency counts from when it was due.
func (l *load) sendOnTime(ctx context.Context, k *chatter) error {
	defer l.pacing.Add(-1)
	due := l.clock.now() + k.interval*int64(k.index)/int64(len(l.chatters))
	for ; due < l.to; due += k.interval {
		if l.clock.sleepUntil(ctx, due) != nil {
			return nil
		}
		select {
		case k.room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		l.sent.Add(1)
		k.sock.queue(k.posting, due)
		if err := k.sock.flush(); err != nil {
			return l.ending(err)
		}
	}
	return nil
}
