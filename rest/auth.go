package rest

import (
	"net/http"
	"sync"
	"time"

	"im/domain"
	"im/internal/edge"
)

// caller is who a call is made for.
type caller struct {
	domain.Actor
	// device is the one that the token is bound to; "" if there is none.
	device domain.DeviceID
	// issued is the time of issue of a user's token, the zero Time if the token has none; nil
	// for a backend that acts for a user.
	issued *domain.Time
}

// admission authenticates calls and limits them: by rate, and by how many calls
// of one user may be in flight on this node.
type admission struct {
	verifier    Verifier
	rates       edge.RateLimiter
	maxInFlight int

	mu       sync.Mutex
	inFlight map[domain.UserID]int // without users that have no call in flight
}

func newAdmission(v Verifier, rates edge.RateLimiter, maxInFlight int) *admission {
	return &admission{verifier: v, rates: rates, maxInFlight: maxInFlight, inFlight: make(map[domain.UserID]int)}
}

// admit returns the caller of r. The call is in flight until leave is called.
func (a *admission) admit(r *http.Request, class domain.RateClass) (c caller, leave func(), err error) {
	token, err := edge.BearerToken(r.Header)
	if err != nil {
		return caller{}, nil, err
	}
	address := a.rates.Address(r)
	id, err := a.verifier.Verify(r.Context(), token)
	if err != nil {
		// A bad token counts against the address, as the opening of a socket does.
		if limited := a.rates.Admit(domain.RateConnect, "", address); limited != nil {
			err = limited
		}
		return caller{}, nil, err
	}
	if c, err = callerOf(id, r.Header.Values("X-IM-User")); err != nil {
		return caller{}, nil, err
	}
	if !id.Server {
		if err := a.rates.Admit(class, c.User, address); err != nil {
			return caller{}, nil, err
		}
	}
	if !a.enter(c.User) {
		return caller{}, nil, domain.ErrRateLimited.WithMessage("too many requests in flight").WithRetryAfter(time.Second)
	}
	return c, func() { a.leave(c.User) }, nil
}

// callerOf returns the token's user, or the user that a backend acts for.
func callerOf(id domain.Identity, onBehalfOf []string) (caller, error) {
	switch {
	case len(onBehalfOf) == 0:
		return caller{domain.Actor{User: id.User, Backend: id.Server}, id.Device, &id.Issued}, nil
	case !id.Server:
		return caller{}, domain.ErrForbidden.WithMessage("X-IM-User takes a server token")
	case len(onBehalfOf) > 1:
		return caller{}, domain.Invalid("/X-IM-User", "must be given once")
	}
	user, err := domain.ParseUserID("/X-IM-User", onBehalfOf[0])
	return caller{Actor: domain.Actor{User: user, OnBehalf: true}}, err
}

func (a *admission) enter(user domain.UserID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight[user] >= a.maxInFlight {
		return false
	}
	a.inFlight[user]++
	return true
}

func (a *admission) leave(user domain.UserID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight[user]--; a.inFlight[user] == 0 {
		delete(a.inFlight, user)
	}
}
