package domain

// ErrBlocked says that the other user of a direct conversation has blocked the actor.
var ErrBlocked = &Error{Code: CodeBlocked, Message: "this user does not take messages from you"}

// Block is a user whom another one has blocked.
type Block struct {
	UserID UserID `json:"user_id"`
	Since  Time   `json:"since"`
}

// CheckBlock refuses what cannot be blocked.
func CheckBlock(by, user UserID) error {
	if _, err := ParseUserID("/user_id", string(user)); err != nil {
		return err
	}
	if by == user {
		return Invalid("/user_id", "must be somebody else")
	}
	return nil
}

// SetBlocked says which users of a direct conversation may not post there: the
// other one has blocked them. It is part of the state as it was stored, which no
// event changes.
func (c *Conversation) SetBlocked(users ...UserID) { c.blocked = users }

// mayPost refuses users whom the other user of a direct conversation has blocked:
// they may not edit, react or pin either, but take back what they did.
func (c *Conversation) mayPost(a Actor) error {
	for _, user := range c.blocked {
		if user == a.User && !a.Backend {
			return ErrBlocked
		}
	}
	return nil
}
