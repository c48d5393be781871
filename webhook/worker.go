package webhook

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"im/domain"
)

// worker delivers for one webhook, while the lease lasts.
//
//	state     | what happens                                          | next
//	working   | lanes are made and sent                               | ended, when the lease is not renewed in time, or
//	          |                                                       | another node has it; finishing, at the stop
//	finishing | calls in flight go on, no lane is begun               | ended, when they are done or time is over
//	ended     | calls in flight are cut off, and nothing is written   |
type worker struct {
	d      *Deliverer
	turn   int64
	held   domain.HeldWebhook // only run uses it, beside its target
	stream bool               // it delivers the event stream
	sender sender
	meter  *meter

	ctx    context.Context //nolint:containedctx // of the lease, which ends it
	cancel context.CancelFunc
	expiry *time.Timer
	wake   chan struct{} // a lane has ended
	lanes  sync.WaitGroup

	mu        sync.Mutex
	target    domain.WebhookTarget
	walk      bool // lanes of older events are to be made
	finishing bool
	until     time.Time // nothing is sent after it, though the timer is late
	resume    time.Time // nothing is begun before it: nothing is taken at present
	away      int       // how often in a row nothing was taken
	awayAt    time.Time // the last time
	warned    bool      // the log says that nothing is taken
	warnedAt  time.Time // when it last did
	busy      [domain.WebhookTracks]map[domain.ConversationID]bool
	owed      [domain.WebhookTracks]domain.WebhookOwed // at the last look
}

// safety is the part of a lease in which nothing is sent any more.
const safety = 10

func newWorker(d *Deliverer, h domain.HeldWebhook) *worker {
	w := &worker{d: d, turn: h.Turn, held: h, target: h.WebhookTarget, wake: make(chan struct{}, 1), sender: d.caller, meter: &d.metrics.webhooks}
	if w.stream = h.WebhookID == domain.StreamID; w.stream {
		w.sender, w.meter = streamSender{d.o.Stream}, &d.metrics.stream
	}
	for track := range w.busy {
		w.busy[track] = map[domain.ConversationID]bool{}
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.expiry = time.AfterFunc(d.o.Lease, w.cancel)
	return w
}

func (w *worker) ended() bool { return w.ctx.Err() != nil }

// renewed takes over the present settings of the webhook, and the new end of the lease.
func (w *worker) renewed(h domain.HeldWebhook, until time.Time) {
	until = until.Add(-w.d.o.Lease / safety)
	w.expiry.Reset(time.Until(until))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = until
	w.target, w.walk = h.WebhookTarget, w.walk || h.Walking
}

// holds reports whether the lease still lasts.
func (w *worker) holds() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Before(w.until)
}

// finish lets the worker end when its calls are done, or after a time.
func (w *worker) finish(within time.Duration) {
	w.mu.Lock()
	w.finishing = true
	w.mu.Unlock()
	go func() {
		timer := time.AfterFunc(within, w.cancel)
		defer timer.Stop()
		w.lanes.Wait()
		w.cancel()
	}()
}

// run makes and sends lanes until the lease ends.
func (w *worker) run() {
	defer w.lanes.Wait()
	defer w.cancel()
	defer w.expiry.Stop()
	ticker := time.NewTicker(w.d.o.Pause)
	defer ticker.Stop()
	failing := false
	looked := time.Time{} // at how much is owed
	for {
		if time.Since(looked) >= w.d.o.OwedEvery {
			looked = time.Now()
			w.look()
		}
		more, err := w.makeLanes()
		if err == nil {
			err = w.begin()
		}
		if stops(err) {
			return // another node has the lease
		}
		if err != nil && !failing && !w.ended() {
			w.d.o.Logger.Warn("webhook waits: the store fails, retrying", "webhook", w.held.WebhookID, "error", err)
		}
		if failing = err != nil; more && !failing && !w.ended() {
			continue
		}
		for again := true; again; {
			select {
			case <-ticker.C:
				again = false
			case <-w.wake:
				_ = w.begin() // an error comes again at the next tick
			case <-w.ctx.Done():
				return
			}
		}
	}
}

// makeLanes makes lanes of what was committed, and of older events.
func (w *worker) makeLanes() (more bool, err error) {
	if _, err := w.d.o.Store.FeedWebhook(w.ctx, &w.held, w.d.rules); err != nil {
		return false, err
	}
	w.mu.Lock()
	walk := w.walk || w.held.Walking
	w.walk = false
	w.mu.Unlock()
	if !walk {
		return false, nil
	}
	more, err = w.d.o.Store.WalkWebhook(w.ctx, &w.held, w.d.rules)
	if err != nil || more {
		w.held.Walking = true
	}
	return more, err
}

// look notes how much is owed. A disabled webhook is owed on purpose, and does not count.
func (w *worker) look() {
	var owed [domain.WebhookTracks]domain.WebhookOwed
	w.mu.Lock()
	open := w.target.State == domain.WebhookEnabled
	w.mu.Unlock()
	if open {
		var err error
		if owed, err = w.d.o.Store.WebhookOwed(w.ctx, w.held.WebhookID); err != nil {
			return // the next look may succeed
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owed = owed
}

// addOwed adds what the last look has found.
func (w *worker) addOwed(sum *[domain.WebhookTracks]domain.WebhookOwed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for track, o := range w.owed {
		s := &sum[track]
		s.Lanes, s.Events, s.Oldest = s.Lanes+o.Lanes, s.Events+o.Events, max(s.Oldest, o.Oldest)
	}
}

// begin sends lanes that are due, of each track as many as there is room for.
func (w *worker) begin() error {
	w.calm()
	for track := range domain.WebhookTracks {
		if err := w.beginTrack(track); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) beginTrack(track domain.WebhookTrack) error {
	w.mu.Lock()
	target := w.target
	busy := slices.AppendSeq([]domain.ConversationID{}, maps.Keys(w.busy[track]))
	open := target.State == domain.WebhookEnabled && !w.finishing && track.WantedBy(target.Types) && !time.Now().Before(w.resume)
	w.mu.Unlock()
	most, enough := callsInFlight[track], 1
	if w.stream {
		most, enough = streamLanes, streamLanes/4 // a search for lanes costs more than a lane
	}
	room := most - len(busy)
	if !open || room < enough || w.ended() {
		return nil
	}
	due, err := w.d.o.Store.DueLanes(w.ctx, &target, track, busy, room)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.finishing {
		return nil
	}
	for _, lane := range due {
		w.busy[track][lane.ConversationID] = true
		w.lanes.Go(func() { w.send(lane) })
	}
	return nil
}

// send sends the events of a lane, until one is not taken or others are to have their turn.
func (w *worker) send(lane domain.WebhookLane) {
	defer func() {
		w.mu.Lock()
		delete(w.busy[lane.Track], lane.ConversationID)
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}()
	most := w.sender.most()
	if lane.Attempts > 0 {
		most = 1
	}
	for n := 0; n < laneCalls || lane.Part.Number > 0; n++ { // all parts of a notification at once
		more, err := w.next(&lane, &most)
		if err != nil && !stops(err) && !w.ended() {
			w.d.o.Logger.Warn("webhook waits: the store fails, retrying", "webhook", lane.WebhookID, "error", err)
			pause(w.ctx, time.Second)
		}
		if err != nil || !more || w.ended() {
			return
		}
	}
}

// next makes the next call of a lane, with at most so many messages, and reports whether
// more is due.
func (w *worker) next(lane *domain.WebhookLane, most *int) (more bool, err error) {
	w.mu.Lock()
	target, finishing, limit := w.target, w.finishing, *most
	if w.away > 0 {
		limit = 1 // enough to learn whether something is taken again
	}
	w.mu.Unlock()
	if target.State != domain.WebhookEnabled || finishing {
		return false, nil
	}
	o, err := w.prepare(lane, &target, limit)
	switch {
	case err != nil:
		return false, err
	case o.wait > 0:
		return false, w.d.o.Store.LanePostponed(w.ctx, lane, o.seq, o.wait)
	case len(o.messages) == 0:
		return w.d.o.Store.LaneTaken(w.ctx, lane, o.seq)
	case !w.holds():
		return false, nil // the node was paused: the call may be another one by now
	}
	taken, r := w.sender.send(w.ctx, &target, o.messages)
	if w.ended() {
		return false, nil // cut off: the answer is not known, and the next holder makes the call again
	}
	if taken > 0 {
		w.meter.taken(r, o.messages[:taken])
		w.came()
	}
	if taken < len(o.messages) {
		return w.rejected(lane, &target, o, taken, r, most)
	}
	if o.part {
		lane.Part = lane.Part.Next() // it is stored before its call
		return true, nil
	}
	return w.d.o.Store.LaneTaken(w.ctx, lane, o.seq)
}

// rejected notes that some messages of a call were not taken, and what comes of them:
//
//	messages | nothing is taken at present | what follows
//	any      | yes                         | the lane is due as before, and all lanes wait for a short time
//	some     | no                          | each is sent alone, to learn which one is refused
//	one      | no                          | it is refused: the next attempt, or it has failed
func (w *worker) rejected(
	lane *domain.WebhookLane, target *domain.WebhookTarget, o owed, taken int, r result, most *int,
) (more bool, err error) {
	if taken > 0 {
		if _, err := w.d.o.Store.LaneTaken(w.ctx, lane, o.messages[taken-1].seq); err != nil {
			return false, err
		}
	}
	if r.away {
		w.wait(r)
		return false, nil
	}
	w.came() // a refusal is an answer, too
	w.meter.answers()
	if len(o.messages) > 1 {
		*most = 1
		return true, nil
	}
	return w.refused(lane, target, o.messages[0], r)
}

// Times from the first failure, and from later ones, until lanes are begun again.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second

	calmAfter = 3 * longestPause // without a failure
	warnEvery = 10 * time.Second
)

// wait lets all lanes wait, because nothing is taken at present.
func (w *worker) wait(r result) {
	w.meter.away()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.awayAt = now
	if now.Before(w.resume) {
		return // another lane has found the same
	}
	w.away++
	if !w.warned && now.Sub(w.warnedAt) >= warnEvery {
		w.warned, w.warnedAt = true, now
		w.d.o.Logger.Warn("the event stream waits: its broker takes nothing, or not all events, retrying", "setting", "IM_EVENTS_URL", "error", r.err)
	}
	w.resume = now.Add(jitter(min(longestPause, firstPause<<min(w.away-1, 10))))
}

// came notes that something was taken, or refused.
func (w *worker) came() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = 0
}

// calm logs that the event stream goes on. If only one queue of the broker is full, some
// lanes are taken between those that are not: all that wait are tried again within calmAfter.
func (w *worker) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.warned && w.away == 0 && time.Since(w.awayAt) >= calmAfter {
		w.warned = false
		w.d.o.Logger.Info("the event stream goes on: its broker takes events")
	}
}

// refused notes that a call was not taken.
func (w *worker) refused(lane *domain.WebhookLane, target *domain.WebhookTarget, m message, r result) (more bool, err error) {
	attempt := domain.WebhookAttempt{Seq: m.seq, Status: r.status, Duration: r.duration, Error: r.err}
	after, again := w.d.after(lane.Track, lane.Attempts+1, r)
	switch {
	case isGone(r):
		w.meter.rejected(resultGone, r)
		w.d.o.Logger.Warn("the endpoint of a webhook answered 410; the webhook is disabled", "webhook", lane.WebhookID)
		if err := w.d.o.Store.DisableWebhook(w.ctx, domain.HeldWebhook{WebhookTarget: *target, Turn: w.turn}, reasonGone); err != nil {
			return false, err
		}
		w.mu.Lock()
		w.target.State = domain.WebhookDisabled // the next renewal says so, too
		w.mu.Unlock()
		return false, w.d.o.Store.LaneRefused(w.ctx, lane, attempt, 0)
	case again:
		w.meter.rejected(resultRefused, r)
		return false, w.d.o.Store.LaneRefused(w.ctx, lane, attempt, after)
	}
	w.meter.rejected(resultFailed, r)
	w.d.o.Logger.Warn(w.meter.givenUp, "webhook", lane.WebhookID, "id", m.id, "error", r.err)
	return w.d.o.Store.LaneFailed(w.ctx, lane, attempt)
}

// jitter returns up to a tenth more than d, so that the lanes of an endpoint that was away do
// not come all at once.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/10+1) }

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
