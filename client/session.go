package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"im/domain"
)

// session is one connection from hello to close.
type session struct {
	client *Client
	link   *link

	due time.Time // until when it has to begin

	mu        sync.Mutex
	offered   string // the token of the last hello
	accepted  string // the one that the last welcome answered
	begun     bool
	began     time.Time // when it did
	heartbeat time.Duration
	pinged    bool
	drainAt   time.Time // zero: the node stays
	renewAt   time.Time // zero: no need
	refusal   error     // of our hello
}

// errDrained asks for another node at once.
var errDrained = errors.New("the node is going away")

// connect runs one connection to base, whose handshake may take so long, and
// returns how long it lived from welcome on, 0 for not at all, and why it ended, with
// the token that it had then.
func (c *Client) connect(ctx context.Context, base string, within time.Duration) (lived time.Duration, token string, err error) {
	token, err = c.tokens.next(ctx)
	if err != nil {
		return 0, "", fmt.Errorf("no token: %w", err)
	}
	c.say(Status{State: Connecting})
	l, err := dial(ctx, base, within)
	if err != nil {
		return 0, token, err
	}
	s := &session{client: c, link: l, heartbeat: c.timing.welcome, due: time.Now().Add(c.timing.welcome)}
	s.hello(token)
	reading := make(chan error, 1)
	go func() { reading <- l.read(s.receive) }()
	err = s.write(ctx, reading)
	_ = l.ws.Close()
	c.lost()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun {
		lived, token = time.Since(s.began), s.accepted
	}
	return lived, token, errors.Join(err, s.refusal)
}

func (s *session) hello(token string) {
	s.mu.Lock()
	s.offered = token
	s.mu.Unlock()
	o := &s.client.opts
	s.link.write(encode(helloFrame{Type: "hello", DeviceID: o.Device, Token: token, Background: o.Background}))
}

// write sends what is queued and keeps the clock, until ctx ends, the reader
// fails or the connection is found dead. The reader has ended when it returns.
func (s *session) write(ctx context.Context, reading <-chan error) error {
	ticker := time.NewTicker(s.client.timing.tick)
	defer ticker.Stop()
	var renewals sync.WaitGroup
	defer renewals.Wait()
	renewing, abandon := context.WithCancel(ctx)
	defer abandon()
	for {
		var err error
		select {
		case err = <-reading:
			return err
		case <-ctx.Done():
			s.client.acknowledge()
			s.link.close()
			err = ctx.Err()
		case frame := <-s.link.out:
			err = s.link.send(frame)
		case <-ticker.C:
			if s.renewalDue() {
				renewals.Go(func() { s.renew(renewing) })
			}
			err = s.tick()
		}
		if err != nil {
			_ = s.link.ws.Close()
			if read := <-reading; judge(read) != reconnect {
				return read // the server had said why before we gave up
			}
			return err
		}
	}
}

// tick looks after the silence, the drain and what the engine had to put off.
func (s *session) tick() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	silence := s.link.silence()
	switch {
	case s.link.stuck.Load():
		return errStuck
	case !s.begun && time.Now().After(s.due), silence > s.heartbeat+s.client.timing.pong:
		return errSilent
	case !s.drainAt.IsZero() && time.Now().After(s.drainAt):
		return errDrained
	case silence > s.heartbeat && !s.pinged:
		s.pinged = true
		s.link.write(encode(pingFrame{Type: "ping"}))
	case silence <= s.heartbeat:
		s.pinged = false
	}
	if s.begun {
		s.client.tick()
	}
	return nil
}

// receive takes one frame; the frames of the session itself are read here, the
// rest is the engine's.
func (s *session) receive(data []byte) error {
	var head envelope
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case head.Type == "welcome":
		return read(data, s.welcome)
	case head.Type == "drain":
		return read(data, func(f *drainFrame) {
			s.drainAt = time.Now().Add(time.Duration(f.ReconnectAfterMS) * time.Millisecond)
		})
	case !s.begun && head.Type == "error":
		return read(data, func(f *errorFrame) { s.refusal = f.err() })
	case s.begun:
		return s.client.receive(data)
	}
	return nil
}

func (s *session) welcome(w *welcomeFrame) {
	if w.HeartbeatMS > 0 {
		s.heartbeat = time.Duration(w.HeartbeatMS) * time.Millisecond
	}
	s.renewAt = renewal(w)
	s.refusal, s.accepted = nil, s.offered
	s.client.welcomed(w, s.link.write)
	if !s.begun {
		s.begun, s.began = true, time.Now()
	}
}

// renewal is when to get the next token: a minute before the end, or at half
// time if that is sooner than two minutes.
func renewal(w *welcomeFrame) time.Time {
	left := w.TokenExpiresAt.Sub(w.ServerTime.Time)
	if w.TokenExpiresAt.IsZero() || left <= 0 {
		return time.Time{}
	}
	return time.Now().Add(max(left-time.Minute, left/2))
}

func (s *session) renewalDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewAt.IsZero() || time.Now().Before(s.renewAt) {
		return false
	}
	s.renewAt = time.Time{}
	return true
}

// renew brings a fresh token to the session, again and again until one is welcome:
// the source may have none yet, the server no time. Without one, the server closes
// when the present one ends, and the next connection tries again.
func (s *session) renew(ctx context.Context) {
	token, err := s.client.tokens.next(ctx)
	s.mu.Lock()
	if s.renewAt.IsZero() { // no welcome has come meanwhile, to an earlier hello
		s.renewAt = time.Now().Add(s.client.timing.renewal)
	}
	fresh := err == nil && token != s.accepted
	s.mu.Unlock()
	if fresh {
		s.hello(token)
	}
}

// tokens asks the source, one at a time, and remembers its last answer.
type tokens struct {
	source func(context.Context) (string, error)

	mu   sync.Mutex
	last string
}

func (t *tokens) next(ctx context.Context) (string, error) {
	token, err := t.source(ctx)
	if err != nil {
		return "", err
	}
	if token == "" {
		return "", domain.ErrUnauthenticated
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = token
	return token, nil
}

func (t *tokens) current() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
