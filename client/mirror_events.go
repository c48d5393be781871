package client

import (
	"encoding/json"
	"slices"

	"im/domain"
)

// apply applies an event to the state of its conversation, unless the state contains it
// already.
func (m *mirror) apply(e *Event) {
	v := m.views[e.ConversationID]
	if v == nil {
		return
	}
	count := v.unread.apply(e, m.self, v.ReadSeq)
	if e.Seq <= v.HeadSeq {
		return
	}
	if count.unknown {
		count = m.countOfLast(v, e)
	}
	hole := e.Seq > v.HeadSeq+1 // events that the user may not read
	if d := m.doubts[e.ConversationID]; d != nil {
		d.add(e, count)
	}
	m.advance(v, e, count)
	if hole {
		m.doubt(v)
	}
}

// advance applies the next event to the state.
func (m *mirror) advance(v *mirrored, e *Event, count countChange) {
	v.HeadSeq = e.Seq
	if count.target == 0 || count.target > v.ReadSeq {
		v.UnreadCount += count.unread
		v.MentionCount += count.mentions
	}
	if count.unknown && count.target > v.ReadSeq {
		m.doubt(v)
	}
	switch e.Type {
	case domain.MessagePosted:
		m.posted(v, e)
	case domain.MessageEdited, domain.MessageRecalled, domain.ReactionAdded, domain.ReactionRemoved,
		domain.MessagePinned, domain.MessageUnpinned:
		m.changed(v, e)
	case domain.MemberAdded, domain.MemberRemoved, domain.MemberRoleChanged:
		m.member(v, e)
	case domain.ConversationUpdated:
		m.updated(v, e)
	}
}

// countOfLast returns what an edit or a recall changes in the counts, if it is about the
// last message, which the state has.
func (m *mirror) countOfLast(v *mirrored, e *Event) (c countChange) {
	before := v.LastMessage
	change, _ := changeOf(e)
	c.target = change.TargetSeq
	if before == nil || before.Seq != c.target || before.Recalled {
		c.unknown = true
		return c
	}
	if before.Sender == m.self {
		return c
	}
	after, _ := MessageAfter(*before, *e, m.self)
	c.mentions = asCount(mentions(after.Mentions, m.self)) - asCount(mentions(before.Mentions, m.self))
	if after.Recalled {
		c.unread = -1
	}
	return c
}

func (m *mirror) posted(v *mirrored, e *Event) {
	message, ok := MessageOf(*e)
	if !ok {
		return
	}
	v.LastMessage, v.ActiveAt = &message, e.At
	v.Preferences.Archived = false
	if e.Sender == m.self {
		v.ReadSeq = max(v.ReadSeq, e.Seq)
		v.UnreadCount, v.MentionCount = 0, 0
		v.unread.read(v.ReadSeq)
	}
}

// changed applies an event about a message to the last message.
func (m *mirror) changed(v *mirrored, e *Event) {
	if v.LastMessage == nil {
		return
	}
	after, ok := MessageAfter(*v.LastMessage, *e, m.self)
	if !ok {
		return
	}
	v.LastMessage = &after
	if e.Type == domain.ReactionRemoved && len(after.Reactions) > 1 && isAmong(after.Reactions[:len(after.Reactions)-1], e) {
		m.doubt(v) // emojis are in the order of their oldest reaction, and this may have been the oldest
	}
}

// isAmong reports whether the emoji of a reaction event is among reactions.
func isAmong(reactions []Reaction, e *Event) bool {
	change, _ := changeOf(e)
	return slices.ContainsFunc(reactions, func(r Reaction) bool { return r.Emoji == change.Emoji })
}

func (m *mirror) member(v *mirrored, e *Event) {
	var changed domain.MemberRole
	if json.Unmarshal(e.Body, &changed) != nil {
		return
	}
	switch e.Type {
	case domain.MemberAdded:
		v.MemberCount++
	case domain.MemberRemoved:
		v.MemberCount--
	}
	if changed.UserID != m.self {
		return
	}
	switch e.Type {
	case domain.MemberAdded:
		v.Role = changed.Role
		m.doubt(v) // joining again moves the floor and the read position
	case domain.MemberRemoved:
		m.drop(v.ConversationID)
	default:
		v.Role = changed.Role
	}
}

func (m *mirror) updated(v *mirrored, e *Event) {
	var body domain.UpdatedBody
	if json.Unmarshal(e.Body, &body) != nil {
		return
	}
	if body.Title.Set {
		v.Title = body.Title.Value
	}
	if body.AvatarURL.Set {
		v.AvatarURL = body.AvatarURL.Value
	}
	if body.Settings != nil {
		history := v.Settings.History
		v.Settings = *body.Settings
		if v.Settings.History != history {
			m.doubt(v) // it moves the floor, above the last message perhaps
		}
	}
	if body.Metadata.Set {
		v.Metadata = body.Metadata.Or(json.RawMessage("null"))
	}
}
