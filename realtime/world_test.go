package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"im/domain"
)

var errAway = domain.ErrUnavailable.WithMessage("away for the test")

// world is a log in memory: what the hub and the gateway read and write, with
// what a test needs to look behind and to get in the way.
type world struct {
	mu            sync.Mutex
	epoch         string
	number        int64
	conversations map[domain.ConversationID]*history
	commits       []domain.FeedHead
	away          bool // reads fail
	stuck         bool // revocations are not answered
	forgotten     bool // the feed reaches back to no position
	rangeLimit    int  // events of one LogRange; 0 for all
	lost          []int64
	acked         map[domain.Ack]bool
	seen          map[domain.UserID]domain.Time
	revoked       map[domain.UserID]time.Time
	sync          domain.SyncQuery
	committed     func(domain.Committed)
	// read is called after the list of conversations was read.
	read func(context.Context)
}

type history struct {
	events   []domain.Event
	members  map[domain.UserID]int64 // joined at
	settings domain.Settings
}

var (
	_ Directory    = (*world)(nil)
	_ Log          = (*world)(nil)
	_ Chat         = (*world)(nil)
	_ Reader       = (*world)(nil)
	_ SignalScopes = (*world)(nil)
)

func newWorld() *world {
	return &world{
		seen: make(map[domain.UserID]domain.Time), revoked: map[domain.UserID]time.Time{"revoked": time.Now()},
		epoch: "e1", conversations: make(map[domain.ConversationID]*history), acked: make(map[domain.Ack]bool),
		committed: func(domain.Committed) {}, read: func(context.Context) {},
	}
}

func (w *world) begin() func() { w.mu.Lock(); return w.mu.Unlock }

func (w *world) setAway(away bool) { defer w.begin()(); w.away = away }

func (w *world) setStuck(stuck bool) { defer w.begin()(); w.stuck = stuck }
func (w *world) isStuck() bool       { defer w.begin()(); return w.stuck }

// revoke has tokens of the user refused that were issued before now.
func (w *world) revoke(user domain.UserID) { defer w.begin()(); w.revoked[user] = time.Now() }

func (w *world) create(members ...domain.UserID) domain.ConversationID {
	id := domain.NewConversationID(time.Now())
	body := domain.CreatedBody{Kind: domain.Group, Settings: domain.DefaultSettings()}
	for _, m := range members {
		body.Members = append(body.Members, domain.MemberRole{UserID: m, Role: domain.RoleMember})
	}
	w.append(id, domain.ConversationCreated, "x", "", body)
	return id
}

func (w *world) post(id domain.ConversationID, sender domain.UserID, clientMsgID string) domain.Event {
	return w.append(id, domain.MessagePosted, sender, clientMsgID, json.RawMessage(`{"content":{"type":"text","text":"<hi>"}}`))
}

func (w *world) add(id domain.ConversationID, user domain.UserID) domain.Event {
	return w.append(id, domain.MemberAdded, "x", "", domain.MemberRole{UserID: user, Role: domain.RoleMember})
}

func (w *world) remove(id domain.ConversationID, user domain.UserID) domain.Event {
	return w.append(id, domain.MemberRemoved, "x", "", domain.MemberRole{UserID: user, Role: domain.RoleMember})
}

// edit changes a message; it says "secret" where it may be seen whole.
func (w *world) edit(id domain.ConversationID, target int64) domain.Event {
	return w.append(id, domain.MessageEdited, "x", "", domain.EditedBody{
		TargetSeq: target, Content: json.RawMessage(`{"type":"text","text":"secret"}`), Mentions: []domain.UserID{"b"},
	})
}

// show sets what members may read: all, or since_join.
func (w *world) show(id domain.ConversationID, history string) domain.Event {
	settings := domain.DefaultSettings()
	settings.History = history
	return w.append(id, domain.ConversationUpdated, "x", "", domain.UpdatedBody{Settings: &settings})
}

func (w *world) append(id domain.ConversationID, kind domain.EventType, sender domain.UserID, clientMsgID string, body any) domain.Event {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	h := w.conversations[id]
	if h == nil {
		h = &history{members: make(map[domain.UserID]int64), settings: domain.DefaultSettings()}
		w.conversations[id] = h
	}
	e := domain.Event{
		ConversationID: id, Seq: int64(len(h.events) + 1), Type: kind, Sender: sender, ClientMsgID: clientMsgID,
		At: domain.TimeOf(time.Now()), Body: raw,
	}
	h.events = append(h.events, e)
	if update, ok := body.(domain.UpdatedBody); ok && update.Settings != nil {
		h.settings = *update.Settings
	}
	for user, enters := range affected(nil, &e) {
		if enters {
			h.members[user] = e.Seq
		} else {
			delete(h.members, user)
		}
	}
	w.commits = append(w.commits, domain.FeedHead{ConversationID: id, First: e.Seq, Head: e.Seq, Membership: kind.ChangesMembership()})
	committed := w.committed
	w.mu.Unlock()
	committed(domain.Committed{ConversationID: id, Events: []domain.Event{e}})
	return e
}

func (w *world) head(id domain.ConversationID) int64 {
	defer w.begin()()
	if h := w.conversations[id]; h != nil {
		return int64(len(h.events))
	}
	return 0
}

func (w *world) heads() map[domain.ConversationID]int64 {
	defer w.begin()()
	heads := make(map[domain.ConversationID]int64, len(w.conversations))
	for id, h := range w.conversations {
		heads[id] = int64(len(h.events))
	}
	return heads
}

func (w *world) event(id domain.ConversationID, seq int64) domain.Event {
	defer w.begin()()
	return w.conversations[id].events[seq-1]
}

func (w *world) isMember(id domain.ConversationID, user domain.UserID) bool {
	defer w.begin()()
	return w.conversations[id].members[user] != 0
}

// newEpoch lets the log come back in an earlier state.
func (w *world) newEpoch(epoch string) { defer w.begin()(); w.epoch, w.commits = epoch, nil }

// Admit implements Directory.
func (w *world) Admit(_ context.Context, user domain.UserID) (domain.Admission, error) {
	defer w.begin()()
	if w.away {
		return domain.Admission{}, errAway
	}
	w.number++
	return domain.Admission{Number: w.number, RevokedBefore: w.revoked[user]}, nil
}

// RevokedBefore implements Directory.
func (w *world) RevokedBefore(ctx context.Context, user domain.UserID) (time.Time, error) {
	if w.isStuck() {
		<-ctx.Done()
		return time.Time{}, errAway
	}
	defer w.begin()()
	if w.away {
		return time.Time{}, errAway
	}
	return w.revoked[user], nil
}

// Memberships implements Directory.
func (w *world) Memberships(ctx context.Context, user domain.UserID) (domain.Memberships, error) {
	m, err := w.memberships(user)
	w.read(ctx)
	return m, err
}

func (w *world) memberships(user domain.UserID) (domain.Memberships, error) {
	defer w.begin()()
	if w.away {
		return domain.Memberships{}, errAway
	}
	m := domain.Memberships{Epoch: w.epoch, RevokedBefore: w.revoked[user]}
	for id, h := range w.conversations {
		if h.members[user] != 0 {
			m.List = append(m.List, domain.Membership{
				ConversationID: id, HeadSeq: int64(len(h.events)),
				JoinedSeq: h.members[user], SinceJoin: h.settings.History == domain.HistorySinceJoin,
			})
		}
	}
	return m, nil
}

// Views implements Directory.
func (w *world) Views(_ context.Context, id domain.ConversationID, users []domain.UserID) (map[domain.UserID]domain.ConversationView, error) {
	defer w.begin()()
	if w.away {
		return nil, errAway
	}
	views := make(map[domain.UserID]domain.ConversationView)
	h := w.conversations[id]
	for _, u := range users {
		if h != nil && h.members[u] != 0 {
			views[u] = domain.ConversationView{
				ConversationID: id, Kind: domain.Group, Settings: h.settings, Role: domain.RoleMember,
				HeadSeq: int64(len(h.events)), FloorSeq: h.settings.Floor(h.members[u]), JoinedSeq: h.members[u],
				Preferences: domain.DefaultPreferences(),
			}
		}
	}
	return views, nil
}

// LogRange implements Log.
func (w *world) LogRange(_ context.Context, id domain.ConversationID, after, upto int64) ([]domain.Event, error) {
	defer w.begin()()
	if w.away {
		return nil, errAway
	}
	h := w.conversations[id]
	if h == nil || after >= int64(len(h.events)) {
		return nil, nil
	}
	upto = min(upto, int64(len(h.events)))
	if w.rangeLimit > 0 {
		upto = min(upto, after+int64(w.rangeLimit))
	}
	return append([]domain.Event(nil), h.events[after:upto]...), nil
}

// Feed implements Log.
func (w *world) Feed(_ context.Context, after domain.FeedPosition) (domain.FeedPage, error) {
	defer w.begin()()
	if w.away {
		return domain.FeedPage{}, errAway
	}
	if w.forgotten && after != "" {
		return domain.FeedPage{}, domain.ErrCursorInvalid
	}
	w.forgotten = false
	page := domain.FeedPage{Epoch: w.epoch, Position: domain.FeedPosition(w.epoch + " " + strconv.Itoa(len(w.commits)))}
	var epoch string
	var from int
	if _, err := fmt.Sscan(string(after), &epoch, &from); err == nil && epoch == w.epoch {
		page.Heads = append(page.Heads, w.commits[from:]...)
	}
	return page, nil
}

// HeadLost implements Log.
func (w *world) HeadLost(_ context.Context, _ domain.ConversationID, seq int64) error {
	defer w.begin()()
	w.lost = append(w.lost, seq)
	return nil
}

// Send implements Chat.
func (w *world) Send(_ context.Context, a domain.Actor, p domain.Post, done func(domain.Sent, error)) {
	switch p.ClientMsgID {
	case "never":
		return
	case "panic":
		panic("asked for")
	case "broken":
		done(domain.Sent{}, errors.New("a secret of the database"))
	default:
		if !w.known(p.ConversationID) || !w.isMember(p.ConversationID, a.User) {
			done(domain.Sent{}, domain.ErrNotFound)
			return
		}
		done(domain.Sent{Event: w.post(p.ConversationID, a.User, p.ClientMsgID)}, nil)
	}
}

func (w *world) known(id domain.ConversationID) bool {
	defer w.begin()()
	return w.conversations[id] != nil
}

// Sync implements Reader.
func (w *world) Sync(_ context.Context, q domain.SyncQuery) (domain.SyncPage, error) {
	defer w.begin()()
	w.sync = q
	total := int64(0)
	return domain.SyncPage{
		Epoch: w.epoch, Conversations: []domain.ConversationView{}, Removed: []domain.ConversationID{},
		Users: map[domain.UserID]domain.Profile{}, Cursor: "c", Done: true, UnreadTotal: &total,
	}, nil
}

// Events implements Reader.
func (w *world) Events(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.EventPage, error) {
	if r.Limit == 13 {
		panic("asked for")
	}
	if !w.known(id) || !w.isMember(id, a.User) {
		return domain.EventPage{}, domain.ErrNotFound
	}
	page := domain.EventPage{ConversationID: id, Epoch: "e1", Events: []domain.Event{}, HeadSeq: w.head(id), FloorSeq: 1, Users: map[domain.UserID]domain.Profile{}}
	if r.AfterSeq != nil {
		events, err := w.LogRange(ctx, id, *r.AfterSeq, *r.AfterSeq+int64(r.Limit))
		if err != nil {
			return page, err
		}
		page.Events = append(page.Events, events...)
	}
	return page, nil
}

// MarkRead implements Reader.
func (w *world) MarkRead(_ context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	if !w.known(id) || !w.isMember(id, a.User) {
		return domain.ReadState{}, domain.ErrNotFound
	}
	head := w.head(id)
	return domain.ReadState{ConversationID: id, ReadSeq: min(seq, head), UnreadCount: max(0, head-seq), UnreadTotal: max(0, head-seq)}, nil
}

// Visibility implements VisibilityStore.
func (w *world) Visibility(_ context.Context, glances []domain.PresenceQuery) ([]domain.Visibility, error) {
	defer w.begin()()
	if w.away {
		return nil, errAway
	}
	list := make([]domain.Visibility, len(glances))
	for i, g := range glances {
		list[i] = domain.Visibility{Visible: g.Viewer == g.User, LastSeen: w.seen[g.User]}
		for _, h := range w.conversations {
			list[i].Visible = list[i].Visible || h.members[g.Viewer] != 0 && h.members[g.User] != 0
		}
	}
	return list, nil
}

// Sight implements VisibilityStore.
func (w *world) Sight(_ context.Context, sightings []domain.LastSeen) error {
	defer w.begin()()
	if w.away {
		return errAway
	}
	for _, one := range sightings {
		w.seen[one.User] = one.At
	}
	return nil
}

// SignalScope implements SignalScopes.
func (w *world) SignalScope(_ context.Context, user domain.UserID, id domain.ConversationID) (domain.SignalScope, error) {
	if !w.known(id) || !w.isMember(id, user) {
		return domain.SignalScope{}, domain.ErrNotFound
	}
	defer w.begin()()
	return domain.SignalScope{Members: len(w.conversations[id].members), Receipts: true}, nil
}

// Acknowledge implements Reader.
func (w *world) Acknowledge(_ context.Context, acks []domain.Ack) error {
	defer w.begin()()
	if w.away {
		return errAway
	}
	for _, a := range acks {
		w.acked[a] = true
	}
	return nil
}

func (w *world) hasAcked(a domain.Ack) bool { defer w.begin()(); return w.acked[a] }
