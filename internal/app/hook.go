package app

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"im/domain"
	"im/hook"
	"im/internal/tracing"
)

// Hook says whether the app is asked about messages before they are accepted.
type Hook struct {
	URL      string        `name:"url" placeholder:"https://HOST/PATH" help:"Endpoint of the app that is asked about each message and each edit of a user before it is accepted. Without it, nobody is asked."`
	Secret   string        `secret:"" help:"Secret that signs the calls by Standard Webhooks: whsec_ and 24 to 64 bytes in base64. It is required with --hook-url."`
	Timeout  time.Duration `default:"1s" help:"How long a call may take, and how long it may wait while others are in flight: 10ms to 5s."`
	Fail     string        `enum:"open,closed" default:"open" help:"What happens to a message whose call fails: it is accepted as it is (open), or gets the error unavailable (closed)."`
	InFlight int           `default:"64" help:"Most calls of this node at the same time."`
}

const (
	minHookTimeout = 10 * time.Millisecond
	maxHookTimeout = 5 * time.Second // a send is answered within 10 s
	maxHookCalls   = 10_000
)

// check validates what no tag can describe. Its errors contain neither the secret nor the
// URL, which may hold a token.
func (h Hook) check() error {
	if h.URL == "" {
		return nil
	}
	var errs []error
	u, err := url.Parse(h.URL)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		errs = append(errs, errors.New("IM_HOOK_URL must begin with https:// or http:// and a host"))
	case u.User != nil, u.Fragment != "":
		errs = append(errs, errors.New("IM_HOOK_URL must have no user, no password and no fragment"))
	}
	if h.Secret == "" || domain.CheckWebhookSecret(h.Secret) != nil {
		errs = append(errs, errors.New("IM_HOOK_SECRET must be whsec_ and 24 to 64 bytes in base64, as printed by: echo whsec_$(openssl rand -base64 32)"))
	}
	if h.Timeout < minHookTimeout || h.Timeout > maxHookTimeout {
		errs = append(errs, errors.New("IM_HOOK_TIMEOUT must be between 10ms and 5s"))
	}
	if h.InFlight < 1 || h.InFlight > maxHookCalls {
		errs = append(errs, errors.New("IM_HOOK_IN_FLIGHT must be between 1 and 10000"))
	}
	return errors.Join(errs...)
}

// caller returns the caller of the endpoint. It is idle if there is none.
func (h Hook) caller(store hook.Store, limits domain.Limits, logger *slog.Logger, metrics prometheus.Registerer, tracer *tracing.Tracer) *hook.Caller {
	return hook.New(hook.Options{
		URL: h.URL, Secret: h.Secret, Timeout: h.Timeout, Closed: h.Fail == "closed", InFlight: h.InFlight,
		Store: store, Limits: limits, Logger: logger.With("component", "hook"), Metrics: metrics, Tracer: tracer,
	})
}

// Test makes a call of the type hook.test, as a node makes calls. It is for programs that
// examine settings, which check must have accepted.
func (h Hook) Test(ctx context.Context) error {
	return h.caller(nil, domain.DefaultLimits(), slog.New(slog.DiscardHandler), nil, nil).Test(ctx)
}
