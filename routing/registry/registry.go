package registry

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"im/domain"
	"im/routing/internal/quietlog"
)

const (
	leaseTTL     = 10 * time.Second
	userTTL      = 10 * time.Minute // of a user's entries; each registration renews it
	leaveTimeout = 2 * time.Second
)

// DefaultTimeout is how long a caller waits for Redis. MaxTimeout bounds it: with a
// longer one, a lease could end while it is being renewed.
const (
	DefaultTimeout = 250 * time.Millisecond
	MaxTimeout     = leaseTTL / 2
)

// Options are the parts and limits of a Registry. Name, Prefix, Logger, Metrics,
// SessionsPerUser and Timeout may be zero.
type Options struct {
	Name   string                // such as the host's; the node id is this and a random suffix
	Prefix string                // of all Redis keys; "im" if empty
	Redis  redis.UniversalClient // from Address.Connect: not every client keeps deadlines
	Logger *slog.Logger
	// Metrics is where the registry registers its metrics.
	Metrics prometheus.Registerer

	// SessionsPerUser is how many live sessions a user may have in the whole
	// cluster, as far as the registry knows; the contract's number if 0.
	SessionsPerUser int
	// Timeout is how long a lookup or the registration of a session waits for Redis;
	// DefaultTimeout if 0, at most MaxTimeout. A refresh and a grace period take at
	// least as long.
	Timeout time.Duration

	// Sessions lists the sessions of this node that should be registered. A session
	// for which Unregister was called is no longer among them. It must not block.
	Sessions func() []domain.SessionEntry
	// EndSession closes a session on a node, which may be this one under its present
	// or an earlier id. It must not block.
	EndSession func(domain.NodeID, domain.EndSessions)
}

// Registry is one node's view of the sessions in Redis, and its part of them. Its
// methods may be called from any goroutine.
type Registry struct {
	redis           redis.UniversalClient
	prefix, name    string
	started         time.Time
	sessionsPerUser int
	timeout         time.Duration
	log             quietlog.Log
	sessions        func() []domain.SessionEntry
	endSession      func(domain.NodeID, domain.EndSessions)
	renamed         chan struct{} // holds a token after id has changed
	nodes           *liveness
	recent          *recentLookups
	count           *metrics

	mu      sync.Mutex
	state   state
	failure failure
	id      domain.NodeID
	single  bool // the session policy of the last registration
	// removals are the entries that are still to be removed from Redis.
	removals map[domain.SessionID]removal
}

// New returns a registry that has its node id, and uses Redis once it runs.
func New(o Options) (*Registry, error) {
	if o.Redis == nil || o.Sessions == nil || o.EndSession == nil {
		return nil, errors.New("routing: Redis, Sessions and EndSession are required")
	}
	if o.Timeout > MaxTimeout {
		return nil, fmt.Errorf("routing: the timeout of Redis is above %s", MaxTimeout)
	}
	if o.Prefix == "" {
		o.Prefix = "im"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SessionsPerUser == 0 {
		o.SessionsPerUser = domain.DefaultLimits().SessionsPerUser
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	r := &Registry{
		redis:           o.Redis,
		prefix:          o.Prefix,
		name:            nodeName(o.Name),
		started:         time.Now(),
		sessionsPerUser: o.SessionsPerUser,
		timeout:         o.Timeout,
		log:             quietlog.New(o.Logger),
		sessions:        o.Sessions,
		endSession:      o.EndSession,
		renamed:         make(chan struct{}, 1),
		nodes:           newLiveness(),
		recent:          newRecentLookups(),
		removals:        make(map[domain.SessionID]removal),
	}
	r.id = r.newID()
	r.register(o.Metrics)
	return r, nil
}

// nodeName replaces the characters of a name that must not stand in a Redis key, in a
// queue's name or in an entry.
func nodeName(name string) string {
	name = strings.Map(func(c rune) rune {
		if c < 0x80 && (c == '.' || c == '_' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z') {
			return c
		}
		return '-'
	}, name)
	if name == "" {
		name = "node"
	}
	return name[:min(len(name), 64)]
}

func (r *Registry) newID() domain.NodeID {
	var suffix [5]byte
	_, _ = rand.Read(suffix[:]) // never fails on the supported platforms
	return domain.NodeID(r.name + "-" + hex.EncodeToString(suffix[:]))
}

// ID returns the present id of this node. It changes when the node has lost its lease.
func (r *Registry) ID() domain.NodeID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.id
}

// Renamed returns a channel that holds a token after the id has changed. It has one
// reader.
func (r *Registry) Renamed() <-chan struct{} { return r.renamed }

// failure is what went wrong with Redis.
type failure struct {
	refresh error     // of the last refresh, if that failed
	refused error     // what Redis answered to a call that it did not carry out
	at      time.Time // of refused
}

// refusedMemory is how long Ready reports a call that Redis refused. A call that got no
// answer is left to the refreshes, because a slow server is not an unusable one.
const refusedMemory = 5 * time.Second

// errConnecting is the failure before the first refresh.
var errConnecting = errors.New("routing: redis was not reached yet")

// Ready returns domain.ErrUnavailable while Redis is unreachable, takes no writes or
// refuses what the registry needs. The message says why, without addresses and names.
func (r *Registry) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.state.ready():
		return unavailable(cmp.Or(r.failure.refresh, errConnecting))
	case r.failure.refused != nil && time.Since(r.failure.at) < refusedMemory:
		return unavailable(r.failure.refused)
	}
	return nil
}

// MassChanges counts the events that may have changed the presence of many users at
// once: a node died, Redis became unreachable or came back, or it lost data. No signal
// announces them. A caller that keeps answers of Online asks again when the number has
// changed, and for some seconds from then on.
func (r *Registry) MassChanges() uint64 { return r.current().massChanges }

func (r *Registry) current() state {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// note applies an event to the state.
func (r *Registry) note(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apply(e)
}

// apply applies an event to the state; r.mu is held.
func (r *Registry) apply(e event) {
	r.state = r.state.next(e, time.Now(), r.atLeast(gracePeriod))
}

// failed notes that a call of Redis failed.
func (r *Registry) failed(doing string, err error) {
	r.mu.Lock()
	r.apply(callFailed)
	if isAnswer(err) {
		r.failure.refused, r.failure.at = err, time.Now()
	}
	r.mu.Unlock()
	r.logFailure(doing, err)
}

func (r *Registry) logFailure(doing string, err error) {
	r.count.redisErrors.Inc()
	r.log.Warn("redis call failed: "+doing, "reason", describe(err), "error", err)
}

// atLeast returns d, or the timeout of a call where that is longer.
func (r *Registry) atLeast(d time.Duration) time.Duration { return max(d, r.timeout) }

func (r *Registry) nodesKey() string                   { return r.prefix + ":nodes" }
func (r *Registry) leaseKey(node domain.NodeID) string { return r.prefix + ":node:" + string(node) }
func (r *Registry) userKey(user domain.UserID) string  { return r.prefix + ":user:" + string(user) }
