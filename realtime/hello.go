package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"im/domain"
	"im/internal/strictjson"
	"im/realtime/hub"
	"im/realtime/wire"
	"im/realtime/ws"
)

// hello is the first frame of a socket, and any later one that renews its token.
type hello struct {
	device     domain.DeviceID
	token      string
	background bool
}

// readHello reads the fields of a hello; its type was read before.
func readHello(o *strictjson.Object) (hello, error) {
	h := hello{token: o.String("token"), background: o.Bool("background", false)}
	device := o.String("device_id")
	id, err := domain.ParseDeviceID("/device_id", device)
	if err != nil {
		o.Reject("device_id", reasonOf(err))
	}
	h.device = id
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
			return wire.CloseProtocol
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
				return wire.CloseProtocol
			}
			k.queue.Send(wire.Error("", domain.InvalidJSON("", err)))
			continue
		}
		if o.String("type") != "hello" {
			return wire.CloseProtocol
		}
		hello, err := readHello(o)
		if err == nil {
			err = k.join(ctx, hello)
		}
		var code wire.CloseCode
		if err == nil || errors.As(err, &code) {
			return err
		}
		k.queue.Send(wire.Error("", err))
	}
}

// join makes the socket a session. It fails with a wire.CloseCode to end the
// socket, or with an error after which another hello may come.
func (k *socket) join(ctx context.Context, h hello) error {
	identity, err := k.identify(ctx, h)
	if err != nil {
		return err
	}
	if err := k.admitHello(identity); err != nil {
		k.queue.Send(wire.Error("", err)) // states the delay
		return wire.CloseOverloaded
	}
	if identity.Device != "" && identity.Device != h.device {
		return domain.Invalid("/device_id", "is not the device of the token")
	}
	done, err := k.awaitJoin()
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
		CheckRevoked: identity.CheckRevoked,
		Register:     k.g.register,
		Welcome:      k.welcome,
	})
	if err != nil {
		k.g.o.Logger.Info("session refused", "user", s.User, "error", err)
		return closeCodeOf(err)
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
			return nil, wire.CloseUnauthenticated
		}
		return k.identity, nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	identity, err := k.g.o.Authenticator.Verify(ctx, h.token)
	switch {
	case err != nil:
		return nil, closeCodeOf(err)
	case identity.User == "", k.identity != nil && k.identity.User != identity.User:
		return nil, wire.CloseUnauthenticated
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

// awaitJoin waits for one of the MaxJoins slots. It fails with a wire.CloseCode.
func (k *socket) awaitJoin() (done func(), err error) {
	timeout := time.NewTimer(k.g.o.JoinWait)
	defer timeout.Stop()
	select {
	case k.g.joins <- struct{}{}:
		return func() { <-k.g.joins }, nil
	case <-timeout.C:
		k.g.o.Logger.Info("session refused: too many sessions are joining")
		return nil, wire.CloseOverloaded
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
func (k *socket) renew(ctx context.Context, o *strictjson.Object) error {
	h, err := readHello(o)
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
		return closeCodeOf(err)
	case identity.User != k.session.User:
		return wire.CloseUnauthenticated
	case h.device != k.session.Device, identity.Device != "" && identity.Device != h.device:
		return domain.Invalid("/device_id", "is not the device of the session")
	case identity.Scope != k.identity.Scope || identity.Server != k.identity.Server:
		return domain.Invalid("/token", "has another scope")
	}
	k.identity = &identity
	k.setBackground(ctx, h.background)
	k.expireAt(identity.Expires)
	k.queue.Send(k.welcome(k.session.Epoch()))
	return nil
}

func (k *socket) welcome(epoch string) wire.Frame {
	return wire.Welcome(wire.WelcomeFields{
		UserID: k.session.User, DeviceID: k.session.Device, SessionID: k.session.ID,
		NodeID: k.g.o.Registry.ID(), Epoch: epoch, HeartbeatMS: k.g.o.Heartbeat.Milliseconds(),
		ServerTime: domain.TimeOf(time.Now()), TokenExpiresAt: k.identity.Expires, Limits: k.g.o.Limits,
	})
}
