package rest

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"im/domain"
	"im/domain/domaintest"
)

// fakeBackend is all of a Backend in memory. Commands and conversations are those
// of the log; everything else is kept as it is written.
type fakeBackend struct {
	*domaintest.Log

	mu   sync.Mutex
	fail error         // if set, the error of every read
	hold chan struct{} // if set, every read waits until it is closed

	waiting atomic.Int32 // reads that have waited for hold

	// What the server has asked for.
	signals    []domain.Signal
	acks       []domain.Ack
	ended      []domain.EndSessions
	revoked    []domain.UserID
	banned     map[domain.UserID]domain.SanctionBody
	webhooks   []domain.Webhook
	replays    []domain.WebhookReplay
	reports    []domain.Report
	lastRange  domain.Range
	lastSync   domain.SyncQuery
	lastSearch domain.SearchQuery
	listDevice domain.DeviceID // of the last list of conversations

	pushes        map[domain.DeviceID]domain.PushRegistration // of all users
	profiles      map[domain.UserID]domain.UserProfile
	preferences   map[membership]domain.Preferences
	readSeq       map[membership]int64
	blocks        []domain.Block // of all users
	sessions      map[domain.UserID][]domain.LiveSession
	sessionsError error // of SessionsOfEach
}

// membership is a user in a conversation.
type membership struct {
	user domain.UserID
	id   domain.ConversationID
}

// now is the time of all events and of everything else that has one.
var now = domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))

func newFakeBackend() *fakeBackend {
	return &fakeBackend{
		Log:         domaintest.NewLog(),
		profiles:    map[domain.UserID]domain.UserProfile{},
		banned:      map[domain.UserID]domain.SanctionBody{},
		preferences: map[membership]domain.Preferences{},
		readSeq:     map[membership]int64{},
	}
}

// backend returns the fake as the backend of a server with limits.
func (f *fakeBackend) backend(limits domain.Limits) Backend {
	return Backend{
		Commands: domain.NewChat(f, limits), Reads: f, UserData: f, Positions: f, Sessions: f, Endings: f, Reports: f, Webhooks: f, Attachments: f, Push: f, Presence: f, Signals: f,
	}
}

func (f *fakeBackend) lock() (unlock func()) { f.mu.Lock(); return f.mu.Unlock }

// visible waits or fails as the test wants, and fails unless the actor may see
// the conversation.
func (f *fakeBackend) visible(ctx context.Context, a domain.Actor, id domain.ConversationID) error {
	if f.hold != nil {
		f.waiting.Add(1)
		select {
		case <-f.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.fail != nil {
		return f.fail
	}
	state := f.State(id)
	if state == nil {
		return domain.ErrNotFound
	}
	if _, member := state.Member(a.User); !member && !a.Backend {
		return domain.ErrNotFound
	}
	return nil
}

// pageOf returns a page of list. Its cursors are offsets.
func pageOf[T any](list []T, cursor string, limit int) (domain.Page[T], error) {
	from := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n > len(list) {
			return domain.Page[T]{}, domain.ErrCursorInvalid
		}
		from = n
	}
	to := min(from+limit, len(list))
	p := domain.Page[T]{Items: append([]T{}, list[from:to]...)}
	if to < len(list) {
		p.NextCursor = new(strconv.Itoa(to))
	}
	return p, nil
}

func (f *fakeBackend) view(user domain.UserID, id domain.ConversationID) domain.ConversationView {
	defer f.lock()()
	view, _ := f.View(id, user)
	view.ReadSeq = f.readSeq[membership{user, id}]
	return view
}

func (f *fakeBackend) Conversation(ctx context.Context, a domain.Actor, id domain.ConversationID, _ domain.DeviceID) (domain.ConversationView, error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.ConversationView{}, err
	}
	return f.view(a.User, id), nil
}

func (f *fakeBackend) OpenGroup(_ context.Context, id domain.ConversationID) (domain.OpenGroup, error) {
	state := f.State(id)
	if state == nil || !state.Open() {
		return domain.OpenGroup{}, domain.ErrNotFound
	}
	return domain.OpenGroup{
		ConversationID: id, Title: state.Title, AvatarURL: state.AvatarURL, MemberCount: state.MemberCount(),
	}, nil
}

// of returns the conversations of a user.
func (f *fakeBackend) of(user domain.UserID) []domain.ConversationView {
	var list []domain.ConversationView
	for _, id := range f.IDs() {
		if _, member := f.State(id).Member(user); member {
			list = append(list, f.view(user, id))
		}
	}
	return list
}

func (f *fakeBackend) Conversations(_ context.Context, a domain.Actor, d domain.DeviceID, cursor string, limit int) (domain.Page[domain.ConversationView], error) {
	f.listDevice = d
	if f.fail != nil {
		return domain.Page[domain.ConversationView]{}, f.fail
	}
	return pageOf(f.of(a.User), cursor, limit)
}

func (f *fakeBackend) Sync(_ context.Context, q domain.SyncQuery) (domain.SyncPage, error) {
	f.lastSync = q
	if f.fail != nil {
		return domain.SyncPage{}, f.fail
	}
	list, err := pageOf(f.of(q.User), q.Cursor, q.Limit)
	if err != nil {
		return domain.SyncPage{}, err
	}
	for i := range list.Items {
		events := f.EventsOf(list.Items[i].ConversationID)
		list.Items[i].Events = events[max(0, len(events)-q.TimelineLimit):]
	}
	p := domain.SyncPage{
		Epoch: f.Epoch(), Conversations: list.Items, Removed: []domain.ConversationID{}, Users: map[domain.UserID]domain.Profile{},
		Cursor: "0", Done: list.NextCursor == nil,
	}
	if p.Done {
		p.UnreadTotal = new(int64)
	} else {
		p.Cursor = *list.NextCursor
	}
	return p, nil
}

func (f *fakeBackend) Members(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.Member], error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.Page[domain.Member]{}, err
	}
	var list []domain.Member
	state := f.State(id)
	for _, user := range state.Audience() {
		m, _ := state.Member(user)
		list = append(list, domain.Member{UserID: user, Role: m.Role, JoinedSeq: m.JoinedSeq})
	}
	return pageOf(list, cursor, limit)
}

func (f *fakeBackend) Receipts(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.MemberReceipt], error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.Page[domain.MemberReceipt]{}, err
	}
	defer f.lock()()
	var list []domain.MemberReceipt
	for _, user := range f.State(id).Audience() {
		list = append(list, domain.MemberReceipt{UserID: user, ReadSeq: f.readSeq[membership{user, id}]})
	}
	return pageOf(list, cursor, limit)
}

func (f *fakeBackend) Events(ctx context.Context, a domain.Actor, id domain.ConversationID, q domain.Range) (domain.EventPage, error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.EventPage{}, err
	}
	f.lastRange = q
	return f.Log.Events(ctx, a, id, q)
}

func (f *fakeBackend) Messages(ctx context.Context, a domain.Actor, id domain.ConversationID, q domain.Range) (domain.MessagePage, error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.MessagePage{}, err
	}
	f.lastRange = q
	return domain.MessagePage{
		Messages: f.MessagesOf(id, a.User), HeadSeq: f.State(id).Head, FloorSeq: 1, Users: map[domain.UserID]domain.Profile{"bob": {}},
	}, nil
}

func (f *fakeBackend) Message(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.Message, error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.Message{}, err
	}
	for _, m := range f.MessagesOf(id, a.User) {
		if m.Seq == seq {
			return m, nil
		}
	}
	return domain.Message{}, domain.ErrNotFound
}

func (f *fakeBackend) Reactions(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Page[domain.UserReaction], error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.Page[domain.UserReaction]{}, err
	}
	list, found := f.ReactionsOf(id, seq)
	if !found {
		return domain.Page[domain.UserReaction]{}, domain.ErrNotFound
	}
	return pageOf(list, cursor, limit)
}

func (f *fakeBackend) Pins(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.PinnedMessage], error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.Page[domain.PinnedMessage]{}, err
	}
	return pageOf(f.PinsOf(id, a.User), cursor, limit)
}

// SearchMessages finds messages whose content has exactly the text.
func (f *fakeBackend) SearchMessages(ctx context.Context, a domain.Actor, q domain.SearchQuery) (domain.SearchPage, error) {
	f.lastSearch = q
	if q.ConversationID != nil {
		if err := f.visible(ctx, a, *q.ConversationID); err != nil {
			return domain.SearchPage{}, err
		}
	}
	var list []domain.FoundMessage
	for _, view := range f.of(a.User) {
		if q.ConversationID != nil && *q.ConversationID != view.ConversationID {
			continue
		}
		for _, m := range f.MessagesOf(view.ConversationID, a.User) {
			if strings.Contains(string(m.Content), q.Text) {
				list = append(list, domain.FoundMessage{Message: m, Highlights: []domain.Highlight{{
					Field: "text", Fragment: q.Text, Ranges: []domain.TextRange{{Start: 0, Length: 1}},
				}}})
			}
		}
	}
	p, err := pageOf(list, q.Cursor, q.Limit)
	return domain.SearchPage{Items: p.Items, NextCursor: p.NextCursor, Users: map[domain.UserID]domain.Profile{}}, err
}

// Trace answers that every member has the message, on a device phone.
func (f *fakeBackend) Trace(ctx context.Context, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Trace, error) {
	if err := f.visible(ctx, domain.Actor{Backend: true}, id); err != nil {
		return domain.Trace{}, err
	}
	state := f.State(id)
	if seq > state.Head {
		return domain.Trace{}, domain.ErrNotFound
	}
	var list []domain.TraceMember
	for _, user := range state.Audience() {
		list = append(list, domain.TraceMember{
			UserID: user, Delivered: true, DeliveredSeq: seq,
			Devices: []domain.TraceDevice{{DeviceID: "phone", AckedSeq: seq, Acked: true}},
		})
	}
	p, err := pageOf(list, cursor, limit)
	return domain.Trace{
		ConversationID: id, Seq: seq, Sender: "alice", Committed: domain.TraceCommit{At: now, Node: new("n")},
		Items: p.Items, NextCursor: p.NextCursor,
	}, err
}

func (f *fakeBackend) MessageCount(context.Context) (n int64, _ error) {
	for _, id := range f.IDs() {
		n += int64(len(f.MessagesOf(id, "")))
	}
	return n, nil
}

func (f *fakeBackend) Users(_ context.Context, a domain.Actor, users []domain.UserID) (map[domain.UserID]domain.UserProfile, error) {
	defer f.lock()()
	found := map[domain.UserID]domain.UserProfile{}
	for _, user := range users {
		p, known := f.profiles[user]
		if known && (a.Backend || user == a.User || f.share(a.User, user)) {
			found[user] = p
		}
	}
	return found, nil
}

// share reports whether two users are members of one conversation.
func (f *fakeBackend) share(a, b domain.UserID) bool {
	return slices.ContainsFunc(f.IDs(), func(id domain.ConversationID) bool {
		state := f.State(id)
		_, first := state.Member(a)
		_, second := state.Member(b)
		return first && second
	})
}

func (f *fakeBackend) PutProfile(_ context.Context, user domain.UserID, p domain.UserProfile) error {
	defer f.lock()()
	f.profiles[user] = p
	return nil
}

func (f *fakeBackend) Preferences(ctx context.Context, a domain.Actor, id domain.ConversationID) (domain.Preferences, error) {
	p, _, err := f.SetPreferences(ctx, a, id, domain.PreferencesPatch{})
	return p, err
}

func (f *fakeBackend) SetPreferences(ctx context.Context, a domain.Actor, id domain.ConversationID, want domain.PreferencesPatch) (domain.Preferences, bool, error) {
	if err := f.visible(ctx, domain.Actor{User: a.User}, id); err != nil { // members only
		return domain.Preferences{}, false, err
	}
	defer f.lock()()
	before, set := f.preferences[membership{a.User, id}]
	if !set {
		before = domain.DefaultPreferences()
	}
	after := before
	if want.Notify != nil {
		after.Notify = *want.Notify
	}
	if want.Pinned != nil {
		after.Pinned = *want.Pinned
	}
	if want.Archived != nil {
		after.Archived = *want.Archived
	}
	f.preferences[membership{a.User, id}] = after
	return after, after != before, nil
}

func (f *fakeBackend) SetBlock(_ context.Context, _, user domain.UserID, on bool) error {
	defer f.lock()()
	f.blocks = slices.DeleteFunc(f.blocks, func(b domain.Block) bool { return b.UserID == user })
	if on {
		f.blocks = append(f.blocks, domain.Block{UserID: user, Since: now})
	}
	return nil
}

func (f *fakeBackend) Blocks(_ context.Context, _ domain.UserID, cursor string, limit int) (domain.Page[domain.Block], error) {
	defer f.lock()()
	return pageOf(f.blocks, cursor, limit)
}

func (f *fakeBackend) MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.ReadState{}, err
	}
	defer f.lock()()
	key := membership{a.User, id}
	f.readSeq[key] = max(f.readSeq[key], min(seq, f.State(id).Head))
	return domain.ReadState{ConversationID: id, ReadSeq: f.readSeq[key]}, nil
}

func (f *fakeBackend) Acknowledge(_ context.Context, acks []domain.Ack) error {
	defer f.lock()()
	f.acks = append(f.acks, acks...)
	return nil
}

func (f *fakeBackend) SessionsOf(_ context.Context, user domain.UserID) ([]domain.LiveSession, error) {
	defer f.lock()()
	return append([]domain.LiveSession{}, f.sessions[user]...), f.fail
}

func (f *fakeBackend) SessionsOfEach(ctx context.Context, users []domain.UserID) (map[domain.UserID][]domain.LiveSession, error) {
	each := map[domain.UserID][]domain.LiveSession{}
	for _, user := range users {
		list, err := f.SessionsOf(ctx, user)
		if err != nil {
			return nil, err
		}
		each[user] = list
	}
	return each, f.sessionsError
}

func (f *fakeBackend) ClusterStats(context.Context) (domain.ClusterStats, error) {
	defer f.lock()()
	c := domain.ClusterStats{Nodes: []domain.NodeStats{}}
	for _, list := range f.sessions {
		c.OnlineUsers++
		c.Sessions += len(list)
	}
	return c, f.fail
}

func (f *fakeBackend) EndSession(_ context.Context, user domain.UserID, session domain.SessionID) (domain.EndSessions, error) {
	defer f.lock()()
	end := domain.EndSessions{User: user, Session: session, Code: domain.CloseEnded}
	f.ended = append(f.ended, end)
	return end, nil
}

func (f *fakeBackend) EndSessions(_ context.Context, user domain.UserID, code int) (domain.EndSessions, error) {
	defer f.lock()()
	end := domain.EndSessions{User: user, Code: code}
	f.ended = append(f.ended, end)
	return end, nil
}

func (f *fakeBackend) BanUser(_ context.Context, user domain.UserID, until *domain.Time, reason string) error {
	defer f.lock()()
	if until != nil && !until.After(now.Time) {
		return domain.Invalid("/until", "must be in the future")
	}
	f.banned[user] = domain.SanctionBody{UserID: user, Until: until, Reason: reason}
	return f.fail
}

func (f *fakeBackend) UnbanUser(_ context.Context, user domain.UserID) error {
	defer f.lock()()
	delete(f.banned, user)
	return f.fail
}

// attachmentID is the id of each attachment.
const attachmentID = "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60"

func (f *fakeBackend) CreateAttachment(_ context.Context, a domain.Actor, n domain.NewAttachment, base *url.URL) (up domain.AttachmentUpload, err error) {
	defer f.lock()()
	if err := n.Check(domain.DefaultLimits()); err != nil {
		return up, err
	}
	id, _ := domain.ParseAttachmentID("", attachmentID)
	return domain.AttachmentUpload{
		AttachmentID: id, UploadURL: base.JoinPath("files", attachmentID).String(), Method: "PUT", Headers: map[string]string{"Content-Type": n.MIME}, ExpiresAt: now,
	}, f.fail
}

// Attachment knows one file, which only alice may read.
func (f *fakeBackend) Attachment(_ context.Context, a domain.Actor, id domain.AttachmentID, base *url.URL) (link domain.AttachmentLink, err error) {
	defer f.lock()()
	if id.String() != attachmentID || a.User != "alice" {
		return link, domain.ErrNotFound
	}
	return domain.AttachmentLink{AttachmentID: id, URL: base.JoinPath("files", attachmentID).String(), ExpiresAt: now, Name: "a.png", MIME: "image/png", Size: 3}, f.fail
}

// Report keeps one report of each user and message.
func (f *fakeBackend) Report(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, r domain.NewReport) error {
	m, err := f.Message(ctx, a, id, seq)
	if err != nil {
		return err
	}
	defer f.lock()()
	for _, known := range f.reports {
		if known.ConversationID == id && known.Seq == seq && known.Reporter == a.User {
			return nil
		}
	}
	f.reports = append(f.reports, domain.Report{
		ReportID: reportID, ConversationID: id, Seq: seq, Reporter: a.User, Category: r.Category, Text: r.Text, State: domain.ReportOpen,
		CreatedAt: now, UpdatedAt: now, Sender: m.Sender, PostedAt: m.At, Content: m.Content,
	})
	return nil
}

// reportID is the id of each report.
const reportID = "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f"

func (f *fakeBackend) ListReports(ctx context.Context, state domain.ReportState, cursor string, limit int) (domain.Page[domain.Report], error) {
	defer f.lock()()
	list := slices.DeleteFunc(slices.Clone(f.reports), func(r domain.Report) bool { return state != "" && r.State != state })
	return pageOf(list, cursor, limit)
}

func (f *fakeBackend) DecideReport(_ context.Context, id string, state domain.ReportState) (domain.Report, error) {
	defer f.lock()()
	for i := range f.reports {
		if f.reports[i].ReportID == id {
			f.reports[i].State = state
			return f.reports[i], nil
		}
	}
	return domain.Report{}, domain.ErrNotFound
}

// Sanctions lists the bans or mutes in the log.
func (f *fakeBackend) Sanctions(ctx context.Context, a domain.Actor, id domain.ConversationID, kind domain.SanctionKind, cursor string, limit int) (domain.Page[domain.ListedSanction], error) {
	if err := f.visible(ctx, a, id); err != nil {
		return domain.Page[domain.ListedSanction]{}, err
	}
	var fold domain.Fold
	for _, e := range f.EventsOf(id) {
		if err := fold.Apply(&e); err != nil {
			return domain.Page[domain.ListedSanction]{}, err
		}
	}
	if !a.Backend && !fold.Members[a.User].Role.Moderates() {
		return domain.Page[domain.ListedSanction]{}, domain.ErrForbidden
	}
	list := []domain.ListedSanction{}
	for user, s := range fold.Sanctions(kind) {
		listed := domain.ListedSanction{UserID: user, Reason: s.Reason, By: s.User, At: s.At}
		if !s.Until.IsZero() {
			listed.Until = &s.Until
		}
		list = append(list, listed)
	}
	return pageOf(list, cursor, limit)
}

func (f *fakeBackend) Revoke(_ context.Context, user domain.UserID) (time.Time, error) {
	defer f.lock()()
	f.revoked = append(f.revoked, user)
	return time.Now(), nil
}

// Of answers that the user online is online, offline is offline since now, the
// state of unknown is unknown, and for others that they are online for a backend.
func (f *fakeBackend) Of(_ context.Context, a domain.Actor, users []domain.UserID) ([]domain.Presence, error) {
	list := []domain.Presence{}
	for _, user := range users {
		p := domain.Presence{UserID: user}
		switch user {
		case "unknown":
		case "offline":
			p.Online, p.LastSeenAt = new(false), new(now)
		default:
			p.Online = new(user == "online" || a.Backend)
		}
		list = append(list, p)
	}
	return list, f.fail
}

func (f *fakeBackend) Signal(s domain.Signal) {
	defer f.lock()()
	f.signals = append(f.signals, s)
}

// userFrame returns the i-th signal, which must be a frame for one user.
func (f *fakeBackend) userFrame(t *testing.T, i int) domain.UserFrame {
	t.Helper()
	return signalAs[domain.UserFrame](t, f, i)
}

// broadcast returns the i-th signal, which must be a frame for all users.
func (f *fakeBackend) broadcast(t *testing.T, i int) domain.Broadcast {
	t.Helper()
	return signalAs[domain.Broadcast](t, f, i)
}

func signalAs[T domain.Signal](t *testing.T, f *fakeBackend, i int) T {
	t.Helper()
	defer f.lock()()
	signal, ok := f.signals[i].(T)
	if !ok {
		t.Fatalf("signal %d is %T, want %T", i, f.signals[i], signal)
	}
	return signal
}

// group creates a group of alice (owner), bob (admin) and carol. dave is a former
// member.
func (f *fakeBackend) group(t *testing.T) domain.ConversationID {
	t.Helper()
	chat := domain.NewChat(f, domain.DefaultLimits())
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
