package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// session is one connection, from its hello to its end.
//
//	state       reported    left when
//	connecting  Connecting  the socket is open: to hello; HTTP 401 or 403: to closed;
//	                        another failure, or DialTimeout: to waiting
//	hello       Connecting  welcome: to syncing; HelloTimeout: to waiting
//	syncing     Syncing     the last page of the sync: to live
//	live        Online      a drain frame: to draining; the token is about to expire:
//	                        another hello is sent, and its welcome changes nothing else
//	draining    Online      the delay of the drain frame is over: to connecting, with the
//	                        next URL
//	waiting     Offline     the retry delay is over: to connecting, with the next URL
//	closed      –           never; Run returns
//
// Every state with a socket is also left for waiting when the socket ends, when the
// server is silent for a heartbeat and PongTimeout, and when the epoch changes; and for
// closed when the close code is final, or when the token has expired and the source has
// no newer one. The end of Run's ctx leads to closed from every state.
type session struct {
	client *Client
	link   *link

	deadline time.Time // for welcome

	mu        sync.Mutex
	offered   string        // the token of the last hello
	accepted  string        // the token that the last welcome answered
	welcomed  bool          // the first welcome has come
	since     time.Time     // the time of the first welcome
	heartbeat time.Duration // silence of the server after which the client pings
	pinged    bool          // since the last frame
	drainAt   time.Time     // when to leave the node; zero: not to
	renewAt   time.Time     // when to renew the token; zero: not to
	refusal   error         // of the first hello
}

// errDrained ends a session whose node is going away. The next node is tried at once.
var errDrained = errors.New("the node is going away")

// connect runs one connection to the node at base. It returns how long the session
// lasted, 0 if it did not begin, the token that it had last, and why it ended.
func (c *Client) connect(ctx context.Context, base string, dialTimeout time.Duration) (lasted time.Duration, token string, err error) {
	token, err = c.tokens.next(ctx)
	if err != nil {
		return 0, "", fmt.Errorf("no token: %w", err)
	}
	c.setStatus(Status{State: Connecting})
	l, err := dial(ctx, base, dialTimeout)
	if err != nil {
		return 0, token, err
	}
	s := &session{client: c, link: l, heartbeat: c.timing.welcome, deadline: time.Now().Add(c.timing.welcome)}
	s.hello(token)
	reading := make(chan error, 1)
	go func() { reading <- l.read(s.receive) }()
	err = s.run(ctx, reading)
	_ = l.ws.Close()
	c.disconnected()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.welcomed {
		lasted, token = time.Since(s.since), s.accepted
	}
	return lasted, token, errors.Join(err, s.refusal)
}

// hello authenticates the session, or renews its token.
func (s *session) hello(token string) {
	s.mu.Lock()
	s.offered = token
	s.mu.Unlock()
	o := &s.client.opts
	s.link.queue(encode(helloFrame{Type: "hello", DeviceID: o.Device, Token: token, Background: o.Background}))
}

// run writes the queued frames and watches the clock, until ctx ends, the reader fails
// or the connection is dead. The reader has ended when it returns.
func (s *session) run(ctx context.Context, reading <-chan error) error {
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
			err = s.link.write(frame)
		case <-ticker.C:
			if s.renewalDue() {
				renewals.Go(func() { s.renew(renewing) })
			}
			err = s.tick()
		}
		if err != nil {
			_ = s.link.ws.Close()
			if read := <-reading; reactionTo(read) != reconnect {
				return read // the server had closed it, and said why
			}
			return err
		}
	}
}

// tick checks the deadlines of the session, and lets the engine send what had to wait.
func (s *session) tick() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	silence := s.link.silence()
	switch {
	case s.link.stuck.Load():
		return errStuck
	case !s.welcomed && time.Now().After(s.deadline), silence > s.heartbeat+s.client.timing.pong:
		return errSilent
	case !s.drainAt.IsZero() && time.Now().After(s.drainAt):
		return errDrained
	case silence > s.heartbeat && !s.pinged:
		s.pinged = true
		s.link.queue(encode(pingFrame{Type: "ping"}))
	case silence <= s.heartbeat:
		s.pinged = false
	}
	if s.welcomed {
		s.client.tick()
	}
	return nil
}

// receive handles one frame: those of the session itself here, the others in the
// engine.
func (s *session) receive(data []byte) error {
	var head envelope
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case head.Type == "welcome":
		return decode(data, s.welcome)
	case head.Type == "drain":
		return decode(data, func(f *drainFrame) {
			s.drainAt = time.Now().Add(time.Duration(f.ReconnectAfterMS) * time.Millisecond)
		})
	case !s.welcomed && head.Type == "error":
		return decode(data, func(f *errorFrame) { s.refusal = f.err() })
	case s.welcomed:
		return s.client.receive(data)
	}
	return nil
}

// welcome begins the session, or ends the renewal of its token.
func (s *session) welcome(w *welcomeFrame) {
	if w.HeartbeatMS > 0 {
		s.heartbeat = time.Duration(w.HeartbeatMS) * time.Millisecond
	}
	s.renewAt = renewal(w)
	s.refusal, s.accepted = nil, s.offered
	s.client.welcomed(w, s.link.queue)
	if !s.welcomed {
		s.welcomed, s.since = true, time.Now()
	}
}

// renewal returns when to renew the token: a minute before it expires or, if that is
// less than two minutes away, after half of the time; zero if it does not expire.
func renewal(w *welcomeFrame) time.Time {
	left := w.TokenExpiresAt.Sub(w.ServerTime.Time)
	if w.TokenExpiresAt.IsZero() || left <= 0 {
		return time.Time{}
	}
	return time.Now().Add(max(left-time.Minute, left/2))
}

// renewalDue reports, once, that the time to renew the token has come.
func (s *session) renewalDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewAt.IsZero() || time.Now().Before(s.renewAt) {
		return false
	}
	s.renewAt = time.Time{}
	return true
}

// renew sends a newer token to the server. It is called again after TokenRetry until a
// welcome has come: the source may have no newer token yet, or the server no time. If
// none is accepted, the server closes the session when the present token expires.
func (s *session) renew(ctx context.Context) {
	token, err := s.client.tokens.next(ctx)
	s.mu.Lock()
	if s.renewAt.IsZero() { // no welcome has come to an earlier hello
		s.renewAt = time.Now().Add(s.client.timing.renewal)
	}
	fresh := err == nil && token != s.accepted
	s.mu.Unlock()
	if fresh {
		s.hello(token)
	}
}
