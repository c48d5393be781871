package domaintest

import (
	"encoding/json"
	"slices"

	"im/domain"
)

// message is a message with all its changes.
type message struct {
	domain.Message // without Reactions, which depend on the viewer
	reactions      []domain.UserReaction
	revision       int64 // the last edit or recall; the message's own seq before
	edits          []int64
	pinnedBy       domain.UserID
	pinnedAt       domain.Time
}

// state returns what decisions need of the message.
func (m *message) state() *domain.MessageState {
	s := &domain.MessageState{
		Seq: m.Seq, Sender: m.Sender, Content: m.Content, Mentions: m.Mentions, Recalled: m.Recalled,
		Revision: m.revision, Reactions: map[domain.Reactor]bool{},
	}
	for _, r := range m.reactions {
		s.Reactions[domain.Reactor{User: r.UserID, Emoji: r.Emoji}] = true
		if !slices.Contains(s.Emojis, r.Emoji) {
			s.Emojis = append(s.Emojis, r.Emoji)
		}
	}
	return s
}

// seenBy returns the message with its reactions as a user sees them.
func (m *message) seenBy(viewer domain.UserID) domain.Message {
	seen := m.Message
	seen.Reactions = []domain.Reaction{}
	for _, r := range m.reactions {
		at := slices.IndexFunc(seen.Reactions, func(have domain.Reaction) bool { return have.Emoji == r.Emoji })
		if at < 0 {
			at = len(seen.Reactions)
			seen.Reactions = append(seen.Reactions, domain.Reaction{Emoji: r.Emoji})
		}
		seen.Reactions[at].Count++
		seen.Reactions[at].Mine = seen.Reactions[at].Mine || r.UserID == viewer
	}
	return seen
}

// project applies an event to the messages. An event with an unknown target, which
// Append allows, changes nothing.
func (c *conversation) project(e *domain.Event, d domain.Draft) {
	if e.Type == domain.MessagePosted {
		m, err := domain.MessageOf(e)
		if err != nil {
			panic(err) // a defect of the test: the body does not fit the type
		}
		c.messages[e.Seq] = &message{Message: m, revision: e.Seq}
		return
	}
	m := c.messages[d.Target]
	if m == nil {
		return
	}
	switch e.Type {
	case domain.MessageEdited:
		if err := m.Edited(e.At, e.Body); err != nil {
			panic(err)
		}
		m.revision, m.edits = e.Seq, append(m.edits, e.Seq)
	case domain.MessageRecalled:
		m.Content, m.Mentions, m.Metadata = json.RawMessage("null"), nil, nil
		m.Recalled, m.revision = true, e.Seq
		c.erase(m)
	case domain.ReactionAdded:
		m.reactions = append(m.reactions, domain.UserReaction{UserID: e.Sender, Emoji: d.Emoji, At: e.At})
	case domain.ReactionRemoved:
		m.reactions = slices.DeleteFunc(slices.Clone(m.reactions), func(r domain.UserReaction) bool {
			return r.UserID == e.Sender && r.Emoji == d.Emoji
		})
	case domain.MessagePinned:
		m.Pinned, m.pinnedBy, m.pinnedAt = true, e.Sender, e.At
	case domain.MessageUnpinned:
		m.Pinned = false
	}
}

// erase removes the content of a recalled message from its events.
func (c *conversation) erase(m *message) {
	null := json.RawMessage("null")
	c.events[m.Seq-1].Body = encode(domain.PostedBody{Content: null, ReplyTo: m.ReplyTo})
	for _, seq := range m.edits {
		c.events[seq-1].Body = encode(domain.EditedBody{TargetSeq: m.Seq, Content: null})
	}
}

// NewDraft returns a draft for Append, of an event with one of the bodies of
// package domain (domain.PostedBody, domain.MemberRole, …), or with any other
// value that encoding/json encodes. A json.RawMessage is taken as it is. What
// projections need of a body is set beside it.
func NewDraft(kind domain.EventType, sender domain.UserID, body any) domain.Draft {
	d := domain.Draft{Type: kind, Sender: sender, Body: encode(body)}
	switch body := body.(type) {
	case domain.MemberRole:
		d.Member = body
	case domain.SanctionBody:
		d.Sanction = body
	case domain.UpdatedBody:
		d.Update = &body
	case domain.PostedBody:
		d.ReplyTo, d.Mentions = body.ReplyTo, body.Mentions
	case domain.EditedBody:
		d.Target, d.Edit, d.Mentions = body.TargetSeq, &body, body.Mentions
	case domain.RecalledBody:
		d.Target = body.TargetSeq
	case domain.ReactionBody:
		d.Target, d.Emoji = body.TargetSeq, domain.NormalizeEmoji(body.Emoji)
	case domain.PinBody:
		d.Target = body.TargetSeq
	}
	return d
}

func encode(body any) json.RawMessage {
	if raw, ok := body.(json.RawMessage); ok {
		return raw
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // a defect of the test
	}
	return raw
}
