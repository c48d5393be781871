package domain

import (
	"bytes"
	"encoding/json"
)

// maxReferencedUsers is the number of profiles in a page. Clients can request those of
// other users.
const maxReferencedUsers = 1000

// ReferencedUsers collects the users that a page refers to: senders, mentions, members
// that were added or removed, and peers of direct conversations. The initial members of
// a conversation have the lowest priority. The zero value is ready to use.
type ReferencedUsers struct {
	seen  map[UserID]struct{}
	users []UserID
	extra []UserID // initial members
}

func (r *ReferencedUsers) add(user UserID) {
	if _, seen := r.seen[user]; seen || user == "" || user == Everyone || len(r.users) == maxReferencedUsers {
		return
	}
	if r.seen == nil {
		r.seen = make(map[UserID]struct{})
	}
	r.seen[user] = struct{}{}
	r.users = append(r.users, user)
}

// AddEvents adds the users that events refer to.
func (r *ReferencedUsers) AddEvents(events []Event) {
	for i := range events {
		r.add(events[i].Sender)
		r.addBody(&events[i])
	}
}

// addBody adds the users of a body. It parses a message only if it has mentions,
// because content can be long.
func (r *ReferencedUsers) addBody(e *Event) {
	message := e.ClientMsgID != "" || e.Type == MessagePosted
	if message && !bytes.Contains(e.Body, []byte(`"mentions"`)) {
		return
	}
	var body struct {
		UserID   UserID       `json:"user_id"`
		Mentions []UserID     `json:"mentions"`
		Members  []MemberRole `json:"members"`
	}
	if json.Unmarshal(e.Body, &body) != nil {
		return // a type of a later version
	}
	r.add(body.UserID)
	for _, user := range body.Mentions {
		r.add(user)
	}
	for _, m := range body.Members[:min(len(body.Members), maxReferencedUsers)] {
		r.extra = append(r.extra, m.UserID)
	}
}

// AddMessages adds the users that messages refer to.
func (r *ReferencedUsers) AddMessages(messages []Message) {
	for i := range messages {
		r.add(messages[i].Sender)
		for _, user := range messages[i].Mentions {
			r.add(user)
		}
	}
}

// AddConversations adds the users that views of conversations refer to.
func (r *ReferencedUsers) AddConversations(views []ConversationView) {
	for i := range views {
		v := &views[i]
		r.add(v.Peer)
		if v.LastMessage != nil {
			r.AddMessages([]Message{*v.LastMessage})
		}
		r.AddEvents(v.Events)
	}
}

// Users returns the users, each once, up to the number that a page may have.
func (r *ReferencedUsers) Users() []UserID {
	for _, user := range r.extra {
		r.add(user)
	}
	r.extra = nil
	return r.users
}
