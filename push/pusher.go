package push

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"im/domain"
	"im/internal/coalesce"
	"im/internal/publicaddr"
)

const (
	defaultDelay  = 5 * time.Second
	defaultWithin = 10 * time.Minute
	defaultLease  = 5 * time.Second
	defaultPause  = 250 * time.Millisecond
	defaultClaim  = 30 * time.Second
	defaultLook   = 10 * time.Second
	defaultRetry  = 5 * time.Second
	maxRetry      = time.Minute

	// slots is how many calls of a provider are in flight at once, on one node.
	slots = 64
	// userSlots is how many of them may be to browsers of one user, who names the servers.
	userSlots = 8
	// serviceSlots is how many of them may be to one push service of browsers when more are
	// claimed; at most as many are claimed at once. So others always have half of the slots.
	serviceSlots = 16

	readEvery   = 250 * time.Millisecond
	readTimeout = 2 * time.Second
	maxReads    = 100_000
	owedEvery   = 15 * time.Second
	walkTime    = time.Second // of a walk between two reads of the feed
	logInterval = 10 * time.Second

	finishTimeout  = 2 * time.Second // for calls in flight at the stop
	releaseTimeout = time.Second
)

// Store keeps registrations, and what each device is to be notified of.
type Store interface {
	PutPush(ctx context.Context, r domain.PushRegistration) error
	RemovePush(ctx context.Context, user domain.UserID, device domain.DeviceID) error
	RemoveRefusedPush(ctx context.Context, user domain.UserID, device domain.DeviceID, registration string) error
	PushRegistration(ctx context.Context, user domain.UserID, device domain.DeviceID) (r domain.PushRegistration, id string, err error)

	// ClaimPushFeed returns nil if another node follows the feed.
	ClaimPushFeed(ctx context.Context, holder string, lease time.Duration) (*domain.HeldPush, error)
	ReleasePushFeed(ctx context.Context, holder string) error
	// FeedPush and WalkPush fail with domain.ErrConflict if another node has the lease.
	// FeedPush lets WalkPush look for what was committed since a position older than within.
	FeedPush(ctx context.Context, h *domain.HeldPush, delay, within time.Duration) error
	WalkPush(ctx context.Context, h *domain.HeldPush, within time.Duration) (more bool, err error)
	PlanPushes(ctx context.Context, rules domain.PushRules) (more bool, err error)

	ClaimPushes(ctx context.Context, p domain.PushProvider, without []string, limit int, lease time.Duration) ([]domain.PushClaim, error)
	// PushJobs returns none for a claim whose device is not registered any more.
	PushJobs(ctx context.Context, claims []domain.PushClaim, rules domain.PushRules) ([]domain.PushJob, error)
	// What these note about a claim that has ended has no effect.
	PushSent(ctx context.Context, c domain.PushClaim, seq int64, rules domain.PushRules, look time.Duration) error
	PushRetried(ctx context.Context, c domain.PushClaim, after time.Duration) error
	PushShown(ctx context.Context, c domain.PushClaim, look time.Duration) error
	PushDone(ctx context.Context, c domain.PushClaim) error

	// PushRead lets what was sent about conversations that were read be looked at now.
	PushRead(ctx context.Context, list []domain.Receipt) error
	PushOwed(ctx context.Context, p domain.PushProvider) (domain.PushOwed, error)
}

// Options configure a Pusher. Only Store is required.
type Options struct {
	Store Store
	// Senders are the providers that are set up. With none, nothing is pushed.
	Senders map[domain.PushProvider]Sender
	// Allow are networks that endpoints of Web Push may be in although they are not public.
	// Users name the endpoints.
	Allow []netip.Prefix
	// Delay is the time from a commit to its notification; 5 s by default.
	Delay time.Duration
	// Within is the age from which on a message is not pushed; 10 min by default.
	Within time.Duration
	// Lease is how long another node waits with the feed, if this one dies; 5 s by default.
	Lease time.Duration
	// Claim is how long another node waits with a notification, if this one dies while it
	// sends it; 30 s by default.
	Claim time.Duration
	// Pause is the time between two looks at what is due; 250 ms by default.
	Pause time.Duration
	// Look is the time until the first look whether a notification was read elsewhere, if no
	// node notices that before; 10 s by default.
	Look time.Duration
	// Retry is the time from the first failed attempt to the next one; 5 s by default. It
	// doubles, up to a minute.
	Retry   time.Duration
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Pusher sends push notifications. It is safe for concurrent use.
type Pusher struct {
	o       Options
	rules   domain.PushRules
	name    string // of the holder: new at each start
	guard   publicaddr.Guard
	metrics *metrics
	reads   *coalesce.Buffer[readKey, domain.Receipt]
	failing rate.Sometimes
}

type readKey struct {
	user         domain.UserID
	conversation domain.ConversationID
}

// New returns a Pusher. It starts no goroutine.
func New(o Options) *Pusher {
	o.Delay, o.Within = cmp.Or(o.Delay, defaultDelay), cmp.Or(o.Within, defaultWithin)
	o.Lease, o.Claim, o.Pause = cmp.Or(o.Lease, defaultLease), cmp.Or(o.Claim, defaultClaim), cmp.Or(o.Pause, defaultPause)
	o.Look, o.Retry = cmp.Or(o.Look, defaultLook), cmp.Or(o.Retry, defaultRetry)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Pusher{
		o: o, rules: domain.PushRules{Delay: o.Delay, Within: o.Within}, name: rand.Text(), guard: publicaddr.Guard{Allowed: o.Allow},
		metrics: newMetrics(o.Metrics, o.Senders), failing: rate.Sometimes{First: 1, Interval: logInterval},
	}
	p.reads = coalesce.New(coalesce.Options[readKey, domain.Receipt]{
		Every: readEvery, Timeout: readTimeout, Max: maxReads, Flush: p.flushReads,
		Merge: func(waiting, added domain.Receipt) domain.Receipt {
			added.ReadSeq = max(waiting.ReadSeq, added.ReadSeq)
			return added
		},
	})
	return p
}

// Run sends until ctx ends. Then it waits for calls in flight for a short time.
func (p *Pusher) Run(ctx context.Context) error {
	if len(p.o.Senders) == 0 {
		<-ctx.Done()
		return nil
	}
	var running sync.WaitGroup
	running.Go(func() { _ = p.reads.Run(ctx) })
	running.Go(func() { p.plan(ctx) })
	for provider, sender := range p.o.Senders {
		l := newLane(p, provider, sender)
		running.Go(func() { l.run(ctx) })
	}
	running.Wait()
	return nil
}

// plan follows the feed while this node has the lease, and turns what is due into
// notifications.
func (p *Pusher) plan(ctx context.Context) {
	ticker := time.NewTicker(p.o.Pause)
	defer ticker.Stop()
	var held *domain.HeldPush
	claimed := time.Time{}
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
			defer cancel()
			_ = p.o.Store.ReleasePushFeed(ctx, p.name) // else it ends by itself
			return
		}
		if time.Since(claimed) >= p.o.Lease/5 {
			claimed = time.Now()
			if h, err := p.o.Store.ClaimPushFeed(ctx, p.name, p.o.Lease); err != nil {
				p.failed(ctx, err)
				continue
			} else if held = h; h != nil {
				p.metrics.leads.Set(1)
			} else {
				p.metrics.leads.Set(0)
			}
		}
		if held != nil {
			if err := p.follow(ctx, held); errors.Is(err, domain.ErrConflict) {
				held = nil // another node has the lease
			} else if err != nil {
				p.failed(ctx, err)
			}
		}
		// The parts of a large group take several rounds. The lease is renewed in between.
		for began, more := time.Now(), true; more && ctx.Err() == nil && time.Since(began) < p.o.Lease/5; {
			var err error
			if more, err = p.o.Store.PlanPushes(ctx, p.rules); err != nil {
				p.failed(ctx, err)
			}
		}
	}
}

func (p *Pusher) follow(ctx context.Context, held *domain.HeldPush) error {
	// A minute more, because the clocks of the nodes and of the server may differ.
	within := p.rules.Within + time.Minute
	if err := p.o.Store.FeedPush(ctx, held, p.rules.Delay, within); err != nil {
		return err
	}
	// What the walk reaches too late is too old to be pushed. New commits must not wait for
	// it, and the lease must be renewed in between.
	for began := time.Now(); held.Walking && ctx.Err() == nil && time.Since(began) < min(walkTime, p.o.Lease/5); {
		if _, err := p.o.Store.WalkPush(ctx, held, within); err != nil {
			return err
		}
	}
	return nil
}

// failed logs an error of the store, but not each one of many.
func (p *Pusher) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		p.failing.Do(func() {
			p.o.Logger.WarnContext(ctx, "push notifications wait: the store fails, retrying", "error", err)
		})
	}
}

// Read lets notifications about what a user has read be cleared. It does not block. What it
// drops when very much is read is cleared later.
func (p *Pusher) Read(user domain.UserID, id domain.ConversationID, seq int64) {
	if len(p.o.Senders) > 0 {
		p.reads.Add(readKey{user, id}, domain.Receipt{UserID: user, ConversationID: id, ReadSeq: seq})
	}
}

func (p *Pusher) flushReads(ctx context.Context, batch map[readKey]domain.Receipt) error {
	list := make([]domain.Receipt, 0, len(batch))
	for _, r := range batch {
		list = append(list, r)
	}
	clear(batch) // the looks at what was sent find what is lost here
	err := p.o.Store.PushRead(ctx, list)
	if err != nil {
		p.failed(ctx, err)
	}
	return err
}

// errNotSetUp is for providers without settings.
var errNotSetUp = domain.ErrUnavailable.WithMessage("this server does not push by this provider").Final()

// PutPush registers a device. The error is ErrUnavailable, not to be retried, if the
// provider is not set up.
func (p *Pusher) PutPush(ctx context.Context, r domain.PushRegistration) error {
	if err := r.Check(); err != nil {
		return err
	}
	r.Preview = cmp.Or(r.Preview, domain.PreviewFull)
	if p.o.Senders[r.Address.Provider] == nil {
		return errNotSetUp
	}
	if r.Address.Provider == domain.PushWeb {
		if err := p.checkEndpoint(ctx, r.Address.Token); err != nil {
			return err
		}
	}
	return p.o.Store.PutPush(ctx, r)
}

// checkEndpoint refuses addresses that may not be called. Only those that the operator
// allows may lack TLS.
func (p *Pusher) checkEndpoint(ctx context.Context, endpoint string) error {
	const pointer = "/subscription/endpoint"
	u, err := url.Parse(endpoint)
	if err != nil {
		return domain.Invalid(pointer, "must be a URL")
	}
	if a, err := netip.ParseAddr(u.Hostname()); u.Scheme != "https" && (err != nil || !p.guard.Allows(a)) {
		return domain.Invalid(pointer, "must begin with https://")
	}
	if p.guard.Check(ctx, pointer, endpoint) != nil {
		return domain.Invalid(pointer, errNotReached.Error())
	}
	return nil
}

// RemovePush removes the registration of a device, if there is one.
func (p *Pusher) RemovePush(ctx context.Context, user domain.UserID, device domain.DeviceID) error {
	return p.o.Store.RemovePush(ctx, user, device)
}

// TestPush sends a notification to a device at once, and returns the answer of the provider.
// The error is ErrNotFound if the device is not registered.
func (p *Pusher) TestPush(ctx context.Context, user domain.UserID, device domain.DeviceID) (t domain.PushTest, err error) {
	r, id, err := p.o.Store.PushRegistration(ctx, user, device)
	if err != nil {
		return t, err
	}
	sender := p.o.Senders[r.Address.Provider]
	if sender == nil {
		return t, errNotSetUp
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer := sender.Send(ctx, r.Address, testNotification(r.Locale, 0))
	took := time.Since(began)
	p.metrics.done(r.Address.Provider, KindTest, answer, took)
	t = domain.PushTest{
		Provider: r.Address.Provider, Taken: answer.Outcome == Taken, Status: answer.Status, Answer: answer.Answer, Error: answer.Reason,
		DurationMS: int(took.Milliseconds()),
	}
	if answer.Outcome == Gone {
		t.Removed = true
		err = p.o.Store.RemoveRefusedPush(context.WithoutCancel(ctx), user, device, id)
	}
	return t, err
}

// PushInfo returns how this server can push.
func (p *Pusher) PushInfo() domain.PushInfo {
	info := domain.PushInfo{Providers: []domain.PushProvider{}}
	for _, provider := range domain.PushProviders() {
		if p.o.Senders[provider] != nil {
			info.Providers = append(info.Providers, provider)
		}
	}
	if w, ok := p.o.Senders[domain.PushWeb].(interface{ PublicKey() string }); ok {
		info.VAPIDPublicKey = w.PublicKey()
	}
	return info
}
