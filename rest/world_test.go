package rest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"im/domain"
)

// world is a log and a store in memory: as much of them as REST shows. What is
// decided is decided by the domain itself.
type world struct {
	mu         sync.Mutex
	rooms      map[domain.ConversationID]*room
	direct     map[string]domain.ConversationID
	created    map[string]domain.NewConversation
	signals    []domain.Signal
	acks       []domain.Ack
	last       domain.Range
	device     domain.DeviceID // of the last list of conversations
	lastSync   domain.SyncQuery
	lastSearch domain.SearchQuery
	fail       error         // what every read answers, if set
	lost       error         // what who asks where several users are gets, if set
	hold       chan struct{} // what every read waits for, if set
	clock      time.Time
	people     people
}

type room struct {
	state  *domain.Conversation
	events []domain.Event
	keys   map[domain.IdempotencyKey]int64 // without the hash
	hashes map[int64][32]byte
	read   map[domain.UserID]int64
}

var (
	_ domain.Log    = (*world)(nil)
	_ Conversations = (*world)(nil)
	_ History       = (*world)(nil)
	_ Positions     = (*world)(nil)
	_ Signaller     = (*world)(nil)
)

func newWorld() *world {
	return &world{
		rooms: map[domain.ConversationID]*room{}, direct: map[string]domain.ConversationID{},
		created: map[string]domain.NewConversation{}, clock: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC),
	}
}

func (w *world) Submit(_ context.Context, cmd domain.Command, done func(domain.Outcome, error)) {
	w.mu.Lock()
	outcome, err := w.decide(cmd)
	w.mu.Unlock()
	done(outcome, err)
}

func (w *world) decide(cmd domain.Command) (domain.Outcome, error) {
	r := w.rooms[cmd.Target()]
	if r == nil {
		return domain.Outcome{}, domain.ErrNotFound
	}
	key, idempotent := cmd.Key()
	hash := key.Hash
	key.Hash = [32]byte{}
	if seq, again := r.keys[key]; idempotent && again {
		if _, member := r.state.Member(key.Sender); !member {
			return domain.Outcome{}, domain.ErrNotFound
		}
		if r.hashes[seq] != hash {
			return domain.Outcome{}, domain.ErrIdempotencyConflict
		}
		return domain.Outcome{Events: r.events[seq-1 : seq], Duplicate: true}, nil
	}
	state := r.state.Clone()
	if about, ok := cmd.(domain.MessageCommand); ok {
		if m := r.message(about.MessageQuery().Seq); m != nil {
			state.LoadMessage(m)
		}
	}
	drafts, err := cmd.Decide(state)
	if err != nil {
		return domain.Outcome{}, err
	}
	first := len(r.events)
	for _, d := range drafts {
		if d.ReplyTo > int64(len(r.events)) {
			return domain.Outcome{}, domain.Invalid("/reply_to", "is not a message of the conversation")
		}
		seq := int64(len(r.events) + 1)
		r.events = append(r.events, domain.Event{
			ConversationID: cmd.Target(), Seq: seq, Type: d.Type, Sender: d.Sender, ClientMsgID: d.ClientMsgID,
			At: domain.TimeOf(w.clock), Body: d.Body,
		})
		r.state.Apply(d, seq)
		if idempotent {
			r.keys[key], r.hashes[seq] = seq, hash
		}
	}
	return domain.Outcome{Events: r.events[first:]}, nil
}

func (w *world) Create(_ context.Context, c domain.NewConversation) (domain.ConversationID, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id, there := w.direct[c.DirectKey]; there && c.DirectKey != "" {
		return id, false, nil
	}
	key := string(c.Creator) + "\n" + c.ClientConversationID
	if before, there := w.created[key]; there && c.ClientConversationID != "" {
		if before.Hash != c.Hash {
			return domain.ConversationID{}, false, domain.ErrIdempotencyConflict
		}
		return before.ID, false, nil
	}
	members := map[domain.UserID]domain.MemberState{}
	for _, m := range c.Created.Members {
		members[m.UserID] = domain.MemberState{Role: m.Role, JoinedSeq: 1}
	}
	body, err := jsonOf(c.Created)
	if err != nil {
		return domain.ConversationID{}, false, err
	}
	w.rooms[c.ID] = &room{
		state: domain.NewConversationState(c.ID, c.Created.Kind, c.Created.Title, c.Created.AvatarURL,
			c.Created.Settings, c.Created.Metadata, 1, 1, members),
		events: []domain.Event{{
			ConversationID: c.ID, Seq: 1, Type: domain.ConversationCreated, Sender: c.Creator, At: domain.TimeOf(w.clock), Body: body,
		}},
		keys: map[domain.IdempotencyKey]int64{}, hashes: map[int64][32]byte{}, read: map[domain.UserID]int64{},
	}
	w.direct[c.DirectKey], w.created[key] = c.ID, c
	return c.ID, true, nil
}

func (w *world) FindDirect(_ context.Context, key string) (domain.ConversationID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id, there := w.direct[key]; there {
		return id, nil
	}
	return domain.ConversationID{}, domain.ErrNotFound
}

// enter waits and fails as the test wants, and finds what the actor may see.
// The world is locked when it returns without an error.
func (w *world) enter(ctx context.Context, a domain.Actor, id domain.ConversationID) (*room, error) {
	if w.hold != nil {
		select {
		case <-w.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if w.fail != nil {
		return nil, w.fail
	}
	w.mu.Lock()
	r := w.rooms[id]
	if r == nil {
		w.mu.Unlock()
		return nil, domain.ErrNotFound
	}
	if _, member := r.state.Member(a.User); !member && !a.Backend {
		w.mu.Unlock()
		return nil, domain.ErrNotFound
	}
	return r, nil
}

func (w *world) Conversation(ctx context.Context, a domain.Actor, id domain.ConversationID, _ domain.DeviceID) (domain.ConversationView, error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.ConversationView{}, err
	}
	defer w.mu.Unlock()
	return r.view(a.User), nil
}

func (w *world) OpenGroup(_ context.Context, id domain.ConversationID) (domain.OpenGroup, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.rooms[id]
	if r == nil || !r.state.Open() {
		return domain.OpenGroup{}, domain.ErrNotFound
	}
	return domain.OpenGroup{
		ConversationID: id, Title: r.state.Title, AvatarURL: r.state.AvatarURL, MemberCount: r.state.MemberCount(),
	}, nil
}

func (r *room) view(user domain.UserID) domain.ConversationView {
	member, _ := r.state.Member(user)
	v := domain.ConversationView{
		ConversationID: r.state.ID, Kind: r.state.Kind, Title: r.state.Title, AvatarURL: r.state.AvatarURL,
		Settings: r.state.Settings, Metadata: r.state.Metadata, CreatedAt: r.events[0].At, Role: member.Role,
		MemberCount: r.state.MemberCount(), HeadSeq: int64(len(r.events)), FloorSeq: 1, ReadSeq: r.read[user],
		Preferences: domain.DefaultPreferences(),
	}
	for _, other := range r.state.Audience() {
		if r.state.Kind == domain.Direct && other != user {
			v.Peer = other
		}
	}
	if messages := r.messages(user); len(messages) > 0 {
		v.LastMessage = &messages[len(messages)-1]
	}
	return v
}

func (w *world) mine(a domain.Actor) []domain.ConversationView {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []domain.ConversationView{}
	for _, r := range w.rooms {
		if _, member := r.state.Member(a.User); member {
			list = append(list, r.view(a.User))
		}
	}
	slices.SortFunc(list, func(a, b domain.ConversationView) int {
		return cmp.Compare(a.ConversationID.String(), b.ConversationID.String())
	})
	return list
}

// page cuts a list; its cursors are offsets.
func page[T any](list []T, cursor string, limit int) (domain.Page[T], error) {
	from := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n > len(list) {
			return domain.Page[T]{}, domain.ErrCursorInvalid
		}
		from = n
	}
	to := min(from+limit, len(list))
	p := domain.Page[T]{Items: list[from:to]}
	if to < len(list) {
		p.NextCursor = new(strconv.Itoa(to))
	}
	return p, nil
}

func (w *world) Conversations(_ context.Context, a domain.Actor, d domain.DeviceID, cursor string, limit int) (domain.Page[domain.ConversationView], error) {
	w.device = d
	if w.fail != nil {
		return domain.Page[domain.ConversationView]{}, w.fail
	}
	return page(w.mine(a), cursor, limit)
}

func (w *world) Members(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.Member], error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.Page[domain.Member]{}, err
	}
	defer w.mu.Unlock()
	list := []domain.Member{}
	for _, user := range r.state.Audience() {
		m, _ := r.state.Member(user)
		list = append(list, domain.Member{UserID: user, Role: m.Role, JoinedSeq: m.JoinedSeq})
	}
	return page(list, cursor, limit)
}

func (w *world) Sync(_ context.Context, q domain.SyncQuery) (domain.SyncPage, error) {
	if w.fail != nil {
		return domain.SyncPage{}, w.fail
	}
	list, err := page(w.mine(domain.Actor{User: q.User}), q.Cursor, q.Limit)
	if err != nil {
		return domain.SyncPage{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastSync = q
	for i := range list.Items {
		events := w.rooms[list.Items[i].ConversationID].events
		list.Items[i].Events = events[max(0, len(events)-q.TimelineLimit):]
	}
	p := domain.SyncPage{
		Epoch: "e1", Conversations: list.Items, Removed: []domain.ConversationID{}, Users: map[domain.UserID]domain.Profile{},
		Cursor: "0", Done: list.NextCursor == nil,
	}
	if p.Done {
		p.UnreadTotal = new(int64)
	} else {
		p.Cursor = *list.NextCursor
	}
	return p, nil
}

func (w *world) Events(ctx context.Context, a domain.Actor, id domain.ConversationID, q domain.Range) (domain.EventPage, error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.EventPage{}, err
	}
	defer w.mu.Unlock()
	w.last = q
	from, to := 0, len(r.events)
	if q.AfterSeq != nil {
		from = min(int(*q.AfterSeq), to)
	}
	to = min(from+q.Limit, to)
	p := domain.EventPage{
		ConversationID: id, Epoch: "e1", Events: r.events[from:to], HeadSeq: int64(len(r.events)), FloorSeq: 1,
		HasMore: to < len(r.events), Users: map[domain.UserID]domain.Profile{},
	}
	if len(p.Events) > 0 {
		p.FromSeq, p.ToSeq = p.Events[0].Seq, p.Events[len(p.Events)-1].Seq
	}
	return p, nil
}

func (w *world) Messages(ctx context.Context, a domain.Actor, id domain.ConversationID, q domain.Range) (domain.MessagePage, error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.MessagePage{}, err
	}
	defer w.mu.Unlock()
	w.last = q
	return domain.MessagePage{
		Messages: r.messages(a.User), HeadSeq: int64(len(r.events)), FloorSeq: 1, Users: map[domain.UserID]domain.Profile{"bob": {}},
	}, nil
}

func (w *world) Message(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.Message, error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.Message{}, err
	}
	defer w.mu.Unlock()
	for _, m := range r.messages(a.User) {
		if m.Seq == seq {
			return m, nil
		}
	}
	return domain.Message{}, domain.ErrNotFound
}

func (w *world) MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	r, err := w.enter(ctx, a, id)
	if err != nil {
		return domain.ReadState{}, err
	}
	defer w.mu.Unlock()
	r.read[a.User] = max(r.read[a.User], min(seq, int64(len(r.events))))
	return domain.ReadState{ConversationID: id, ReadSeq: r.read[a.User]}, nil
}

func (w *world) Acknowledge(_ context.Context, acks []domain.Ack) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acks = append(w.acks, acks...)
	return nil
}

func (w *world) Signal(s domain.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signals = append(w.signals, s)
}

// userFrame returns the i-th signal, which has to be a frame for a user.
func (w *world) userFrame(t *testing.T, i int) domain.UserFrame {
	t.Helper()
	return signalAs[domain.UserFrame](t, w, i)
}

// broadcast returns the i-th signal, which has to be a frame for all users.
func (w *world) broadcast(t *testing.T, i int) domain.Broadcast {
	t.Helper()
	return signalAs[domain.Broadcast](t, w, i)
}

func signalAs[T domain.Signal](t *testing.T, w *world, i int) T {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	sig, ok := w.signals[i].(T)
	if !ok {
		t.Fatalf("signal %d is %T, want %T", i, w.signals[i], sig)
	}
	return sig
}

// group makes a group of alice (owner), bob (admin) and carol, that dave was in once.
func (w *world) group(t *testing.T) domain.ConversationID {
	t.Helper()
	chat := domain.NewChat(w, domain.DefaultLimits())
	alice := domain.Actor{User: "alice"}
	id, _, err := chat.Create(t.Context(), alice, domain.Creation{Kind: domain.Group, Members: []domain.UserID{"bob", "carol", "dave"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chat.RemoveMember(t.Context(), alice, id, "dave"); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.PutMember(t.Context(), alice, id, "bob", domain.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	return id
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
