package domain

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"im/internal/strictjson"
)

// Creation is a request for a new conversation.
type Creation struct {
	Kind Kind
	// Members are the other members; the creator becomes one too. Exactly one user for
	// a direct conversation, up to Limits.MembersPerCall users for a group.
	Members   []UserID
	Title     *string         // groups only; nil: none; at most Limits.TitleChars
	AvatarURL *string         // groups only; nil: none; at most Limits.URLChars
	Settings  *SettingsPatch  // groups only; nil: the defaults
	Metadata  json.RawMessage // an object; nil: none; at most Limits.MetadataBytes
	// ClientConversationID makes the request idempotent; "" for none; at most 64
	// characters.
	ClientConversationID string
}

func (c *Creation) check(creator UserID, limits Limits) error {
	if len(c.Members) > limits.MembersPerCall {
		return Invalid("/members", "more than members_per_call")
	}
	if err := checkUserIDs("/members", c.Members); err != nil {
		return err
	}
	if c.ClientConversationID != "" {
		if err := checkClientID("/client_conversation_id", c.ClientConversationID); err != nil {
			return err
		}
	}
	if err := checkMetadata(c.Metadata, limits); err != nil {
		return err
	}
	switch c.Kind {
	case Direct:
		return c.checkDirect(creator)
	case Group:
		return c.checkGroup(limits)
	default:
		return Invalid("/kind", "must be direct or group")
	}
}

func (c *Creation) checkDirect(creator UserID) error {
	switch {
	case len(c.Members) != 1:
		return Invalid("/members", "a direct conversation has exactly one other member")
	case c.Members[0] == creator:
		return Invalid("/members/0", "must be another user")
	case c.Title != nil:
		return Invalid("/title", "a direct conversation has none")
	case c.AvatarURL != nil:
		return Invalid("/avatar_url", "a direct conversation has none")
	case c.Settings != nil:
		return Invalid("/settings", "a direct conversation has none")
	}
	return nil
}

func (c *Creation) checkGroup(limits Limits) error {
	if err := checkText("/title", c.Title, limits.TitleChars); err != nil {
		return err
	}
	if err := checkText("/avatar_url", c.AvatarURL, limits.URLChars); err != nil {
		return err
	}
	if len(c.Members)+1 > limits.GroupMembers {
		return ErrLimitExceeded.WithMessage("the group would have more than group_members")
	}
	return c.Settings.check()
}

// decide returns the conversation that a checked Creation creates.
func (c *Creation) decide(creator UserID, now time.Time) NewConversation {
	others := slices.Clone(c.Members)
	slices.Sort(others)
	others = slices.DeleteFunc(slices.Compact(others), func(u UserID) bool { return u == creator })

	first := RoleOwner
	if c.Kind == Direct {
		first = RoleMember
	}
	members := []MemberRole{{UserID: creator, Role: first}}
	for _, user := range others {
		members = append(members, MemberRole{UserID: user, Role: RoleMember})
	}
	n := NewConversation{
		ID: NewConversationID(now), Creator: creator,
		Created: CreatedBody{
			Kind: c.Kind, Title: c.Title, AvatarURL: c.AvatarURL,
			Settings: c.Settings.apply(DefaultSettings()), Metadata: c.Metadata, Members: members,
		},
		ClientConversationID: c.ClientConversationID,
	}
	if c.Kind == Direct {
		n.DirectKey = DirectKey(creator, others[0])
	}
	n.Hash = n.Created.hash()
	return n
}

// hash returns the SHA-256 of the canonical form: it is equal for equal requests.
func (b CreatedBody) hash() [sha256.Size]byte {
	text, err := json.Marshal(b)
	if err != nil {
		return [sha256.Size]byte{} // cannot happen: metadata was checked
	}
	return sha256.Sum256(strictjson.AppendCanonical(nil, text))
}

// state returns the conversation as it will be after its creation.
func (n *NewConversation) state() *Conversation {
	members := make(map[UserID]MemberState, len(n.Created.Members))
	for _, m := range n.Created.Members {
		members[m.UserID] = MemberState{Role: m.Role, JoinedSeq: 1}
	}
	return NewConversationState(n.ID, n.Created.Kind, n.Created.Title, n.Created.AvatarURL,
		n.Created.Settings, n.Created.Metadata, 1, 1, members)
}

// PeerOf returns the other user of a direct key, given one of the two.
func PeerOf(directKey string, user UserID) UserID {
	a, b, _ := strings.Cut(directKey, "\n")
	if UserID(a) == user {
		return UserID(b)
	}
	return UserID(a)
}
