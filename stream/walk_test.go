package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// A walk through the log goes on for several chunks. The events of a conversation that it has
// not reached wait, because it will find older ones; those of the others do not wait. This
// is so for the stream and for webhooks, and not for notifications, which would become too
// old.
func TestLanesWaitForTheWalk(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	posts(t, n, id, 0, 5)
	conn := storetest.Connect(t, n.URL)
	// Conversations before it, of which the walk has several chunks, without recent events.
	first := domain.ConversationID{15: 1}
	_, err := conn.Exec(t.Context(), `
INSERT INTO conversations SELECT (jsonb_populate_record(c, jsonb_build_object(
	'id', lpad(to_hex(n), 32, '0')::uuid, 'last_at', CASE n WHEN 1 THEN c.last_at ELSE c.last_at - interval '1 day' END
))).* FROM conversations c, generate_series(1, 1100) n WHERE id = $1`, id)
	require.NoError(t, err)
	since := new(domain.TimeOf(time.Now().Add(-time.Hour)))
	require.NoError(t, n.MakeStream(t.Context(), since))
	_, err = n.CreateWebhook(t.Context(), domain.NewWebhook{
		URL: "https://example.com", Since: since, Types: []domain.EventType{domain.MessagePosted, domain.MessageNotify}, Recipients: domain.RecipientsAll,
	})
	require.NoError(t, err)
	posts(t, n, id, 5, 1)
	held, err := n.ClaimWebhooks(t.Context(), "holder", time.Minute, true)
	require.NoError(t, err)
	require.Len(t, held, 2)
	for _, h := range held {
		due := func(track domain.WebhookTrack) (list []domain.ConversationID) {
			lanes, err := n.DueLanes(t.Context(), &h.WebhookTarget, track, []domain.ConversationID{}, 10)
			require.NoError(t, err)
			for _, lane := range lanes {
				list = append(list, lane.ConversationID)
			}
			return list
		}
		rules := domain.NotifyRules{Within: 10 * time.Minute, Members: 500}
		some, err := n.FeedWebhook(t.Context(), &h, rules)
		require.NoError(t, err)
		require.True(t, some)
		require.Empty(t, due(domain.EventTrack), "the walk has not begun")
		if h.WebhookID != domain.StreamID {
			require.Equal(t, []domain.ConversationID{id}, due(domain.NotifyTrack))
		}
		more, err := n.WalkWebhook(t.Context(), &h, rules)
		require.NoError(t, err)
		require.True(t, more)
		require.Equal(t, []domain.ConversationID{first}, due(domain.EventTrack), "the walk has not come to the other one")
		for more {
			more, err = n.WalkWebhook(t.Context(), &h, rules)
			require.NoError(t, err)
		}
		lanes, err := n.DueLanes(t.Context(), &h.WebhookTarget, domain.EventTrack, []domain.ConversationID{first}, 10)
		require.NoError(t, err)
		require.Len(t, lanes, 1)
		require.Equal(t, int64(1), lanes[0].Next)
		require.Equal(t, int64(7), lanes[0].Head)
	}
}

// A node that held the stream before it was forgotten makes no lanes of the one that was made
// afterwards.
func TestForgottenTurn(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	claim := func(holder string) domain.HeldWebhook {
		require.NoError(t, n.MakeStream(t.Context(), nil))
		held, err := n.ClaimWebhooks(t.Context(), holder, time.Minute, true)
		require.NoError(t, err)
		require.Len(t, held, 1)
		return held[0]
	}
	former := claim("former")
	require.NoError(t, n.DropStream(t.Context()))
	present := claim("present")
	require.Greater(t, present.Turn, former.Turn)
	n.Group(t, "alice", "bob")
	_, err := n.FeedWebhook(t.Context(), &former, domain.NotifyRules{})
	require.ErrorIs(t, err, domain.ErrConflict)
	some, err := n.FeedWebhook(t.Context(), &present, domain.NotifyRules{})
	require.NoError(t, err)
	require.True(t, some)
}

// A list of events has at most PageBytes, and one event however large.
func TestOwedEventsEnd(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	posts(t, n, id, 0, 8)
	conn := storetest.Connect(t, n.URL)
	for seq, size := range map[int]int{2: domain.PageBytes + 1, 4: domain.PageBytes / 2, 5: domain.PageBytes / 3, 6: domain.PageBytes / 3} {
		_, err := conn.Exec(t.Context(), `UPDATE events SET body = jsonb_set(body::jsonb, '{x}', to_jsonb(repeat('x', $3))) WHERE conversation_id = $1 AND seq = $2`, id, seq, size)
		require.NoError(t, err)
	}
	for _, want := range [][]int64{{1}, {2}, {3, 4, 5}, {6, 7, 8}, {9}} {
		list, err := n.OwedEvents(t.Context(), domain.WebhookLane{WebhookID: domain.StreamID, ConversationID: id, Next: want[0], Head: 9}, 3)
		require.NoError(t, err)
		var got []int64
		for _, e := range list {
			got = append(got, e.Seq)
			require.Equal(t, domain.Group, e.Kind)
		}
		require.Equal(t, want, got)
	}
}
