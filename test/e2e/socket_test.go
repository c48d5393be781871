package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/frametest"
)

// waitTimeout bounds a wait for what must happen. It is generous because machines are
// shared. No test measures time with it.
const waitTimeout = time.Minute

// frame is one frame from the server.
type frame struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	raw  json.RawMessage
}

// into decodes the whole frame.
func (f frame) into(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(f.raw, v), "frame %s", f.raw)
}

// socket is a minimal client of the contract, without retries and without state. It keeps
// every frame in the order of arrival, and checks each against asyncapi.yaml.
type socket struct {
	t        testing.TB
	user     domain.UserID
	ws       *websocket.Conn
	protocol *frametest.Protocol

	writing  sync.Mutex
	ids      int
	presence map[domain.UserID]*bool // last state by user; nil is unknown

	mu      sync.Mutex
	frames  []frame
	taken   []bool        // by frame: returned by await
	changed chan struct{} // closed and replaced at each frame and at the end
	ended   error         // why the socket has ended
}

// dial opens a socket without a hello frame.
func dial(t testing.TB, url string, header http.Header) *socket {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"im.v1"}, HandshakeTimeout: waitTimeout}
	ws, resp, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/v1/ws", header)
	require.NoError(t, err)
	_ = resp.Body.Close()
	s := &socket{t: t, ws: ws, protocol: protocol(t), changed: make(chan struct{}), presence: make(map[domain.UserID]*bool)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.read()
	}()
	t.Cleanup(func() {
		_ = ws.Close()
		<-done
	})
	return s
}

// connect opens a socket as a device of a user and waits for welcome.
func connect(t testing.TB, url string, user domain.UserID, device string) *socket {
	t.Helper()
	s := dial(t, url, nil)
	s.user = user
	s.write(map[string]any{"type": "hello", "device_id": device, "token": userToken(t, user)})
	s.next("welcome")
	return s
}

// read keeps frames until the socket ends.
func (s *socket) read() {
	for {
		_, data, err := s.ws.ReadMessage()
		s.mu.Lock()
		if err != nil {
			s.ended = err
		} else {
			if _, err := s.protocol.FromServer(data); err != nil {
				s.t.Errorf("a frame is not as asyncapi.yaml describes: %v\n%.2000s", err, data)
			}
			f := frame{raw: data}
			if err := json.Unmarshal(data, &f); err != nil {
				f.Type = "unreadable"
			}
			s.frames = append(s.frames, f)
			s.taken = append(s.taken, false)
		}
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *socket) write(v any) {
	s.t.Helper()
	data, err := json.Marshal(v)
	require.NoError(s.t, err)
	require.NoError(s.t, s.writeRaw(websocket.TextMessage, data))
}

func (s *socket) writeRaw(kind int, data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.ws.SetWriteDeadline(time.Now().Add(waitTimeout)); err != nil {
		return err
	}
	return s.ws.WriteMessage(kind, data)
}

// request sends a frame with a fresh id and returns the answer to it.
func (s *socket) request(fields map[string]any) frame {
	s.t.Helper()
	id := s.start(fields)
	return s.wait("an answer to "+id, func(f frame) bool { return f.ID == id })
}

// start sends a frame with a fresh id and returns the id.
func (s *socket) start(fields map[string]any) string {
	s.t.Helper()
	s.writing.Lock()
	s.ids++
	id := fmt.Sprintf("r%d", s.ids)
	s.writing.Unlock()
	fields["id"] = id
	s.write(fields)
	return id
}

// next waits for the first frame of a type that was not taken yet, and takes it.
func (s *socket) next(kind string) frame {
	s.t.Helper()
	return s.wait("a frame "+kind, func(f frame) bool { return f.Type == kind })
}

// wait is await with waitTimeout; what names the expectation.
func (s *socket) wait(what string, match func(frame) bool) frame {
	s.t.Helper()
	f, err := s.await(match, waitTimeout)
	require.NoErrorf(s.t, err, "%s waits for %s; it has %s", s.user, what, s.summary())
	return f
}

// await waits for the first frame that matches and was not taken yet, and takes it. It
// returns an error after timeout, or when the socket has ended.
func (s *socket) await(match func(frame) bool, timeout time.Duration) (frame, error) {
	deadline := time.After(timeout)
	for {
		s.mu.Lock()
		for i, f := range s.frames {
			if !s.taken[i] && match(f) {
				s.taken[i] = true
				s.mu.Unlock()
				return f, nil
			}
		}
		changed, ended := s.changed, s.ended
		s.mu.Unlock()
		if ended != nil {
			return frame{}, ended
		}
		select {
		case <-changed:
		case <-deadline:
			return frame{}, errors.New("no matching frame in time")
		}
	}
}

// closed waits for the end of the socket and returns its close code.
func (s *socket) closed() int {
	s.t.Helper()
	_, err := s.await(func(frame) bool { return false }, waitTimeout)
	var closed *websocket.CloseError
	require.ErrorAs(s.t, err, &closed, "%s", s.summary())
	return closed.Code
}

// summary returns the frames that were not taken, shortened, for messages.
func (s *socket) summary() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for i, f := range s.frames {
		if s.taken[i] {
			continue
		}
		if text := string(f.raw); len(text) > 200 {
			b.WriteString(text[:200] + "… ")
		} else {
			b.WriteString(text + " ")
		}
	}
	if s.ended != nil {
		fmt.Fprintf(&b, "then the socket ended: %v", s.ended)
	}
	return b.String()
}

// pushed returns all events of a conversation that were pushed so far, in the order of
// arrival.
func (s *socket) pushed(id domain.ConversationID) []domain.Event {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []domain.Event
	for _, f := range s.frames {
		if f.Type != "event" {
			continue
		}
		var e struct{ Event domain.Event }
		require.NoError(s.t, json.Unmarshal(f.raw, &e))
		if e.Event.ConversationID == id {
			events = append(events, e.Event)
		}
	}
	return events
}

// waitEvent waits until the event of a conversation with this seq is pushed. It returns all
// events of the conversation that were pushed so far.
func (s *socket) waitEvent(id domain.ConversationID, seq int64) []domain.Event {
	s.t.Helper()
	s.wait(fmt.Sprintf("event %d of %s", seq, id), func(f frame) bool {
		if f.Type != "event" {
			return false
		}
		var e struct{ Event domain.Event }
		return json.Unmarshal(f.raw, &e) == nil && e.Event.ConversationID == id && e.Event.Seq == seq
	})
	return s.pushed(id)
}

// requireDense asserts that the seqs of events are first, first+1, … (I2, I4).
func requireDense(t testing.TB, events []domain.Event, first int64) {
	t.Helper()
	for i, e := range events {
		require.Equal(t, first+int64(i), e.Seq, "event %d of %s", i, e.ConversationID)
	}
}

// text returns the content of a text message.
func text(s string) map[string]any { return map[string]any{"type": "text", "text": s} }

// sent is the answer to send.
type sent struct {
	ConversationID domain.ConversationID `json:"conversation_id"`
	ClientMsgID    string                `json:"client_msg_id"`
	Seq            int64                 `json:"seq"`
	Duplicate      bool                  `json:"duplicate"`
	Code           domain.Code           `json:"code"` // of an error
}

// post sends a text to a conversation and returns the answer, sent or error.
func (s *socket) post(id domain.ConversationID, clientMsgID, words string) sent {
	s.t.Helper()
	var answer sent
	s.request(map[string]any{
		"type": "send", "conversation_id": id, "client_msg_id": clientMsgID, "content": text(words),
	}).into(s.t, &answer)
	return answer
}

// page is the answer to pull.
type page struct {
	Events  []domain.Event `json:"events"`
	HeadSeq int64          `json:"head_seq"`
	HasMore bool           `json:"has_more"`
	Code    domain.Code    `json:"code"`
}

// history pulls a whole conversation, page by page.
func (s *socket) history(id domain.ConversationID) []domain.Event {
	s.t.Helper()
	var all []domain.Event
	for {
		var p page
		s.request(map[string]any{"type": "pull", "conversation_id": id, "after_seq": len(all)}).into(s.t, &p)
		require.Empty(s.t, p.Code)
		all = append(all, p.Events...)
		if !p.HasMore {
			return all
		}
	}
}
