package presence

import (
	"context"
	"log/slog"
	"time"

	"im/domain"
	"im/internal/coalesce"
	"im/realtime/wire"
)

const (
	receiptEvery   = time.Second     // between the receipts of one user in one conversation
	receiptTimeout = 2 * time.Second // of the lookup before they are sent
	maxReceipts    = 100_000         // that wait to be sent; further ones are dropped
)

// Positions moves how far users have read and devices have stored.
type Positions interface {
	// MarkRead moves a user's read position.
	MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error)
	// Acknowledge stores how far devices have come.
	Acknowledge(ctx context.Context, acks []domain.Ack) error
	// Deliver moves the furthest position of each user's devices, and returns
	// those that moved.
	Deliver(ctx context.Context, acks []domain.Ack) ([]domain.Receipt, error)
	// SignalScopes returns the scopes of those of the conversations that exist.
	SignalScopes(ctx context.Context, ids []domain.ConversationID) (map[domain.ConversationID]domain.SignalScope, error)
}

// Receipts moves positions, and sends them as receipts to the other members of
// small conversations: at most once, at most once a second per user and
// conversation, and only after they were written.
type Receipts struct {
	positions Positions
	signaller Signaller
	logger    *slog.Logger
	pending   *coalesce.Buffer[receiptKey, domain.Receipt]
}

type receiptKey struct {
	conversation domain.ConversationID
	user         domain.UserID
}

// NewReceipts returns Receipts; nothing is sent before Run.
func NewReceipts(positions Positions, signaller Signaller, logger *slog.Logger) *Receipts {
	r := &Receipts{positions: positions, signaller: signaller, logger: logger}
	r.pending = coalesce.New(coalesce.Options[receiptKey, domain.Receipt]{
		Every: receiptEvery, Timeout: receiptTimeout, Max: maxReceipts, Merge: mergeReceipts, Flush: r.send,
	})
	return r
}

// Age returns for how long receipts have waited to be sent.
func (r *Receipts) Age() time.Duration { return r.pending.Age() }

func mergeReceipts(waiting, added domain.Receipt) domain.Receipt {
	added.DeliveredSeq = max(waiting.DeliveredSeq, added.DeliveredSeq)
	added.ReadSeq = max(waiting.ReadSeq, added.ReadSeq)
	return added
}

// MarkRead moves the actor's read position.
func (r *Receipts) MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	state, err := r.positions.MarkRead(ctx, a, id, seq)
	if err == nil {
		r.add(domain.Receipt{ConversationID: id, UserID: a.User, ReadSeq: state.ReadSeq})
	}
	return state, err
}

// Acknowledge stores how far devices have come. After an error, repeat all.
func (r *Receipts) Acknowledge(ctx context.Context, acks []domain.Ack) error {
	if err := r.positions.Acknowledge(ctx, acks); err != nil {
		return err
	}
	moved, err := r.positions.Deliver(ctx, acks)
	for _, receipt := range moved {
		r.add(receipt)
	}
	return err
}

func (r *Receipts) add(receipt domain.Receipt) {
	r.pending.Add(receiptKey{receipt.ConversationID, receipt.UserID}, receipt)
}

// Run sends receipts until ctx ends, and what is left then.
func (r *Receipts) Run(ctx context.Context) error { return r.pending.Run(ctx) }

func (r *Receipts) send(ctx context.Context, batch map[receiptKey]domain.Receipt) error {
	seen := make(map[domain.ConversationID]struct{})
	var ids []domain.ConversationID
	for key := range batch {
		if _, twice := seen[key.conversation]; !twice {
			seen[key.conversation] = struct{}{}
			ids = append(ids, key.conversation)
		}
	}
	scopes, err := r.positions.SignalScopes(ctx, ids)
	if err != nil {
		r.logger.WarnContext(ctx, "receipts dropped: conversations not looked up", "count", len(batch), "error", err)
		return err
	}
	for key, receipt := range batch {
		if scope := scopes[key.conversation]; !scope.Receipts || scope.Members > domain.ReceiptMembers {
			continue
		}
		r.signaller.Signal(domain.ConversationFrame{Conversation: key.conversation, From: key.user, Frame: wire.Receipt(receipt).Payload()})
	}
	return nil
}
