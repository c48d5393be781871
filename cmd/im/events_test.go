package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/stream"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/pgtest"
	"im/webhook"
)

// TestEvents: status, replay and forget of a stream that exists, and of one that does not.
func TestEvents(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	env := []string{"IM_DATABASE_URL=" + url}
	run := func(code int, args ...string) string {
		p := start(t, env, append([]string{"events"}, args...)...)
		require.Equal(t, code, p.wait(), p.err)
		return p.out.String() + p.err.String()
	}
	for _, args := range [][]string{{"status"}, {"forget"}, {"replay", "--since", "beginning"}} {
		require.Contains(t, run(1, args...), "there is no event stream")
	}
	for _, args := range [][]string{
		{"replay"},
		{"replay", "--since", "yesterday"},
		{"replay", "--since", "beginning", "--conversation", "x"},
		{"replay", "--conversation", "x"},
		{"replay", "--conversation", "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60", "--after-seq", "-1"},
	} {
		run(2, args...)
	}
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer store.Close()
	id, _, err := domain.NewChat(store, domain.DefaultLimits()).Create(t.Context(), domain.Actor{User: "alice"}, domain.Creation{Kind: domain.Group, Members: []domain.UserID{"bob"}})
	require.NoError(t, err)
	exchange := fmt.Sprintf("imtest-events-%d", time.Now().UnixNano())
	amqptest.DeleteExchange(t, exchange)
	address, err := stream.Parse(amqptest.URL() + exchange)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	d := webhook.New(webhook.Options{Store: store, Pause: 10 * time.Millisecond, Stream: stream.New(address), Logger: slog.New(slog.DiscardHandler)})
	go func() { done <- d.Run(ctx) }()
	eventually.True(t, "the stream exists", func() bool {
		s, err := store.StreamStatus(t.Context())
		return err == nil && s.Held
	})
	require.Contains(t, run(0, "status"), "delivered by a node now: true")
	cancel()
	require.NoError(t, <-done)
	require.Contains(t, run(0, "status", "--json"), `"held": false`)
	require.Contains(t, run(1, "replay", "--conversation", "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60"), "there is no conversation")
	run(0, "replay", "--conversation", id.String())
	require.Contains(t, run(0, "status"), "waiting: 1 events of 1 conversations")
	run(0, "replay", "--since", "beginning")
	require.Contains(t, run(0, "status"), "looking for older events: true")
	run(0, "forget")
	run(1, "status")
}

// TestEventsSettings: a wrong setting ends the node with code 2 and its name, and no output
// has the password.
func TestEventsSettings(t *testing.T) {
	t.Parallel()
	for variable, value := range map[string]string{
		"IM_EVENTS_URL": "amqp://user:hidden@host", "IM_EVENTS_FROM": "tomorrow",
	} {
		p := start(t, []string{variable + "=" + value, "IM_JWT_SECRET=a secret that has 32 bytes or more"}, "serve", "--addr", "127.0.0.1:0")
		require.Equal(t, exitUsage, p.wait())
		require.Contains(t, p.err.String(), variable)
		require.NotContains(t, p.err.String(), "hidden")
	}
	p := start(t, []string{"IM_EVENTS_URL=kafka://user:hidden@host,other/topic", "IM_EVENTS_PASSWORD=hidden too"}, "config", "print")
	require.Zero(t, p.wait())
	require.Contains(t, p.out.String(), "kafka://user:[redacted]@host,other/topic")
	require.NotContains(t, p.out.String(), "hidden")
}
