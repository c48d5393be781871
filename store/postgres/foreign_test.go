package postgres_test

import (
	"bytes"
	"context"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
)

// A read of a conversation that the user is not in takes as many round trips as a read of
// one that does not exist. Otherwise the time of the answer would reveal the difference.
func TestI8HiddenAndMissingConversationsTakeTheSameRoundTrips(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	owner := storetest.Start(t, url)
	foreign := owner.Group(t, "alice", "bob")
	owner.Post(t, "alice", foreign, "m", "x")
	owner.Post(t, "alice", foreign, "m2", "x")
	nowhere := domain.NewConversationID(time.Now())

	via, proxy := proxytest.Before(t, url)
	n := storetest.Start(t, via, func(o *postgres.Options) { o.Readers, o.Committers = 1, 1 })
	var answers atomic.Int64 // ReadyForQuery messages of the server
	done := []byte{'Z', 0, 0, 0, 5}
	proxy.CutAnswer(func(data []byte) bool {
		answers.Add(int64(bytes.Count(data, done)))
		return false
	})
	eve := domain.Actor{User: "eve"}
	var seq int64 = 2
	for name, ask := range map[string]func(context.Context, domain.ConversationID) error{
		"conversation": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Conversation(ctx, eve, id, "")
			return err
		},
		"events": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Events(ctx, eve, id, domain.Range{AfterSeq: new(int64), Limit: 10})
			return err
		},
		"messages": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Messages(ctx, eve, id, domain.Range{AroundSeq: &seq, Limit: 10})
			return err
		},
		"message": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Message(ctx, eve, id, 2)
			return err
		},
		"members": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Members(ctx, eve, id, "", 10)
			return err
		},
		"receipts": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Receipts(ctx, eve, id, "", 10)
			return err
		},
		"reactions": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Reactions(ctx, eve, id, 2, "", 10)
			return err
		},
		"pins": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.Pins(ctx, eve, id, "", 10)
			return err
		},
		"room": func(ctx context.Context, id domain.ConversationID) error {
			_, err := n.SignalScope(ctx, "eve", id)
			return err
		},
	} {
		require.ErrorIs(t, ask(t.Context(), nowhere), domain.ErrNotFound, name) // prepares the statements
		trips := func(id domain.ConversationID) int64 {
			least := int64(math.MaxInt64)
			for range 30 { // the least: on a busy machine, queries of the store's own are counted with most
				before := answers.Load()
				require.ErrorIs(t, ask(t.Context(), id), domain.ErrNotFound, name)
				least = min(least, answers.Load()-before)
			}
			return least
		}
		missing, hidden := trips(nowhere), trips(foreign)
		require.Positive(t, missing, name)
		require.Equal(t, missing, hidden, "%s: round trips", name)
	}
}
