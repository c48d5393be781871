package ratelimit

import (
	"net/http"
	"net/netip"
	"time"

	"im/domain"
)

// minDelay is the shortest delay that a refused client is asked to wait.
const minDelay = 10 * time.Millisecond

// Rates are the rates of each class of requests, indexed by domain.RateClass.
type Rates [domain.RateClasses]Rate

// Options configure a Limiter. The zero value limits nothing.
type Options struct {
	User    Rates // of each user
	Address Rates // of each address
	// Proxies are the proxies whose X-Forwarded-For is trusted.
	Proxies []netip.Prefix
}

// Limiter limits users and addresses on this node. It may be used concurrently.
type Limiter struct {
	user, address [domain.RateClasses]*buckets
	proxies       proxies
	byAddress     bool // at least one class limits addresses
}

// New returns a Limiter.
func New(o Options) *Limiter {
	l := &Limiter{proxies: o.Proxies}
	for class := range domain.RateClasses {
		l.user[class], l.address[class] = newBuckets(o.User[class]), newBuckets(o.Address[class])
		l.byAddress = l.byAddress || l.address[class] != nil
	}
	return l
}

// Address returns the prefix of the client's address that a request counts for. It
// returns the zero Prefix if no rate limits addresses.
func (l *Limiter) Address(r *http.Request) netip.Prefix {
	if !l.byAddress {
		return netip.Prefix{}
	}
	return subscriberPrefix(l.proxies.clientAddress(r))
}

// Admit counts one request of a user from an address. The user "" and the zero
// Prefix are not counted. It returns domain.ErrRateLimited, with the delay after
// which to try again, if either is over its limit; then it has counted neither.
func (l *Limiter) Admit(class domain.RateClass, user domain.UserID, from netip.Prefix) error {
	now := time.Now()
	var wait time.Duration
	if from.IsValid() {
		wait = take(l.address[class], from, now)
	}
	if wait == 0 && user != "" {
		if wait = take(l.user[class], user, now); wait > 0 && from.IsValid() {
			giveBack(l.address[class], from)
		}
	}
	if wait > 0 {
		return domain.ErrRateLimited.WithRetryAfter(max(wait, minDelay))
	}
	return nil
}
