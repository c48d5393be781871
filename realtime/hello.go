package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"im/domain"
	"im/internal/edge"
	"im/internal/strictjson"
	"im/realtime/hub"
	"im/realtime/wire"
	"im/realtime/ws"
)

// hello is the first frame of a socket, and any later one that renews its token.
type hello struct {
	id         string // of the request; "" for none
	device     domain.DeviceID
	token      string
	background bool
}

// readHello reads the fields of a hello; its type was read before.
func readHello(id string, o *strictjson.Object) (hello, error) {
	h := hello{id: id, token: o.String("token"), background: o.Bool("background", false)}
	device, err := domain.ParseDeviceID("/device_id", o.String("device_id"))
	if err != nil {
		o.Reject("device_id", reasonOf(err))
	}
	h.device = device
	return h, invalidFields(o)
}

// greet waits for the hello that makes the socket a session. Any other frame ends
// the socket. A hello with an invalid field may be repeated until HelloTimeout.
func (k *socket) greet(ctx context.Context) error {
	deadline := time.Now().Add(k.g.o.HelloTimeout)
	for {
		if err := k.conn.SetReadDeadline(deadline); err != nil {
			return err
		}
		data, err := k.conn.Read()
		if errors.Is(err, ws.ErrPong) {
			continue
		}
		if errors.Is(err, wire.CloseHeartbeat) {
			return brokeProtocol("", fmt.Sprintf("no valid hello came within %v", k.g.o.HelloTimeout))
		}
		if err != nil {
			return err
		}
		if k.queue.Closing() {
			continue
		}
		o, err := strictjson.Parse("", data)
		if err != nil {
			if !json.Valid(data) {
				return brokeProtocol("", "the first frame is not JSON")
			}
			k.queue.Send(wire.Error(looseID(data), domain.InvalidJSON("", err)))
			continue
		}
		kind, id := o.String("type"), requestID(o)
		if kind != "hello" {
			return brokeProtocol(id, `the first frame must have the type "hello"`)
		}
		k.g.metrics.frame(kind)
		began := time.Now()
		hello, err := readHello(id, o)
		if err == nil {
			err = k.join(ctx, hello)
		}
		k.countHello(began, err)
		var code wire.CloseCode
		if err == nil || errors.As(err, &code) {
			return err
		}
		k.queue.Send(wire.Error(id, err))
	}
}

// countHello counts a hello, and whether a session began with it.
func (k *socket) countHello(began time.Time, err error) {
	var end *ending
	switch {
	case err == nil:
		k.g.metrics.connected.Inc()
		k.g.metrics.joins.Observe(time.Since(began).Seconds())
	case errors.As(err, &end):
		err = end.err
		fallthrough
	default:
		k.g.metrics.refused(err)
	}
	k.g.metrics.done("hello", began, err)
}

// join makes the socket a session. It fails with a wire.CloseCode to end the
// socket, or with an error after which another hello may come.
func (k *socket) join(ctx context.Context, h hello) error {
	identity, err := k.identify(ctx, h)
	if err != nil {
		return err
	}
	if err := k.admitHello(identity); err != nil {
		return &ending{wire.CloseOverloaded, h.id, err} // states the delay
	}
	if identity.Device != "" && identity.Device != h.device {
		return domain.Invalid("/device_id", "is not the device of the token")
	}
	done, err := k.awaitJoin(h.id)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	s := &hub.Session{ID: newSessionID(), User: identity.User, Device: h.device, Connected: domain.TimeOf(time.Now()), Queue: k.queue}
	s.SetBackground(h.background)
	k.identity, k.session = identity, s
	err = k.g.o.Hub.Join(ctx, s, hub.JoinSteps{
		CheckStanding: func(s domain.Standing) error { return s.Check(*identity) },
		Register:      k.g.register,
		Welcome:       func(epoch string) wire.Frame { return k.welcome(h.id, epoch) },
	})
	if err != nil {
		k.g.o.Logger.InfoContext(ctx, "session refused", edge.LogSession, string(s.ID), "user", s.User, "error", err)
		return endingOf(h.id, err)
	}
	if !h.background {
		k.g.noteOnline(s)
	}
	k.expireAt(identity.Expires)
	k.startPings()
	return nil
}

// identify returns the identity of the hello's token or, without one, that of the
// handshake's token.
func (k *socket) identify(ctx context.Context, h hello) (*domain.Identity, error) {
	if h.token == "" {
		if k.identity == nil {
			return nil, endingOf(h.id, domain.ErrUnauthenticated.WithMessage("a token is required, in the field token or in the header Authorization of the handshake"))
		}
		return k.identity, nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	identity, err := k.g.o.Authenticator.Verify(ctx, h.token)
	switch {
	case err != nil:
		return nil, endingOf(h.id, err)
	case identity.User == "":
		return nil, endingOf(h.id, domain.ErrUnauthenticated)
	case k.identity != nil && k.identity.User != identity.User:
		return nil, endingOf(h.id, domain.ErrUnauthenticated.WithMessage("the token is of another user than that of the handshake"))
	}
	return &identity, nil
}

// admitHello counts a hello of a user against the rate limit. Its address was
// counted at the handshake.
func (k *socket) admitHello(identity *domain.Identity) error {
	if identity.Server {
		return nil
	}
	return k.g.o.RateLimiter.Admit(domain.RateConnect, identity.User, netip.Prefix{})
}

// awaitJoin waits for one of the MaxJoins slots. It fails with an ending.
func (k *socket) awaitJoin(id string) (done func(), err error) {
	timeout := time.NewTimer(k.g.o.JoinWait)
	defer timeout.Stop()
	select {
	case k.g.joins <- struct{}{}:
		return func() { <-k.g.joins }, nil
	case <-timeout.C:
		k.g.o.Logger.Info("session refused: too many sessions are joining")
		return nil, endingOf(id, domain.ErrUnavailable.WithMessage("too many sessions are joining this node"))
	case <-k.queue.Done():
		return nil, wire.CloseOverloaded // the socket was cut off
	}
}

// register enters a session in the registry. If the registry is unavailable, the
// session begins all the same: the node registers all sessions when it is back.
func (g *Gateway) register(ctx context.Context, e domain.SessionEntry) error {
	err := g.o.Registry.Register(ctx, e, g.o.Single)
	if errors.Is(err, domain.ErrConflict) || errors.Is(err, domain.ErrLimitExceeded) {
		return err
	}
	if err != nil {
		g.o.Logger.Warn("session not registered yet: the registry is unavailable", "error", err)
	}
	return nil
}

// renew handles a later hello: a new token of the same user, scope and device.
func (k *socket) renew(ctx context.Context, id string, o *strictjson.Object) error {
	h, err := readHello(id, o)
	if err != nil {
		return err
	}
	if h.token == "" {
		return domain.Invalid("/token", "required to renew a session")
	}
	if err := k.admit(domain.RateConnect); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	identity, err := k.g.o.Authenticator.Verify(ctx, h.token)
	if err == nil {
		err = k.g.o.Hub.CheckRenewal(ctx, &identity)
	}
	switch {
	case errors.Is(err, domain.ErrUnavailable):
		return err // the old token is still valid
	case err != nil:
		return endingOf(id, err)
	case identity.User != k.session.User:
		return endingOf(id, domain.ErrUnauthenticated.WithMessage("the token is of another user than the session"))
	case h.device != k.session.Device, identity.Device != "" && identity.Device != h.device:
		return domain.Invalid("/device_id", "is not the device of the session")
	case identity.Scope != k.identity.Scope || identity.Server != k.identity.Server:
		return domain.Invalid("/token", "has another scope")
	}
	k.identity = &identity
	k.setBackground(ctx, h.background)
	k.expireAt(identity.Expires)
	k.queue.Send(k.welcome(id, k.session.Epoch()))
	return nil
}

// welcome returns the answer to the hello with an id; "" if it has none.
func (k *socket) welcome(id, epoch string) wire.Frame {
	return wire.Welcome(id, wire.WelcomeFields{
		UserID: k.session.User, DeviceID: k.session.Device, SessionID: k.session.ID,
		NodeID: k.g.o.Registry.ID(), Epoch: epoch, HeartbeatMS: k.g.o.Heartbeat.Milliseconds(),
		ServerTime: domain.TimeOf(time.Now()), TokenExpiresAt: k.identity.Expires, Limits: k.g.o.Limits,
	})
}
