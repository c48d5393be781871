package hook

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"im/domain"
	"im/internal/tracing"
)

const (
	defaultTimeout  = time.Second
	defaultInFlight = 64
	defaultPause    = time.Second
	waitingBytes    = 32 << 20
	fullRetryAfter  = 100 * time.Millisecond
	logInterval     = 10 * time.Second
)

// When the breaker opens: after some failures in a row, or if half of the calls of a period
// have failed.
const (
	tripInARow  = 5
	tripPeriod  = 10 * time.Second
	tripAtLeast = 20 // calls in the period
)

// Store knows which messages are in the log.
type Store interface {
	ProposalState(ctx context.Context, p *domain.Proposal) (domain.ProposalState, error)
}

// Options configure a Caller. URL, Secret and Store are required.
type Options struct {
	URL    string
	Secret string // signs the calls: whsec_…
	Store  Store
	Limits domain.Limits // of replacements; domain.DefaultLimits if zero
	// Timeout is how long a call may take, and how long it may wait for its turn; 1 s if 0.
	Timeout time.Duration
	// Closed says that a message gets ErrUnavailable if its call fails. Otherwise it is
	// accepted as it is.
	Closed bool
	// InFlight is the most calls at the same time; 64 if 0.
	InFlight int
	// Pause is how long the open breaker skips calls; 1 s if 0.
	Pause   time.Duration
	Logger  *slog.Logger
	Metrics prometheus.Registerer
	Tracer  *tracing.Tracer
}

// Caller calls the endpoint. It is safe for concurrent use.
type Caller struct {
	o       Options
	order   order
	client  *client
	slots   chan struct{} // holds one element for each call in flight
	breaker *gobreaker.CircuitBreaker[domain.Verdict]
	metrics *metrics
	failing rate.Sometimes
}

var _ domain.Hook = (*Caller)(nil)

// New returns a Caller. It starts no goroutine.
func New(o Options) *Caller {
	o.Timeout, o.InFlight, o.Pause = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.InFlight, defaultInFlight), cmp.Or(o.Pause, defaultPause)
	o.Limits = cmp.Or(o.Limits, domain.DefaultLimits())
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	c := &Caller{
		o: o, order: order{limit: waitingBytes, last: map[domain.UserID]chan struct{}{}}, client: newClient(&o),
		slots: make(chan struct{}, o.InFlight), failing: rate.Sometimes{Interval: logInterval},
	}
	c.breaker = gobreaker.NewCircuitBreaker[domain.Verdict](gobreaker.Settings{
		Interval: tripPeriod, BucketPeriod: tripPeriod / 10, Timeout: o.Pause, OnStateChange: c.breakerChanged,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			return n.ConsecutiveFailures >= tripInARow || n.Requests >= tripAtLeast && 2*n.TotalFailures >= n.Requests
		},
		IsSuccessful: func(err error) bool {
			f, failed := errors.AsType[*failure](err)
			return !failed || !f.down
		},
	})
	c.metrics = newMetrics(o.Metrics, c)
	return c
}

// Run waits until ctx ends. Then it refuses further messages, and waits for those that it
// has taken; their time is bounded.
func (c *Caller) Run(ctx context.Context) error {
	<-ctx.Done()
	c.order.close()
	c.client.http.CloseIdleConnections()
	return nil
}

// Call implements domain.Hook.
func (c *Caller) Call(ctx context.Context, p domain.Proposal, done func(domain.Verdict)) {
	t, entered := c.order.enter(p.Sender, p.Size())
	if !entered {
		done(domain.Verdict{Refusal: domain.ErrUnavailable.WithRetryAfter(fullRetryAfter)})
		return
	}
	go func() {
		defer c.order.leave(t)
		// A message that was taken is decided, though its sender may be gone: the log drops
		// it then. A call that was cut off would look like a failure of the endpoint.
		v := c.decide(context.WithoutCancel(ctx), &p)
		<-t.before
		done(v)
	}()
}

// errNotAsked is the refusal of a message about which the endpoint is not asked, because the
// log has its answer. If the log has none after all, as things have changed since it was
// asked, the sender has to send it again.
var errNotAsked = domain.ErrUnavailable.WithMessage("the conversation has changed at the same time; send again with the same id")

// decide returns the verdict on a proposal.
func (c *Caller) decide(ctx context.Context, p *domain.Proposal) domain.Verdict {
	state, err := c.o.Store.ProposalState(ctx, p)
	switch {
	case err != nil:
		return domain.Verdict{Refusal: err}
	case !state.Permitted || state.Repeated:
		return domain.Verdict{Refusal: errNotAsked}
	}
	if p.TargetSeq != 0 {
		p.ClientMsgID = state.ClientMsgID
	}
	span := c.o.Tracer.Within(ctx, "hook")
	v, err := c.ask(ctx, p)
	result := resultOf(v, err)
	c.metrics.results.WithLabelValues(result).Inc()
	if err == nil {
		span.End("")
		return v
	}
	span.End(result)
	c.failing.Do(func() {
		c.o.Logger.WarnContext(ctx, "a call of the hook failed", "result", result, "error", err, "accepted", !c.o.Closed)
	})
	if c.o.Closed {
		return domain.Verdict{Refusal: errFailed.WithCause(err)}
	}
	return domain.Verdict{}
}

var errFailed = domain.ErrUnavailable.WithMessage("the app did not decide about the message; send again with the same id")

// ask calls the endpoint, unless the breaker is open or too many calls are in flight.
func (c *Caller) ask(ctx context.Context, p *domain.Proposal) (domain.Verdict, error) {
	waiting := time.NewTimer(c.o.Timeout)
	defer waiting.Stop()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-waiting.C:
		return domain.Verdict{}, &failure{result: resultBusy, reason: "too many calls are in flight"}
	}
	v, err := c.breaker.Execute(func() (domain.Verdict, error) {
		began := time.Now()
		defer func() { c.metrics.seconds.Observe(time.Since(began).Seconds()) }()
		return c.client.ask(ctx, p)
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		err = &failure{result: resultSkipped, reason: "the endpoint did not answer before"}
	}
	return v, err
}

// breakerChanged logs what the breaker does. It is called with the lock of the breaker held.
func (c *Caller) breakerChanged(_ string, _, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		c.metrics.open.Set(1)
		c.o.Logger.Warn("the hook does not answer; its calls are skipped", "pause", c.o.Pause)
	case gobreaker.StateClosed:
		c.metrics.open.Set(0)
		c.o.Logger.Info("the hook answers again")
	case gobreaker.StateHalfOpen:
	}
}

// Test makes one call of the type hook.test, which concerns no message.
func (c *Caller) Test(ctx context.Context) error {
	defer c.client.http.CloseIdleConnections()
	_, err := c.client.call(ctx, "hook.test", struct{}{}, false)
	return err
}
