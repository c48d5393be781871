package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"im/tools/slowlink"
)

// frame is a frame from the server, with the checked fields of all types.
type frame struct {
	Type           string          `json:"type"`
	ID             string          `json:"id"`
	Event          *event          `json:"event"`
	Conversations  json.RawMessage `json:"conversations"` // of gap and sync_page
	Conversation   *view           `json:"conversation"`
	ConversationID string          `json:"conversation_id"`
	ClientMsgID    string          `json:"client_msg_id"`
	Seq            int64           `json:"seq"`
	ReadSeq        int64           `json:"read_seq"`
	At             time.Time       `json:"at"`
	Duplicate      bool            `json:"duplicate"`
	Code           string          `json:"code"`
	Epoch          string          `json:"epoch"`
	ServerTime     time.Time       `json:"server_time"`
	raw            json.RawMessage
}

// session is one socket from welcome to its end. Over REST alone (see poll) it has no
// socket: ws is nil.
type session struct {
	r           *runner
	d           *device
	ws          *websocket.Conn
	url         string
	serial      uint32
	name        string // user/device#serial
	number      int32  // of the name, in observed
	epoch       int
	done        chan struct{} // closed when reading has ended
	left        chan struct{} // closed when the device has left
	smallBuffer bool          // the receive buffer is small

	writing sync.Mutex
	frames  uint32 // written

	mu         sync.Mutex
	ids        int // of requests
	pending    map[string]func(*frame)
	stream     *stream
	welcomed   time.Time
	lastFrame  time.Time   // when the last frame came
	resumed    time.Time   // when the last pause or stall ended; I6 counts from then
	pauseWhile func() bool // if set, reading pauses while it returns true
	paused     bool
	flooded    bool // the pause lasts until the node drops events
	behind     bool // there may be events to pull
	nodeDrains bool // the node asked to reconnect elsewhere
	settled    bool // it was complete before it was closed
}

// A session pings every pingInterval. If no frame came for stallAfter, delays before
// the next frame are not held against the server. After deadAfter, the device closes
// the session.
const (
	stallAfter   = 4 * time.Second
	deadAfter    = 12 * time.Second
	pingInterval = time.Second
)

// dialTimeout returns the time limit from connecting to welcome in the n-th
// round over all nodes. A stopped node accepts connections and never answers,
// so the next node is tried soon. If all are slow, each round waits longer.
func dialTimeout(round int) time.Duration { return min(3*time.Second<<min(round, 8), requestTimeout) }

// dial opens a socket and waits for welcome, within a time limit.
func (d *device) dial(ctx context.Context, url string, slow bool, within time.Duration) (*session, error) {
	token, err := d.user.r.api.token(ctx, d.user.name)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	due := time.Now().Add(within)
	dialer := websocket.Dialer{Subprotocols: []string{"im.v1"}, HandshakeTimeout: within}
	if slow {
		dialer.NetDialContext = slowlink.Dial
	}
	header, hello := http.Header{}, map[string]any{"type": "hello", "device_id": d.id}
	if d.serial%2 == 0 {
		header.Set("Authorization", "Bearer "+token)
	} else {
		hello["token"] = token
	}
	ws, response, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(url, "http")+"/v1/ws", header)
	if response != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		return nil, d.refusal(response, err)
	}
	s := &session{
		r: d.user.r, d: d, ws: ws, url: url, pending: map[string]func(*frame){}, stream: newStream(d.user.name),
		done: make(chan struct{}), left: make(chan struct{}), smallBuffer: slow,
	}
	s.serial = d.user.r.sockets.Add(1)
	if err := s.welcome(hello, due); err != nil {
		_ = ws.Close()
		return nil, err
	}
	return s, nil
}

// refusal returns the error of a handshake that failed.
func (d *device) refusal(response *http.Response, err error) error {
	if response == nil {
		return errors.New(reason(err))
	}
	if response.StatusCode == http.StatusUnauthorized {
		d.user.r.api.forget(d.user.name)
	}
	return fmt.Errorf("handshake %d", response.StatusCode)
}

// welcome sends hello and waits for the answer.
func (s *session) welcome(hello map[string]any, due time.Time) error {
	if err := s.write(hello); err != nil {
		return errors.New(lost)
	}
	_ = s.ws.SetReadDeadline(due)
	for {
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			return errors.New(closing(err))
		}
		var f frame
		if json.Unmarshal(data, &f) != nil || f.Type != "welcome" {
			if f.Type == "error" {
				return errors.New("error " + f.Code)
			}
			continue
		}
		_ = s.ws.SetReadDeadline(time.Time{})
		now := time.Now()
		s.welcomed, s.lastFrame, s.resumed = now, now, now
		s.name = fmt.Sprintf("%s/%s#%d", s.d.user.name, s.d.id, s.serial)
		s.number = s.r.observed.client(s.name)
		s.epoch = s.r.epoch(f.Epoch)
		return nil
	}
}

// closing returns a text for how a socket ended.
func closing(err error) string {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
		return fmt.Sprintf("close %d", closed.Code)
	}
	return reason(err)
}

// read reads until the socket ends, and returns how it ended.
func (s *session) read() string {
	defer close(s.done)
	defer s.abandon()
	for {
		s.pause()
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			return closing(err)
		}
		f := frame{raw: data}
		if err := json.Unmarshal(data, &f); err != nil {
			s.r.tally.fault("unreadable frame")
			continue
		}
		s.take(&f, time.Now())
	}
}

// pause returns at once, or after the pause that was requested.
func (s *session) pause() {
	s.mu.Lock()
	pauseWhile := s.pauseWhile
	s.pauseWhile, s.paused = nil, pauseWhile != nil
	s.mu.Unlock()
	if pauseWhile == nil {
		return
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for left := false; !left && pauseWhile(); {
		select {
		case <-s.left:
			left = true
		case <-tick.C:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused, s.flooded, s.lastFrame, s.resumed = false, false, time.Now(), time.Now()
}

// reading reports whether the session reads and is not asked to pause.
func (s *session) reading() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.paused && s.pauseWhile == nil
}

// requestPause makes the session stop reading while a condition holds.
func (s *session) requestPause(flooded bool, pauseWhile func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pauseWhile, s.flooded = pauseWhile, flooded
}

// pausedSince reports whether the session paused reading since that time.
func (s *session) pausedSince(then time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused || s.resumed.After(then)
}

// take handles a frame.
func (s *session) take(f *frame, now time.Time) {
	s.mu.Lock()
	if now.Sub(s.lastFrame) > stallAfter {
		s.resumed = now
		s.r.tally.fault("stalled")
	}
	s.lastFrame = now
	then := s.pending[f.ID]
	delete(s.pending, f.ID)
	s.mu.Unlock()
	switch {
	case f.ID != "" && then != nil:
		then(f)
	case f.Type == "event" && f.Event != nil:
		s.event(f.Event, now)
	case f.Type == "gap":
		s.gap(f)
	case f.Type == "conversation" && f.Conversation != nil:
		s.conversationFrame(f.Conversation)
	case f.Type == "drain":
		s.mu.Lock()
		s.nodeDrains = true
		s.mu.Unlock()
		s.r.tally.fault("drain")
	case f.Type == "error":
		s.r.tally.fault("error " + f.Code)
	}
}

// event checks and stores a pushed event.
func (s *session) event(e *event, now time.Time) {
	b := e.parsed()
	me := s.d.user.name
	introduces := e.Type == added && b.UserID == me || e.Type == created && hasMember(b.Members, me)
	removes := e.Type == removed && b.UserID == me
	s.mu.Lock()
	found := s.stream.event(e.ConversationID, e.Seq, e.Type, introduces, removes)
	if p, applies := contentCheckOf(e, &b); applies {
		s.stream.addContentCheck(e.ConversationID, p)
	}
	resumed, welcomed := s.resumed, s.welcomed
	s.mu.Unlock()
	for _, w := range found {
		s.breach(w, e.ConversationID, e.Seq, e.ClientMsgID)
	}
	if s.r.isCurrent(s.epoch) {
		known := s.r.observed.add(e, s.number, byPush, now)
		if late := now.Sub(latest(known, resumed)); late > s.r.o.CompleteWithin {
			s.breach(violation{"I6", fmt.Sprintf("pushed %s after it was known elsewhere", late.Round(time.Millisecond))}, e.ConversationID, e.Seq, e.ClientMsgID)
		}
		at := s.r.clock.local(e.At)
		s.r.tally.pushed(now.Sub(at), at.After(resumed) && at.After(welcomed))
	}
	s.r.convs.observe(e, &b, s.epoch)
	s.d.storePush(e, removes)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func hasMember(list []member, user string) bool {
	for _, m := range list {
		if m.UserID == user {
			return true
		}
	}
	return false
}

func (s *session) breach(w violation, conversation string, seq int64, clientMsgID string) {
	s.r.tally.breach(Breach{
		Invariant: w.invariant, ConversationID: conversation, Seq: seq, ClientMsgID: clientMsgID, Client: s.name, Text: w.text,
	})
}

// gap handles a frame gap.
func (s *session) gap(f *frame) {
	var heads map[string]int64
	if json.Unmarshal(f.Conversations, &heads) != nil {
		return
	}
	s.r.tally.count(func(r *Report) { r.Gaps += int64(len(heads)) })
	for id, head := range heads {
		s.mu.Lock()
		before := s.stream.span(id).reached()
		found := s.stream.addGap(id, head)
		s.behind = true
		s.mu.Unlock()
		if before > 0 {
			s.r.tally.count(func(r *Report) { r.LeftOut += max(0, head-before) })
		}
		for _, w := range found {
			s.breach(w, id, head, "")
		}
		s.d.noteHead(id, head)
	}
}

// conversationFrame handles a frame conversation.
func (s *session) conversationFrame(v *view) {
	s.mu.Lock()
	s.stream.introduce(v.ConversationID)
	s.behind = true
	s.mu.Unlock()
	s.r.showsView(s.reader(), v)
	s.d.noteHead(v.ConversationID, v.HeadSeq)
	s.d.floor(v.ConversationID, v.FloorSeq)
}

// write sends a frame that needs no answer.
func (s *session) write(fields map[string]any) error {
	_, err := s.send(fields)
	return err
}

// send writes a frame and returns its number on this socket.
func (s *session) send(fields map[string]any) (uint32, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return 0, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.frames++
	_ = s.ws.SetWriteDeadline(time.Now().Add(requestTimeout))
	return s.frames, s.ws.WriteMessage(websocket.TextMessage, text)
}
