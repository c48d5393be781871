package ratelimit

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/domain"
	"im/internal/forwarded"
)

// minDelay is the shortest delay that a refused client is asked to wait.
const minDelay = 10 * time.Millisecond

// Rates are the rates of each class of requests, indexed by domain.RateClass.
type Rates [domain.RateClasses]Rate

// Options configure a Limiter. The zero value limits nothing.
type Options struct {
	User    Rates // of each user
	Address Rates // of each address
	// Proxies are the trusted proxies: they name the address of the client.
	Proxies forwarded.Proxies
	// Metrics is where the limiter registers its metrics; optional.
	Metrics prometheus.Registerer
}

// Limiter limits users and addresses on this node. It may be used concurrently.
type Limiter struct {
	user, address [domain.RateClasses]*buckets
	proxies       forwarded.Proxies
	byAddress     bool // at least one class limits addresses

	userRefused, addressRefused [domain.RateClasses]prometheus.Counter
}

// classNames are the labels of the classes.
var classNames = [domain.RateClasses]string{
	domain.RateConnect: "connect", domain.RateSend: "send", domain.RateRead: "read", domain.RateSignal: "signal",
}

// New returns a Limiter.
func New(o Options) *Limiter {
	l := &Limiter{proxies: o.Proxies}
	refused := promauto.With(o.Metrics).NewCounterVec(prometheus.CounterOpts{
		Name: "im_rate_limited_total", Help: "Requests that a rate limit refused, by class (connect, send, read, signal) and by what was counted (user, address).",
	}, []string{"class", "by"})
	for class := range domain.RateClasses {
		l.userRefused[class] = refused.WithLabelValues(classNames[class], "user")
		l.addressRefused[class] = refused.WithLabelValues(classNames[class], "address")
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
	return subscriberPrefix(l.proxies.Client(r))
}

// Admit counts one request of a user from an address. The user "" and the zero
// Prefix are not counted. It returns domain.ErrRateLimited, with the delay after
// which to try again, if either is over its limit; then it has counted neither.
func (l *Limiter) Admit(class domain.RateClass, user domain.UserID, from netip.Prefix) error {
	now := time.Now()
	var wait time.Duration
	if from.IsValid() {
		if wait = take(l.address[class], from, now); wait > 0 {
			l.addressRefused[class].Inc()
		}
	}
	if wait == 0 && user != "" {
		if wait = take(l.user[class], user, now); wait > 0 {
			l.userRefused[class].Inc()
			if from.IsValid() {
				giveBack(l.address[class], from)
			}
		}
	}
	if wait > 0 {
		return domain.ErrRateLimited.WithRetryAfter(max(wait, minDelay))
	}
	return nil
}
