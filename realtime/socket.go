package realtime

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"im/domain"
	"im/internal/edge"
	"im/internal/timeline"
	"im/realtime/hub"
	"im/realtime/wire"
	"im/realtime/ws"
)

// socket is one connection. One goroutine reads; another one writes while frames
// are queued; up to maxConcurrentReads answer requests. Its states:
//
//	greeting  waits for the hello       the hello joins it to the hub         → live
//	                                    no valid hello in time                → closing
//	live      serves frames; the hub    the peer closes, misses heartbeats or
//	          and presence know it      breaks the protocol; its token ends;
//	                                    it is replaced, revoked or drained    → closing
//	closing   the close frame is        the peer has answered it, or
//	          queued; frames read now   CloseTimeout is over                  → closed
//	          are ignored
//	closed    nothing is left           (from every state, without a close
//	                                    frame: the network fails, or a write
//	                                    times out)
type socket struct {
	g        *Gateway
	conn     *ws.Conn
	queue    *ws.SendQueue
	requests requests
	address  netip.Prefix // for rate limits; zero if it is not limited by address

	cancel  context.CancelFunc // cancels the socket's requests
	tooSlow atomic.Bool        // cut off, because the client takes no bytes

	// Only the reading goroutine uses these:
	identity *domain.Identity // nil until a token was received
	session  *hub.Session     // nil until the hello
	pings    *time.Timer
	expiry   *time.Timer
}

func newSocket(g *Gateway, identity *domain.Identity, from netip.Prefix) *socket {
	k := &socket{g: g, identity: identity, address: from}
	k.queue = ws.NewSendQueue(g.o.QueueBytes, k.startWriting, k.limitClosing)
	k.queue.Measure(g.metrics.sockets)
	k.requests.limit = g.o.Limits.RequestsInFlight
	return k
}

func (k *socket) startWriting() {
	k.g.running.Add(1)
	go func() {
		defer k.g.running.Done()
		k.write()
	}()
}

func (k *socket) write() {
	for batch := k.queue.Next(); batch != nil; batch = k.queue.Next() {
		if err := k.conn.Write(batch); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) { // a close frame would not get through either
				code := wire.CloseTooSlow
				k.tooSlow.Store(true)
				k.g.o.Logger.Info("socket cut off: the client takes no bytes", "code", uint16(code), "reason", code.String())
			}
			k.cut()
			return
		}
		k.g.metrics.sockets.Wrote(batch, k.queue.Origins())
		markWritten(batch)
		k.traceWritten(k.queue.Origins())
	}
}

// limitClosing bounds the time in which the peer may answer the close frame.
func (k *socket) limitClosing() { time.AfterFunc(k.g.o.CloseTimeout, k.conn.Close) }

// cut ends the socket without a close frame.
func (k *socket) cut() {
	k.queue.Abandon()
	k.conn.Close()
}

// begin lets the socket join, and then serves it in another goroutine.
//
// The change of goroutine saves memory. A stack grows to what the deepest call
// needs, here the check of the token and the join. The garbage collector halves it
// only while less than a quarter of it is in use, and a goroutine that waits in a
// read uses more than that of the smaller ones. So an idle socket would keep a
// large stack; a fresh goroutine begins with the smallest one.
func (k *socket) begin(ctx context.Context) {
	ctx, k.cancel = context.WithCancel(ctx)
	if err := k.guarded(ctx, k.greet); err != nil {
		k.finish(ctx, err)
		return
	}
	go k.run(edge.WithLog(ctx, edge.LogSession, string(k.session.ID)))
}

// run serves the session until it ends or the next pong arrives. After a pong it
// goes on in a fresh goroutine, for the same reason as begin: a stack that a burst
// of frames has grown is given back after one heartbeat.
func (k *socket) run(ctx context.Context) {
	if err := k.guarded(ctx, k.serve); !errors.Is(err, ws.ErrPong) {
		k.finish(ctx, err)
		return
	}
	go k.run(ctx)
}

// guarded turns a panic into an error, so that it ends only this socket.
func (k *socket) guarded(ctx context.Context, serve func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			k.g.o.Logger.ErrorContext(ctx, "socket closed after a panic", "panic", r, "stack", string(debug.Stack()))
			err = wire.CloseInternal
		}
	}()
	return serve(ctx)
}

// finish closes the socket with the reason for which reading ended.
func (k *socket) finish(ctx context.Context, err error) {
	defer k.g.remove(k)
	k.cancel()
	ctx = context.WithoutCancel(ctx)
	var code wire.CloseCode
	if !errors.As(err, &code) {
		k.queue.Abandon()
	}
	if f := k.g.lastWords(err); f != nil {
		k.queue.Send(f)
	}
	k.queue.Close(code)
	k.leave(ctx)
	<-k.queue.Done()
	k.countEnd()
	if code != 0 {
		k.conn.Linger()
	}
	k.cut()
}

// countEnd counts the end of the socket by its close code.
func (k *socket) countEnd() {
	code := k.queue.Code()
	if k.tooSlow.Load() {
		code = wire.CloseTooSlow
	}
	k.g.metrics.closed(code)
}

// serve reads and handles frames until the socket has to end, or returns
// ws.ErrPong. Frames that come after the close frame was queued are ignored.
func (k *socket) serve(ctx context.Context) error {
	for {
		if err := k.awaitRoom(ctx); err != nil {
			return err
		}
		if err := k.conn.SetReadTimeout(2 * k.g.o.Heartbeat); err != nil {
			return err
		}
		data, err := k.conn.Read()
		if err != nil {
			return err
		}
		timeline.Mark(timeline.Read, "")
		if k.queue.Closing() {
			continue
		}
		if err := k.handle(ctx, data); err != nil {
			return err
		}
	}
}

// awaitRoom waits until the queue has room for answers.
func (k *socket) awaitRoom(ctx context.Context) error {
	for room := k.queue.Room(); room != nil; room = k.queue.Room() {
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// leave undoes what the hello did.
func (k *socket) leave(ctx context.Context) {
	if k.session == nil {
		return
	}
	stop(k.pings)
	stop(k.expiry)
	k.g.typing.Leave(k.session)
	k.g.o.Hub.Leave(k.session)
	k.g.o.Watches.Remove(k.session)
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	if k.session.Added() {
		if err := k.g.o.Registry.Unregister(ctx, k.session.Entry()); err != nil {
			k.g.o.Logger.WarnContext(ctx, "session not unregistered", "error", err)
		}
		if !k.session.Background() {
			k.g.noteOnline(k.session)
		}
	}
	k.g.acks.leave(ctx, k.session)
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// startPings pings the peer at every heartbeat, or a little earlier. A ping that
// finds no room is left out: the peer is busy with other frames.
func (k *socket) startPings() {
	k.pings = time.AfterFunc(k.nextPing(), func() {
		if k.queue.Closing() {
			return
		}
		k.queue.TrySend(wire.ControlPing())
		k.pings.Reset(k.nextPing())
	})
}

func (k *socket) nextPing() time.Duration {
	heartbeat := k.g.o.Heartbeat
	return heartbeat - time.Duration(mathrand.Int64N(int64(heartbeat)/10+1))
}

// expireAt ends the session when its token ends, after the leeway.
func (k *socket) expireAt(t domain.Time) {
	stop(k.expiry)
	if t.IsZero() {
		return
	}
	k.expiry = time.AfterFunc(time.Until(t.Time)+k.g.o.Leeway, func() {
		k.queue.Send(wire.Error("", domain.ErrTokenExpired.WithMessage("the token of the session expired at "+t.UTC().Format(time.RFC3339)+"; reconnect with a new one")))
		k.queue.Close(wire.CloseTokenExpired)
	})
}

// closeAfter closes the socket after a delay, once its requests are answered.
func (k *socket) closeAfter(delay time.Duration, code wire.CloseCode) {
	time.AfterFunc(delay, func() {
		k.requests.whenIdle(func() { k.queue.Close(code) })
	})
}

// answerPing answers a ping control frame, within the rate limit. The reading
// goroutine calls it.
func (k *socket) answerPing(data string) {
	if k.session == nil || k.admit(domain.RateSignal) == nil {
		k.queue.TrySend(wire.ControlPong(data))
	}
}

// admit counts one request of the session against its rate limits. Server tokens
// are not limited.
func (k *socket) admit(class domain.RateClass) error {
	if k.identity.Server {
		return nil
	}
	return k.g.o.RateLimiter.Admit(class, k.session.User, k.address)
}

// setBackground publishes at once whether the session counts as online.
func (k *socket) setBackground(ctx context.Context, background bool) {
	if !k.session.SetBackground(background) {
		return
	}
	k.g.o.Registry.Reregister(ctx, k.session.Entry())
	k.g.noteOnline(k.session)
}

func newSessionID() domain.SessionID { return domain.SessionID(rand.Text()) }
