package client

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"im/domain"
)

// mirror is what the client knows of the user's conversations: their states as the
// server sent them, with the events since then applied.
type mirror struct {
	self  UserID
	views map[ConversationID]*Conversation
}

// put stores a state that the server sent. If events have moved the stored one past
// it, only what no event changes is taken over.
func (m *mirror) put(v Conversation) {
	if old := m.views[v.ConversationID]; old != nil && old.HeadSeq > v.HeadSeq {
		old.AckedSeq, old.Preferences = v.AckedSeq, v.Preferences
		return
	}
	v.Events = nil // they go to OnEvent
	m.views[v.ConversationID] = &v
}

// peer returns the other user of a direct conversation; "" for a group.
func (m *mirror) peer(id ConversationID) UserID {
	if v := m.views[id]; v != nil {
		return v.Peer
	}
	return ""
}

// list returns copies, newest activity first.
func (m *mirror) list() []Conversation {
	list := make([]Conversation, 0, len(m.views))
	for v := range maps.Values(m.views) {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b Conversation) int {
		return cmp.Or(lastActive(b).Compare(lastActive(a)),
			cmp.Compare(b.ConversationID.String(), a.ConversationID.String()))
	})
	return list
}

func lastActive(v Conversation) time.Time {
	if v.LastMessage != nil {
		return v.LastMessage.At.Time
	}
	return v.CreatedAt.Time
}

// read takes over how far the user has read, unless more is known already.
func (m *mirror) read(r ReadState) {
	if v := m.views[r.ConversationID]; v != nil && r.ReadSeq >= v.ReadSeq {
		v.ReadSeq, v.UnreadCount, v.MentionCount = r.ReadSeq, r.UnreadCount, r.MentionCount
	}
}

// apply applies an event to the state of its conversation, unless the state contains
// it already.
func (m *mirror) apply(e *Event) {
	v := m.views[e.ConversationID]
	if v == nil || e.Seq <= v.HeadSeq {
		return
	}
	v.HeadSeq = e.Seq
	switch e.Type {
	case domain.MessagePosted:
		m.posted(v, e)
	case domain.MemberAdded, domain.MemberRemoved, domain.MemberRoleChanged:
		m.member(v, e)
	case domain.ConversationUpdated:
		updated(v, e)
	}
}

func (m *mirror) posted(v *Conversation, e *Event) {
	message, ok := MessageOf(*e)
	if !ok {
		return
	}
	v.LastMessage = &message
	if e.Sender == m.self {
		v.ReadSeq, v.UnreadCount, v.MentionCount = e.Seq, 0, 0
		return
	}
	if e.Seq <= v.ReadSeq {
		return
	}
	v.UnreadCount++
	if slices.Contains(message.Mentions, m.self) || slices.Contains(message.Mentions, domain.Everyone) {
		v.MentionCount++
	}
}

func (m *mirror) member(v *Conversation, e *Event) {
	var changed domain.MemberRole
	if json.Unmarshal(e.Body, &changed) != nil {
		return
	}
	switch e.Type {
	case domain.MemberAdded:
		v.MemberCount++
	case domain.MemberRemoved:
		v.MemberCount--
		if changed.UserID == m.self {
			delete(m.views, v.ConversationID)
		}
	}
	if changed.UserID == m.self && e.Type != domain.MemberRemoved {
		v.Role = changed.Role
	}
}

func updated(v *Conversation, e *Event) {
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
		v.Settings = *body.Settings
	}
	if body.Metadata.Set {
		v.Metadata = body.Metadata.Or(json.RawMessage("null"))
	}
}
