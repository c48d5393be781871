package domain

import (
	"bytes"
	"encoding/json"
)

// maxReferencedUsers is how many users a page brings the profiles of; the others can be
// asked for.
const maxReferencedUsers = 1000

// Cast gathers the users whom a page names, each once: senders, who is
// mentioned, who was let in or out, peers. The members that a conversation was
// created with come last, where there is room.
type ReferencedUsers struct {
	seen  map[UserID]struct{}
	users []UserID
	extra []UserID
}

func (c *ReferencedUsers) add(user UserID) {
	if _, there := c.seen[user]; there || user == "" || user == Everyone || len(c.users) == maxReferencedUsers {
		return
	}
	if c.seen == nil {
		c.seen = make(map[UserID]struct{})
	}
	c.seen[user] = struct{}{}
	c.users = append(c.users, user)
}

// AddEvents adds whom events name.
func (c *ReferencedUsers) AddEvents(events []Event) {
	for i := range events {
		c.add(events[i].Sender)
		c.addBody(&events[i])
	}
}

// addBody reads a body only where it may name somebody: content can be long.
func (c *ReferencedUsers) addBody(e *Event) {
	message := e.ClientMsgID != "" || e.Type == MessagePosted
	if message && !bytes.Contains(e.Body, []byte(`"mentions"`)) {
		return
	}
	var named struct {
		UserID   UserID       `json:"user_id"`
		Mentions []UserID     `json:"mentions"`
		Members  []MemberRole `json:"members"`
	}
	if json.Unmarshal(e.Body, &named) != nil {
		return // a body of an unknown kind names nobody
	}
	c.add(named.UserID)
	for _, user := range named.Mentions {
		c.add(user)
	}
	for _, m := range named.Members[:min(len(named.Members), maxReferencedUsers)] {
		c.extra = append(c.extra, m.UserID)
	}
}

// AddMessages adds whom messages name.
func (c *ReferencedUsers) AddMessages(messages []Message) {
	for i := range messages {
		c.add(messages[i].Sender)
		for _, user := range messages[i].Mentions {
			c.add(user)
		}
	}
}

// AddConversations adds whom the views of conversations name.
func (c *ReferencedUsers) AddConversations(views []ConversationView) {
	for i := range views {
		v := &views[i]
		c.add(v.Peer)
		if v.LastMessage != nil {
			c.AddMessages([]Message{*v.LastMessage})
		}
		c.AddEvents(v.Events)
	}
}

// Users returns all that were added, as many as a page brings.
func (c *ReferencedUsers) Users() []UserID {
	for _, user := range c.extra {
		c.add(user)
	}
	c.extra = nil
	return c.users
}
