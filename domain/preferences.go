package domain

// PreferencesPatch changes Preferences; nil keeps a value.
type PreferencesPatch struct {
	Notify   *string // see Preferences.Notify
	Pinned   *bool
	Archived *bool
}

// The values of Preferences.Notify.
const (
	NotifyAll      = "all"
	NotifyMentions = "mentions"
	NotifyNone     = "none"
)

// Check returns ErrInvalid for unknown values.
func (p *PreferencesPatch) Check() error {
	if p.Notify == nil {
		return nil
	}
	switch *p.Notify {
	case NotifyAll, NotifyMentions, NotifyNone:
		return nil
	default:
		return Invalid("/notify", "must be all, mentions or none")
	}
}

// ErrBlocked means that the other user of a direct conversation has blocked the actor.
var ErrBlocked = &Error{Code: CodeBlocked, Message: "this user does not accept messages from you"}

// Block is an entry in a user's list of blocked users.
type Block struct {
	UserID UserID `json:"user_id"` // the blocked user
	Since  Time   `json:"since"`   // when it was blocked
}

// CheckBlock returns ErrInvalid, for /user_id, if by cannot block user: it is no user
// id, or its own.
func CheckBlock(by, user UserID) error {
	if _, err := ParseUserID("/user_id", string(user)); err != nil {
		return err
	}
	if by == user {
		return Invalid("/user_id", "must be another user")
	}
	return nil
}

// SetBlocked sets which users of a direct conversation are blocked by the other one.
// Blocks are stored with the state; no event changes them.
func (c *Conversation) SetBlocked(users ...UserID) { c.blocked = users }

// mayPost returns ErrBlocked if the other user of a direct conversation has blocked the
// actor. It is checked for postings, edits, reactions and pins, but not for recalls and
// removals of one's own.
func (c *Conversation) mayPost(a Actor) error {
	for _, user := range c.blocked {
		if user == a.User && !a.Backend {
			return ErrBlocked
		}
	}
	return nil
}
