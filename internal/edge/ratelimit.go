package edge

import (
	"net/http"
	"net/netip"

	"im/domain"
)

// RateLimiter limits how often users and addresses do something.
type RateLimiter interface {
	// Address returns the prefix that a request is counted by; zero if requests
	// are not counted by address.
	Address(r *http.Request) netip.Prefix
	// Admit counts one request of a class. It fails with ErrRateLimited, which
	// states the delay. The user "" and the zero address are not counted.
	Admit(class domain.RateClass, user domain.UserID, from netip.Prefix) error
}

// Unlimited is a RateLimiter that admits everything.
type Unlimited struct{}

var _ RateLimiter = Unlimited{}

// Address implements RateLimiter.
func (Unlimited) Address(*http.Request) netip.Prefix { return netip.Prefix{} }

// Admit implements RateLimiter.
func (Unlimited) Admit(domain.RateClass, domain.UserID, netip.Prefix) error { return nil }
