package domaintest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"im/domain"
)

// Log is a domain.Log in memory. It is safe for concurrent use; the functions
// set with Intercept, OnCommit and SetClock run on the caller's goroutine.
type Log struct {
	mu            sync.Mutex
	epoch         string
	now           func() time.Time
	intercept     func(ctx context.Context, method string) error
	onCommit      func(domain.Committed)
	conversations map[domain.ConversationID]*conversation
	order         []domain.ConversationID // in the order of their creation
	commits       []domain.FeedHead       // of this epoch
	attachments   map[domain.AttachmentID]domain.Attachment
}

// conversation is the log of one conversation and the projections of it.
type conversation struct {
	created  domain.NewConversation
	state    *domain.Conversation
	events   []domain.Event
	posted   map[messageKey]posting
	messages map[int64]*message

	lastPosts map[domain.UserID]domain.LastPost
}

// messageKey is an idempotency key within one conversation.
type messageKey struct {
	sender      domain.UserID
	clientMsgID string
}

// posting is the message that has a messageKey.
type posting struct {
	seq  int64
	hash [32]byte
}

var _ domain.Log = (*Log)(nil)

// NewLog returns an empty log in the epoch "e1". Its clock stands still at
// 2026-01-02T03:04:05.678901Z.
func NewLog() *Log {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	return &Log{
		epoch: "e1", now: func() time.Time { return at },
		conversations: map[domain.ConversationID]*conversation{}, attachments: map[domain.AttachmentID]domain.Attachment{},
	}
}

// SetClock sets the clock for the times of later events. A time before that of the
// conversation's last event is raised to it. The clock must not call the log, which is
// locked then.
func (l *Log) SetClock(now func() time.Time) { defer l.lock()(); l.now = now }

// Intercept sets a function that runs first in every method that takes a context,
// with the method's name ("Submit", "Feed", …). The method returns its error. While
// it blocks, this call waits and other calls do not. Nil removes it.
func (l *Log) Intercept(before func(ctx context.Context, method string) error) {
	defer l.lock()()
	l.intercept = before
}

// OnCommit sets a function that is called after each append, before its command
// is answered. It may call the log. If several goroutines append, the order of the
// calls may differ from that of the appends. Nil removes it.
func (l *Log) OnCommit(committed func(domain.Committed)) { defer l.lock()(); l.onCommit = committed }

// SetEpoch begins another epoch: the feed starts empty, and positions of the former
// epoch read nothing. Events stay.
func (l *Log) SetEpoch(epoch string) { defer l.lock()(); l.epoch, l.commits = epoch, nil }

func (l *Log) lock() (unlock func()) { l.mu.Lock(); return l.mu.Unlock }

// enter runs the function set with Intercept.
func (l *Log) enter(ctx context.Context, method string) error {
	l.mu.Lock()
	before := l.intercept
	l.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(ctx, method)
}

// Submit implements domain.Log: it decides, appends and calls done before it
// returns.
func (l *Log) Submit(ctx context.Context, cmd domain.Command, done func(domain.Outcome, error)) {
	if err := l.enter(ctx, "Submit"); err != nil {
		done(domain.Outcome{}, err)
		return
	}
	l.mu.Lock()
	outcome, publish, err := l.submit(cmd)
	l.mu.Unlock()
	publish()
	done(outcome, err)
}

// submit does the work of Submit. The caller holds the lock, and calls publish after it
// has released it.
func (l *Log) submit(cmd domain.Command) (_ domain.Outcome, publish func(), _ error) {
	c := l.conversations[cmd.Target()]
	if c == nil {
		return domain.Outcome{}, func() {}, domain.ErrNotFound
	}
	drafts, err := l.decide(c, cmd)
	// A duplicate is answered as such even if the posting would be refused now. Only a
	// user who may not know of the conversation gets ErrNotFound.
	if key, ok := cmd.Key(); ok && !errors.Is(err, domain.ErrNotFound) {
		if first, again := c.posted[messageKey{key.Sender, key.ClientMsgID}]; again {
			// A recall erases the hash in production, so any content is a duplicate then.
			if first.hash != key.Hash && !c.messages[first.seq].Recalled {
				return domain.Outcome{}, func() {}, domain.ErrIdempotencyConflict
			}
			return domain.Outcome{Events: []domain.Event{c.events[first.seq-1]}, Duplicate: true}, func() {}, nil
		}
	}
	if err != nil {
		return domain.Outcome{}, func() {}, err
	}
	for _, d := range drafts {
		if a, named := l.attachments[d.Attachment]; named {
			a.State, a.ConversationID = domain.AttachmentAttached, c.state.ID
			l.attachments[a.ID] = a
		}
	}
	events, publish := l.append(c, drafts)
	return domain.Outcome{Events: events}, publish, nil
}

// SetAttachment stores an attachment, or replaces it.
func (l *Log) SetAttachment(a domain.Attachment) { defer l.lock()(); l.attachments[a.ID] = a }

// FindAttachment implements domain.Log.
func (l *Log) FindAttachment(ctx context.Context, id domain.AttachmentID) (domain.Attachment, error) {
	if err := l.enter(ctx, "FindAttachment"); err != nil {
		return domain.Attachment{}, err
	}
	defer l.lock()()
	if a, known := l.attachments[id]; known {
		return a, nil
	}
	return domain.Attachment{}, domain.ErrNotFound
}

// decide calls the command's Decide with a copy of the state, and checks the target of
// a reply, as production does.
func (l *Log) decide(c *conversation, cmd domain.Command) ([]domain.Draft, error) {
	now, state := l.now(), c.state.Clone()
	if cmd, ok := cmd.(domain.AttachmentCommand); ok {
		if a, known := l.attachments[cmd.Attachment()]; known {
			state.LoadAttachment(a)
		}
	}
	if cmd, ok := cmd.(domain.MessageCommand); ok {
		if m := c.messages[cmd.MessageQuery().Seq]; m != nil {
			state.LoadMessage(m.state())
		}
	}
	state.LoadClock(now)
	for user := range c.lastPosts {
		state.LoadLastPost(user, c.lastPosts[user])
	}
	drafts, err := cmd.Decide(state)
	if _, posters := state.Missing(); len(posters) > 0 { // users who have posted nothing
		for _, user := range posters {
			c.lastPosts[user] = domain.LastPost{}
		}
		return l.decide(c, cmd)
	}
	if err != nil {
		return nil, err
	}
	for _, d := range drafts {
		if d.ReplyTo != 0 && c.messages[d.ReplyTo] == nil {
			return nil, domain.Invalid("/reply_to", "is not a message of the conversation")
		}
	}
	return drafts, nil
}

// Append appends drafts to a conversation as one commit, without deciding, and returns
// the events. It is for events that no command would decide, or that are tedious to
// reach with commands. It panics if there is no such conversation.
func (l *Log) Append(id domain.ConversationID, drafts ...domain.Draft) []domain.Event {
	l.mu.Lock()
	events, publish := l.append(l.conversations[id], drafts)
	l.mu.Unlock()
	publish()
	return events
}

// append assigns seqs and time to drafts. The caller holds the lock, and calls publish
// after it has released it.
func (l *Log) append(c *conversation, drafts []domain.Draft) (events []domain.Event, publish func()) {
	if len(drafts) == 0 {
		return nil, func() {}
	}
	before := c.state.Audience()
	at := domain.TimeOf(l.now())
	if n := len(c.events); n > 0 && at.Before(c.events[n-1].At.Time) {
		at = c.events[n-1].At
	}
	membership := false
	for _, d := range drafts {
		e := domain.Event{
			ConversationID: c.state.ID, Seq: int64(len(c.events) + 1), Type: d.Type, Sender: d.Sender,
			ClientMsgID: d.ClientMsgID, At: at, Body: d.Body,
		}
		c.events, events = append(c.events, e), append(events, e)
		c.state.Apply(d, e.Seq)
		c.project(&e, d)
		if key := (messageKey{d.Sender, d.ClientMsgID}); d.Type == domain.MessagePosted && c.posted[key].seq == 0 {
			c.posted[key] = posting{e.Seq, d.Hash}
		}
		if d.Type == domain.MessagePosted {
			c.lastPosts[d.Sender] = domain.LastPost{Seq: e.Seq, At: at}
		}
		membership = membership || d.Type.ChangesMembership()
	}
	return events, l.commit(c, events, union(before, c.state.Audience()), membership)
}

// commit adds events to the feed. The publish that it returns calls the function set
// with OnCommit.
func (l *Log) commit(c *conversation, events []domain.Event, audience []domain.UserID, membership bool) (publish func()) {
	first, head := events[0].Seq, events[len(events)-1].Seq
	l.commits = append(l.commits, domain.FeedHead{ConversationID: c.state.ID, First: first, Head: head, Membership: membership})
	report := l.onCommit
	if report == nil {
		return func() {}
	}
	committed := domain.Committed{ConversationID: c.state.ID, Events: slices.Clone(events), Audience: audience, Epoch: l.epoch}
	return func() { report(committed) }
}

// union merges two audiences. If one is nil, which stands for all nodes, so is the union.
func union(a, b []domain.UserID) []domain.UserID {
	if a == nil || b == nil {
		return nil
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Create implements domain.Log.
func (l *Log) Create(ctx context.Context, n domain.NewConversation) (id domain.ConversationID, created bool, err error) {
	if err := l.enter(ctx, "Create"); err != nil {
		return domain.ConversationID{}, false, err
	}
	l.mu.Lock()
	id, publish, err := l.create(n)
	l.mu.Unlock()
	if publish != nil {
		publish()
	}
	return id, publish != nil, err
}

// create does the work of Create. It returns a nil publish if nothing was created. The
// caller holds the lock.
func (l *Log) create(n domain.NewConversation) (_ domain.ConversationID, publish func(), _ error) {
	for id, c := range l.conversations {
		sameKey := n.ClientConversationID != "" && c.created.ClientConversationID == n.ClientConversationID && c.created.Creator == n.Creator
		switch {
		case sameKey && c.created.Hash != n.Hash:
			return domain.ConversationID{}, nil, domain.ErrIdempotencyConflict
		case sameKey, n.DirectKey != "" && c.created.DirectKey == n.DirectKey:
			return id, nil, nil
		}
	}
	body, err := json.Marshal(n.Created)
	if err != nil {
		return domain.ConversationID{}, nil, domain.ErrInternal.WithCause(err)
	}
	members := make(map[domain.UserID]domain.MemberState, len(n.Created.Members))
	for _, m := range n.Created.Members {
		members[m.UserID] = domain.MemberState{Role: m.Role, JoinedSeq: 1}
	}
	c := &conversation{
		created: n, posted: map[messageKey]posting{}, messages: map[int64]*message{}, lastPosts: map[domain.UserID]domain.LastPost{},
		state: domain.NewConversationState(n.ID, n.Created.Kind, n.Created.Title, n.Created.AvatarURL,
			n.Created.Settings, n.Created.Metadata, 1, 1, members),
		events: []domain.Event{{
			ConversationID: n.ID, Seq: 1, Type: domain.ConversationCreated, Sender: n.Creator, At: domain.TimeOf(l.now()), Body: body,
		}},
	}
	l.conversations[n.ID] = c
	l.order = append(l.order, n.ID)
	return n.ID, l.commit(c, c.events, c.state.Audience(), true), nil
}

// FindDirect implements domain.Log.
func (l *Log) FindDirect(ctx context.Context, key string) (domain.ConversationID, error) {
	if err := l.enter(ctx, "FindDirect"); err != nil {
		return domain.ConversationID{}, err
	}
	defer l.lock()()
	for id, c := range l.conversations {
		if c.created.DirectKey == key {
			return id, nil
		}
	}
	return domain.ConversationID{}, domain.ErrNotFound
}
