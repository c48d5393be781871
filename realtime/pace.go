package realtime

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"im/domain"
)

// Pace limits how often users and addresses do something.
type Pace interface {
	// Address returns where a request comes from; zero if nobody counts by it.
	Address(r *http.Request) netip.Prefix
	// Admit counts one activity, or fails with ErrRateLimited, which names the
	// delay. "" and the zero address are not counted.
	Admit(a domain.RateClass, user domain.UserID, from netip.Prefix) error
}

// unlimited is the Pace of who sets none.
type unlimited struct{}

var _ Pace = unlimited{}

// Address implements Pace.
func (unlimited) Address(*http.Request) netip.Prefix { return netip.Prefix{} }

// Admit implements Pace.
func (unlimited) Admit(domain.RateClass, domain.UserID, netip.Prefix) error { return nil }

// admits counts what a session does. Backends are trusted to know what they do.
func (k *socket) admits(a domain.RateClass) error {
	if k.identity.Server {
		return nil
	}
	return k.g.o.Pace.Admit(a, k.session.user, k.address)
}

// admitHello counts a hello of the user whose token it brought: the address has
// been counted at the handshake.
func (k *socket) admitHello(identity *domain.Identity) error {
	if identity.Server {
		return nil
	}
	return k.g.o.Pace.Admit(domain.RateConnect, identity.User, netip.Prefix{})
}

// errFull is for who finds a node that has all the sockets it may have. The
// delays differ, so that not all come back at once.
func errFull() error {
	return domain.ErrUnavailable.WithMessage("this node is full").WithRetryAfter(time.Second + rand.N(4*time.Second))
}

// takePlace takes a place for a handshake; false if the node has as many sockets as it
// may have. The place becomes that of the socket, or is given back.
func (g *Gateway) takePlace() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.o.MaxSockets > 0 && len(g.sockets)+g.places >= g.o.MaxSockets {
		return false
	}
	g.places++
	return true
}

func (g *Gateway) givePlace() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.places--
}

// joins lets in so many sessions at once. The others wait for their turn, which
// does not count against the time that joining may take: when thousands connect
// at once, the first are in soon, where otherwise all would be late.
type joins struct{ turns chan struct{} }

func newJoins(n int) joins { return joins{make(chan struct{}, n)} }

// awaitTurn holds up a hello while as many as may are becoming sessions. It
// fails with a closeCode.
func (k *socket) awaitTurn() (leave func(), err error) {
	patience := time.NewTimer(k.g.o.Crowd)
	defer patience.Stop()
	select {
	case k.g.joins.turns <- struct{}{}:
		return func() { <-k.g.joins.turns }, nil
	case <-patience.C:
		k.g.o.Logger.Info("hello not answered: too many sessions begin at once")
		return nil, closeOverloaded
	case <-k.out.done:
		return nil, closeOverloaded // cut off meanwhile
	}
}
