package hub

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/internal/timeline"
	"im/internal/tracing"
	"im/realtime/wire"
	"im/realtime/ws"
)

// Directory returns what the hub needs to know to let a session join, as of the
// primary.
type Directory interface {
	// Admit returns the number of a new session of the user, and the user's standing.
	Admit(ctx context.Context, user domain.UserID) (domain.Admission, error)
	// Memberships returns all conversations of a user with their heads.
	Memberships(ctx context.Context, user domain.UserID) (domain.Memberships, error)
	// StandingOf returns the revocation and the ban of the user.
	StandingOf(ctx context.Context, user domain.UserID) (domain.Standing, error)
	// Views returns the conversation as each of the users sees it. Users who are
	// not members at its head are left out.
	Views(ctx context.Context, id domain.ConversationID, users []domain.UserID) (map[domain.UserID]domain.ConversationView, error)
}

// Log is the log of events. The hub reads it without a check of permissions.
type Log interface {
	// LogRange returns the events of (after, upto], ascending. It may return
	// fewer, but at least one if there is any.
	LogRange(ctx context.Context, id domain.ConversationID, after, upto int64) ([]domain.Event, error)
	// Feed returns what was committed since the position; "" is the present.
	Feed(ctx context.Context, after domain.FeedPosition) (domain.FeedPage, error)
	// HeadLost reports that seq was seen as committed, and that the log ends
	// below it.
	HeadLost(ctx context.Context, id domain.ConversationID, seq int64) error
}

// PresenceObserver is notified of what may change who sees whose presence. Its
// methods must not block.
type PresenceObserver interface {
	// PresenceChanged is called when a user may have come online or gone offline.
	PresenceChanged(user domain.UserID)
	// MembershipChanged is called when a user entered or left a conversation.
	MembershipChanged(user domain.UserID)
}

// Options configure a hub. Zero values of the numbers stand for the defaults
// that are named beside them. Directory and Log are required.
type Options struct {
	Directory Directory
	Log       Log
	Presence  PresenceObserver // optional
	Logger    *slog.Logger
	Metrics   prometheus.Registerer // where the hub registers its metrics; optional
	Tracer    *tracing.Tracer       // begins spans; optional

	Limits domain.Limits // only SessionsPerUser is used
	// Single: a newer session of a user replaces all others of the user, not
	// only those of the same device.
	Single  bool
	Tail    time.Duration // interval between readings of the commit feed: 1 s
	Timeout time.Duration // of one read of the log: 5 s
	Readers int           // concurrent reads of the log: 8
}

// Hub is the index of the live sessions of one node. All methods may be called
// concurrently. Only Run, Join and CheckRenewal block.
type Hub struct {
	o       Options
	seed    maphash.Seed
	users   users
	pending readQueue
	metrics metrics
	wake    chan struct{} // asks for a reading of the feed at once

	// epochMu is read-locked while memberships are added to the index, and locked
	// while the epoch changes. So memberships of an old epoch never enter the index
	// of a new one.
	epochMu sync.RWMutex
	epoch   string        // "" until the feed of an epoch has been read
	known   chan struct{} // closed while epoch is not ""

	shards [64]shard
}

// shard holds the conversations that share a lock.
type shard struct {
	mu            sync.Mutex
	conversations map[domain.ConversationID]*conversation
}

// New returns a hub. Sessions join only after Run has read the feed; those that
// come earlier wait.
func New(o Options) *Hub {
	o.Tail = cmp.Or(o.Tail, time.Second)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.Readers = cmp.Or(o.Readers, 8)
	o.Limits.SessionsPerUser = cmp.Or(o.Limits.SessionsPerUser, domain.DefaultLimits().SessionsPerUser)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Presence == nil {
		o.Presence = unobserved{}
	}
	h := &Hub{
		o: o, seed: maphash.MakeSeed(), users: newUsers(), pending: newReadQueue(),
		wake: make(chan struct{}, 1), known: make(chan struct{}),
	}
	h.register(o.Metrics)
	for i := range h.shards {
		h.shards[i].conversations = make(map[domain.ConversationID]*conversation)
	}
	return h
}

// unobserved is the PresenceObserver of a hub without one.
type unobserved struct{}

func (unobserved) PresenceChanged(domain.UserID)   {}
func (unobserved) MembershipChanged(domain.UserID) {}

// Run reads the feed and the log until ctx ends. It returns nil.
func (h *Hub) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range h.o.Readers {
		g.Go(func() error { h.runReader(ctx); return nil })
	}
	g.Go(func() error { h.tail(ctx); return nil })
	return g.Wait()
}

// Push takes events that were committed to one conversation. It accepts them in
// any order and repeatedly, and does not block on anything but short locks.
func (h *Hub) Push(c domain.Committed) {
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	sh := h.shard(c.ConversationID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h.pushCommitted(sh, &c)
}

// TryPush is Push if the locks of the hub are free. It reports whether they were.
func (h *Hub) TryPush(c domain.Committed) bool {
	if !h.epochMu.TryRLock() {
		return false
	}
	defer h.epochMu.RUnlock()
	sh := h.shard(c.ConversationID)
	if !sh.mu.TryLock() {
		return false
	}
	defer sh.mu.Unlock()
	h.pushCommitted(sh, &c)
	return true
}

// pushCommitted requires epochMu and sh.mu.
func (h *Hub) pushCommitted(sh *shard, c *domain.Committed) {
	if len(c.Events) == 0 {
		return
	}
	if timeline.On() {
		for i := range c.Events {
			timeline.Mark(timeline.Pushed, c.Events[i].ClientMsgID)
		}
	}
	if c.Epoch != "" && c.Epoch != h.epoch {
		h.readFeedSoon() // one of the two epochs is old, and the feed decides which
		return
	}
	v := sh.conversations[c.ConversationID]
	if v == nil {
		if !h.changesLocalMembers(c.Events) {
			return
		}
		v = sh.track(c.ConversationID, c.Events[0].Seq-1)
	}
	path := ws.PathLocal
	if c.Remote {
		path = ws.PathAMQP
	}
	h.apply(v, c.Events, path, c.Traces)
	h.schedule(sh, v)
}

// changesLocalMembers reports whether one of the events adds or removes a user
// who has sessions here.
func (h *Hub) changesLocalMembers(events []domain.Event) bool {
	for i := range events {
		for user := range membershipChanges(h.o.Logger, &events[i]) {
			if h.users.get(user) != nil {
				return true
			}
		}
	}
	return false
}

// EpochBegan ends all sessions if epoch is not theirs, so that nothing of it
// reaches them. New sessions join once the feed of the new epoch has been read.
func (h *Hub) EpochBegan(epoch string) {
	if known := h.currentEpoch(); known != "" && known != epoch {
		h.reset("", wire.CloseEpoch)
	}
	h.readFeedSoon()
}

// Signal delivers a signal to the sessions on this node that it is for.
func (h *Hub) Signal(sig domain.Signal) {
	switch sig := sig.(type) {
	case domain.UserFrame:
		if u := h.users.get(sig.User); u != nil {
			u.signal(wire.Text(sig.Frame), sig.Except)
		}
	case domain.Broadcast:
		h.users.signal(wire.Text(sig.Frame))
	case domain.ConversationFrame:
		h.signalMembers(sig)
	case domain.EndSessions:
		if u := h.users.get(sig.User); u != nil {
			u.end(sig)
		}
	case domain.PresenceChanged:
		h.o.Presence.PresenceChanged(sig.User)
	}
}

// signalMembers delivers a frame to the local members of a conversation, except
// the user that it is about.
func (h *Hub) signalMembers(sig domain.ConversationFrame) {
	sh := h.shard(sig.Conversation)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	v := sh.conversations[sig.Conversation]
	if v == nil {
		return
	}
	frame := wire.Text(sig.Frame)
	for u := range v.members {
		if u.id != sig.From {
			u.signalDroppable(frame)
		}
	}
}

// IsMember reports whether the hub knows the user of a joined session as a
// member of a conversation. If it reports false, the directory may know better.
func (h *Hub) IsMember(s *Session, id domain.ConversationID) bool {
	sh := h.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	v := sh.conversations[id]
	if v == nil {
		return false
	}
	_, member := v.members[s.user]
	return member
}

// Sessions returns all sessions, including those that are still joining.
func (h *Hub) Sessions() []domain.SessionEntry { return h.users.entries() }

// OnlineUsers returns the users of the sessions that count as online. A user may
// occur more than once.
func (h *Hub) OnlineUsers() []domain.UserID {
	var users []domain.UserID
	for _, e := range h.Sessions() {
		if !e.Background {
			users = append(users, e.User)
		}
	}
	return users
}

// IsOnline reports whether a user has a session here that counts as online, not
// counting except.
func (h *Hub) IsOnline(user domain.UserID, except *Session) bool {
	u := h.users.get(user)
	return u != nil && u.isOnline(except)
}

// Conversations returns the number of conversations in the index.
func (h *Hub) Conversations() (n int) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		n += len(sh.conversations)
		sh.mu.Unlock()
	}
	return n
}

func (h *Hub) currentEpoch() string {
	h.epochMu.RLock()
	defer h.epochMu.RUnlock()
	return h.epoch
}

func (h *Hub) shard(id domain.ConversationID) *shard {
	return &h.shards[maphash.Comparable(h.seed, id)%uint64(len(h.shards))]
}
