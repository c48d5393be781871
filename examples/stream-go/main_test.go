package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/stream"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
	"im/webhook"
)

// The consumer is stopped in the middle and sees repetitions, late events and a replay: it
// counts each message once, and misses nothing.
func TestConsumer(t *testing.T) {
	name := fmt.Sprintf("imtest-example-%d", time.Now().UnixNano())
	t.Cleanup(func() {
		amqptest.Channel(t, func(ch *amqp.Channel) {
			_, _ = ch.QueueDelete(name, false, false, false)
			_ = ch.ExchangeDelete(name, false, false)
		})
	})
	n := storetest.Start(t, pgtest.New(t))
	db, err := pgxpool.New(t.Context(), pgtest.NewEmpty(t))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.Exec(t.Context(), schema)
	require.NoError(t, err)
	c := &consumer{db: db, url: amqptest.URL(), exchange: name, queue: name}
	// run consumes until stop is called.
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.consume(ctx) }()
		return func() {
			cancel()
			t.Logf("stopped: %v", <-done) // perhaps in a transaction
		}
	}
	counted := func() (count int64) {
		require.NoError(t, db.QueryRow(t.Context(), `SELECT coalesce(sum(count), 0)::bigint FROM consumer_messages`).Scan(&count))
		return count
	}
	stop := run()
	eventually.True(t, "the queue is bound", func() bool {
		conn, err := amqp.Dial(c.url)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		ch, err := conn.Channel()
		require.NoError(t, err)
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err == nil && q.Consumers == 1
	})
	address, err := stream.Parse(amqptest.URL() + name)
	require.NoError(t, err)
	d := webhook.New(webhook.Options{Store: n.Store, Pause: 10 * time.Millisecond, Stream: stream.New(address)})
	ctx, cancel := context.WithCancel(t.Context())
	delivered := make(chan error, 1)
	go func() { delivered <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-delivered)
	})
	eventually.True(t, "the stream exists", func() bool {
		s, err := n.StreamStatus(t.Context())
		return err == nil && s.Held
	})
	id := n.Group(t, "alice", "bob")
	for i := range 60 {
		n.Post(t, "alice", id, fmt.Sprint(i), "x")
		if i == 30 {
			stop()
			stop = run()
		}
	}
	// A batch whose first message a full queue has refused comes as 2, 3, 1, 2, 3.
	late := "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60"
	amqptest.Channel(t, func(ch *amqp.Channel) {
		for _, seq := range []int{1, 3, 4, 2, 3, 4} {
			body := fmt.Sprintf(`{"type":"message.posted","data":{"conversation_id":%q,"seq":%d,"type":"message.posted","sender":"bob"}}`, late, seq)
			require.NoError(t, ch.Publish(name, "group.message.posted", false, false, amqp.Publishing{Body: []byte(body)}))
		}
	})
	eventually.True(t, "all are counted", func() bool { return counted() == 64 })
	require.NoError(t, n.ReplayStream(t.Context(), domain.WebhookReplay{Since: &domain.Time{}}))
	n.Post(t, "alice", id, "after", "x")
	eventually.True(t, "the last one is counted", func() bool { return counted() == 65 })
	stop()
	var missing, last int64
	require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM consumer_missing`).Scan(&missing))
	require.NoError(t, db.QueryRow(t.Context(), `SELECT last_seq FROM consumer_positions WHERE conversation_id = $1`, id).Scan(&last))
	require.Zero(t, missing)
	require.Equal(t, int64(62), last)
	require.Equal(t, int64(65), counted())
}
