package presence

import (
	"context"
	"sync"
	"testing"

	"im/test/leaktest"

	"im/domain"
	"im/realtime/hub"
	"im/realtime/ws"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// newSession returns a session whose queue holds limit bytes and has no writer.
func newSession(user domain.UserID, limit int) *hub.Session {
	return &hub.Session{ID: "s", User: user, Device: "d", Queue: ws.NewSendQueue(limit, func() {}, func() {})}
}

// signals is a Signaller that records.
type signals struct {
	mu   sync.Mutex
	list []domain.Signal
}

func (s *signals) Signal(sig domain.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, sig)
}

// take returns the signals since the last call.
func (s *signals) take() []domain.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// source is a Source that counts mass changes.
type source struct {
	massChanges uint64
	online      map[domain.UserID]bool
	err         error
}

func (s *source) Online(context.Context, []domain.UserID) (map[domain.UserID]bool, error) {
	return s.online, s.err
}

func (s *source) MassChanges() uint64 { return s.massChanges }
