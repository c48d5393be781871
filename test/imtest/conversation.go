package imtest

import (
	"encoding/json"
	"slices"
	"time"

	"im/domain"
)

// conversation is a log and what follows from it.
type conversation struct {
	id        domain.ConversationID
	kind      domain.Kind
	title     *string
	avatarURL *string
	settings  domain.Settings
	metadata  json.RawMessage
	members   []domain.Member // in the order of joining
	events    []domain.Event
	read      map[domain.UserID]int64
	prefs     map[domain.UserID]domain.Preferences
	pins      []domain.PinnedMessage // the latest first
	changed   int                    // Server.changes of the last change

	messages  map[int64]*domain.Message
	reactions map[int64][]domain.UserReaction
}

// creation is the body of a call that creates a conversation.
type creation struct {
	Kind      domain.Kind      `json:"kind"`
	Members   []domain.UserID  `json:"members"`
	Title     *string          `json:"title"`
	AvatarURL *string          `json:"avatar_url"`
	Settings  *json.RawMessage `json:"settings"`
	Metadata  json.RawMessage  `json:"metadata"`
	ClientID  string           `json:"client_conversation_id"`
}

func (s *Server) create(creator domain.UserID, wanted creation) domain.ConversationID {
	c := &conversation{
		id: domain.NewConversationID(time.Now()), kind: wanted.Kind,
		title: wanted.Title, avatarURL: wanted.AvatarURL, settings: domain.DefaultSettings(), metadata: wanted.Metadata,
		read: map[domain.UserID]int64{}, prefs: map[domain.UserID]domain.Preferences{},
		messages: map[int64]*domain.Message{}, reactions: map[int64][]domain.UserReaction{},
	}
	if wanted.Settings != nil {
		_ = json.Unmarshal(*wanted.Settings, &c.settings)
	}
	role := domain.RoleMember
	if c.kind == domain.Group {
		role = domain.RoleOwner
	}
	body := domain.CreatedBody{Kind: c.kind, Title: c.title, AvatarURL: c.avatarURL, Settings: c.settings, Metadata: c.metadata}
	for _, user := range append([]domain.UserID{creator}, wanted.Members...) {
		c.members = append(c.members, domain.Member{UserID: user, Role: role, JoinedSeq: 1})
		c.read[user] = 1
		body.Members = append(body.Members, domain.MemberRole{UserID: user, Role: role})
		role = domain.RoleMember
	}
	s.convs[c.id] = c
	s.order = append(s.order, c.id)
	e := s.store(c, domain.Event{Type: domain.ConversationCreated, Sender: creator, Body: encode(body)})
	s.introduce(c, c.users()...)
	s.push(c, e)
	return c.id
}

// introduce sends the conversation frame that precedes the first event.
func (s *Server) introduce(c *conversation, users ...domain.UserID) {
	if s.behavior.HideNew {
		return
	}
	for conn := range s.conns {
		if slices.Contains(users, conn.user) {
			conn.Send(map[string]any{"type": "conversation", "conversation": s.view(c, conn.user, 0)})
		}
	}
}

// append appends an event and pushes it to the members.
func (s *Server) append(c *conversation, e domain.Event) domain.Event {
	e = s.store(c, e)
	s.push(c, e)
	return e
}

// store appends an event, whose seq and time it sets.
func (s *Server) store(c *conversation, e domain.Event) domain.Event {
	e.ConversationID, e.Seq, e.At = c.id, c.head()+1, domain.TimeOf(time.Now())
	c.events = append(c.events, e)
	s.changes++
	c.changed = s.changes
	c.apply(&e)
	return e
}

func (s *Server) push(c *conversation, e domain.Event) {
	for conn := range s.conns {
		if c.isMember(conn.user) {
			conn.push(e)
		}
	}
}

// send appends the message of a request, once.
func (s *Server) send(sender domain.UserID, f *Frame) (e domain.Event, duplicate bool, err error) {
	c := s.convs[f.ConversationID]
	if f.To != "" {
		c = s.direct(sender, f.To)
	}
	if c == nil || !c.isMember(sender) {
		return e, false, domain.ErrNotFound
	}
	for _, old := range c.events {
		if old.Sender == sender && old.ClientMsgID == f.ClientMsgID {
			return old, true, nil
		}
	}
	body := domain.PostedBody{Content: f.Content, ReplyTo: f.ReplyTo, Mentions: f.Mentions, Metadata: f.Metadata}
	return s.append(c, posting(sender, f.ClientMsgID, body)), false, nil
}

func posting(sender domain.UserID, clientMsgID string, body domain.PostedBody) domain.Event {
	return domain.Event{Type: domain.MessagePosted, Sender: sender, ClientMsgID: clientMsgID, Body: encode(body)}
}

func textContent(text string) json.RawMessage {
	return encode(map[string]string{"type": "text", "text": text})
}

// direct returns the direct conversation of two users, and creates it if there is
// none.
func (s *Server) direct(a, b domain.UserID) *conversation {
	for _, c := range s.convs {
		if c.kind == domain.Direct && c.isMember(a) && c.isMember(b) {
			return c
		}
	}
	return s.convs[s.create(a, creation{Kind: domain.Direct, Members: []domain.UserID{b}})]
}

func (s *Server) addMember(c *conversation, user domain.UserID, role domain.Role) domain.Event {
	seq := c.head() + 1
	c.members = append(c.members, domain.Member{UserID: user, Role: role, JoinedSeq: seq})
	c.read[user] = seq
	e := s.store(c, domain.Event{
		Type: domain.MemberAdded, Sender: c.members[0].UserID, Body: encode(domain.MemberRole{UserID: user, Role: role}),
	})
	s.introduce(c, user)
	s.push(c, e)
	return e
}

func (s *Server) removeMember(c *conversation, by, user domain.UserID) domain.Event {
	e := s.append(c, domain.Event{
		Type: domain.MemberRemoved, Sender: by, Body: encode(domain.MemberRole{UserID: user, Role: c.member(user).Role}),
	})
	c.members = slices.DeleteFunc(c.members, func(m domain.Member) bool { return m.UserID == user })
	return e
}

// markRead moves a read position and returns the read_state frame, which it also sends to
// the other connections of the user.
func (s *Server) markRead(c *conversation, user domain.UserID, seq int64, by *Conn) map[string]any {
	if seq = min(seq, c.head()); seq > c.read[user] {
		c.read[user] = seq
		s.changes++
		c.changed = s.changes
	}
	unread, mentions := c.unread(user)
	state := map[string]any{
		"type": "read_state", "conversation_id": c.id, "read_seq": c.read[user],
		"unread_count": unread, "mention_count": mentions, "unread_total": 0,
	}
	s.sendTo(state, func(to *Conn) bool { return to.user == user && to != by })
	return state
}

func (s *Server) online(user domain.UserID) bool {
	for conn := range s.conns {
		if conn.user == user {
			return true
		}
	}
	return false
}

// view returns a conversation as a member sees it, with the newest events.
func (s *Server) view(c *conversation, user domain.UserID, timeline int) domain.ConversationView {
	v := domain.ConversationView{
		ConversationID: c.id, Kind: c.kind, Title: c.title, AvatarURL: c.avatarURL, Settings: c.settings, Metadata: c.metadata,
		Role: c.member(user).Role, MemberCount: len(c.members), HeadSeq: c.head(), FloorSeq: 1, ReadSeq: c.read[user],
		AckedSeq: s.acked[ackKey{user, c.id}], Preferences: c.preferences(user), LastMessage: c.lastMessage(user),
		Events: slices.Clone(c.events[max(0, len(c.events)-timeline):]),
	}
	v.UnreadCount, v.MentionCount = c.unread(user)
	if len(c.events) > 0 {
		v.CreatedAt = c.events[0].At
		v.ActiveAt = v.CreatedAt
	}
	if joined := c.member(user).JoinedSeq; joined > c.head() { // the event follows the frame
		v.ActiveAt = domain.TimeOf(time.Now())
	} else if joined > 0 {
		v.ActiveAt = c.events[joined-1].At
	}
	for _, e := range c.events {
		if e.Type == domain.MessagePosted && e.At.After(v.ActiveAt.Time) {
			v.ActiveAt = e.At
		}
	}
	if c.kind == domain.Direct {
		for _, m := range c.members {
			if m.UserID != user {
				v.Peer = m.UserID
			}
		}
	}
	return v
}

func (c *conversation) head() int64 { return int64(len(c.events)) }

// cut drops what is above a new head.
func (c *conversation) cut(head int64) {
	c.events = c.events[:head]
	for seq := range c.messages {
		if seq > head {
			delete(c.messages, seq)
		}
	}
}

func (c *conversation) users() (users []domain.UserID) {
	for _, m := range c.members {
		users = append(users, m.UserID)
	}
	return users
}

func (c *conversation) isMember(user domain.UserID) bool { return c.member(user).UserID != "" }

func (c *conversation) member(user domain.UserID) domain.Member {
	for _, m := range c.members {
		if m.UserID == user {
			return m
		}
	}
	return domain.Member{}
}

func (c *conversation) preferences(user domain.UserID) domain.Preferences {
	if p, ok := c.prefs[user]; ok {
		return p
	}
	return domain.DefaultPreferences()
}

// unread counts the messages of others above the read position that are not recalled,
// and those of them that mention the user.
func (c *conversation) unread(user domain.UserID) (unread, mentions int64) {
	for seq := c.read[user] + 1; seq <= c.head(); seq++ {
		m := c.messages[seq]
		if m == nil || m.Recalled || m.Sender == user {
			continue
		}
		unread++
		if slices.Contains(m.Mentions, user) || slices.Contains(m.Mentions, domain.Everyone) {
			mentions++
		}
	}
	return unread, mentions
}

// lastMessage returns the newest message, as user sees it; nil if there is none.
func (c *conversation) lastMessage(user domain.UserID) *domain.Message {
	for seq := c.head(); seq > 0; seq-- {
		if m := c.message(seq, user); m != nil {
			return m
		}
	}
	return nil
}

// update changes the conversation by a conversation.updated.
func (c *conversation) update(e *domain.Event) {
	var body domain.UpdatedBody
	_ = json.Unmarshal(e.Body, &body)
	if body.Title.Set {
		c.title = body.Title.Value
	}
	if body.AvatarURL.Set {
		c.avatarURL = body.AvatarURL.Value
	}
	if body.Metadata.Set {
		c.metadata = body.Metadata.Or(nil)
	}
	if body.Settings != nil {
		c.settings = *body.Settings
	}
}

// apply moves the conversation and its messages on by an event.
func (c *conversation) apply(e *domain.Event) {
	switch e.Type {
	case domain.MessagePosted:
		c.post(e)
		return
	case domain.ConversationUpdated:
		c.update(e)
		return
	}
	var body struct {
		TargetSeq int64  `json:"target_seq"`
		Emoji     string `json:"emoji"`
	}
	_ = json.Unmarshal(e.Body, &body)
	m := c.messages[body.TargetSeq]
	if m == nil {
		return
	}
	switch e.Type {
	case domain.MessageEdited:
		_ = m.Edited(e.At, e.Body)
	case domain.MessageRecalled:
		m.Content, m.Mentions, m.Metadata, m.Recalled = json.RawMessage("null"), nil, nil, true
		c.erase(m)
	case domain.ReactionAdded:
		c.reactions[m.Seq] = append(c.reactions[m.Seq], domain.UserReaction{UserID: e.Sender, Emoji: body.Emoji, At: e.At})
	case domain.ReactionRemoved:
		c.reactions[m.Seq] = slices.DeleteFunc(c.reactions[m.Seq], func(r domain.UserReaction) bool {
			return r.UserID == e.Sender && r.Emoji == body.Emoji
		})
	case domain.MessagePinned:
		m.Pinned = true
		c.pins = slices.Insert(c.pins, 0, domain.PinnedMessage{Message: *m, PinnedBy: e.Sender, PinnedAt: e.At})
	case domain.MessageUnpinned:
		m.Pinned = false
		c.pins = slices.DeleteFunc(c.pins, func(p domain.PinnedMessage) bool { return p.Seq == m.Seq })
	}
}

// post adds the message of an event. It moves the sender's read position, and brings the
// conversation back from the archive of its members.
func (c *conversation) post(e *domain.Event) {
	if m, err := domain.MessageOf(e); err == nil {
		c.messages[e.Seq] = &m
	}
	if c.isMember(e.Sender) {
		c.read[e.Sender] = e.Seq
	}
	for user, p := range c.prefs {
		p.Archived = false
		c.prefs[user] = p
	}
}

// erase removes the content of a recalled message from the log.
func (c *conversation) erase(m *domain.Message) {
	c.events[m.Seq-1].Body = encode(domain.PostedBody{Content: m.Content, ReplyTo: m.ReplyTo})
	for i := range c.events {
		if target, _ := domain.TargetOf(&c.events[i]); target == m.Seq && c.events[i].Type == domain.MessageEdited {
			c.events[i].Body = encode(domain.EditedBody{TargetSeq: target, Content: m.Content})
		}
	}
}

// message returns a message as it stands, as user sees it; nil if there is none.
func (c *conversation) message(seq int64, user domain.UserID) *domain.Message {
	stored := c.messages[seq]
	if stored == nil {
		return nil
	}
	m := *stored
	for _, r := range c.reactions[seq] {
		i := slices.IndexFunc(m.Reactions, func(x domain.Reaction) bool { return x.Emoji == r.Emoji })
		if i < 0 {
			i = len(m.Reactions)
			m.Reactions = append(m.Reactions, domain.Reaction{Emoji: r.Emoji})
		}
		m.Reactions[i].Count++
		m.Reactions[i].Mine = m.Reactions[i].Mine || r.UserID == user
	}
	return &m
}
