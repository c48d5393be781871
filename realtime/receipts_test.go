package realtime

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

// ledger is Positions of three rooms.
type ledger struct {
	rooms map[domain.ConversationID]domain.SignalScope
	moved []domain.Receipt
	fail  error
}

func (l *ledger) MarkRead(_ context.Context, _ domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	return domain.ReadState{ConversationID: id, ReadSeq: seq}, l.fail
}
func (l *ledger) Acknowledge(context.Context, []domain.Ack) error { return l.fail }
func (l *ledger) Deliver(context.Context, []domain.Ack) ([]domain.Receipt, error) {
	return l.moved, l.fail
}

func (l *ledger) SignalScopes(context.Context, []domain.ConversationID) (map[domain.ConversationID]domain.SignalScope, error) {
	return l.rooms, l.fail
}

func TestReceipts(t *testing.T) {
	id, off, large, gone := domain.ConversationID{1}, domain.ConversationID{2}, domain.ConversationID{3}, domain.ConversationID{4}
	l := &ledger{rooms: map[domain.ConversationID]domain.SignalScope{
		id: {Members: domain.ReceiptMembers, Receipts: true}, off: {Members: 2}, large: {Members: domain.ReceiptMembers + 1, Receipts: true},
	}}
	list := &told{}
	r := NewReceipts(l, list, slog.New(slog.DiscardHandler))
	bob := domain.Actor{User: "bob"}
	for _, conversation := range []domain.ConversationID{id, off, large, gone} {
		for seq := range int64(3) {
			_, err := r.MarkRead(t.Context(), bob, conversation, seq+1)
			require.NoError(t, err)
		}
	}
	l.moved = []domain.Receipt{{ConversationID: id, UserID: "bob", DeliveredSeq: 5}, {ConversationID: id, UserID: "carol", DeliveredSeq: 4}}
	require.NoError(t, r.Acknowledge(t.Context(), nil))
	r.flush(t.Context())
	slices.SortFunc(*list, func(a, b domain.ConversationFrame) int { return strings.Compare(string(a.From), string(b.From)) })
	require.Len(t, *list, 2, "one for each user and conversation, where receipts are on and members few")
	require.Equal(t, id, (*list)[0].Conversation)
	prefix := `{"type":"receipt","conversation_id":"` + id.String() + `","user_id":`
	require.Equal(t, prefix+`"bob","delivered_seq":5,"read_seq":3}`, string((*list)[0].Frame))
	require.Equal(t, prefix+`"carol","delivered_seq":4}`, string((*list)[1].Frame))
	r.flush(t.Context())
	require.Len(t, *list, 2, "once")

	l.fail = errAway
	_, err := r.MarkRead(t.Context(), bob, id, 9)
	require.ErrorIs(t, err, errAway)
	require.ErrorIs(t, r.Acknowledge(t.Context(), nil), errAway)

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.NoError(t, r.Run(ctx))
}
