package verify

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// ask sends a request. then is called once: with the answer, or with nil if
// none came in time or the socket ended. begun is called with the number of the
// frame, before an answer can come.
func (s *session) ask(fields map[string]any, begun func(frame uint32), then func(*frame)) {
	text, id := s.prepare(fields, then)
	if text == nil {
		begun(0)
		then(nil)
		return
	}
	timer := time.AfterFunc(requestTimeout, func() { s.fail(id) })
	s.onAnswer(id, timer)
	s.writing.Lock()
	s.frames++
	begun(s.frames)
	_ = s.ws.SetWriteDeadline(time.Now().Add(requestTimeout))
	err := s.ws.WriteMessage(1, text)
	s.writing.Unlock()
	if err != nil {
		s.fail(id)
	}
}

// prepare registers a request, unless the session has ended.
func (s *session) prepare(fields map[string]any, then func(*frame)) (text []byte, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		return nil, ""
	}
	s.ids++
	id = strconv.Itoa(s.ids)
	fields["id"] = id
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, ""
	}
	s.pending[id] = then
	return text, id
}

// onAnswer stops a timer when the answer comes.
func (s *session) onAnswer(id string, timer *time.Timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if then := s.pending[id]; then != nil {
		s.pending[id] = func(f *frame) {
			timer.Stop()
			then(f)
		}
	}
}

// fail ends the wait for one answer.
func (s *session) fail(id string) {
	s.mu.Lock()
	then := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if then != nil {
		then(nil)
	}
}

// abandon ends the wait for all answers; no request starts afterwards.
func (s *session) abandon() {
	s.mu.Lock()
	pending := s.pending
	s.pending = nil
	s.mu.Unlock()
	for _, then := range pending {
		then(nil)
	}
}

// request sends a request and waits. It returns nil if no answer came.
func (s *session) request(ctx context.Context, fields map[string]any) *frame {
	answers := make(chan *frame, 1)
	s.ask(fields, func(uint32) {}, func(f *frame) { answers <- f })
	select {
	case f := <-answers:
		return f
	case <-ctx.Done():
		return nil
	}
}

// ping checks the connection and compares the clocks.
func (s *session) ping() {
	began := time.Now()
	s.ask(map[string]any{"type": "ping"}, func(uint32) {}, func(f *frame) {
		if f != nil {
			s.r.clock.compare(began, f.ServerTime, time.Now())
		}
	})
}

// clock estimates the offset of the server's clock from the fastest ping.
type clock struct {
	mu    sync.Mutex
	best  time.Duration // round trip of the fastest ping; 0 before the first
	ahead time.Duration // of the server's clock
}

// compare takes one ping: its local start and end, and the server's time in the answer.
func (c *clock) compare(began, server, ended time.Time) {
	trip := max(ended.Sub(began), 1)
	if server.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.best == 0 || trip < c.best {
		c.best, c.ahead = trip, server.Sub(began.Add(trip/2))
	}
}

// local converts a time of the server to the local clock.
func (c *clock) local(server time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return server.Add(-c.ahead)
}
