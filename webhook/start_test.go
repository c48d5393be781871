package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// A webhook begins where it was asked to: at the beginning, or at a time.
func TestWebhookBeginsInThePast(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n)
	old, young := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	posts(t, n, old, 0, 2)
	posts(t, n, young, 0, 2)
	conn := storetest.Connect(t, n.URL)
	for _, sql := range []string{
		`UPDATE events SET at = at - interval '2 hours' WHERE conversation_id = $1 OR seq = 1`,
		`UPDATE conversations SET last_at = last_at - interval '2 hours' WHERE id = $1`,
	} {
		_, err := conn.Exec(t.Context(), sql, old)
		require.NoError(t, err)
	}
	all, late := newEndpoint(t), newEndpoint(t)
	everything := all.hook(t, d, func(w *domain.NewWebhook) { w.Since = &domain.Time{} })
	recent := late.hook(t, d, func(w *domain.NewWebhook) { w.Since = new(domain.TimeOf(time.Now().Add(-time.Hour))) })
	posts(t, n, old, 2, 1)
	eventually.True(t, "everything came", func() bool { return len(all.got(true)) >= 7 && len(late.got(true)) >= 3 })
	settled(t, n.Store, everything)
	settled(t, n.Store, recent)
	requireOrder(t, seqs(all.got(true), old), 1, 4)
	requireOrder(t, seqs(all.got(true), young), 1, 3)
	require.Equal(t, []int64{2, 3}, seqs(late.got(true), young))
	require.Equal(t, []int64{4}, seqs(late.got(true), old))
	_, err := d.CreateWebhook(t.Context(), domain.NewWebhook{URL: all.URL, Since: new(domain.TimeOf(time.Now().Add(time.Hour)))})
	require.ErrorIs(t, err, domain.ErrInvalid)
	_, err = d.CreateWebhook(t.Context(), domain.NewWebhook{URL: "http://10.0.0.1/"})
	require.ErrorIs(t, err, domain.ErrInvalid)
}

// The list of what was not taken goes through failed and waiting deliveries, page by page.
func TestDeliveriesInPages(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, stop := deliver(t, n)
	e := newEndpoint(t)
	hook := e.hook(t, d)
	stop()
	conn := storetest.Connect(t, n.URL)
	for i := range 5 {
		id := domain.ConversationID{byte(i)}
		for _, sql := range []string{
			`INSERT INTO webhook_failures (webhook_id, conversation_id, seq, attempts, status, duration_ms, error) VALUES ($1, $2, 3, 10, 500, 7, 'x'), ($1, $2, 4, 10, 500, 7, 'x')`,
			`INSERT INTO webhook_lanes (webhook_id, conversation_id, next_seq, head_seq, due_at) VALUES ($1, $2, 5, 9, now())`,
		} {
			_, err := conn.Exec(t.Context(), sql, hook.WebhookID, id)
			require.NoError(t, err)
		}
	}
	for state, want := range map[domain.DeliveryState]int{"": 15, domain.DeliveryFailed: 10, domain.DeliveryWaiting: 5} {
		var all []domain.Delivery
		for cursor := ""; ; {
			page, err := n.WebhookDeliveries(t.Context(), hook.WebhookID, state, cursor, 2)
			require.NoError(t, err)
			all = append(all, page.Items...)
			if page.NextCursor == nil {
				break
			}
			cursor = *page.NextCursor
		}
		require.Len(t, all, want, "state %q", state)
		seen := map[string]bool{}
		for _, d := range all {
			key := d.ConversationID.String() + string(d.State) + string(rune(d.Seq))
			require.False(t, seen[key], "twice")
			seen[key] = true
		}
	}
	_, err := n.WebhookDeliveries(t.Context(), hook.WebhookID, "", "x", 2)
	require.ErrorIs(t, err, domain.ErrCursorInvalid)
	_, err = n.WebhookDeliveries(t.Context(), "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60", "", "", 2)
	require.ErrorIs(t, err, domain.ErrNotFound)

	page, err := n.ListWebhooks(t.Context(), "", 1)
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Nil(t, page.NextCursor)
}
