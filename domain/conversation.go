package domain

import (
	"encoding/json"
	"maps"
	"slices"
)

// MemberState is what decisions need of a member.
type MemberState struct {
	Role      Role
	JoinedSeq int64
}

// Conversation is the state that decisions are made on: the fold of the events
// of one conversation that change more than its messages. It is not safe for
// concurrent use.
type Conversation struct {
	ID        ConversationID
	Kind      Kind
	Title     *string
	AvatarURL *string
	Settings  Settings
	Metadata  json.RawMessage
	// Version is the seq of the last event that changed this state: who appends
	// names the version decided on, and a newer one means to decide anew.
	Version int64
	// Head is the highest seq known here; others may have appended beyond it.
	Head int64
	// Pins are the seqs of the pinned messages, ascending. The slice is replaced
	// when they change, never written to.
	Pins []int64

	messages map[int64]*MessageState // that are considered; of this very copy

	members  map[UserID]MemberState
	shared   bool // members is in use by a clone: copy before writing
	audience []UserID
	blocked  []UserID // see SetBlocked
}

// NewConversationState returns the state of a conversation as it was stored.
// It takes over members.
func NewConversationState(
	id ConversationID, kind Kind, title, avatarURL *string, settings Settings, metadata json.RawMessage,
	version, head int64, members map[UserID]MemberState,
) *Conversation {
	return &Conversation{
		ID: id, Kind: kind, Title: title, AvatarURL: avatarURL, Settings: settings, Metadata: metadata,
		Version: version, Head: head, members: members,
	}
}

// Clone returns a copy to decide on tentatively, which considers no messages. The
// members are copied only when either of the two is changed.
func (c *Conversation) Clone() *Conversation {
	c.shared = true
	clone := *c
	clone.messages = nil
	return &clone
}

// Apply moves the state by one event. The seq may be tentative (the head known
// here and the drafts since): only its order matters until it is stored.
func (c *Conversation) Apply(d Draft, seq int64) {
	c.Head = max(c.Head, seq)
	if m := c.messages[d.Target]; m != nil {
		m.apply(d, seq)
	}
	if !d.Type.ChangesState() {
		return
	}
	c.Version = seq
	switch d.Type {
	case MemberAdded:
		c.setMember(d.Member.UserID, MemberState{Role: d.Member.Role, JoinedSeq: seq})
	case MemberRoleChanged:
		m := c.members[d.Member.UserID]
		m.Role = d.Member.Role
		c.setMember(d.Member.UserID, m)
	case MemberRemoved:
		c.ownMembers()
		delete(c.members, d.Member.UserID)
	case ConversationUpdated:
		c.update(d.Update)
	case MessagePinned:
		if at, pinned := slices.BinarySearch(c.Pins, d.Target); !pinned {
			c.Pins = slices.Insert(slices.Clone(c.Pins), at, d.Target)
		}
	case MessageUnpinned:
		if at, pinned := slices.BinarySearch(c.Pins, d.Target); pinned {
			c.Pins = slices.Delete(slices.Clone(c.Pins), at, at+1)
		}
	}
}

func (c *Conversation) update(u *UpdatedBody) {
	if u.Title.Set {
		c.Title = u.Title.Value
	}
	if u.AvatarURL.Set {
		c.AvatarURL = u.AvatarURL.Value
	}
	if u.Settings != nil {
		c.Settings = *u.Settings
	}
	if u.Metadata.Set {
		c.Metadata = u.Metadata.Or(nil)
	}
}

func (c *Conversation) setMember(user UserID, m MemberState) {
	c.ownMembers()
	c.members[user] = m
}

func (c *Conversation) ownMembers() {
	if c.shared || c.members == nil {
		c.members = maps.Clone(c.members)
		if c.members == nil {
			c.members = map[UserID]MemberState{}
		}
		c.shared = false
	}
	c.audience = nil
}

// Member returns the state of a present member.
func (c *Conversation) Member(user UserID) (MemberState, bool) {
	m, ok := c.members[user]
	return m, ok
}

// MemberCount returns how many members there are.
func (c *Conversation) MemberCount() int { return len(c.members) }

// Audience returns the members in the order of their names, or nil when they
// are more than MaxAudience. The slice is shared: do not modify it.
func (c *Conversation) Audience() []UserID {
	if len(c.members) > MaxAudience {
		return nil
	}
	if c.audience == nil {
		c.audience = slices.Sorted(maps.Keys(c.members))
	}
	return c.audience
}

// Size is about how many bytes the state takes in memory.
func (c *Conversation) Size() int {
	const fixed, perMember = 512, 96
	return fixed + len(c.Metadata) + perMember*len(c.members) + 8*len(c.Pins)
}

// successor returns who becomes the owner when leaving does: the longest-serving
// admin, else the longest-serving member.
func (c *Conversation) successor(leaving UserID) (UserID, bool) {
	var successor UserID
	var best MemberState
	for user, m := range c.members {
		if user == leaving {
			continue
		}
		if successor == "" || precedes(m, user, best, successor) {
			successor, best = user, m
		}
	}
	return successor, successor != ""
}

func precedes(a MemberState, aID UserID, b MemberState, bID UserID) bool {
	if a.Role != b.Role {
		return a.Role == RoleAdmin
	}
	if a.JoinedSeq != b.JoinedSeq {
		return a.JoinedSeq < b.JoinedSeq
	}
	return aID < bID // those who were there from the start joined with one event
}

// role returns what the actor may act as here; ErrNotFound for who must not
// learn that the conversation exists (I8).
func (c *Conversation) role(a Actor) (Role, error) {
	if a.Backend {
		return RoleOwner, nil
	}
	m, ok := c.members[a.User]
	if !ok {
		return "", ErrNotFound
	}
	return m.Role, nil
}
