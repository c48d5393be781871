package domain

import "time"

// Some decisions depend on the present: whether a ban or a mute has ended, and when a
// member of a conversation in slow mode posted last. Most do not, so the log does not
// load it beforehand. A decision that misses it fails and notes what it misses:
//
//	Decide fails  -> Missing names what to load -> LoadClock, LoadLastPost
//	              -> all commands of the batch are decided again
//
// With what was loaded, deciding is pure again. The clock is the database's, so that all
// nodes have the same one.

// LastPost is the last message of a member.
type LastPost struct {
	Seq int64 // 0: none
	At  Time
}

// present is what decisions know of the present.
type present struct {
	now     time.Time // zero: not loaded
	missing bool      // a decision needs now
	posts   map[UserID]LastPost
	posters []UserID // whose last post a decision needs
}

// LoadClock gives the time to the decisions on this copy of the state.
func (c *Conversation) LoadClock(now time.Time) { c.present.now = now }

// LoadLastPost gives the last message of a member to the decisions on this copy of the
// state.
func (c *Conversation) LoadLastPost(user UserID, last LastPost) {
	if c.present.posts == nil {
		c.present.posts = map[UserID]LastPost{}
	}
	c.present.posts[user] = last
}

// Missing reports what decisions on this copy of the state needed and was not loaded:
// the clock, and the last posts of members. Whatever was decided then must be decided
// again on a copy that has it.
func (c *Conversation) Missing() (clock bool, posters []UserID) {
	return c.present.missing, c.present.posters
}

// errNotLoaded is the error of a decision that is to be made again.
var errNotLoaded = ErrInternal.WithMessage("decided without the present")

func (c *Conversation) now() (time.Time, error) {
	if c.present.now.IsZero() {
		c.present.missing = true
		return time.Time{}, errNotLoaded
	}
	return c.present.now, nil
}

func (c *Conversation) lastPost(user UserID) (LastPost, error) {
	last, loaded := c.present.posts[user]
	if !loaded {
		c.present.posters = append(c.present.posters, user)
		return LastPost{}, errNotLoaded
	}
	return last, nil
}

// notePost records a post that was decided, for the decisions after it.
func (c *Conversation) notePost(user UserID, seq int64) {
	if _, loaded := c.present.posts[user]; loaded {
		c.present.posts[user] = LastPost{Seq: seq, At: TimeOf(c.present.now)}
	}
}

// checkSlowMode returns ErrRateLimited if the actor has posted a moment ago in a
// conversation in slow mode. The owner, admins and backends may post at any time.
func (c *Conversation) checkSlowMode(a Actor, role Role) error {
	slow := time.Duration(c.Settings.SlowModeS) * time.Second
	if slow == 0 || role != RoleMember {
		return nil
	}
	last, err := c.lastPost(a.User)
	now, clockErr := c.now()
	switch {
	case err != nil:
		return err
	case clockErr != nil:
		return clockErr
	case last.Seq == 0:
		return nil
	}
	if left := last.At.Add(slow).Sub(now); left > 0 {
		return ErrRateLimited.WithMessage("the conversation is in slow mode").WithRetryAfter(max(left, time.Millisecond))
	}
	return nil
}
