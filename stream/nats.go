package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"im/domain"
)

// natsTransport publishes to a stream of JetStream. The subject is the name of the stream
// and the routing key. All calls share a connection, on which messages stay in order.
type natsTransport struct {
	address *Address
	ctx     context.Context //nolint:containedctx // of the transport, which Close ends
	cancel  context.CancelFunc

	mu     sync.Mutex
	conn   *nats.Conn // nil before the first call
	stream jetstream.JetStream
}

const (
	natsPending   = 16_384 // messages without an acknowledgement
	natsReconnect = 500 * time.Millisecond
	natsWrite     = 5 * time.Second
)

func newNATS(a *Address) *natsTransport {
	t := &natsTransport{address: a}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Publish implements transport. The client holds its lock while it connects, so that even
// a look at its state may take as long as all hosts are silent.
func (t *natsTransport) Publish(ctx context.Context, list []domain.StreamMessage) (int, error) {
	var stored int
	done := make(chan error, 1)
	go func() {
		n, err := t.publish(ctx, list)
		stored = n
		done <- err
	}()
	select {
	case err := <-done:
		return stored, err
	case <-ctx.Done():
		return 0, fmt.Errorf("NATS: %w", ctx.Err()) // the server drops what it has already
	}
}

func (t *natsTransport) publish(ctx context.Context, list []domain.StreamMessage) (int, error) {
	conn, stream, err := t.open()
	if err != nil {
		return 0, err
	}
	if !conn.IsConnected() {
		return 0, notConnected(conn)
	}
	outcomes := make([]error, len(list))
	acks := make([]jetstream.PubAckFuture, len(list))
	for i := range list {
		if err = ctx.Err(); err != nil {
			break // the caller has gone
		}
		// A retry of the client would put the message behind those that follow it.
		acks[i], err = stream.PublishMsgAsync(t.message(&list[i]), jetstream.WithExpectStream(t.address.name), jetstream.WithRetryAttempts(0))
		if err != nil {
			break
		}
	}
	for i, ack := range acks {
		if ack == nil {
			outcomes[i] = err
			if err == nil || i > 0 && acks[i-1] == nil {
				outcomes[i] = errNotSent
			}
			continue
		}
		select {
		case <-ack.Ok(): // also if the server has it already
		case outcomes[i] = <-ack.Err():
		case <-ctx.Done():
			outcomes[i] = ctx.Err()
		}
	}
	done, err := stored(outcomes)
	return done, natsError(err)
}

var errNotSent = errors.New("not sent after an error")

// message returns an event as NATS gets it. The server drops a message whose Nats-Msg-Id it
// had in the last two minutes. The id of the event is not enough for it: after a failover
// with a loss, seqs are given again.
func (t *natsTransport) message(m *domain.StreamMessage) *nats.Msg {
	msg := nats.NewMsg(t.address.name + "." + m.RoutingKey())
	msg.Header.Set(jetstream.MsgIDHeader, m.ID+"@"+strconv.FormatInt(m.At.UnixMicro(), 10))
	msg.Header.Set("webhook-id", m.ID)
	msg.Header.Set("Content-Type", "application/json")
	msg.Data = m.Body
	return msg
}

const natsMessageTooLarge jetstream.ErrorCode = 10054 // it exceeds the maximum of the stream

func natsError(err error) error {
	if err == nil {
		return nil
	}
	answer, answered := errors.AsType[*jetstream.APIError](err)
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return &domain.RefusedError{Reason: "NATS: the message is larger than max_payload of the server"}
	case answered && answer.ErrorCode == natsMessageTooLarge:
		return &domain.RefusedError{Reason: "NATS: " + answer.Description}
	}
	return fmt.Errorf("NATS: %w", err)
}

func notConnected(conn *nats.Conn) error {
	if err := conn.LastError(); err != nil {
		return fmt.Errorf("NATS: not connected: %w", err)
	}
	return errors.New("NATS: not connected")
}

// open returns the connection, which connects by itself whenever that is possible.
func (t *natsTransport) open() (*nats.Conn, jetstream.JetStream, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return nil, nil, errClosed
	}
	if t.conn != nil && !t.conn.IsClosed() {
		return t.conn, t.stream, nil
	}
	conn, err := nats.Connect(strings.Join(t.urls(), ","), t.options(nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort())...)
	if err != nil {
		return nil, nil, fmt.Errorf("NATS: %w", err)
	}
	stream, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(natsPending), jetstream.WithPublishAsyncTimeout(connectTimeout))
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("NATS: %w", err)
	}
	t.conn, t.stream = conn, stream
	return conn, stream, nil
}

// urls returns the hosts without user and password, which errors could contain.
func (t *natsTransport) urls() []string {
	list := make([]string, len(t.address.hosts))
	for i, host := range t.address.hosts {
		list[i] = map[bool]string{false: "nats://", true: "tls://"}[t.address.tls] + host
	}
	return list
}

func (t *natsTransport) options(more ...nats.Option) []nats.Option {
	a := t.address
	list := append([]nats.Option{
		nats.Name("im events"), nats.Timeout(dialTimeout), nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(1),
		nats.FlusherTimeout(natsWrite), nats.ReconnectWait(natsReconnect), nats.ReconnectJitter(natsReconnect/2, natsReconnect/2),
		nats.ReconnectBufSize(-1), // what is not sent at once fails at once
		nats.SetCustomDialer(natsDialer{t.ctx}),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // Publish returns them
	}, more...)
	if a.user != "" {
		list = append(list, nats.UserInfo(a.user, a.password))
	}
	if a.creds != "" {
		list = append(list, nats.UserCredentials(a.creds))
	}
	if a.tls {
		// Without server_name_indication, the client puts in the name of the host that it dials.
		config, err := a.config("")
		list = append(list, func(o *nats.Options) error {
			if o.Secure = true; err == nil {
				o.TLSConfig = config
			}
			return err
		})
	}
	return list
}

// check implements transport.
func (t *natsTransport) check(ctx context.Context) error {
	defer context.AfterFunc(ctx, t.cancel)()
	conn, err := nats.Connect(strings.Join(t.urls(), ","), t.options()...)
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	defer conn.Close()
	stream, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	found, err := stream.Stream(ctx, t.address.name)
	if err != nil {
		return fmt.Errorf("NATS: the stream %s: %w", t.address.name, err)
	}
	if want := t.address.name + ".>"; !slices.Contains(found.CachedInfo().Config.Subjects, want) {
		return fmt.Errorf("NATS: the stream %s must have the subjects %s", t.address.name, want)
	}
	return nil
}

// Close implements transport.
func (t *natsTransport) Close() {
	t.cancel() // what connects holds the lock
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil {
		t.conn.Close()
	}
}

// natsDialer makes connections that end with a context, in whatever state they are.
type natsDialer struct{ ctx context.Context } //nolint:containedctx // of the transport

// Dial implements nats.CustomDialer.
func (d natsDialer) Dial(network, host string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(d.ctx, network, host)
	if err != nil {
		return nil, err
	}
	return &natsConn{conn, context.AfterFunc(d.ctx, func() { _ = conn.Close() })}, nil
}

type natsConn struct {
	net.Conn

	stop func() bool
}

func (c *natsConn) Close() error {
	c.stop()
	return c.Conn.Close()
}
