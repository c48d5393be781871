package domain

import (
	"encoding/json"
	"maps"
	"slices"
)

// MemberState is what decisions need of a member.
type MemberState struct {
	Role      Role
	JoinedSeq int64 // seq of the event of the latest joining
}

// Conversation is the state that commands are decided on: the fold of those events
// of one conversation that change more than a single message. It is not safe for
// concurrent use.
type Conversation struct {
	ID        ConversationID
	Kind      Kind
	Title     *string // nil: none
	AvatarURL *string // nil: none
	Settings  Settings
	Metadata  json.RawMessage // an object, null or nil
	// Version is the seq of the last event that changed this state. An append names
	// the version that was decided on; if the stored one is newer, the command is
	// decided again.
	Version int64
	// Head is the highest seq known to this copy. Other nodes may have appended
	// messages beyond it.
	Head int64
	// Pins are the seqs of the pinned messages, ascending. A change replaces the
	// slice and never writes to it, so clones can share it.
	Pins []int64

	messages    map[int64]*MessageState     // loaded by LoadMessage, owned by this copy
	attachments map[AttachmentID]Attachment // loaded by LoadAttachment, owned by this copy
	present     present                     // loaded by LoadClock and LoadLastPost, owned by this copy

	bans, mutes sanctionList

	members       map[UserID]MemberState
	membersShared bool     // a clone uses the map too: copy before writing
	audience      []UserID // cache of Audience; nil: not computed
	blocked       []UserID // see SetBlocked
}

// NewConversationState returns a state with stored values. It takes ownership of
// members.
func NewConversationState(
	id ConversationID, kind Kind, title, avatarURL *string, settings Settings, metadata json.RawMessage,
	version, head int64, members map[UserID]MemberState,
) *Conversation {
	return &Conversation{
		ID: id, Kind: kind, Title: title, AvatarURL: avatarURL, Settings: settings, Metadata: metadata,
		Version: version, Head: head, members: members,
	}
}

// Clone returns a copy for tentative decisions, without what was loaded for them. The two
// share the maps of members, bans and mutes until either of them changes it.
func (c *Conversation) Clone() *Conversation {
	c.membersShared, c.bans.shared, c.mutes.shared = true, true, true
	clone := *c
	clone.messages, clone.attachments, clone.present = nil, nil, present{}
	return &clone
}

// Apply changes the state by one event. The seq may be tentative, that is, counted
// from Head and not yet assigned by the log: decisions depend on the order of seqs
// only.
func (c *Conversation) Apply(d Draft, seq int64) {
	c.Head = max(c.Head, seq)
	if m := c.messages[d.Target]; m != nil {
		m.apply(d, seq)
	}
	if d.Type == MessagePosted {
		c.notePost(d.Sender, seq)
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
	case MemberBanned, MemberUnbanned, MemberMuted, MemberUnmuted:
		c.applySanction(d.Type, d.Sanction)
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

// ownMembers prepares a change of members: it makes sure that no clone shares the
// map, and drops the cached audience.
func (c *Conversation) ownMembers() {
	if c.membersShared || c.members == nil {
		c.members = maps.Clone(c.members)
		if c.members == nil {
			c.members = map[UserID]MemberState{}
		}
		c.membersShared = false
	}
	c.audience = nil
}

// Member returns the state of a current member.
func (c *Conversation) Member(user UserID) (MemberState, bool) {
	m, ok := c.members[user]
	return m, ok
}

// MemberCount returns the number of current members.
func (c *Conversation) MemberCount() int { return len(c.members) }

// Audience returns the current members, sorted, or nil if there are more than
// MaxAudience. The slice is shared: do not modify it.
func (c *Conversation) Audience() []UserID {
	if len(c.members) > MaxAudience {
		return nil
	}
	if c.audience == nil {
		c.audience = slices.Sorted(maps.Keys(c.members))
	}
	return c.audience
}

// Size estimates the bytes that the state takes in memory.
func (c *Conversation) Size() int {
	const fixed, perMember = 512, 96
	return fixed + len(c.Metadata) + perMember*len(c.members) + 8*len(c.Pins) + c.bans.size() + c.mutes.size()
}

// successor returns the member who becomes the owner when the owner leaves: the
// admin of the longest standing or, without admins, the member of the longest
// standing; false if there is no other member.
func (c *Conversation) successor(leaving UserID) (UserID, bool) {
	var successor UserID
	var best MemberState
	for user, m := range c.members {
		if user == leaving {
			continue
		}
		if successor == "" || succeedsBefore(m, user, best, successor) {
			successor, best = user, m
		}
	}
	return successor, successor != ""
}

// succeedsBefore reports whether member a comes before member b in the order of
// succession.
func succeedsBefore(a MemberState, aID UserID, b MemberState, bID UserID) bool {
	if a.Role != b.Role {
		return a.Role == RoleAdmin
	}
	if a.JoinedSeq != b.JoinedSeq {
		return a.JoinedSeq < b.JoinedSeq
	}
	return aID < bID // members from the start all have the seq of the creation
}

// role returns the role with which the actor acts: that of the member, and the
// owner's for a backend. It is ErrNotFound for a user who is not a member, because such a
// user must not learn that the conversation exists (I8).
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
