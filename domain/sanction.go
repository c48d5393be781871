package domain

import (
	"maps"
	"time"
)

// SanctionKind is the kind of a sanction.
type SanctionKind string

// The kinds of sanctions.
const (
	// Ban keeps a user out of a group: a member is removed, and no user can join or be
	// added while banned.
	Ban SanctionKind = "ban"
	// Mute forbids a user to post, to edit and to react. It stays when the user leaves
	// and joins again.
	Mute SanctionKind = "mute"
)

// begins returns the type of the event that begins or changes a sanction.
func (k SanctionKind) begins() EventType {
	if k == Ban {
		return MemberBanned
	}
	return MemberMuted
}

// ends returns the type of the event that lifts a sanction.
func (k SanctionKind) ends() EventType {
	if k == Ban {
		return MemberUnbanned
	}
	return MemberUnmuted
}

// SanctionKind returns the kind of sanction that an event of this type begins or lifts; ""
// for other types.
func (t EventType) SanctionKind() SanctionKind {
	switch t {
	case MemberBanned, MemberUnbanned:
		return Ban
	case MemberMuted, MemberUnmuted:
		return Mute
	}
	return ""
}

// Sanction is what decisions need of a ban or a mute.
type Sanction struct {
	Until  *Time  // when it ends by itself; nil: when it is lifted
	Reason string // of a ban; "" for none
}

func (s Sanction) equal(other Sanction) bool {
	if s.Until == nil || other.Until == nil {
		return s.Until == other.Until && s.Reason == other.Reason
	}
	return s.Until.Equal(other.Until.Time) && s.Reason == other.Reason
}

// SanctionBody is the body of member.banned and member.muted. Those of member.unbanned
// and member.unmuted have the user only.
type SanctionBody struct {
	UserID UserID `json:"user_id"`
	Until  *Time  `json:"until,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// ListedSanction is a ban or a mute as lists show it.
type ListedSanction struct {
	UserID UserID `json:"user_id"`
	Until  *Time  `json:"until,omitempty"`
	Reason string `json:"reason,omitempty"`
	By     UserID `json:"by"` // who banned or muted the user
	At     Time   `json:"at"`
}

// SetSanction stores a sanction in the state, for loading.
func (c *Conversation) SetSanction(kind SanctionKind, user UserID, s Sanction) {
	list := c.sanctions(kind)
	list.own()
	list.users[user] = s
}

func (c *Conversation) sanctions(kind SanctionKind) *sanctionList {
	if kind == Ban {
		return &c.bans
	}
	return &c.mutes
}

// applySanction changes the state by an event about a ban or a mute.
func (c *Conversation) applySanction(t EventType, body SanctionBody) {
	kind := t.SanctionKind()
	list := c.sanctions(kind)
	list.own()
	if t == kind.begins() {
		list.users[body.UserID] = Sanction{Until: body.Until, Reason: body.Reason}
	} else {
		delete(list.users, body.UserID)
	}
}

// sanctionList is the bans or the mutes of a conversation, those that have ended by
// themselves included. Its size is limited (Limits.Bans, Limits.Mutes).
type sanctionList struct {
	users  map[UserID]Sanction
	shared bool // a clone uses the map too: copy before writing
}

// own makes sure that there is a map and that no clone shares it.
func (l *sanctionList) own() {
	if l.users == nil {
		l.users = map[UserID]Sanction{}
	} else if l.shared {
		l.users = maps.Clone(l.users)
	}
	l.shared = false
}

// size estimates the bytes that the list takes in memory.
func (l *sanctionList) size() int {
	const perUser = 128
	n := perUser * len(l.users)
	for _, s := range l.users {
		n += len(s.Reason)
	}
	return n
}

// ended returns the user whose sanction ended first, and false if none has ended.
func (l *sanctionList) ended(now time.Time) (first UserID, found bool) {
	var end time.Time
	for user, s := range l.users {
		if s.Until == nil || s.Until.After(now) {
			continue
		}
		if !found || s.Until.Before(end) || s.Until.Equal(end) && user < first {
			first, end, found = user, s.Until.Time, true
		}
	}
	return first, found
}

// inForce reports whether a sanction of the user is in force, and for how long still; 0
// if it has no end. It fails if the clock is not loaded.
func (c *Conversation) inForce(kind SanctionKind, user UserID) (yes bool, left time.Duration, err error) {
	s, ok := c.sanctions(kind).users[user]
	if !ok || s.Until == nil {
		return ok, 0, nil
	}
	now, err := c.now()
	if err != nil {
		return false, 0, err
	}
	left = s.Until.Sub(now)
	return left > 0, left, nil
}

// checkBanned returns ErrForbidden if the user is banned.
func (c *Conversation) checkBanned(user UserID) error {
	banned, left, err := c.inForce(Ban, user)
	if err != nil || !banned {
		return err
	}
	return ErrForbidden.WithMessage("the user is banned from this conversation").WithRetryAfter(left)
}

// maySpeak checks what postings, edits and reactions need in common: that the
// conversation is not frozen, and that the actor is neither blocked nor muted. The owner
// cannot be muted: a mute from before has no effect.
func (c *Conversation) maySpeak(a Actor, role Role) error {
	if err := c.mayPost(a); err != nil {
		return err
	}
	if c.Settings.Posting == PostingNobody {
		return ErrForbidden.WithMessage("the conversation is frozen")
	}
	if role == RoleOwner {
		return nil
	}
	muted, left, err := c.inForce(Mute, a.User)
	if err != nil || !muted {
		return err
	}
	return ErrForbidden.WithMessage("you are muted in this conversation").WithRetryAfter(left)
}

// moderate is the command that bans or mutes a user, or changes how long.
type moderate struct {
	commandBase
	kind  SanctionKind
	user  UserID
	want  Sanction
	limit int // Limits.Bans or Limits.Mutes
}

var _ Command = (*moderate)(nil)

func (c *moderate) Size() int { return 512 + len(c.want.Reason) }

func (c *moderate) Decide(conv *Conversation) ([]Draft, error) {
	if err := c.mayModerate(conv, c.user); err != nil {
		return nil, err
	}
	if c.want.Until != nil {
		now, err := conv.now()
		if err != nil {
			return nil, err
		}
		if !c.want.Until.After(now) {
			return nil, Invalid("/until", "must be in the future")
		}
	}
	list := conv.sanctions(c.kind)
	old, known := list.users[c.user]
	member, in := conv.Member(c.user)
	if known && old.equal(c.want) && (c.kind == Mute || !in) {
		return nil, nil
	}
	drafts := make([]Draft, 0, 3)
	if !known && len(list.users) >= c.limit {
		room, err := c.makeRoom(conv, list)
		if err != nil {
			return nil, err
		}
		drafts = append(drafts, room)
	}
	if c.kind == Ban && in {
		removed, err := c.draft(MemberRemoved, MemberRole{UserID: c.user, Role: member.Role})
		if err != nil {
			return nil, err
		}
		drafts = append(drafts, removed)
	}
	begun, err := c.sanctionDraft(c.kind.begins(), SanctionBody{UserID: c.user, Until: c.want.Until, Reason: c.want.Reason})
	return append(drafts, begun), err
}

// makeRoom returns the event that lifts the sanction of a full list that ended first.
func (c *moderate) makeRoom(conv *Conversation, list *sanctionList) (Draft, error) {
	now, err := conv.now()
	if err != nil {
		return Draft{}, err
	}
	user, found := list.ended(now)
	if !found {
		return Draft{}, ErrLimitExceeded.WithMessage("the conversation has the maximum number of " + string(c.kind) + "s")
	}
	return c.sanctionDraft(c.kind.ends(), SanctionBody{UserID: user})
}

// lift is the command that ends a ban or a mute.
type lift struct {
	commandBase
	kind SanctionKind
	user UserID
}

var _ Command = (*lift)(nil)

func (c *lift) Decide(conv *Conversation) ([]Draft, error) {
	if err := c.mayModerate(conv, c.user); err != nil {
		return nil, err
	}
	if _, known := conv.sanctions(c.kind).users[c.user]; !known {
		return nil, nil
	}
	d, err := c.sanctionDraft(c.kind.ends(), SanctionBody{UserID: c.user})
	if err != nil {
		return nil, err
	}
	return []Draft{d}, nil
}

// mayModerate checks whether the actor may ban and mute the user, by the rule of
// removing: owner and admins may, admins not each other or themselves. The owner cannot
// be banned or muted, by a backend neither.
func (c commandBase) mayModerate(conv *Conversation, user UserID) error {
	role, err := c.role(conv)
	if err != nil {
		return err
	}
	target, in := conv.Member(user)
	switch {
	case !role.Moderates():
		return ErrForbidden.WithMessage("only the owner and admins may ban and mute")
	case in && target.Role == RoleOwner:
		return ErrForbidden.WithMessage("the owner cannot be banned or muted: make another member the owner first")
	case in && role == RoleAdmin && target.Role == RoleAdmin:
		return ErrForbidden.WithMessage("only the owner may ban and mute admins")
	}
	return nil
}

func (c commandBase) sanctionDraft(t EventType, body SanctionBody) (Draft, error) {
	text, err := marshal(body)
	if err != nil {
		return Draft{}, err
	}
	return Draft{Type: t, Sender: c.actor.User, Body: text, Sanction: body}, nil
}
