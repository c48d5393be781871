package realtime

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"im/domain"
)

const (
	receiptPause = time.Second // between the receipts of one user in one conversation
	maxReceipts  = 100_000     // that wait to be told; what is beyond is given up
)

// Positions moves how far users have come.
type Positions interface {
	MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error)
	Acknowledge(ctx context.Context, acks []domain.Ack) error
	// Deliver moves the furthest position of each user's devices, and returns
	// those that moved.
	Deliver(ctx context.Context, acks []domain.Ack) ([]domain.Receipt, error)
	// SignalScopes returns those of the conversations that exist.
	SignalScopes(ctx context.Context, ids []domain.ConversationID) (map[domain.ConversationID]domain.SignalScope, error)
}

type receiptFrame struct {
	Type string `json:"type"`
	domain.Receipt
}

// Receipts moves positions, and tells the other members of small conversations,
// once a second at most and at most once. What is told was written before.
type Receipts struct {
	positions Positions
	signaller Signaller
	logger    *slog.Logger

	mu      sync.Mutex
	pending map[receiptKey]domain.Receipt
}

type receiptKey struct {
	id   domain.ConversationID
	user domain.UserID
}

// NewReceipts returns Receipts; Run has to run beside it.
func NewReceipts(positions Positions, signaller Signaller, logger *slog.Logger) *Receipts {
	return &Receipts{
		positions: positions, signaller: signaller, logger: logger, pending: make(map[receiptKey]domain.Receipt),
	}
}

// MarkRead moves the actor's read position.
func (r *Receipts) MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	state, err := r.positions.MarkRead(ctx, a, id, seq)
	if err == nil {
		r.note(domain.Receipt{ConversationID: id, UserID: a.User, ReadSeq: state.ReadSeq})
	}
	return state, err
}

// Acknowledge notes what devices have stored. After an error, repeat them all.
func (r *Receipts) Acknowledge(ctx context.Context, acks []domain.Ack) error {
	if err := r.positions.Acknowledge(ctx, acks); err != nil {
		return err
	}
	moved, err := r.positions.Deliver(ctx, acks)
	for _, receipt := range moved {
		r.note(receipt)
	}
	return err
}

func (r *Receipts) note(news domain.Receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := receiptKey{news.ConversationID, news.UserID}
	known, there := r.pending[key]
	if !there && len(r.pending) >= maxReceipts {
		return
	}
	news.DeliveredSeq, news.ReadSeq = max(news.DeliveredSeq, known.DeliveredSeq), max(news.ReadSeq, known.ReadSeq)
	r.pending[key] = news
}

// Run tells what has gathered until ctx ends.
func (r *Receipts) Run(ctx context.Context) error {
	ticker := time.NewTicker(receiptPause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.flush(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *Receipts) flush(ctx context.Context) {
	r.mu.Lock()
	pending := r.pending
	r.pending = make(map[receiptKey]domain.Receipt)
	r.mu.Unlock()
	if len(pending) == 0 {
		return
	}
	once := make(map[domain.ConversationID]struct{})
	var ids []domain.ConversationID
	for key := range pending {
		if _, twice := once[key.id]; !twice {
			once[key.id] = struct{}{}
			ids = append(ids, key.id)
		}
	}
	rooms, err := r.positions.SignalScopes(ctx, ids)
	if err != nil {
		r.logger.WarnContext(ctx, "receipts given up", "count", len(pending), "error", err)
		return
	}
	for key, receipt := range pending {
		if room := rooms[key.id]; !room.Receipts || room.Members > domain.ReceiptMembers {
			continue
		}
		frame, err := json.Marshal(receiptFrame{"receipt", receipt})
		if err != nil {
			continue // cannot happen
		}
		r.signaller.Signal(domain.ConversationFrame{Conversation: key.id, From: key.user, Frame: frame})
	}
}
