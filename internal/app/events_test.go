package app

import (
	"context"
	"strings"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/proxytest"
)

func TestEventsSettings(t *testing.T) {
	good := Events{URL: "kafka://user@host/topic", Password: "private:/?#", From: "2026-01-02T03:04:05Z"}
	require.NoError(t, good.check())
	require.NoError(t, Events{}.check(), "there is no stream")
	for name, c := range map[string]struct {
		change func(*Events)
		want   string
	}{
		"scheme":      {func(e *Events) { e.URL = "http://user:private@host/x" }, "IM_EVENTS_URL"},
		"no topic":    {func(e *Events) { e.URL = "kafka://user:private@host" }, "IM_EVENTS_URL"},
		"no password": {func(e *Events) { e.Password = "" }, "IM_EVENTS_URL"},
		"not escaped": {func(e *Events) { e.URL = "amqp://user:private/x@host/x" }, "IM_EVENTS_URL"},
		"from":        {func(e *Events) { e.From = "yesterday" }, "IM_EVENTS_FROM"},
		"future":      {func(e *Events) { e.From = "2999-01-02T03:04:05Z" }, "IM_EVENTS_FROM"},
		"too early":   {func(e *Events) { e.From = "1969-01-02T03:04:05Z" }, "IM_EVENTS_FROM"},
	} {
		e := good
		c.change(&e)
		err := e.check()
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "private", name)
	}
}

// TestNodeWithEvents: a node starts and serves though the broker is away, and publishes when
// it is back.
func TestNodeWithEvents(t *testing.T) {
	o := testOptions(t)
	exchange := "imtest-" + o.Services.Prefix
	amqptest.DeleteExchange(t, exchange)
	through, proxy := proxytest.Before(t, amqptest.URL())
	proxy.Cut()
	o.Rules.Events = Events{URL: strings.TrimSuffix(through, "/") + "/" + exchange, From: "beginning"}
	n, err := New(t.Context(), o)
	require.NoError(t, err)
	defer n.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, listen(t)) }()
	require.True(t, n.AwaitReady(t.Context()))
	id, _, err := domain.NewChat(n.store, domain.DefaultLimits()).Create(
		t.Context(), domain.Actor{User: "alice"}, domain.Creation{Kind: domain.Group, Members: []domain.UserID{"bob"}})
	require.NoError(t, err)
	amqptest.Channel(t, func(ch *amqp091.Channel) {
		require.NoError(t, ch.ExchangeDeclare(exchange, "topic", true, false, false, false, nil))
		queue, err := ch.QueueDeclare("", false, true, true, false, nil)
		require.NoError(t, err)
		require.NoError(t, ch.QueueBind(queue.Name, "group.conversation.*", exchange, false, nil))
		proxy.Mend()
		eventually.True(t, "the event has come", func() bool {
			message, found, err := ch.Get(queue.Name, true)
			return err == nil && found && message.MessageId == id.String()+":1"
		})
	})
	stop()
	require.NoError(t, <-ended)
}
