package realtime

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"im/domain"
)

// Directory tells the hub what it has to know to let sessions in, from the
// primary.
type Directory interface {
	// Admit returns what a session of the user begins with.
	Admit(ctx context.Context, user domain.UserID) (domain.Admission, error)
	// Memberships returns all conversations of a user with their heads.
	Memberships(ctx context.Context, user domain.UserID) (domain.Memberships, error)
	// RevokedBefore returns since when tokens of the user are good; zero: always.
	RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error)
	// Views returns the conversation as each of the users sees it who is a
	// member at its head; others are left out.
	Views(ctx context.Context, id domain.ConversationID, users []domain.UserID) (map[domain.UserID]domain.ConversationView, error)
}

// Log is the log of events as the hub reads it, without asking for permission.
type Log interface {
	// LogRange returns the events of (after, upto], ascending; it may end early,
	// but returns at least one event if there is any.
	LogRange(ctx context.Context, id domain.ConversationID, after, upto int64) ([]domain.Event, error)
	// Feed returns what was committed since the position; "" is the present.
	Feed(ctx context.Context, after domain.FeedPosition) (domain.FeedPage, error)
	// HeadLost reports that somebody saw seq, and that the log ends below it.
	HeadLost(ctx context.Context, id domain.ConversationID, seq int64) error
}

// HubOptions are the parts of a hub. Zero values of the numbers are replaced by
// the defaults that are named beside them.
type HubOptions struct {
	Directory Directory
	Log       Log
	Logger    *slog.Logger

	Limits domain.Limits // of which the hub holds SessionsPerUser
	// Single: a newer session of a user replaces all others of the user.
	Single  bool
	Tail    time.Duration // how often the feed is read: 1 s
	Timeout time.Duration // of one read of the log: 5 s
	Workers int           // how many read the log at once: 8
}

// Hub knows the live sessions of one node and pushes to them what is committed.
// See the package comment for what it promises. Its methods may be called from
// anywhere at once; none but Run blocks.
type Hub struct {
	o       HubOptions
	seed    maphash.Seed
	users   users
	watches watches
	jobs    jobs
	wake    chan struct{} // asks for a reading of the feed now

	// epoch is "" until the feed was read for the first time. What enters
	// memberships into the index holds it for reading, a change of epoch for
	// writing, so that nothing of the old one slips into the new one.
	epochMu sync.RWMutex
	epoch   string        // "" too between a new epoch and the first reading of its feed
	begun   chan struct{} // closed when there is one

	shards [64]shard
}

// shard is the part of the conversations that share a lock. Locks are taken in
// this order: shard, users, user, outbox.
type shard struct {
	mu      sync.Mutex
	entries map[domain.ConversationID]*entry
}

// NewHub returns a hub. It lets no session in before Run has read the feed:
// who comes earlier waits.
func NewHub(o HubOptions) *Hub {
	o.Tail = orDefault(o.Tail, time.Second)
	o.Timeout = orDefault(o.Timeout, 5*time.Second)
	o.Workers = orDefault(o.Workers, 8)
	o.Limits.SessionsPerUser = orDefault(o.Limits.SessionsPerUser, domain.DefaultLimits().SessionsPerUser)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{o: o, seed: maphash.MakeSeed(), users: newUsers(), watches: newWatches(), jobs: newJobs(), wake: make(chan struct{}, 1), begun: make(chan struct{})}
	for i := range h.shards {
		h.shards[i].entries = make(map[domain.ConversationID]*entry)
	}
	return h
}

// Run reads the feed and the log until ctx ends, and returns nil then.
func (h *Hub) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range h.o.Workers {
		g.Go(func() error { h.runJobs(ctx); return nil })
	}
	g.Go(func() error { h.tail(ctx); return nil })
	return g.Wait()
}

// Push takes what was committed to one conversation, from whatever way it came,
// in whatever order and however often.
func (h *Hub) Push(c domain.Committed) {
	if len(c.Events) == 0 {
		return
	}
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	if c.Epoch != "" && c.Epoch != h.epoch {
		h.readFeedSoon() // one of the two is behind, and the feed knows which
		return
	}
	sh := h.shard(c.ConversationID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[c.ConversationID]
	if e == nil {
		if !h.concerns(c.Events) {
			return
		}
		e = sh.track(c.ConversationID, c.Events[0].Seq-1)
	}
	h.apply(e, c.Events)
	h.settle(sh, e)
}

// EpochBegan ends all sessions if the epoch is another one than theirs: nothing of
// it may reach them. New ones are let in when its feed has been read.
func (h *Hub) EpochBegan(epoch string) {
	if known := h.currentEpoch(); known != "" && known != epoch {
		h.beginAnew("", closeEpoch)
	}
	h.readFeedSoon()
}

// concerns tells whether one of the events lets a local user in or out.
func (h *Hub) concerns(events []domain.Event) bool {
	for i := range events {
		for user := range affected(h.o.Logger, &events[i]) {
			if h.users.get(user) != nil {
				return true
			}
		}
	}
	return false
}

// Signal delivers a signal to the sessions of this node.
func (h *Hub) Signal(sig domain.Signal) {
	switch sig := sig.(type) {
	case domain.UserFrame:
		if u := h.users.get(sig.User); u != nil {
			u.signal(textFrame(sig.Frame), sig.Except)
		}
	case domain.Broadcast:
		h.users.signal(textFrame(sig.Frame))
	case domain.ConversationFrame:
		h.signalMembers(sig)
	case domain.EndSessions:
		if u := h.users.get(sig.User); u != nil {
			u.end(sig)
		}
	case domain.PresenceChanged:
		h.watches.changed(sig.User)
	}
}

// Sessions lists all sessions, those that are being let in included.
func (h *Hub) Sessions() []domain.SessionEntry { return h.users.entries() }

func (h *Hub) currentEpoch() string {
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	return h.epoch
}

func (h *Hub) shard(id domain.ConversationID) *shard {
	return &h.shards[maphash.Comparable(h.seed, id)%uint64(len(h.shards))]
}

func orDefault[T ~int | ~int64](n, otherwise T) T {
	if n == 0 {
		return otherwise
	}
	return n
}
