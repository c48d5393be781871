package realtime

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"im/domain"
)

// socket is one connection: a goroutine that reads, one that writes while there
// is something to write, and a few that answer while there is something asked.
type socket struct {
	g        *Gateway
	conn     *conn
	out      *outbox
	requests requests
	address  netip.Prefix // where it comes from; zero if nobody counts by it

	stop context.CancelFunc // ends what the socket has asked for

	// Of the reading goroutine:
	identity *domain.Identity // nil until a token has come
	session  *session         // nil until hello
	beat     *time.Timer
	expiry   *time.Timer
}

func newSocket(g *Gateway, identity *domain.Identity, from netip.Prefix) *socket {
	k := &socket{g: g, identity: identity, address: from}
	k.out = newOutbox(g.o.QueueBytes, k.startWriting, k.startClosing)
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
	for batch := k.out.take(); batch != nil; batch = k.out.take() {
		if err := k.conn.write(batch); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) { // no close frame gets through, either
				k.g.o.Logger.Info("socket cut off", "code", uint16(closeTooSlow), "reason", closeTooSlow.String())
			}
			k.cut()
			return
		}
	}
}

// startClosing gives the peer some time to answer the close frame.
func (k *socket) startClosing() { time.AfterFunc(k.g.o.Closing, k.conn.close) }

// cut ends the socket without a word.
func (k *socket) cut() {
	k.out.abandon()
	k.conn.close()
}

// begin lets the socket become a session, and starts what reads from then on:
// another goroutine, because the stack of this one has grown, and would stay so
// however idle the session is.
func (k *socket) begin(ctx context.Context) {
	ctx, k.stop = context.WithCancel(ctx)
	if err := k.guarded(ctx, k.greet); err != nil {
		k.finish(ctx, err)
		return
	}
	go k.run(ctx)
}

// run serves the session to its end, or to the next heartbeat: then another
// goroutine goes on, with a small stack again.
func (k *socket) run(ctx context.Context) {
	if err := k.guarded(ctx, k.serve); !errors.Is(err, errBeat) {
		k.finish(ctx, err)
		return
	}
	go k.run(ctx)
}

// guarded makes an error of a panic.
func (k *socket) guarded(ctx context.Context, serve func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			k.g.o.Logger.Error("panic in a socket", "panic", r, "stack", string(debug.Stack()))
			err = closePanic
		}
	}()
	return serve(ctx)
}

// finish says goodbye with the reason that reading ended for.
func (k *socket) finish(ctx context.Context, err error) {
	defer k.g.remove(k)
	k.stop()
	ctx = context.WithoutCancel(ctx)
	var code closeCode
	if !errors.As(err, &code) {
		k.out.abandon()
	}
	k.out.end(code)
	k.leave(ctx)
	<-k.out.done
	if code != 0 {
		k.conn.linger()
	}
	k.cut()
}

// serve reads and handles frames until there is a reason to end, or fails with
// errBeat. Frames that come after the close frame was queued are not handled.
func (k *socket) serve(ctx context.Context) error {
	for {
		if err := k.awaitRoom(ctx); err != nil {
			return err
		}
		if err := k.conn.await(2 * k.g.o.Heartbeat); err != nil {
			return err
		}
		data, err := k.conn.read()
		if err != nil {
			return err
		}
		if k.out.over() {
			continue
		}
		if err := k.handle(ctx, data); err != nil {
			return err
		}
	}
}

// awaitRoom returns when the answers that wait leave room for more.
func (k *socket) awaitRoom(ctx context.Context) error {
	for room := k.out.full(); room != nil; room = k.out.full() {
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// leave undoes what hello did.
func (k *socket) leave(ctx context.Context) {
	if k.session == nil {
		return
	}
	stop(k.beat)
	stop(k.expiry)
	k.g.typing.leave(k.session)
	k.g.o.Hub.leave(k.session)
	k.g.o.Hub.watches.remove(k.session)
	ctx, cancel := context.WithTimeout(ctx, k.g.o.Request)
	defer cancel()
	if k.session.home != nil {
		if err := k.g.o.Registry.Unregister(ctx, k.session.entry()); err != nil {
			k.g.o.Logger.Warn("session not unregistered", "error", err)
		}
		if !k.session.background.Load() {
			k.g.cameOrWent(k.session)
		}
	}
	k.g.flushAcks(ctx, k.g.acks.take(k.session))
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// startBeating pings the peer at every heartbeat, or a little earlier.
func (k *socket) startBeating() {
	k.beat = time.AfterFunc(k.nextBeat(), func() {
		if k.out.over() {
			return
		}
		k.out.offer(controlFrame(opPing, ""))
		k.beat.Reset(k.nextBeat())
	})
}

func (k *socket) nextBeat() time.Duration {
	beat := k.g.o.Heartbeat
	return beat - time.Duration(mathrand.Int64N(int64(beat)/10+1))
}

// expireAt ends the session when its token does.
func (k *socket) expireAt(t domain.Time) {
	stop(k.expiry)
	if t.IsZero() {
		return
	}
	k.expiry = time.AfterFunc(time.Until(t.Time)+k.g.o.Leeway, func() { k.out.end(closeTokenExpired) })
}

// closeAfter ends the socket after a while, once its requests are answered.
func (k *socket) closeAfter(after time.Duration, code closeCode) {
	time.AfterFunc(after, func() {
		k.requests.whenIdle(func() { k.out.end(code) })
	})
}

// pong answers a ping of the protocol's own kind, unless they come too often. It is
// called by the reading goroutine.
func (k *socket) pong(data string) {
	if k.session == nil || k.admits(domain.RateSignal) == nil {
		k.out.offer(controlFrame(opPong, data))
	}
}

func newSessionID() domain.SessionID { return domain.SessionID(rand.Text()) }
