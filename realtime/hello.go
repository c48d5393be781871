package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"im/domain"
	"im/internal/strictjson"
)

// hello is the first frame of a socket, and any later one that renews its token.
type hello struct {
	device     domain.DeviceID
	token      string
	background bool
}

// readHello reads a hello whose type was read already.
func readHello(o *strictjson.Object) (hello, error) {
	h := hello{token: o.String("token"), background: o.Bool("background", false)}
	device := o.String("device_id")
	id, err := domain.ParseDeviceID("/device_id", device)
	if err != nil {
		o.Reject("device_id", reasonOf(err))
	}
	h.device = id
	return h, complaint(o)
}

// greet waits for the hello that makes the socket a session. Any other frame
// ends it; a hello with a bad field may be repeated while there is time.
func (k *socket) greet(ctx context.Context) error {
	deadline := time.Now().Add(k.g.o.Hello)
	for {
		if err := k.conn.awaitUntil(deadline); err != nil {
			return err
		}
		data, err := k.conn.read()
		if errors.Is(err, errBeat) {
			continue
		}
		if errors.Is(err, closeHeartbeat) {
			return closeProtocol
		}
		if err != nil {
			return err
		}
		if k.out.over() {
			continue
		}
		o, err := strictjson.Parse("", data)
		if err != nil {
			if !json.Valid(data) {
				return closeProtocol
			}
			k.out.answer(newErrorFrame("", domain.InvalidJSON("", err)))
			continue
		}
		if o.String("type") != "hello" {
			return closeProtocol
		}
		hello, err := readHello(o)
		if err == nil {
			err = k.enter(ctx, hello)
		}
		var code closeCode
		if err == nil || errors.As(err, &code) {
			return err
		}
		k.out.answer(newErrorFrame("", err))
	}
}

// enter makes a session of the socket. It fails with a closeCode, or with an
// error that leaves the socket as it was.
func (k *socket) enter(ctx context.Context, h hello) error {
	identity, err := k.identify(ctx, h)
	if err != nil {
		return err
	}
	if err := k.admitHello(identity); err != nil {
		k.out.answer(newErrorFrame("", err)) // says for how long to stay away
		return closeOverloaded
	}
	if identity.Device != "" && identity.Device != h.device {
		return domain.Invalid("/device_id", "is not the device of the token")
	}
	leave, err := k.awaitTurn()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	s := &session{id: newSessionID(), user: identity.User, device: h.device, connected: domain.TimeOf(time.Now()), out: k.out}
	s.background.Store(h.background)
	k.identity, k.session = identity, s
	err = k.g.o.Hub.join(ctx, s, admission{
		judge:    identity.CheckRevoked,
		register: k.g.register,
		welcome:  k.welcome,
	})
	if err != nil {
		k.g.o.Logger.Info("session not let in", "user", s.user, "error", err)
		return closeCodeOf(err)
	}
	if !h.background {
		k.g.cameOrWent(s)
	}
	k.expireAt(identity.Expires)
	k.startBeating()
	return nil
}

// identify returns whose the hello is: by its own token or, without one, by
// that of the handshake.
func (k *socket) identify(ctx context.Context, h hello) (*domain.Identity, error) {
	if h.token == "" {
		if k.identity == nil {
			return nil, closeUnauthenticated
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
		return nil, closeUnauthenticated
	}
	return &identity, nil
}

// register enters a session in the registry. Without the registry the session
// begins all the same: the node registers all again when it is back.
func (g *Gateway) register(ctx context.Context, e domain.SessionEntry) error {
	err := g.o.Registry.Register(ctx, e, g.o.Single)
	if errors.Is(err, domain.ErrConflict) || errors.Is(err, domain.ErrLimitExceeded) {
		return err
	}
	if err != nil {
		g.o.Logger.Warn("session not registered", "error", err)
	}
	return nil
}

// renew takes a later hello: a fresh token of the same user, scope and device.
func (k *socket) renew(ctx context.Context, o *strictjson.Object) error {
	h, err := readHello(o)
	if err != nil {
		return err
	}
	if h.token == "" {
		return domain.Invalid("/token", "required to renew a session")
	}
	if err := k.admits(domain.RateConnect); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	identity, err := k.g.o.Authenticator.Verify(ctx, h.token)
	if err == nil {
		err = k.g.o.Hub.judgeRenewal(ctx, &identity)
	}
	switch {
	case errors.Is(err, domain.ErrUnavailable):
		return err // the old token still holds
	case err != nil:
		return closeCodeOf(err)
	case identity.User != k.session.user:
		return closeUnauthenticated
	case h.device != k.session.device, identity.Device != "" && identity.Device != h.device:
		return domain.Invalid("/device_id", "is not the device of the session")
	case identity.Scope != k.identity.Scope || identity.Server != k.identity.Server:
		return domain.Invalid("/token", "has another scope")
	}
	k.identity = &identity
	k.setBackground(ctx, h.background)
	k.expireAt(identity.Expires)
	k.out.answer(k.welcome(k.session.epoch))
	return nil
}

func (k *socket) welcome(epoch string) wire {
	return jsonFrame(welcomeFrame{
		Type: "welcome", UserID: k.session.user, DeviceID: k.session.device, SessionID: k.session.id,
		NodeID: k.g.o.Registry.ID(), Epoch: epoch, HeartbeatMS: k.g.o.Heartbeat.Milliseconds(),
		ServerTime: domain.TimeOf(time.Now()), TokenExpiresAt: k.identity.Expires, Limits: k.g.o.Limits,
	})
}
