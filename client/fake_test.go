package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"im/domain"
)

// fakeServer speaks the contract's frames from memory, and misbehaves on demand.
type fakeServer struct {
	http *httptest.Server

	mu      sync.Mutex
	epoch   string
	convs   map[ConversationID]*fakeConversation
	order   []ConversationID
	sockets map[*fakeSocket]bool
	wg      sync.WaitGroup
	hellos  []helloFrame
	acked   map[acker]int64
	changes int

	heartbeat time.Duration
	expires   time.Duration // of tokens; 0 for an hour
	pageLimit int
	// before is asked about each frame; true means that it was dealt with.
	before func(s *fakeSocket, kind string, frame map[string]any) bool
	// fate is asked about each event for each socket.
	fate func(s *fakeSocket, e Event) fate
	// upgrade may refuse a connection with an HTTP status.
	upgrade func() int
}

// acker is the one device of a user in a conversation.
type acker struct {
	user UserID
	id   ConversationID
}

type fate int

const (
	pushed fate = iota
	leftOut
	twice
	cut // the connection, before the push
)

type fakeConversation struct {
	members []UserID
	events  []Event
	read    map[UserID]int64
	changed int
}

type fakeSocket struct {
	server *fakeServer
	ws     *websocket.Conn
	user   UserID
	out    chan []byte
	gone   chan struct{}
	once   sync.Once
	gaps   map[ConversationID]bool
}

func newFake(t testing.TB) *fakeServer {
	f := &fakeServer{
		epoch: "e1", convs: map[ConversationID]*fakeConversation{}, sockets: map[*fakeSocket]bool{},
		acked: map[acker]int64{}, heartbeat: 25 * time.Second, pageLimit: 1000,
	}
	f.http = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.hangUp(websocket.CloseGoingAway)
		f.http.Close()
		f.wg.Wait()
	})
	return f
}

func (f *fakeServer) conversation(members ...UserID) ConversationID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.make(members...)
}

func (f *fakeServer) make(members ...UserID) ConversationID {
	id := domain.NewConversationID(time.Now())
	f.convs[id] = &fakeConversation{members: members, read: map[UserID]int64{}}
	f.order = append(f.order, id)
	kind := domain.Group
	if len(members) == 2 {
		kind = domain.Direct
	}
	body := domain.CreatedBody{Kind: kind, Settings: domain.DefaultSettings()}
	for _, m := range members {
		f.convs[id].read[m] = 1
		body.Members = append(body.Members, domain.MemberRole{UserID: m, Role: domain.RoleMember})
	}
	for s := range f.sockets {
		if slices.Contains(members, s.user) {
			s.queue(map[string]any{"type": "conversation", "conversation": f.view(id, s.user, 0)})
		}
	}
	f.append(id, Event{Type: domain.ConversationCreated, Sender: members[0], Body: encode(body)})
	return id
}

// post appends a message by sender and returns its seq.
func (f *fakeServer) post(id ConversationID, sender UserID, text string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.append(id, posting(sender, "", text)).Seq
}

func posting(sender UserID, clientMsgID, text string) Event {
	if clientMsgID == "" {
		clientMsgID = "m-" + text
	}
	return Event{
		Type: domain.MessagePosted, Sender: sender, ClientMsgID: clientMsgID,
		Body: encode(domain.PostedBody{Content: Text(text)}),
	}
}

func (f *fakeServer) append(id ConversationID, e Event) Event {
	c := f.convs[id]
	e.ConversationID, e.Seq, e.At = id, int64(len(c.events)+1), domain.TimeOf(time.Now())
	c.events = append(c.events, e)
	f.changes++
	c.changed = f.changes
	for s := range f.sockets {
		if slices.Contains(c.members, s.user) {
			s.push(e)
		}
	}
	return e
}

// remove takes a member out, with member.removed as the last thing pushed.
func (f *fakeServer) remove(id ConversationID, user UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.append(id, Event{
		Type: domain.MemberRemoved, Sender: user,
		Body: encode(domain.MemberRole{UserID: user, Role: domain.RoleMember}),
	})
	c := f.convs[id]
	c.members = slices.DeleteFunc(slices.Clone(c.members), func(m UserID) bool { return m == user })
}

// hangUp closes every socket with a code.
func (f *fakeServer) hangUp(code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sockets {
		s.close(code)
	}
}

func (f *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	upgrade := f.upgrade
	f.mu.Unlock()
	if upgrade != nil {
		if status := upgrade(); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	up := websocket.Upgrader{Subprotocols: []string{subprotocol}}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s := &fakeSocket{
		server: f, ws: ws, out: make(chan []byte, 100_000), gone: make(chan struct{}), gaps: map[ConversationID]bool{},
	}
	f.wg.Add(2)
	go s.writes()
	go s.reads()
}

func (s *fakeSocket) writes() {
	defer s.server.wg.Done()
	for {
		select {
		case frame := <-s.out:
			if s.ws.WriteMessage(websocket.TextMessage, frame) != nil {
				return
			}
		case <-s.gone:
			return
		}
	}
}

func (s *fakeSocket) reads() {
	f := s.server
	defer f.wg.Done()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.sockets, s)
		s.close(0)
	}()
	for {
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			return
		}
		var frame map[string]any
		if err := json.Unmarshal(data, &frame); err != nil {
			panic(err)
		}
		f.mu.Lock()
		s.take(frame["type"].(string), frame, data)
		f.mu.Unlock()
	}
}

func (s *fakeSocket) close(code int) {
	s.once.Do(func() {
		close(s.gone)
		if code != 0 {
			message := websocket.FormatCloseMessage(code, "")
			_ = s.ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second))
		}
		_ = s.ws.Close()
	})
}

func (s *fakeSocket) queue(frame any) { s.out <- encode(frame) }

func (s *fakeSocket) push(e Event) {
	what := pushed
	if s.server.fate != nil {
		what = s.server.fate(s, e)
	}
	if what == pushed && s.gaps[e.ConversationID] {
		// What was left out is told before the next push.
		s.queue(map[string]any{"type": "gap", "reason": "slow", "conversations": map[string]int64{
			e.ConversationID.String(): e.Seq - 1,
		}})
		delete(s.gaps, e.ConversationID)
	}
	frame := map[string]any{"type": "event", "event": e}
	switch what {
	case pushed:
		s.queue(frame)
	case twice:
		s.queue(frame)
		s.queue(frame)
	case leftOut:
		s.gaps[e.ConversationID] = true
	case cut:
		s.close(0)
	}
}

func (s *fakeSocket) take(kind string, frame map[string]any, data []byte) {
	f := s.server
	if f.before != nil && f.before(s, kind, frame) {
		return
	}
	id, _ := frame["id"].(string)
	switch kind {
	case "hello":
		s.hello(data)
	case "sync":
		s.sync(id, frame)
	case "send":
		s.answerSend(id, frame)
	case "pull":
		s.pull(id, frame)
	case "ack":
		for id, seq := range frame["acks"].(map[string]any) {
			f.acked[acker{s.user, parse(id)}] = int64(seq.(float64))
		}
	case "read":
		conversation, seq := parse(frame["conversation_id"].(string)), int64(frame["seq"].(float64))
		f.convs[conversation].read[s.user] = seq
		s.queue(map[string]any{
			"type": "read_state", "id": id, "conversation_id": conversation, "read_seq": seq,
			"unread_count": f.unread(conversation, s.user), "mention_count": 0, "unread_total": 0,
		})
	case "ping":
		s.queue(map[string]any{"type": "pong", "server_time": domain.TimeOf(time.Now())})
	}
}

func parse(s string) ConversationID {
	id, err := domain.ParseConversationID("", s)
	if err != nil {
		panic(err)
	}
	return id
}

func (s *fakeSocket) hello(data []byte) {
	var hello helloFrame
	_ = json.Unmarshal(data, &hello)
	f := s.server
	f.hellos = append(f.hellos, hello)
	s.user = UserID(hello.Token) // a token is the name of its user, here
	expires := time.Hour
	if f.expires != 0 {
		expires = f.expires
	}
	now := time.Now()
	s.queue(map[string]any{
		"type": "welcome", "user_id": s.user, "device_id": hello.DeviceID, "session_id": "s", "epoch": f.epoch,
		"heartbeat_ms": f.heartbeat.Milliseconds(), "server_time": domain.TimeOf(now),
		"token_expires_at": domain.TimeOf(now.Add(expires)), "limits": domain.DefaultLimits(),
	})
	f.sockets[s] = true
}

func (s *fakeSocket) sync(id string, frame map[string]any) {
	f := s.server
	since := 0
	if cursor, ok := frame["cursor"].(string); ok {
		since, _ = strconv.Atoi(cursor)
	}
	timeline, _ := frame["timeline_limit"].(float64)
	page := map[string]any{
		"type": "sync_page", "id": id, "epoch": f.epoch, "removed": []string{}, "users": map[string]any{},
		"cursor": strconv.Itoa(f.changes), "done": true, "unread_total": 0,
	}
	views, removed := []Conversation{}, []ConversationID{}
	for _, conversation := range f.order {
		switch c := f.convs[conversation]; {
		case c.changed <= since:
		case slices.Contains(c.members, s.user):
			views = append(views, f.view(conversation, s.user, int(timeline)))
		case since > 0:
			removed = append(removed, conversation)
		}
	}
	page["conversations"], page["removed"] = views, removed
	s.queue(page)
}

func (f *fakeServer) view(id ConversationID, user UserID, timeline int) Conversation {
	c := f.convs[id]
	head := int64(len(c.events))
	v := Conversation{
		ConversationID: id, Kind: domain.Group, Settings: domain.DefaultSettings(), HeadSeq: head, FloorSeq: 1,
		ReadSeq: c.read[user], AckedSeq: f.acked[acker{user, id}], MemberCount: len(c.members), UnreadCount: f.unread(id, user),
		Events: c.events[max(0, int(head)-timeline):],
	}
	if len(c.members) == 2 {
		v.Kind, v.Peer = domain.Direct, c.members[0]
		if v.Peer == user {
			v.Peer = c.members[1]
		}
	}
	return v
}

func (f *fakeServer) unread(id ConversationID, user UserID) (n int64) {
	for _, e := range f.convs[id].events {
		if e.Type == domain.MessagePosted && e.Sender != user && e.Seq > f.convs[id].read[user] {
			n++
		}
	}
	return n
}

func (s *fakeSocket) refuse(id string, code domain.Code, retry domain.Retry) {
	s.queue(map[string]any{"type": "error", "id": id, "code": code, "message": "refused", "retry": retry})
}

func (s *fakeSocket) answerSend(id string, frame map[string]any) {
	e, duplicate := s.commit(frame)
	s.queue(map[string]any{
		"type": "sent", "id": id, "conversation_id": e.ConversationID, "client_msg_id": e.ClientMsgID,
		"seq": e.Seq, "at": e.At, "duplicate": duplicate,
	})
}

// commit appends what a send frame says, once.
func (s *fakeSocket) commit(frame map[string]any) (e Event, duplicate bool) {
	f := s.server
	var id ConversationID
	if to, ok := frame["to"].(string); ok {
		id = f.direct(s.user, UserID(to))
	} else {
		id = parse(frame["conversation_id"].(string))
	}
	key := frame["client_msg_id"].(string)
	for _, old := range f.convs[id].events {
		if old.Sender == s.user && old.ClientMsgID == key {
			return old, true
		}
	}
	return f.append(id, posting(s.user, key, frame["content"].(map[string]any)["text"].(string))), false
}

func (f *fakeServer) direct(a, b UserID) ConversationID {
	for id, c := range f.convs {
		if len(c.members) == 2 && slices.Contains(c.members, a) && slices.Contains(c.members, b) {
			return id
		}
	}
	return f.make(a, b)
}

func (s *fakeSocket) pull(id string, frame map[string]any) {
	f := s.server
	conversation := parse(frame["conversation_id"].(string))
	c := f.convs[conversation]
	if !slices.Contains(c.members, s.user) {
		s.refuse(id, domain.CodeNotFound, domain.RetryNever)
		return
	}
	after, limit := int(frame["after_seq"].(float64)), min(int(frame["limit"].(float64)), f.pageLimit)
	all := c.events[min(after, len(c.events)):]
	events := []Event{}
	for bytes := 0; len(events) < min(limit, len(all)) && bytes < domain.PageBytes; {
		events = append(events, all[len(events)])
		bytes += events[len(events)-1].Size()
	}
	more := len(events) < len(all)
	s.queue(map[string]any{
		"type": "page", "id": id, "conversation_id": conversation, "epoch": f.epoch, "events": events,
		"head_seq": len(c.events), "floor_seq": 1, "has_more": more, "users": map[string]any{},
	})
}

func (f *fakeServer) String() string { return fmt.Sprintf("fake at %s, epoch %s", f.http.URL, f.epoch) }
