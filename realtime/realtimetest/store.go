package realtimetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"im/domain"
	"im/domain/domaintest"
)

// ErrUnavailable is the error of a Store that was set unavailable.
var ErrUnavailable = domain.ErrUnavailable.WithMessage("unavailable for the test")

// The client ids and the limit below make a Store misbehave.
const (
	NeverAnswered = "never"  // Send does not answer
	Panics        = "panic"  // Send panics
	FailsInside   = "broken" // Send fails with an error that clients must not see

	PanicLimit = 13 // Events panics
)

// Store is everything that is stored, in memory: the log of domaintest, and what
// the hub and the gateway read and write beside it. It starts with one revoked
// user, "revoked". It is safe for concurrent use.
type Store struct {
	*domaintest.Log

	mu          sync.Mutex
	number      int64
	unavailable bool
	stuck       bool
	feedLost    bool
	rangeLimit  int64
	lostHeads   []int64
	acked       map[domain.Ack]bool
	seen        map[domain.UserID]domain.Time
	revoked     map[domain.UserID]time.Time
	banned      map[domain.UserID]*domain.UserBan
	lastSync    domain.SyncQuery
	listed      func(context.Context)
}

// NewStore returns an empty store.
func NewStore() *Store {
	s := &Store{
		Log: domaintest.NewLog(), acked: make(map[domain.Ack]bool), seen: make(map[domain.UserID]domain.Time),
		banned:  map[domain.UserID]*domain.UserBan{},
		revoked: map[domain.UserID]time.Time{"revoked": time.Now()},
	}
	s.Intercept(func(_ context.Context, method string) error {
		if method == "Create" { // NewGroup is the test's own
			return nil
		}
		return s.available()
	})
	return s
}

func (s *Store) lock() (unlock func()) { s.mu.Lock(); return s.mu.Unlock }

func (s *Store) available() error {
	defer s.lock()()
	if s.unavailable {
		return ErrUnavailable
	}
	return nil
}

// SetUnavailable makes reads and writes fail, or work again.
func (s *Store) SetUnavailable(unavailable bool) { defer s.lock()(); s.unavailable = unavailable }

// SetRevocationsStuck makes StandingOf wait until its context ends.
func (s *Store) SetRevocationsStuck() { defer s.lock()(); s.stuck = true }

// LoseFeed makes the next reading of the feed fail: its position is too old.
func (s *Store) LoseFeed() { defer s.lock()(); s.feedLost = true }

// SetRangeLimit sets how many events LogRange returns at most; 0 is no limit.
func (s *Store) SetRangeLimit(n int) { defer s.lock()(); s.rangeLimit = int64(n) }

// OnList sets a function that Memberships calls after it has read its answer, and
// before it returns. Nil removes it.
func (s *Store) OnList(f func(context.Context)) { defer s.lock()(); s.listed = f }

// OnNextList is OnList for the next call only.
func (s *Store) OnNextList(f func()) {
	s.OnList(func(context.Context) {
		s.OnList(nil)
		f()
	})
}

// Revoke revokes the tokens of a user that were issued until now.
func (s *Store) Revoke(user domain.UserID) { defer s.lock()(); s.revoked[user] = time.Now() }

// Ban bans the user from the app.
func (s *Store) Ban(user domain.UserID) { defer s.lock()(); s.banned[user] = &domain.UserBan{} }

// LostHeads returns the seqs that HeadLost was called with.
func (s *Store) LostHeads() []int64 { defer s.lock()(); return append([]int64(nil), s.lostHeads...) }

// HasAcked reports whether an acknowledgement was stored.
func (s *Store) HasAcked(a domain.Ack) bool { defer s.lock()(); return s.acked[a] }

// Acked returns the number of different acknowledgements that were stored.
func (s *Store) Acked() int { defer s.lock()(); return len(s.acked) }

// LastSeen returns when a user was last seen; zero if never.
func (s *Store) LastSeen(user domain.UserID) domain.Time { defer s.lock()(); return s.seen[user] }

// LastSync returns the latest query of Sync.
func (s *Store) LastSync() domain.SyncQuery { defer s.lock()(); return s.lastSync }

// NewGroup creates a group of members.
func (s *Store) NewGroup(members ...domain.UserID) domain.ConversationID {
	id := domain.NewConversationID(time.Now())
	created := domain.CreatedBody{Kind: domain.Group, Settings: domain.DefaultSettings()}
	for _, m := range members {
		created.Members = append(created.Members, domain.MemberRole{UserID: m, Role: domain.RoleMember})
	}
	s.NewConversation(domain.NewConversation{ID: id, Creator: "x", Created: created})
	return id
}

// NewConversation creates a conversation.
func (s *Store) NewConversation(n domain.NewConversation) {
	if _, _, err := s.Create(context.Background(), n); err != nil {
		panic(err)
	}
}

// AppendOne appends an event with a body.
func (s *Store) AppendOne(id domain.ConversationID, kind domain.EventType, sender domain.UserID, clientMsgID string, body any) domain.Event {
	d := domaintest.NewDraft(kind, sender, body)
	d.ClientMsgID = clientMsgID
	return s.Append(id, d)[0]
}

// Post appends a message.
func (s *Store) Post(id domain.ConversationID, sender domain.UserID, clientMsgID string) domain.Event {
	return s.AppendOne(id, domain.MessagePosted, sender, clientMsgID, json.RawMessage(`{"content":{"type":"text","text":"<hi>"}}`))
}

// AddMember appends that a user was added.
func (s *Store) AddMember(id domain.ConversationID, user domain.UserID) domain.Event {
	return s.AppendOne(id, domain.MemberAdded, "x", "", domain.MemberRole{UserID: user, Role: domain.RoleMember})
}

// RemoveMember appends that a user was removed.
func (s *Store) RemoveMember(id domain.ConversationID, user domain.UserID) domain.Event {
	return s.AppendOne(id, domain.MemberRemoved, "x", "", domain.MemberRole{UserID: user, Role: domain.RoleMember})
}

// EditSecret appends an edit of the message target whose content says "secret".
func (s *Store) EditSecret(id domain.ConversationID, target int64) domain.Event {
	return s.AppendOne(id, domain.MessageEdited, "x", "", domain.EditedBody{
		TargetSeq: target, Content: json.RawMessage(`{"type":"text","text":"secret"}`), Mentions: []domain.UserID{"b"},
	})
}

// SetHistory appends that members may read everything, or only what is newer than
// their joining.
func (s *Store) SetHistory(id domain.ConversationID, history string) domain.Event {
	settings := domain.DefaultSettings()
	settings.History = history
	return s.AppendOne(id, domain.ConversationUpdated, "x", "", domain.UpdatedBody{Settings: &settings})
}

// Head returns the seq of the last event; 0 if there is no such conversation.
func (s *Store) Head(id domain.ConversationID) int64 { return int64(len(s.EventsOf(id))) }

// Heads returns the heads of all conversations.
func (s *Store) Heads() map[domain.ConversationID]int64 {
	heads := make(map[domain.ConversationID]int64)
	for _, id := range s.IDs() {
		heads[id] = s.Head(id)
	}
	return heads
}

// EventAt returns the event with a seq.
func (s *Store) EventAt(id domain.ConversationID, seq int64) domain.Event {
	return s.EventsOf(id)[seq-1]
}

// IsMember reports whether a user is a member; false if there is no such
// conversation.
func (s *Store) IsMember(id domain.ConversationID, user domain.UserID) bool {
	state := s.State(id)
	if state == nil {
		return false
	}
	_, member := state.Member(user)
	return member
}

// Admit returns the next number.
func (s *Store) Admit(_ context.Context, user domain.UserID) (domain.Admission, error) {
	if err := s.available(); err != nil {
		return domain.Admission{}, err
	}
	defer s.lock()()
	s.number++
	return domain.Admission{Number: s.number, Standing: s.standing(user)}, nil
}

// StandingOf returns what Revoke and Ban did last.
func (s *Store) StandingOf(ctx context.Context, user domain.UserID) (domain.Standing, error) {
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return domain.Standing{}, ErrUnavailable
	}
	if err := s.available(); err != nil {
		return domain.Standing{}, err
	}
	defer s.lock()()
	return s.standing(user), nil
}

// standing returns the standing of a user. The caller holds the lock.
func (s *Store) standing(user domain.UserID) domain.Standing {
	return domain.Standing{RevokedBefore: s.revoked[user], Ban: s.banned[user]}
}

// Memberships returns the user's conversations.
func (s *Store) Memberships(ctx context.Context, user domain.UserID) (domain.Memberships, error) {
	m, err := s.memberships(user)
	s.mu.Lock()
	listed := s.listed
	s.mu.Unlock()
	if listed != nil {
		listed(ctx)
	}
	return m, err
}

func (s *Store) memberships(user domain.UserID) (domain.Memberships, error) {
	if err := s.available(); err != nil {
		return domain.Memberships{}, err
	}
	m := domain.Memberships{Epoch: s.Epoch()}
	for _, id := range s.IDs() {
		if v, _ := s.View(id, user); v.JoinedSeq > 0 {
			m.List = append(m.List, domain.Membership{
				ConversationID: id, HeadSeq: v.HeadSeq, JoinedSeq: v.JoinedSeq, SinceJoin: v.Settings.History == domain.HistorySinceJoin,
			})
		}
	}
	defer s.lock()()
	m.Standing = s.standing(user)
	return m, nil
}

// Views returns the conversation as its members among the users see it.
func (s *Store) Views(_ context.Context, id domain.ConversationID, users []domain.UserID) (map[domain.UserID]domain.ConversationView, error) {
	if err := s.available(); err != nil {
		return nil, err
	}
	views := make(map[domain.UserID]domain.ConversationView)
	for _, user := range users {
		if v, ok := s.View(id, user); ok && v.JoinedSeq > 0 {
			views[user] = v
		}
	}
	return views, nil
}

// LogRange is that of the log, with at most as many events as SetRangeLimit says.
func (s *Store) LogRange(ctx context.Context, id domain.ConversationID, after, upto int64) ([]domain.Event, error) {
	s.mu.Lock()
	if s.rangeLimit > 0 {
		upto = min(upto, after+s.rangeLimit)
	}
	s.mu.Unlock()
	return s.Log.LogRange(ctx, id, after, upto)
}

// Feed is that of the log, after LoseFeed with an error for every position.
func (s *Store) Feed(ctx context.Context, after domain.FeedPosition) (domain.FeedPage, error) {
	s.mu.Lock()
	lost := s.feedLost
	if after == "" {
		s.feedLost = false
	}
	s.mu.Unlock()
	if lost && after != "" {
		return domain.FeedPage{}, domain.ErrCursorInvalid
	}
	return s.Log.Feed(ctx, after)
}

// HeadLost records seq.
func (s *Store) HeadLost(_ context.Context, _ domain.ConversationID, seq int64) error {
	defer s.lock()()
	s.lostHeads = append(s.lostHeads, seq)
	return nil
}

// Send posts a message of a member, or does what its client id says.
func (s *Store) Send(_ context.Context, a domain.Actor, p domain.Post, done func(domain.Sent, error)) {
	switch p.ClientMsgID {
	case NeverAnswered:
		return
	case Panics:
		panic("asked for")
	case FailsInside:
		done(domain.Sent{}, errors.New("a secret of the database"))
		return
	}
	if !s.IsMember(p.ConversationID, a.User) {
		done(domain.Sent{}, domain.ErrNotFound)
		return
	}
	done(domain.Sent{Event: s.Post(p.ConversationID, a.User, p.ClientMsgID)}, nil)
}

// Events is that of the log; it panics if asked for PanicLimit events.
func (s *Store) Events(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.EventPage, error) {
	if r.Limit == PanicLimit {
		panic("asked for")
	}
	return s.Log.Events(ctx, a, id, r)
}

// Sync returns an empty page.
func (s *Store) Sync(_ context.Context, q domain.SyncQuery) (domain.SyncPage, error) {
	epoch := s.Epoch()
	defer s.lock()()
	s.lastSync = q
	return domain.SyncPage{
		Epoch: epoch, Conversations: []domain.ConversationView{}, Removed: []domain.ConversationID{},
		Users: map[domain.UserID]domain.Profile{}, Cursor: "c", Done: true, UnreadTotal: new(int64(0)),
	}, nil
}

// MarkRead returns the state at seq; it stores nothing.
func (s *Store) MarkRead(_ context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	if !s.IsMember(id, a.User) {
		return domain.ReadState{}, domain.ErrNotFound
	}
	head := s.Head(id)
	return domain.ReadState{ConversationID: id, ReadSeq: min(seq, head), UnreadCount: max(0, head-seq), UnreadTotal: max(0, head-seq)}, nil
}

// Acknowledge stores acknowledgements.
func (s *Store) Acknowledge(_ context.Context, acks []domain.Ack) error {
	if err := s.available(); err != nil {
		return err
	}
	defer s.lock()()
	for _, a := range acks {
		s.acked[a] = true
	}
	return nil
}

// Visibility lets users see themselves and those that they share a conversation with.
func (s *Store) Visibility(_ context.Context, queries []domain.PresenceQuery) ([]domain.Visibility, error) {
	if err := s.available(); err != nil {
		return nil, err
	}
	list := make([]domain.Visibility, len(queries))
	for i, q := range queries {
		list[i] = domain.Visibility{Visible: q.Viewer == q.User, LastSeen: s.LastSeen(q.User)}
		for _, id := range s.IDs() {
			list[i].Visible = list[i].Visible || s.IsMember(id, q.Viewer) && s.IsMember(id, q.User)
		}
	}
	return list, nil
}

// Sight stores when users were last seen.
func (s *Store) Sight(_ context.Context, seen []domain.LastSeen) error {
	if err := s.available(); err != nil {
		return err
	}
	defer s.lock()()
	for _, one := range seen {
		s.seen[one.User] = one.At
	}
	return nil
}

// SignalScope returns the number of members; receipts are on.
func (s *Store) SignalScope(_ context.Context, user domain.UserID, id domain.ConversationID) (domain.SignalScope, error) {
	if !s.IsMember(id, user) {
		return domain.SignalScope{}, domain.ErrNotFound
	}
	return domain.SignalScope{Members: s.State(id).MemberCount(), Receipts: true}, nil
}
