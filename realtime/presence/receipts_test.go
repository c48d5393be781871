package presence

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// positions is a Positions with fixed answers.
type positions struct {
	scopes map[domain.ConversationID]domain.SignalScope
	moved  []domain.Receipt
	err    error
}

func (p *positions) MarkRead(_ context.Context, _ domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	return domain.ReadState{ConversationID: id, ReadSeq: seq}, p.err
}

func (p *positions) Acknowledge(context.Context, []domain.Ack) error { return p.err }

func (p *positions) Deliver(context.Context, []domain.Ack) ([]domain.Receipt, error) {
	return p.moved, p.err
}

func (p *positions) SignalScopes(context.Context, []domain.ConversationID) (map[domain.ConversationID]domain.SignalScope, error) {
	return p.scopes, p.err
}

func TestReceipts(t *testing.T) {
	id, off, large, gone := domain.ConversationID{1}, domain.ConversationID{2}, domain.ConversationID{3}, domain.ConversationID{4}
	p := &positions{scopes: map[domain.ConversationID]domain.SignalScope{
		id: {Members: domain.ReceiptMembers, Receipts: true}, off: {Members: 2}, large: {Members: domain.ReceiptMembers + 1, Receipts: true},
	}}
	sent := &signals{}
	r := NewReceipts(p, sent, slog.New(slog.DiscardHandler))
	bob := domain.Actor{User: "bob"}
	for _, conversation := range []domain.ConversationID{id, off, large, gone} {
		for seq := range int64(3) {
			_, err := r.MarkRead(t.Context(), bob, conversation, seq+1)
			require.NoError(t, err)
		}
	}
	p.moved = []domain.Receipt{{ConversationID: id, UserID: "bob", DeliveredSeq: 5}, {ConversationID: id, UserID: "carol", DeliveredSeq: 4}}
	require.NoError(t, r.Acknowledge(t.Context(), nil))
	require.NoError(t, r.pending.Flush(t.Context()))
	frames := sent.take()
	slices.SortFunc(frames, func(a, b domain.Signal) int {
		return strings.Compare(string(a.(domain.ConversationFrame).From), string(b.(domain.ConversationFrame).From))
	})
	prefix := `{"type":"receipt","conversation_id":"` + id.String() + `","user_id":`
	require.Equal(t, []domain.Signal{
		domain.ConversationFrame{Conversation: id, From: "bob", Frame: []byte(prefix + `"bob","delivered_seq":5,"read_seq":3}`)},
		domain.ConversationFrame{Conversation: id, From: "carol", Frame: []byte(prefix + `"carol","delivered_seq":4}`)},
	}, frames, "one per user and conversation, where receipts are on and the members are few")
	require.NoError(t, r.pending.Flush(t.Context()))
	require.Empty(t, sent.take(), "once")

	t.Run("what waits is sent at the end", func(t *testing.T) {
		_, err := r.MarkRead(t.Context(), bob, id, 9)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.NoError(t, r.Run(ctx))
		require.Len(t, sent.take(), 1)
	})
	t.Run("nothing is sent of what was not written, and a failed lookup drops", func(t *testing.T) {
		_, err := r.MarkRead(t.Context(), bob, id, 10)
		require.NoError(t, err)
		p.err = domain.ErrUnavailable
		_, err = r.MarkRead(t.Context(), bob, id, 11)
		require.ErrorIs(t, err, domain.ErrUnavailable)
		require.ErrorIs(t, r.Acknowledge(t.Context(), nil), domain.ErrUnavailable)
		require.ErrorIs(t, r.pending.Flush(t.Context()), domain.ErrUnavailable)
		p.err = nil
		require.NoError(t, r.pending.Flush(t.Context()))
		require.Empty(t, sent.take())
		require.Zero(t, r.pending.Len())
	})
}
