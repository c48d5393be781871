package push

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"im/domain"
)

// lane sends the notifications of one provider.
type lane struct {
	p        *Pusher
	provider domain.PushProvider
	sender   Sender
	wake     chan struct{} // a call has ended
	sending  sync.WaitGroup

	mu       sync.Mutex
	inFlight int
	services map[string]*service   // by domain.PushAddress.Service; those without recent failures are not in it
	users    map[domain.UserID]int // calls in flight
}

// service is what a lane knows of the servers of a provider: of Web Push, those of one
// domain.
//
//	state     | when                                          | what happens
//	open      | the last calls were answered                  | up to its slots of calls are in flight
//	paused    | an answer other than 429 asks for it, or      | nothing is claimed for it until the time is over; then
//	          | several calls in a row have failed            | calls are made again, and one that is answered opens it
//	forgotten | nothing has been in flight for a minute after | as open, without failures
//	          | the last failure and the pause                |
//
// An answer 429 may be about the one device: it delays what is for that device. Several in a
// row count once for each change of the device.
type service struct {
	inFlight int
	failures int       // in a row
	limited  string    // the registration that the last answer was about, if it was 429
	until    time.Time // end of the pause
	last     time.Time // failure
}

const (
	tripInARow  = 5
	longestTrip = 30 * time.Second
	forgetAfter = time.Minute

	// userPause is the time after which a notification is tried again if its user has enough
	// calls in flight.
	userPause = time.Second
	// clearAttempts is after how many attempts a notification stays shown though it was read:
	// that is after about as long as a message is tried.
	clearAttempts = 10
)

func newLane(p *Pusher, provider domain.PushProvider, sender Sender) *lane {
	return &lane{p: p, provider: provider, sender: sender, wake: make(chan struct{}, 1), services: map[string]*service{}, users: map[domain.UserID]int{}}
}

// run sends until ctx ends.
func (l *lane) run(ctx context.Context) {
	// Calls in flight go on for a short time after the end of ctx.
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer l.sender.Close()
	defer l.sending.Wait()
	defer cut()
	ticker := time.NewTicker(l.p.o.Pause)
	defer ticker.Stop()
	looked := time.Time{}
	for ctx.Err() == nil {
		if time.Since(looked) >= owedEvery {
			looked = time.Now()
			l.look(ctx)
		}
		more, err := l.begin(ctx, calls)
		if err != nil {
			l.p.failed(ctx, err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ticker.C:
		case <-l.wake:
		case <-ctx.Done():
		}
	}
	timer := time.AfterFunc(finishTimeout, cut)
	defer timer.Stop()
	l.sending.Wait()
}

// look notes how much is owed.
func (l *lane) look(ctx context.Context) {
	if owed, err := l.p.o.Store.PushOwed(ctx, l.provider); err == nil { // else the next look may succeed
		l.p.metrics.owes(l.provider, owed)
	}
}

// room returns how many notifications to claim, and the services for which none are.
func (l *lane) room() (limit int, without []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit, most := slots-l.inFlight, slots
	if l.provider == domain.PushWeb {
		limit, most = min(limit, serviceSlots), serviceSlots
	}
	now := time.Now()
	for name, s := range l.services {
		switch {
		case s.inFlight >= most || now.Before(s.until):
			without = append(without, name)
		case s.inFlight == 0 && now.After(s.until.Add(forgetAfter)) && now.After(s.last.Add(forgetAfter)):
			delete(l.services, name)
		}
	}
	if l.provider != domain.PushWeb && len(without) > 0 {
		return 0, nil // it has no other service
	}
	return limit, without
}

// begin sends what is due, as much as there is room for, and reports whether there may be
// more.
func (l *lane) begin(ctx, calls context.Context) (more bool, err error) {
	limit, without := l.room()
	if limit <= 0 {
		return false, nil
	}
	until := time.Now().Add(l.p.o.Claim - callTimeout) // a call that begins later might outlast the claim
	claims, err := l.p.o.Store.ClaimPushes(ctx, l.provider, without, limit, l.p.o.Claim)
	if err != nil || len(claims) == 0 {
		return false, err
	}
	jobs, err := l.p.o.Store.PushJobs(ctx, claims, l.p.rules)
	if err != nil {
		return false, err // the claims end by themselves
	}
	for _, job := range jobs {
		name := job.Address.Service()
		handle := l.handle
		if !l.enter(name, job.User) {
			handle = l.putOff
		}
		l.sending.Go(func() {
			defer l.leave(name, job.User)
			if err := handle(calls, &job, until); err != nil {
				l.p.failed(calls, err)
			}
		})
	}
	return len(claims) == limit, nil
}

// enter takes a slot. It reports false if the user has enough calls in flight: then the slot
// is only for a note.
func (l *lane) enter(name string, user domain.UserID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[name]
	if s == nil {
		s = &service{}
		l.services[name] = s
	}
	s.inFlight++
	l.inFlight++
	l.users[user]++
	return l.provider != domain.PushWeb || l.users[user] <= userSlots
}

func (l *lane) leave(name string, user domain.UserID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[name]
	s.inFlight--
	l.inFlight--
	if l.users[user]--; l.users[user] == 0 {
		delete(l.users, user)
	}
	if s.inFlight == 0 && s.failures == 0 && time.Now().After(s.until) {
		delete(l.services, name)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// answered notes an answer of a service, about a registration. It pauses the service if many
// fail, or if it asks for that.
func (l *lane) answered(name, registration string, r Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[name]
	if r.Outcome != Again {
		s.failures, s.limited = 0, ""
		return
	}
	s.last = time.Now()
	var limited string
	if r.Status == http.StatusTooManyRequests {
		if limited = registration; limited == s.limited {
			return
		}
	}
	s.limited = limited
	s.failures++
	var pause time.Duration
	if limited == "" || s.failures >= tripInARow {
		pause = min(r.After, longestTrip)
	}
	if s.failures >= tripInARow {
		pause = max(pause, min(time.Second<<min(s.failures-tripInARow, 5), longestTrip))
	}
	if until := s.last.Add(pause); pause > 0 && until.After(s.until) {
		s.until = until
	}
}

// putOff lets a notification be due again after a short time, without a call.
func (l *lane) putOff(ctx context.Context, job *domain.PushJob, _ time.Time) error {
	return l.p.o.Store.PushRetried(ctx, job.PushClaim, userPause+rand.N(userPause))
}

// handle sends what a job is about, and notes what became of it.
func (l *lane) handle(ctx context.Context, job *domain.PushJob, until time.Time) error {
	store := l.p.o.Store
	var n Notification
	switch {
	case job.Message != nil:
		n = notificationOf(job)
	case job.SentSeq == 0 || job.Cleared && !l.sender.Silent():
		if job.Expired {
			l.p.metrics.dropped.WithLabelValues(string(l.provider)).Inc()
		}
		return store.PushDone(ctx, job.PushClaim)
	case job.Cleared:
		n = Notification{Kind: KindClear, ConversationID: job.ConversationID, Seq: job.SentSeq, Badge: job.UnreadTotal}
	default:
		return store.PushShown(ctx, job.PushClaim, l.p.o.Look)
	}
	if time.Now().After(until) {
		return nil // the node was paused: another one may have claimed it
	}
	r := l.send(ctx, job, n)
	select {
	case <-ctx.Done():
		return nil // cut off: whether it was taken is not known, and another node sends it again
	default:
	}
	switch r.Outcome {
	case Gone:
		return store.RemoveRefusedPush(ctx, job.User, job.Device, job.RegistrationID)
	case Again:
		if n.Kind == KindClear && job.Attempts >= clearAttempts {
			return store.PushDone(ctx, job.PushClaim)
		}
		return store.PushRetried(ctx, job.PushClaim, l.after(job.Attempts, r))
	case Refused:
		return store.PushDone(ctx, job.PushClaim)
	case Taken:
	}
	if n.Kind == KindClear {
		return store.PushDone(ctx, job.PushClaim)
	}
	l.p.metrics.late(l.provider, time.Since(job.Message.At.Add(l.p.rules.Delay)))
	return store.PushSent(ctx, job.PushClaim, n.Seq, l.p.rules, l.p.o.Look)
}

// send makes a call, and counts it.
func (l *lane) send(ctx context.Context, job *domain.PushJob, n Notification) Result {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	r := l.sender.Send(ctx, job.Address, n)
	l.answered(job.Address.Service(), job.RegistrationID, r)
	l.p.metrics.done(l.provider, n.Kind, r, time.Since(began))
	if r.Outcome != Taken {
		l.p.failing.Do(func() {
			l.p.o.Logger.Warn("a push notification was not taken", "provider", l.provider, "user", job.User, "device", job.Device,
				"status", r.Status, "reason", r.Reason, "removed", r.Outcome == Gone)
		})
	}
	return r
}

// after returns the time to the next attempt.
func (l *lane) after(failed int, r Result) time.Duration {
	retry := min(l.p.o.Retry<<min(failed, 4), maxRetry)
	return max(retry+rand.N(retry/10+1), r.After)
}
