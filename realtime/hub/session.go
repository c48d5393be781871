package hub

import (
	"sync/atomic"

	"im/domain"
	"im/realtime/ws"
)

// Session is one socket after its hello, as the hub sees it:
//
//	new      NewSession          Join adds it → joining
//	joining  listed by Sessions  Join sends the welcome → live; Join fails → Leave
//	live     receives pushes     its queue is closing → Leave
type Session struct {
	ID        domain.SessionID
	User      domain.UserID
	Device    domain.DeviceID
	Connected domain.Time
	Queue     *ws.SendQueue

	background atomic.Bool

	// Set by Join:
	number int64  // orders the sessions of a user
	epoch  string // of the log that the session joined
	user   *user

	live bool // guarded by user.mu
}

// SetBackground sets whether the session is in the background, where it does not
// count as online. It reports whether that changed.
func (s *Session) SetBackground(background bool) (changed bool) {
	return s.background.Swap(background) != background
}

// Background reports whether the session is in the background.
func (s *Session) Background() bool { return s.background.Load() }

// Epoch returns the epoch that the session joined; "" before that.
func (s *Session) Epoch() string { return s.epoch }

// Added reports whether Join has added the session to the hub, after which it
// may also be in the registry.
func (s *Session) Added() bool { return s.user != nil }

// Entry returns the session's entry for the registry.
func (s *Session) Entry() domain.SessionEntry {
	return domain.SessionEntry{
		Session: s.ID, User: s.User, Device: s.Device, Number: s.number, Epoch: s.epoch,
		Background: s.background.Load(), Connected: s.Connected,
	}
}
