package ratelimit

import (
	"net/http"
	"net/netip"
	"time"

	"im/domain"
)

// minDelay is the least that is named to who comes too often.
const minDelay = 10 * time.Millisecond

// Rates are the limits of each activity, by domain.RateClass.
type Rates [domain.RateClasses]Rate

// Options are the limits. The zero value has none.
type Options struct {
	User    Rates
	Address Rates
	// Proxies are those whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
}

// Pace counts what is done on this node. Safe for concurrent use.
type Pace struct {
	user, address [domain.RateClasses]*buckets
	proxies       proxies
	byAddress     bool
}

// New returns a Pace.
func New(o Options) *Pace {
	p := &Pace{proxies: o.Proxies}
	for a := range domain.RateClasses {
		p.user[a], p.address[a] = newBuckets(o.User[a]), newBuckets(o.Address[a])
		p.byAddress = p.byAddress || p.address[a] != nil
	}
	return p
}

// Address returns where a request comes from, as far as limits tell addresses
// apart; zero where nobody counts by it.
func (p *Pace) Address(r *http.Request) netip.Prefix {
	if !p.byAddress {
		return netip.Prefix{}
	}
	return subscriber(p.proxies.origin(r))
}

// Admit counts one activity of a user at an address; "" and the zero address
// are not counted. It fails with domain.ErrRateLimited, which names the delay;
// then neither has been counted.
func (p *Pace) Admit(a domain.RateClass, user domain.UserID, from netip.Prefix) error {
	now := time.Now()
	var wait time.Duration
	if from.IsValid() {
		wait = take(p.address[a], from, now)
	}
	if wait == 0 && user != "" {
		if wait = take(p.user[a], user, now); wait > 0 && from.IsValid() {
			giveBack(p.address[a], from)
		}
	}
	if wait > 0 {
		return domain.ErrRateLimited.WithRetryAfter(max(wait, minDelay))
	}
	return nil
}
