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

// session is one socket from welcome to its end.
type session struct {
	r      *runner
	d      *device
	ws     *websocket.Conn
	url    string
	serial uint32
	name   string // user/device#serial
	number int32  // of the name, in witness
	epoch  int
	done   chan struct{} // closed when reading has ended
	left   chan struct{} // closed when the device has left
	narrow bool          // the receive buffer is small

	writing sync.Mutex
	frames  uint32

	mu       sync.Mutex
	ids      int
	pending  map[string]func(*frame)
	stream   *stream
	welcomed time.Time
	heard    time.Time   // the last frame
	fresh    time.Time   // the end of the last pause
	still    func() bool // if set, reading pauses while it returns true
	paused   bool
	flooded  bool // paused until it overflows
	behind   bool // there may be events to pull
	leave    bool // the node drains
	settled  bool // it was complete before it was closed
}

// silence is how long a session that sends pings may receive nothing before it
// no longer counts as live.
const (
	silence  = 4 * time.Second
	deadness = 12 * time.Second
	pinging  = time.Second
)

// dialTimeout returns the time limit from connecting to welcome in the n-th
// round over all nodes. A stopped node accepts connections and never answers,
// so the next node is tried soon. If all are slow, each round waits longer.
func dialTimeout(round int) time.Duration { return min(3*time.Second<<min(round, 8), patience) }

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
		done: make(chan struct{}), left: make(chan struct{}), narrow: slow,
	}
	s.serial = d.user.r.sockets.Add(1)
	if err := s.welcome(hello, due); err != nil {
		_ = ws.Close()
		return nil, err
	}
	return s, nil
}

func (d *device) refusal(response *http.Response, err error) error {
	if response == nil {
		return errors.New(reason(err))
	}
	if response.StatusCode == http.StatusUnauthorized {
		d.user.r.api.forget(d.user.name)
	}
	return fmt.Errorf("handshake %d", response.StatusCode)
}

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
		s.welcomed, s.heard, s.fresh = now, now, now
		s.name = fmt.Sprintf("%s/%s#%d", s.d.user.name, s.d.id, s.serial)
		s.number = s.r.witness.client(s.name)
		s.epoch = s.r.epoch(f.Epoch)
		return nil
	}
}

// closing describes how a socket ended.
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
		s.rest()
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

// rest pauses the reading if that was requested.
func (s *session) rest() {
	s.mu.Lock()
	still := s.still
	s.still, s.paused = nil, still != nil
	s.mu.Unlock()
	if still == nil {
		return
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for left := false; !left && still(); {
		select {
		case <-s.left:
			left = true
		case <-tick.C:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused, s.flooded, s.heard, s.fresh = false, false, time.Now(), time.Now()
}

// reading reports whether the session reads and is not asked to pause.
func (s *session) reading() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.paused && s.still == nil
}

// stop pauses the reading while a condition holds.
func (s *session) stop(flooded bool, still func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.still, s.flooded = still, flooded
}

// restedSince reports whether the session paused reading since that time.
func (s *session) restedSince(then time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused || s.fresh.After(then)
}

func (s *session) take(f *frame, now time.Time) {
	s.mu.Lock()
	if now.Sub(s.heard) > silence {
		s.fresh = now
		s.r.tally.fault("stalled")
	}
	s.heard = now
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
		s.introduced(f.Conversation)
	case f.Type == "drain":
		s.mu.Lock()
		s.leave = true
		s.mu.Unlock()
		s.r.tally.fault("drain")
	case f.Type == "error":
		s.r.tally.fault("error " + f.Code)
	}
}

// event takes a pushed event.
func (s *session) event(e *event, now time.Time) {
	b := e.parsed()
	me := s.d.user.name
	introduces := e.Type == added && b.UserID == me || e.Type == created && hasMember(b.Members, me)
	removes := e.Type == removed && b.UserID == me
	s.mu.Lock()
	found := s.stream.event(e.ConversationID, e.Seq, e.Type, introduces, removes)
	if p, tells := glimpseOf(e, &b); tells {
		s.stream.glimpse(e.ConversationID, p)
	}
	fresh, live := s.fresh, s.welcomed
	s.mu.Unlock()
	for _, w := range found {
		s.breach(w, e.ConversationID, e.Seq, e.ClientMsgID)
	}
	if s.r.present(s.epoch) {
		known := s.r.witness.see(e, s.number, byPush, now)
		if late := now.Sub(latest(known, fresh)); late > s.r.o.CompleteWithin {
			s.breach(wrong{"I6", fmt.Sprintf("pushed %s after it was known elsewhere", late.Round(time.Millisecond))}, e.ConversationID, e.Seq, e.ClientMsgID)
		}
		at := s.r.clock.local(e.At)
		s.r.tally.pushed(now.Sub(at), at.After(fresh) && at.After(live))
	}
	s.r.rooms.see(e, &b, s.epoch)
	s.d.hold(e, removes)
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

func (s *session) breach(w wrong, conversation string, seq int64, clientMsgID string) {
	s.r.tally.breach(Breach{
		Invariant: w.invariant, ConversationID: conversation, Seq: seq, ClientMsgID: clientMsgID, Client: s.name, Text: w.text,
	})
}

func (s *session) gap(f *frame) {
	var heads map[string]int64
	if json.Unmarshal(f.Conversations, &heads) != nil {
		return
	}
	s.r.tally.count(func(r *Report) { r.Gaps += int64(len(heads)) })
	for id, head := range heads {
		s.mu.Lock()
		before := s.stream.stint(id).reached()
		found := s.stream.left(id, head)
		s.behind = true
		s.mu.Unlock()
		if before > 0 {
			s.r.tally.count(func(r *Report) { r.LeftOut += max(0, head-before) })
		}
		for _, w := range found {
			s.breach(w, id, head, "")
		}
		s.d.know(id, head)
	}
}

func (s *session) introduced(v *view) {
	s.mu.Lock()
	s.stream.introduce(v.ConversationID)
	s.behind = true
	s.mu.Unlock()
	s.r.showsView(s.reader(), v)
	s.d.know(v.ConversationID, v.HeadSeq)
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
	_ = s.ws.SetWriteDeadline(time.Now().Add(patience))
	return s.frames, s.ws.WriteMessage(websocket.TextMessage, text)
}
