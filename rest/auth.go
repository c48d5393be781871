package rest

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"im/domain"
	"im/rest/api"
)

// callKey is the key of the *call in a request's context.
type callKey struct{}

// call is what one request carries past the generated code.
type call struct {
	onBehalfOf []string // X-IM-User, as often as it was there
	method     string
	address    netip.Prefix // zero if nobody counts by it
	leave      func()       // set once the call counts as in flight
}

func (c *call) end() {
	if c.leave != nil {
		c.leave()
	}
}

// caller is who asks.
type caller struct {
	domain.Actor
	// device is the one that the token binds; "" if none.
	device domain.DeviceID
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// gatekeeper turns tokens into callers, and lets so many calls of each in.
type gatekeeper struct {
	verifier Verifier
	pace     Pace
	limit    int

	mu       sync.Mutex
	inFlight map[domain.UserID]int // users with calls under way only
}

var _ api.SecurityHandler = (*gatekeeper)(nil)

func newGatekeeper(v Verifier, p Pace, limit int) *gatekeeper {
	return &gatekeeper{verifier: v, pace: p, limit: limit, inFlight: make(map[domain.UserID]int)}
}

// HandleBearer implements api.SecurityHandler.
func (g *gatekeeper) HandleBearer(ctx context.Context, op api.OperationName, t api.Bearer) (context.Context, error) {
	c, _ := ctx.Value(callKey{}).(*call)
	id, err := g.verifier.Verify(ctx, t.Token)
	if err != nil {
		return nil, g.stranger(c, err)
	}
	who, err := identify(id, c.onBehalfOf)
	if err != nil {
		return nil, err
	}
	if !id.Server {
		if err := g.pace.Admit(activityOf(c.method, op), who.User, c.address); err != nil {
			return nil, err
		}
	}
	if !g.enter(who.User) {
		return nil, domain.ErrRateLimited.WithMessage("too many requests in flight").WithRetryAfter(time.Second)
	}
	c.leave = func() { g.exit(who.User) }
	return context.WithValue(ctx, callerKey{}, who), nil
}

// identify says who asks: the token's user, or whom a backend acts for.
func identify(id domain.Identity, onBehalfOf []string) (caller, error) {
	switch {
	case len(onBehalfOf) == 0:
		return caller{domain.Actor{User: id.User, Backend: id.Server}, id.Device}, nil
	case !id.Server:
		return caller{}, domain.ErrForbidden.WithMessage("X-IM-User takes a server token")
	case len(onBehalfOf) > 1:
		return caller{}, domain.Invalid("/X-IM-User", "must be given once")
	}
	user, err := domain.ParseUserID("/X-IM-User", onBehalfOf[0])
	return caller{domain.Actor{User: user, OnBehalf: true}, ""}, err
}

func (g *gatekeeper) enter(user domain.UserID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inFlight[user] >= g.limit {
		return false
	}
	g.inFlight[user]++
	return true
}

func (g *gatekeeper) exit(user domain.UserID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inFlight[user]--; g.inFlight[user] == 0 {
		delete(g.inFlight, user)
	}
}

// stranger counts a call with a bad token, like the opening of a socket.
func (g *gatekeeper) stranger(c *call, refused error) error {
	if err := g.pace.Admit(domain.RateConnect, "", c.address); err != nil {
		return err
	}
	return refused
}

// activityOf is as what a call counts: to say how far one has read or stored is
// done as often as to read.
func activityOf(method string, op api.OperationName) domain.RateClass {
	if method == http.MethodGet || op == api.MarkReadOperation || op == api.AcknowledgeOperation {
		return domain.RateRead
	}
	return domain.RateSend
}

// unlimited is the Pace of who sets none.
type unlimited struct{}

var _ Pace = unlimited{}

// Address implements Pace.
func (unlimited) Address(*http.Request) netip.Prefix { return netip.Prefix{} }

// Admit implements Pace.
func (unlimited) Admit(domain.RateClass, domain.UserID, netip.Prefix) error { return nil }
