package imtest

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"im/domain"
)

// maxQueued is how many frames wait for a reader; tests stay far below it.
const maxQueued = 100_000

// Conn is the connection of one client. Its methods are for the functions of a
// Behavior, which run while the server is locked.
type Conn struct {
	server *Server
	ws     *websocket.Conn
	user   domain.UserID
	device domain.DeviceID
	out    chan []byte
	gone   chan struct{}
	once   sync.Once
	gaps   map[domain.ConversationID]bool
}

// Frame is a frame of a client, with the fields of all types.
type Frame struct {
	Type           string                          `json:"type"`
	ID             string                          `json:"id"`
	DeviceID       domain.DeviceID                 `json:"device_id"`
	Token          string                          `json:"token"`
	Cursor         string                          `json:"cursor"`
	TimelineLimit  int                             `json:"timeline_limit"`
	Limit          int                             `json:"limit"`
	ClientMsgID    string                          `json:"client_msg_id"`
	ConversationID domain.ConversationID           `json:"conversation_id"`
	To             domain.UserID                   `json:"to"`
	Content        json.RawMessage                 `json:"content"`
	ReplyTo        int64                           `json:"reply_to"`
	Mentions       []domain.UserID                 `json:"mentions"`
	Metadata       json.RawMessage                 `json:"metadata"`
	AfterSeq       int64                           `json:"after_seq"`
	Seq            int64                           `json:"seq"`
	Acks           map[domain.ConversationID]int64 `json:"acks"`
	On             *bool                           `json:"on"`
	UserIDs        []domain.UserID                 `json:"user_ids"`
}

// Send queues a frame.
func (c *Conn) Send(frame any) { c.out <- encode(frame) }

// Close ends the connection with a close code; 0 ends it without one.
func (c *Conn) Close(code int) {
	c.once.Do(func() {
		close(c.gone)
		if code != 0 {
			message := websocket.FormatCloseMessage(code, "")
			_ = c.ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second))
		}
		_ = c.ws.Close()
	})
}

// Refuse answers the request with that id by an error frame.
func (c *Conn) Refuse(id string, code domain.Code, retry domain.Retry) {
	c.Send(map[string]any{"type": "error", "id": id, "code": code, "message": "refused", "retry": retry})
}

// Commit appends the message of a send frame, unless it was appended before, and
// does not answer.
func (c *Conn) Commit(f *Frame) (e domain.Event, duplicate bool, err error) {
	return c.server.send(c.user, f)
}

func (c *Conn) write() {
	defer c.server.sockets.Done()
	for {
		select {
		case frame := <-c.out:
			if c.ws.WriteMessage(websocket.TextMessage, frame) != nil {
				return
			}
		case <-c.gone:
			return
		}
	}
}

func (c *Conn) read() {
	s := c.server
	defer s.sockets.Done()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		c.Close(0)
	}()
	for {
		var f Frame
		if c.ws.ReadJSON(&f) != nil {
			return
		}
		s.mu.Lock()
		if s.behavior.Frame == nil || !s.behavior.Frame(c, &f) {
			c.handle(&f)
		}
		s.mu.Unlock()
	}
}

func (c *Conn) handle(f *Frame) {
	s := c.server
	switch f.Type {
	case "hello":
		c.hello(f)
	case "sync":
		c.sync(f)
	case "send":
		c.send(f)
	case "pull":
		c.pull(f)
	case "ack":
		for id, seq := range f.Acks {
			if conv := s.convs[id]; conv != nil {
				s.acked[ackKey{c.user, id}] = min(seq, conv.head())
			}
		}
	case "read":
		if conv := s.convs[f.ConversationID]; conv != nil {
			state := s.markRead(conv, c.user, f.Seq, c)
			state["id"] = f.ID
			c.Send(state)
		}
	case "typing":
		if conv := s.convs[f.ConversationID]; conv != nil {
			s.sendTo(map[string]any{
				"type": "typing", "conversation_id": conv.id, "user_id": c.user, "on": f.On == nil || *f.On,
			}, func(to *Conn) bool { return to.user != c.user && conv.isMember(to.user) })
		}
	case "watch":
		for _, user := range f.UserIDs {
			c.Send(map[string]any{"type": "presence", "user_id": user, "online": s.online(user)})
		}
	case "ping":
		c.Send(map[string]any{"type": "pong", "server_time": domain.TimeOf(time.Now())})
	}
}

func (c *Conn) hello(f *Frame) {
	s := c.server
	s.hellos++
	c.user, c.device = domain.UserID(f.Token), f.DeviceID
	now := time.Now()
	c.Send(map[string]any{
		"type": "welcome", "user_id": c.user, "device_id": f.DeviceID, "session_id": "s", "epoch": s.epoch,
		"heartbeat_ms":     or(s.behavior.Heartbeat, 25*time.Second).Milliseconds(),
		"server_time":      domain.TimeOf(now),
		"token_expires_at": domain.TimeOf(now.Add(or(s.behavior.TokenLifetime, time.Hour))),
		"limits":           domain.DefaultLimits(),
	})
	s.conns[c] = true
}

// or returns value, or the default where it is zero.
func or[T comparable](value, standard T) T {
	if value == *new(T) {
		return standard
	}
	return value
}

func (c *Conn) sync(f *Frame) {
	s := c.server
	since, _ := strconv.Atoi(f.Cursor)
	views, removed := []domain.ConversationView{}, []domain.ConversationID{}
	for _, id := range s.order {
		switch conv := s.convs[id]; {
		case conv.changed <= since:
		case conv.isMember(c.user):
			views = append(views, s.view(conv, c.user, f.TimelineLimit))
		case since > 0:
			removed = append(removed, id)
		}
	}
	c.Send(map[string]any{
		"type": "sync_page", "id": f.ID, "epoch": s.epoch, "conversations": views, "removed": removed,
		"users": map[string]any{}, "cursor": strconv.Itoa(s.changes), "done": true, "unread_total": 0,
	})
}

func (c *Conn) send(f *Frame) {
	e, duplicate, err := c.Commit(f)
	if err != nil {
		c.Refuse(f.ID, domain.CodeNotFound, domain.RetryNever)
		return
	}
	c.Send(map[string]any{
		"type": "sent", "id": f.ID, "conversation_id": e.ConversationID, "client_msg_id": e.ClientMsgID,
		"seq": e.Seq, "at": e.At, "duplicate": duplicate,
	})
}

func (c *Conn) pull(f *Frame) {
	s := c.server
	conv := s.convs[f.ConversationID]
	if conv == nil || !conv.isMember(c.user) {
		c.Refuse(f.ID, domain.CodeNotFound, domain.RetryNever)
		return
	}
	limit := min(f.Limit, or(s.behavior.PageEvents, domain.DefaultLimits().PageEvents))
	rest := conv.events[min(int(f.AfterSeq), len(conv.events)):]
	events := []domain.Event{}
	for size := 0; len(events) < min(limit, len(rest)) && size < domain.PageBytes; {
		events = append(events, rest[len(events)])
		size += events[len(events)-1].Size()
	}
	c.Send(map[string]any{
		"type": "page", "id": f.ID, "conversation_id": conv.id, "epoch": s.epoch, "events": events,
		"head_seq": conv.head(), "floor_seq": 1, "has_more": len(events) < len(rest), "users": map[string]any{},
	})
}

// push delivers an event as the behaviour wants it.
func (c *Conn) push(e domain.Event) {
	delivery := Delivered
	if c.server.behavior.Push != nil {
		delivery = c.server.behavior.Push(c, e)
	}
	if delivery == Delivered && c.gaps[e.ConversationID] {
		c.announceGap(e.ConversationID, e.Seq-1) // before the next push
	}
	frame := map[string]any{"type": "event", "event": e}
	switch delivery {
	case Delivered:
		c.Send(frame)
	case Repeated:
		c.Send(frame)
		c.Send(frame)
	case LeftOut:
		c.gaps[e.ConversationID] = true
	case Cut:
		c.Close(0)
	}
}

func (c *Conn) announceGap(id domain.ConversationID, head int64) {
	c.Send(map[string]any{
		"type": "gap", "reason": "slow", "conversations": map[domain.ConversationID]int64{id: head},
	})
	delete(c.gaps, id)
}

func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake in a test
	}
	return data
}
