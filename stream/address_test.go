package stream_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/stream"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/natstest"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, transport := range map[string]string{
		"amqp://host/im.events":                                stream.AMQP,
		"amqps://u:p@a:1,b/vhost/im.events?verify=verify_peer": stream.AMQP,
		"amqp://u:p%2F@host/%2F/im":                            stream.AMQP,
		"nats://a:4222,b:4223/EVENTS":                          stream.NATS,
		"natss://u:p@host/EVENTS?creds=/run/im.creds":          stream.NATS,
		"kafka://a,b,c:9093/im.events":                         stream.Kafka,
		"kafkas://u:p@a/im?sasl=scram-sha-512":                 stream.Kafka,
	} {
		a, err := stream.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, transport, a.Transport())
	}
}

// No error has the password in it.
func TestErrorsHaveNoPassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "hidden", "amqp", "http://u:hidden@host/x", "mqtt://u:hidden@host/x", "s://u:hidden@host/x", "amqp://u:hidden@host", "amqp://u:hidden@host/", "amqp://u:hidden@/x",
		"amqp://u:hidden@host/v/x/y", "amqp://u:hidden@host/amq.topic", "amqp://u:hidden@host//x", "amqp://u:hidden@host:port/x", "amqp://u:hid%zzden@host/x", "amqp://u:hidden@host/x#y",
		"amqp://u:hidden@host/x?verify=verify_none", "amqps://u:hidden@host/x?verify=hidden2", "amqp://u:hidden@host/x?sasl=plain", "amqps://u:hidden@host/x?cacertfile=/none",
		"nats://u:hidden@host/a.b", "nats://u:hidden@host/a/b", "nats://hidden@host/a", "nats://:hidden@host/a", "nats://u:hidden@host/x?hidden=1",
		"kafka://u:hidden@host/a/b", "kafka://u:hidden@host/a?sasl=gssapi", "kafka://host/a?sasl=plain", "kafka://u:hidden@host/" + strings.Repeat("x", 250),
	} {
		_, err := stream.Parse(text)
		require.Error(t, err, text)
		require.NotContains(t, strings.ReplaceAll(err.Error(), "hidden2", ""), "hidden", text)
	}
}

func one() []domain.StreamMessage {
	return []domain.StreamMessage{{ID: "id:1", Kind: domain.Group, Type: domain.MessagePosted, Body: []byte("{}")}}
}

// A wrong password or user is an error that the next call may not have, without the password.
func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(amqptest.URL())
	require.NoError(t, err)
	server := natstest.StartServer(t, `authorization: {user: "im", password: "hidden"}`)
	for _, text := range []string{"amqp://nobody:hidden@" + u.Host + "/im-none", "nats://im:hidden-not@" + server.Addr() + "/events"} {
		a, err := stream.Parse(text)
		require.NoError(t, err)
		p := stream.New(a)
		var failed error
		eventually.True(t, "the broker refuses", func() bool {
			_, failed = p.Publish(t.Context(), one())
			return failed != nil && !strings.Contains(failed.Error(), "not connected") || strings.Contains(failed.Error(), "uthorization")
		})
		p.Close()
		require.NotContains(t, failed.Error(), "hidden")
		err = stream.Check(t.Context(), a)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hidden")
		_, err = p.Publish(t.Context(), one())
		require.Error(t, err, "it is closed")
	}
}

// A broker that takes connections and answers nothing holds a call no longer than its
// context says.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	silent := listenSilently(t)
	for _, text := range []string{"amqp://" + silent + "/im", "nats://" + silent + "/im", "kafka://" + silent + "/im"} {
		a, err := stream.Parse(text)
		require.NoError(t, err)
		p := stream.New(a)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		n, err := p.Publish(ctx, one())
		cancel()
		require.Error(t, err, text)
		require.Zero(t, n)
		_, refused := any(err).(*domain.RefusedError)
		require.False(t, refused)
		p.Close()
		require.Less(t, time.Since(began), 20*time.Second, text)
	}
}

// Check finds what is there and what is missing.
func TestCheck(t *testing.T) {
	each(t, 0, func(t *testing.T, b *broker) {
		a, err := stream.Parse(b.address)
		require.NoError(t, err)
		require.NoError(t, stream.Check(t.Context(), a))
		if a.Transport() == stream.AMQP {
			return // it declares an exchange that is missing
		}
		missing, err := stream.Parse(strings.TrimSuffix(b.address, "/events") + "/missing")
		require.NoError(t, err)
		require.Error(t, stream.Check(t.Context(), missing))
	})
}
