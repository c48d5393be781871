package client

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// scriptedServer does nothing by itself, except for answering pings: a test takes the
// frames and calls of the client, and answers them.
type scriptedServer struct {
	url     string
	done    chan struct{} // closed at the end of the test
	answers func(frame object) object

	mu     sync.Mutex
	conns  []*websocket.Conn
	frames []scriptedFrame
	calls  []*scriptedCall
	acks   object
	pings  int
}

type scriptedFrame struct {
	conn  int
	frame object
}

type scriptedCall struct {
	call   object
	status int
	answer any
	ready  chan struct{}
}

func newScriptedServer(t *testing.T) *scriptedServer {
	s := &scriptedServer{done: make(chan struct{}), acks: object{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/ws", s.upgrade)
	mux.HandleFunc("/", s.call)
	server := httptest.NewServer(mux)
	s.url = server.URL
	t.Cleanup(func() {
		close(s.done)
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		server.Close()
	})
	return s
}

func (s *scriptedServer) upgrade(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{subprotocol}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s.mu.Lock()
	n := len(s.conns)
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	for {
		var f object
		if conn.ReadJSON(&f) != nil {
			return
		}
		s.received(n, f)
	}
}

func (s *scriptedServer) received(n int, f object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f["type"] {
	case "ack":
		maps.Copy(s.acks, f["acks"].(object))
		return
	case "ping":
		s.pings++
		_ = s.conns[n].WriteJSON(object{"type": "pong", "server_time": "2026-01-02T03:04:05.000000Z"})
		return
	}
	if s.answers != nil {
		if answer := s.answers(f); answer != nil {
			_ = s.conns[n].WriteJSON(answer)
			return
		}
	}
	s.frames = append(s.frames, scriptedFrame{n, f})
}

func (s *scriptedServer) call(w http.ResponseWriter, r *http.Request) {
	c := &scriptedCall{ready: make(chan struct{}), call: object{
		"method": r.Method, "path": r.URL.Path, "token": strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
	}}
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	select {
	case <-c.ready:
		w.WriteHeader(c.status)
		_ = json.NewEncoder(w).Encode(c.answer)
	case <-s.done:
	}
}

// answer answers the first call that has everything that pattern names.
func (s *scriptedServer) answer(pattern object, status int, answer any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.calls {
		if fails(c.call, pattern) == "" {
			s.calls = append(s.calls[:i], s.calls[i+1:]...)
			c.status, c.answer = status, answer
			close(c.ready)
			return nil
		}
	}
	return fmt.Errorf("there are %d others", len(s.calls))
}

// take takes the first frame of the last connection that has everything that pattern
// names.
func (s *scriptedServer) take(pattern object) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.frames {
		if f.conn == len(s.conns)-1 && fails(f.frame, pattern) == "" {
			s.frames = append(s.frames[:i], s.frames[i+1:]...)
			return f.frame, nil
		}
	}
	return nil, fmt.Errorf("there are %v", s.frames)
}

func (s *scriptedServer) send(frame object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conns[len(s.conns)-1].WriteJSON(frame)
}

// close ends the last connection; 0 is a loss without a close frame.
func (s *scriptedServer) close(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn := s.conns[len(s.conns)-1]
	if code != 0 {
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
	}
	_ = conn.Close()
}

func (s *scriptedServer) serve(answers func(object) object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = answers
}

func (s *scriptedServer) acknowledged() object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.acks)
}

func (s *scriptedServer) pingCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pings
}

func (s *scriptedServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

var stateCall = regexp.MustCompile("^GET /v1/conversations/[^/]+$")

// left returns the frames and calls that no test has taken, without those by which a
// client asks for a state that it doubts.
func (s *scriptedServer) left() (left []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.frames {
		if f.frame["type"] != "sync" || f.frame["cursor"] == nil {
			left = append(left, f.frame)
		}
	}
	for _, c := range s.calls {
		if !stateCall.MatchString(fmt.Sprint(c.call["method"], " ", c.call["path"])) {
			left = append(left, c.call)
		}
	}
	return left
}
