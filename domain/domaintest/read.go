package domaintest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"im/domain"
)

// Epoch returns the present epoch.
func (l *Log) Epoch() string { defer l.lock()(); return l.epoch }

// IDs returns all conversations, in the order in which they were created.
func (l *Log) IDs() []domain.ConversationID { defer l.lock()(); return slices.Clone(l.order) }

// State returns a copy of the state that commands are decided on; nil if there is
// no such conversation. Its Head and members are those of the present.
func (l *Log) State(id domain.ConversationID) *domain.Conversation {
	defer l.lock()()
	c := l.conversations[id]
	if c == nil {
		return nil
	}
	return c.state.Clone()
}

// SetBlocked sets which users of a direct conversation may not post there; see
// domain.Conversation.SetBlocked.
func (l *Log) SetBlocked(id domain.ConversationID, users ...domain.UserID) {
	defer l.lock()()
	l.conversations[id].state.SetBlocked(users...)
}

// EventsOf returns all events of a conversation: that with seq n is at n-1. None
// if there is no such conversation.
func (l *Log) EventsOf(id domain.ConversationID) []domain.Event {
	defer l.lock()()
	if c := l.conversations[id]; c != nil {
		return slices.Clone(c.events)
	}
	return nil
}

// MessagesOf returns all messages of a conversation with their changes, ascending.
// Reactions of the viewer are marked as Mine.
func (l *Log) MessagesOf(id domain.ConversationID, viewer domain.UserID) []domain.Message {
	defer l.lock()()
	messages := []domain.Message{}
	for _, m := range l.conversations[id].ordered() {
		messages = append(messages, m.seenBy(viewer))
	}
	return messages
}

// ReactionsOf returns the reactions on a message, in the order in which they were
// added; false if there is no such message.
func (l *Log) ReactionsOf(id domain.ConversationID, seq int64) ([]domain.UserReaction, bool) {
	defer l.lock()()
	c := l.conversations[id]
	if c == nil || c.messages[seq] == nil {
		return nil, false
	}
	return append([]domain.UserReaction{}, c.messages[seq].reactions...), true
}

// PinsOf returns the pinned messages of a conversation, ascending.
func (l *Log) PinsOf(id domain.ConversationID, viewer domain.UserID) []domain.PinnedMessage {
	defer l.lock()()
	pins := []domain.PinnedMessage{}
	for _, m := range l.conversations[id].ordered() {
		if m.Pinned {
			pins = append(pins, domain.PinnedMessage{Message: m.seenBy(viewer), PinnedBy: m.pinnedBy, PinnedAt: m.pinnedAt})
		}
	}
	return pins
}

// ordered returns the messages, ascending; c may be nil.
func (c *conversation) ordered() []*message {
	if c == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(c.messages), func(a, b *message) int { return cmp.Compare(a.Seq, b.Seq) })
}

// View returns a conversation as a user sees it, without events and with the read
// position and preferences of a new member; false if there is no such conversation.
// For a user who is not a member, Role and JoinedSeq are zero.
func (l *Log) View(id domain.ConversationID, user domain.UserID) (domain.ConversationView, bool) {
	defer l.lock()()
	c := l.conversations[id]
	if c == nil {
		return domain.ConversationView{}, false
	}
	member, _ := c.state.Member(user)
	v := domain.ConversationView{
		ConversationID: id, Kind: c.state.Kind, Title: c.state.Title, AvatarURL: c.state.AvatarURL,
		Settings: c.state.Settings, Metadata: c.state.Metadata, CreatedAt: c.events[0].At,
		Role: member.Role, JoinedSeq: member.JoinedSeq, MemberCount: c.state.MemberCount(),
		HeadSeq: c.state.Head, FloorSeq: c.floor(domain.Actor{User: user}), Preferences: domain.DefaultPreferences(),
	}
	if c.state.Kind == domain.Direct {
		v.Peer = domain.PeerOf(c.created.DirectKey, user)
	}
	v.ActiveAt = c.events[max(1, member.JoinedSeq)-1].At
	if messages := c.ordered(); len(messages) > 0 {
		last := messages[len(messages)-1].seenBy(user)
		v.LastMessage = &last
		if last.Seq > member.JoinedSeq {
			v.ActiveAt = last.At
		}
	}
	return v, true
}

// floor returns the lowest seq that the actor may read.
func (c *conversation) floor(a domain.Actor) int64 {
	member, in := c.state.Member(a.User)
	if a.Backend || !in {
		return 1
	}
	return c.state.Settings.Floor(member.JoinedSeq)
}

// Events returns the page of events that q selects, for a member or a backend;
// domain.ErrNotFound for others. Events of content below the actor's floor are
// redacted as in production. Of q it knows AfterSeq, BeforeSeq and Limit, and
// returns the newest events if neither position is given.
func (l *Log) Events(ctx context.Context, a domain.Actor, id domain.ConversationID, q domain.Range) (domain.EventPage, error) {
	if err := l.enter(ctx, "Events"); err != nil {
		return domain.EventPage{}, err
	}
	defer l.lock()()
	c := l.conversations[id]
	if c == nil {
		return domain.EventPage{}, domain.ErrNotFound
	}
	if _, member := c.state.Member(a.User); !member && !a.Backend {
		return domain.EventPage{}, domain.ErrNotFound
	}
	floor := c.floor(a)
	// Events are those with seqs in (from, to].
	from, to := floor-1, c.state.Head
	page := domain.EventPage{
		ConversationID: id, Epoch: l.epoch, HeadSeq: c.state.Head, FloorSeq: floor, Users: map[domain.UserID]domain.Profile{},
	}
	if q.AfterSeq != nil {
		from = min(max(from, *q.AfterSeq), to)
		page.HasMore = from+int64(q.Limit) < to
		to = min(to, from+int64(q.Limit))
	} else {
		if q.BeforeSeq != nil {
			to = max(min(to, *q.BeforeSeq-1), from)
		}
		page.HasMore = to-int64(q.Limit) > from
		from = max(from, to-int64(q.Limit))
	}
	page.Events = append([]domain.Event{}, c.events[from:to]...)
	domain.RedactBelow(floor, page.Events)
	if len(page.Events) > 0 {
		page.FromSeq, page.ToSeq = from+1, to
	}
	return page, nil
}

// LogRange returns the events with after < seq <= upto; none beyond the head or
// if there is no such conversation.
func (l *Log) LogRange(ctx context.Context, id domain.ConversationID, after, upto int64) ([]domain.Event, error) {
	if err := l.enter(ctx, "LogRange"); err != nil {
		return nil, err
	}
	defer l.lock()()
	c := l.conversations[id]
	if c == nil {
		return nil, nil
	}
	upto = min(upto, c.state.Head)
	if after >= upto {
		return nil, nil
	}
	return slices.Clone(c.events[after:upto]), nil
}

// Feed returns what was committed since a position; nothing for "" and for a
// position of another epoch. One head stands for one commit.
func (l *Log) Feed(ctx context.Context, after domain.FeedPosition) (domain.FeedPage, error) {
	if err := l.enter(ctx, "Feed"); err != nil {
		return domain.FeedPage{}, err
	}
	defer l.lock()()
	page := domain.FeedPage{Epoch: l.epoch, Position: domain.FeedPosition(fmt.Sprintf("%d %s", len(l.commits), l.epoch))}
	var seen int
	var epoch string
	if _, err := fmt.Sscanf(string(after), "%d %s", &seen, &epoch); err == nil && epoch == l.epoch {
		page.Heads = slices.Clone(l.commits[seen:])
	}
	return page, nil
}
