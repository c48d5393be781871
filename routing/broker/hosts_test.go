package broker

import (
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/amqptest"
	"im/test/proxytest"
	"im/test/redistest"
)

// TestHosts: hosts that are away, accept connections and close them, or say nothing are
// left for the next one.
func TestHosts(t *testing.T) {
	good, err := url.Parse(amqptest.URL())
	require.NoError(t, err)
	closing := proxytest.New(t, good.Host)
	closing.Cut()
	silent := proxytest.New(t, good.Host)
	silent.Hold()
	for name, hosts := range map[string]string{
		"away": "127.0.0.1:1," + good.Host, "closing": closing.Addr() + "," + good.Host, "silent": silent.Addr() + "," + good.Host,
		"all but one": "127.0.0.1:1," + closing.Addr() + "," + silent.Addr() + "," + good.Host,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := NewAMQP("amqp://"+good.User.String()+"@"+hosts+good.Path, redistest.NewPrefix(), testLogger(t))
			require.NoError(t, err)
			amqptest.DeleteExchange(t, b.topology.all)
			amqptest.DeleteExchange(t, b.topology.nodes)
			a := newReceiver(t, b, "a")
			require.NoError(t, a.Publish("a", text("hello")))
			a.expect(t, "hello")
		})
	}
}

// TestCheck: what stays until a setting changes is final, and what may pass is not.
func TestCheck(t *testing.T) {
	good, err := url.Parse(amqptest.URL())
	require.NoError(t, err)
	closing, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = closing.Close() })
	go func() {
		for {
			conn, err := closing.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for text, want := range map[string]struct {
		final  bool
		reason string
	}{
		amqptest.URL():                      {},
		"amqp://127.0.0.1:1":                {reason: "connection refused"},
		"amqp://" + closing.Addr().String(): {reason: "RabbitMQ does not answer"},
		"amqp://nobody:wrong@" + good.Host:  {final: true, reason: "does not accept the user name or the password"},
		"amqp://" + good.User.String() + "@" + good.Host + "/missing-" + redistest.NewPrefix(): {final: true, reason: "no such virtual host"},
		"amqp://" + good.User.String() + "@" + good.Host + "?auth_mechanism=external":          {final: true, reason: "auth_mechanism"},
		"amqps://" + good.Host: {reason: "TLS handshake"},
	} {
		b, err := NewAMQP(text, "im", testLogger(t))
		require.NoError(t, err)
		final, err := b.Check(t.Context())
		require.Equal(t, want.final, final, text)
		if want.reason == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, want.reason, text)
		}
	}
}

// TestReasons: each answer of RabbitMQ has a reason in words, without names and addresses.
func TestReasons(t *testing.T) {
	b, err := NewAMQP(amqptest.URL(), "im", testLogger(t))
	require.NoError(t, err)
	refused := &amqp091.Error{Code: amqp091.AccessRefused, Reason: "ACCESS_REFUSED - access to queue 'im.node.x' in vhost 'v' refused for user 'secret'"}
	for want, err := range map[string]error{
		"RabbitMQ denies its user the permission to configure names that begin with im.": needs("configure", "declaring", refused),
		"a limit of RabbitMQ, its virtual host or its user is reached: queues": needs("configure", "declaring", &amqp091.Error{
			Code: amqp091.PreconditionFailed, Reason: "PRECONDITION_FAILED - cannot declare queue 'x': queue limit in vhost 'secret' (1) is reached",
		}),
		"a limit of RabbitMQ, its virtual host or its user is reached: connections": &amqp091.Error{
			Code: amqp091.NotAllowed, Reason: "NOT_ALLOWED - access to vhost 'secret' refused for user 'secret': connection limit (1) is reached",
		},
		"RabbitMQ has an exchange or a queue of the same name with other properties": needs("configure", "declaring", &amqp091.Error{
			Code: amqp091.PreconditionFailed, Reason: "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'secret'",
		}),
		"RabbitMQ takes no messages: low on memory": errors.Join(blockedError("low on memory"), errNoConsumer),
		"RabbitMQ does not answer":                  &net.OpError{Op: "dial", Err: errors.New("secret")},
	} {
		var known *domain.Error
		require.ErrorAs(t, b.unavailable(err), &known)
		require.Equal(t, want, known.Message)
	}
}

// TestReadyNamesAnotherExchange: an exchange of the same name and another kind.
func TestReadyNamesAnotherExchange(t *testing.T) {
	b := newAMQP(t, redistest.NewPrefix())
	amqptest.Channel(t, func(ch *amqp091.Channel) {
		require.NoError(t, ch.ExchangeDeclare(b.topology.nodes, "topic", true, false, false, false, nil))
	})
	run(t, b, "a")
	require.Eventually(t, func() bool {
		var known *domain.Error
		return errors.As(b.Ready(), &known) && known.Message == "RabbitMQ has an exchange or a queue of the same name with other properties"
	}, 30*time.Second, 5*time.Millisecond)
}
