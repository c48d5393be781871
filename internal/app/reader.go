package app

import (
	"context"

	"im/domain"
	"im/realtime"
	"im/realtime/presence"
	"im/store/postgres"
)

// reader is the store, except that read and delivery positions pass through
// receipts, which announces them to the other members.
type reader struct {
	*postgres.Store
	receipts *presence.Receipts
}

var _ realtime.Reader = reader{}

func (r reader) MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	return r.receipts.MarkRead(ctx, a, id, seq)
}

func (r reader) Acknowledge(ctx context.Context, acks []domain.Ack) error {
	return r.receipts.Acknowledge(ctx, acks)
}
