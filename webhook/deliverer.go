package webhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"im/domain"
)

// DefaultRetries are the times from a failed attempt to the next one. After the last one, the
// event has failed.
func DefaultRetries() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

const (
	defaultLease = 5 * time.Second
	defaultPause = 250 * time.Millisecond
	laneCalls    = 64 // of one conversation before others that are due

	defaultTimeout   = 15 * time.Second
	defaultOwedEvery = 15 * time.Second
	notifyRetry      = 30 * time.Second // the longest time between attempts of a notification
	maxNotifyRetry   = time.Minute      // the same, if the endpoint asks for more

	defaultNotifyDelay   = 5 * time.Second
	defaultNotifyWithin  = 10 * time.Minute
	defaultNotifyMembers = 500
)

// callsInFlight are the most calls of a webhook at once, each of another conversation or
// report, by track.
var callsInFlight = [domain.WebhookTracks]int{domain.EventTrack: 16, domain.NotifyTrack: 8, domain.ReportTrack: 2}

// allInFlight is the sum of callsInFlight.
const allInFlight = 26

// Store keeps webhooks, and what each is owed.
type Store interface {
	// ClaimWebhooks renews the leases of a node, takes those that have ended, and returns all
	// that it holds. The event stream is among them only if stream is set.
	ClaimWebhooks(ctx context.Context, holder string, lease time.Duration, stream bool) ([]domain.HeldWebhook, error)
	ReleaseWebhooks(ctx context.Context, holder string) error
	// FeedWebhook and WalkWebhook make lanes, and report whether to call them again at once.
	FeedWebhook(ctx context.Context, h *domain.HeldWebhook, rules domain.NotifyRules) (some bool, err error)
	WalkWebhook(ctx context.Context, h *domain.HeldWebhook, rules domain.NotifyRules) (more bool, err error)
	DueLanes(
		ctx context.Context, t *domain.WebhookTarget, track domain.WebhookTrack, without []domain.ConversationID, limit int,
	) ([]domain.WebhookLane, error)
	// OwedEvent returns the next event of a lane; nil if none is left.
	OwedEvent(ctx context.Context, l domain.WebhookLane) (*domain.Event, error)
	// OwedEvents returns the next events of a lane of the event stream.
	OwedEvents(ctx context.Context, l domain.WebhookLane, limit int) ([]domain.OwedEvent, error)
	// OwedReport returns the report of a lane; nil if it was deleted.
	OwedReport(ctx context.Context, l domain.WebhookLane) (*domain.Report, error)
	OwedNotification(
		ctx context.Context, l domain.WebhookLane, recipients domain.WebhookRecipients, rules domain.NotifyRules,
	) (domain.Notification, error)
	// WebhookOwed returns how much a webhook is owed, by track.
	WebhookOwed(ctx context.Context, id string) ([domain.WebhookTracks]domain.WebhookOwed, error)
	// BeginPart stores the part of a notification before its call. It and the methods Lane… fail with domain.ErrConflict if the lane has changed since it was read.
	BeginPart(ctx context.Context, l *domain.WebhookLane, n *domain.Notification) error
	LanePostponed(ctx context.Context, l *domain.WebhookLane, seq int64, after time.Duration) error
	LaneTaken(ctx context.Context, l *domain.WebhookLane, seq int64) (more bool, err error)
	LaneFailed(ctx context.Context, l *domain.WebhookLane, a domain.WebhookAttempt) (more bool, err error)
	LaneRefused(ctx context.Context, l *domain.WebhookLane, a domain.WebhookAttempt, after time.Duration) error
	DisableWebhook(ctx context.Context, h domain.HeldWebhook, reason string) error
	WebhookTarget(ctx context.Context, id string) (domain.WebhookTarget, error)
	CreateWebhook(ctx context.Context, n domain.NewWebhook) (domain.Webhook, error)
	UpdateWebhook(ctx context.Context, id string, p domain.WebhookPatch) (domain.Webhook, error)
	// MakeStream makes the event stream, unless it exists.
	MakeStream(ctx context.Context, from *domain.Time) error
}

// Devices knows the live sessions of users.
type Devices interface {
	// DevicesOnline returns how many devices of users are online; 0 if a user is missing. The
	// error says that it is not known now.
	DevicesOnline(ctx context.Context, users []domain.UserID) (map[domain.UserID]int, error)
}

// Options configure a Deliverer. Only Store is required.
type Options struct {
	Store Store
	// Allow are networks that may be called although they are not public.
	Allow []netip.Prefix
	// Retries are the times from each failed attempt to the next one; DefaultRetries if nil.
	Retries []time.Duration
	// Lease is how long another node waits for this one, if it dies; 5 s by default.
	Lease time.Duration
	// Pause is the time between two looks at what is due; 250 ms by default.
	Pause time.Duration
	// CallTimeout is how long an endpoint may take to answer; 15 s by default.
	CallTimeout time.Duration
	// NotifyDelay is the time from a commit to its message.notify; 5 s by default.
	NotifyDelay time.Duration
	// NotifyWithin is the age from which on a message is not notified; 10 min by default.
	NotifyWithin time.Duration
	// NotifyMembers is how many members of a conversation one message.notify is about; 500
	// by default.
	NotifyMembers int
	// Devices says which users are online; nil: it is not known.
	Devices Devices
	// Stream is where the events of the event stream are published; nil: this node does not
	// deliver it.
	Stream Stream
	// StreamFrom is the time of the first events that a new event stream gets; nil: those
	// that are committed from now on; the zero Time: all.
	StreamFrom *domain.Time
	// OwedEvery is the time between two looks at how much is owed; 15 s by default.
	OwedEvery time.Duration
	Logger    *slog.Logger
	Metrics   prometheus.Registerer
}

// Deliverer delivers the events of the webhooks that this node holds. It is safe for
// concurrent use.
type Deliverer struct {
	o       Options
	rules   domain.NotifyRules
	name    string // of the holder: new at each start
	guard   guard
	caller  *caller
	metrics *metrics

	workers map[string]*worker // by webhook; only Run uses it
	made    bool               // the event stream exists; only Run uses it
	running sync.WaitGroup
}

// New returns a Deliverer. It starts no goroutine.
func New(o Options) *Deliverer {
	if o.Retries == nil {
		o.Retries = DefaultRetries()
	}
	o.Lease, o.Pause = cmp.Or(o.Lease, defaultLease), cmp.Or(o.Pause, defaultPause)
	o.NotifyDelay, o.NotifyWithin = cmp.Or(o.NotifyDelay, defaultNotifyDelay), cmp.Or(o.NotifyWithin, defaultNotifyWithin)
	o.NotifyMembers, o.OwedEvery = cmp.Or(o.NotifyMembers, defaultNotifyMembers), cmp.Or(o.OwedEvery, defaultOwedEvery)
	o.CallTimeout = cmp.Or(o.CallTimeout, defaultTimeout)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	g := guard{o.Allow}
	return &Deliverer{
		o: o, rules: domain.NotifyRules{Delay: o.NotifyDelay, Within: o.NotifyWithin, Members: o.NotifyMembers}, name: rand.Text(), guard: g, caller: newCaller(g, o.CallTimeout), metrics: newMetrics(o.Metrics, o.Stream), workers: map[string]*worker{},
	}
}

// Run delivers until ctx ends. Then it waits for calls in flight for a short time, and gives
// its leases to other nodes.
func (d *Deliverer) Run(ctx context.Context) error {
	ticker := time.NewTicker(d.o.Lease / 5)
	defer ticker.Stop()
	failing := false
	for {
		err := d.claim(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			d.o.Logger.WarnContext(ctx, "webhooks wait: the leases cannot be renewed, retrying", "error", err)
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			d.stop()
			return nil
		}
	}
}

const (
	finishTimeout  = 2 * time.Second // for calls in flight at the stop
	releaseTimeout = time.Second
	closeTimeout   = 2 * time.Second
)

func (d *Deliverer) stop() {
	for _, w := range d.workers {
		w.finish(finishTimeout)
	}
	d.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	_ = d.o.Store.ReleaseWebhooks(ctx, d.name) // else they end by themselves
	d.caller.client.CloseIdleConnections()
	d.closeStream()
}

// closeStream closes the stream, and does not wait long for a broker that is silent.
func (d *Deliverer) closeStream() {
	if d.o.Stream == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		d.o.Stream.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// claim renews and takes leases, and starts and stops workers.
func (d *Deliverer) claim(ctx context.Context) error {
	begun := time.Now()
	if d.o.Stream != nil && !d.made {
		if err := d.o.Store.MakeStream(ctx, d.o.StreamFrom); err != nil {
			return err
		}
		d.made = true
	}
	held, err := d.o.Store.ClaimWebhooks(ctx, d.name, d.o.Lease, d.o.Stream != nil)
	if err != nil {
		return err
	}
	for _, h := range held {
		w := d.workers[h.WebhookID]
		if w == nil || w.turn != h.Turn || w.ended() {
			if w != nil {
				w.cancel()
			}
			w = newWorker(d, h)
			d.workers[h.WebhookID] = w
			d.running.Go(w.run)
		}
		w.renewed(h, begun.Add(d.o.Lease))
	}
	d.measure()
	return nil
}

// measure forgets workers that have ended, and sets the metrics of the others.
func (d *Deliverer) measure() {
	webhooks, streams := 0, 0
	var owed, stream [domain.WebhookTracks]domain.WebhookOwed
	for id, w := range d.workers {
		switch {
		case w.ended():
			delete(d.workers, id)
		case w.stream:
			streams++
			w.addOwed(&stream)
		default:
			webhooks++
			w.addOwed(&owed)
		}
	}
	d.metrics.owes(webhooks, owed)
	d.metrics.streamOwes(streams, stream[domain.EventTrack])
}

// CreateWebhook creates a webhook, unless its address may not be called.
func (d *Deliverer) CreateWebhook(ctx context.Context, n domain.NewWebhook) (domain.Webhook, error) {
	if err := d.guard.check(ctx, n.URL); err != nil {
		return domain.Webhook{}, err
	}
	return d.o.Store.CreateWebhook(ctx, n)
}

// UpdateWebhook changes a webhook, unless its new address may not be called.
func (d *Deliverer) UpdateWebhook(ctx context.Context, id string, p domain.WebhookPatch) (domain.Webhook, error) {
	if p.URL != nil {
		if err := d.guard.check(ctx, *p.URL); err != nil {
			return domain.Webhook{}, err
		}
	}
	return d.o.Store.UpdateWebhook(ctx, id, p)
}

// TestWebhook makes one call of the type webhook.test, also of a disabled webhook.
func (d *Deliverer) TestWebhook(ctx context.Context, id string) (domain.WebhookTest, error) {
	t, err := d.o.Store.WebhookTarget(ctx, id)
	if err != nil {
		return domain.WebhookTest{}, err
	}
	now, _ := domain.TimeOf(time.Now()).MarshalJSON()
	r := d.caller.call(ctx, &t, message{
		id: "test:" + rand.Text(), body: []byte(`{"type":"webhook.test","timestamp":` + string(now) + `,"data":{"webhook_id":"` + t.WebhookID + `"}}`),
	})
	return domain.WebhookTest{Taken: r.taken(), Status: r.status, DurationMS: int(r.duration.Milliseconds()), Error: r.err}, nil
}

// after returns the time to the next attempt after some that have failed; false if there is
// none. A notification is tried until it is too old: later ones wait for it.
func (d *Deliverer) after(track domain.WebhookTrack, failed int, r result) (time.Duration, bool) {
	if track == domain.NotifyTrack {
		retry := notifyRetry
		if n := min(failed, len(d.o.Retries)); n > 0 {
			retry = min(retry, d.o.Retries[n-1])
		}
		return max(jitter(retry), min(r.after, maxNotifyRetry)), true
	}
	if failed > len(d.o.Retries) {
		return 0, false
	}
	return max(jitter(d.o.Retries[failed-1]), r.after), true
}

// reasonGone is the reason of a webhook that has disabled itself.
const reasonGone = "the endpoint answered 410 Gone"

func isGone(r result) bool { return r.status == http.StatusGone }

// stops reports whether an error of the store says that another one works on the lane.
func stops(err error) bool { return errors.Is(err, domain.ErrConflict) }
