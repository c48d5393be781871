package postgres

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// All statements of messages answer as those of events do: a row of no message
// where there is nothing but the conversation.
const (
	messagesAfterSQL = `
WITH c AS (
	SELECT id, head_seq, message_count FROM conversations
	WHERE id = $1 AND ($2 OR EXISTS (SELECT FROM members WHERE user_id = $3 AND conversation_id = $1 AND left_seq IS NULL))
)
SELECT c.head_seq, c.message_count, e.message_no, e.seq, e.sender, e.client_msg_id, e.at, e.body
FROM c LEFT JOIN LATERAL (
	SELECT *, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT message_no, seq, sender, client_msg_id, at, body::text AS body,
			320 + octet_length(sender) + octet_length(client_msg_id) + octet_length(body::text) AS size
		FROM events WHERE conversation_id = c.id AND seq > $4 AND type = 'message.posted' ORDER BY seq LIMIT $6
	) range
) e ON e.total <= $5 OR e.total = e.size
ORDER BY e.seq`

	messagesBeforeSQL = `
WITH c AS (
	SELECT id, head_seq, message_count FROM conversations
	WHERE id = $1 AND ($2 OR EXISTS (SELECT FROM members WHERE user_id = $3 AND conversation_id = $1 AND left_seq IS NULL))
)
SELECT c.head_seq, c.message_count, e.message_no, e.seq, e.sender, e.client_msg_id, e.at, e.body
FROM c LEFT JOIN LATERAL (
	SELECT *, sum(size) OVER (ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT message_no, seq, sender, client_msg_id, at, body::text AS body,
			320 + octet_length(sender) + octet_length(client_msg_id) + octet_length(body::text) AS size
		FROM events WHERE conversation_id = c.id AND seq < $4 AND type = 'message.posted' ORDER BY seq DESC LIMIT $6
	) range
) e ON e.total <= $5 OR e.total = e.size
ORDER BY e.seq`

	messagesBySeqSQL = `
WITH c AS (
	SELECT id, head_seq, message_count FROM conversations
	WHERE id = $1 AND ($2 OR EXISTS (SELECT FROM members WHERE user_id = $3 AND conversation_id = $1 AND left_seq IS NULL))
)
SELECT c.head_seq, c.message_count, e.message_no, e.seq, e.sender, e.client_msg_id, e.at, e.body
FROM c LEFT JOIN LATERAL (
	SELECT *, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT message_no, seq, sender, client_msg_id, at, body::text AS body,
			320 + octet_length(sender) + octet_length(client_msg_id) + octet_length(body::text) AS size
		FROM events WHERE conversation_id = c.id AND seq = ANY ($4::bigint[]) AND type = 'message.posted' ORDER BY seq LIMIT $6
	) range
) e ON e.total <= $5 OR e.total = e.size
ORDER BY e.seq`

	seqAtSQL = `SELECT im_seq_at_1(id, head_seq, $2) FROM conversations WHERE id = $1`
)

// stretch is what one statement of messages answered.
type stretch struct {
	head, count int64
	numbers     []int64 // message_no of each
	messages    []domain.Message
}

// Messages returns messages as they stand at HeadSeq: after, before or around a
// position, those of r.Seqs that exist, or the newest. It ends at r.Limit
// messages or domain.PageBytes.
func (s *Store) Messages(
	ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range,
) (page domain.MessagePage, err error) {
	err = s.readTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if page, err = (messageQuery{tx, a, id}).page(ctx, r); err != nil {
			return err
		}
		var cast domain.Cast
		cast.AddMessages(page.Messages)
		page.Users, err = profilesOf(ctx, tx, &cast)
		return err
	})
	return page, err
}

// Message returns one message, or ErrNotFound if seq is not one.
func (s *Store) Message(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.Message, error) {
	page, err := s.Messages(ctx, a, id, domain.Range{Seqs: []int64{seq}, Limit: 1})
	if err != nil {
		return domain.Message{}, err
	}
	if len(page.Messages) == 0 {
		return domain.Message{}, domain.ErrNotFound
	}
	return page.Messages[0], nil
}

// messageQuery is one reading, as of one moment.
type messageQuery struct {
	tx    pgx.Tx
	actor domain.Actor
	id    domain.ConversationID
}

func (q messageQuery) page(ctx context.Context, r domain.Range) (domain.MessagePage, error) {
	switch {
	case r.Seqs != nil:
		got, err := q.read(ctx, messagesBySeqSQL, r.Seqs, domain.PageBytes, len(r.Seqs))
		page := got.page(false, false)
		page.HasMoreBefore, page.HasMoreAfter = false, false // it is no stretch
		return page, err
	case r.AfterSeq != nil:
		got, err := q.read(ctx, messagesAfterSQL, *r.AfterSeq, domain.PageBytes, r.Limit)
		return got.page(got.count > 0, false), err
	case r.AroundSeq != nil:
		return q.around(ctx, *r.AroundSeq, r.Limit)
	case r.AroundAt != nil:
		var seq int64
		err := q.tx.QueryRow(ctx, seqAtSQL, q.id, r.AroundAt.Time).Scan(&seq)
		if noRows(err) {
			return domain.MessagePage{}, domain.ErrNotFound
		}
		if err != nil {
			return domain.MessagePage{}, err
		}
		return q.around(ctx, seq, r.Limit)
	}
	position := int64(math.MaxInt64)
	if r.BeforeSeq != nil {
		position = *r.BeforeSeq
	}
	got, err := q.read(ctx, messagesBeforeSQL, position, domain.PageBytes, r.Limit)
	return got.page(false, got.count > 0), err
}

// around takes half of limit up to and including seq, and half beyond it.
func (q messageQuery) around(ctx context.Context, seq int64, limit int) (domain.MessagePage, error) {
	older, err := q.read(ctx, messagesBeforeSQL, seq+1, domain.PageBytes/2, limit-limit/2)
	if err != nil {
		return domain.MessagePage{}, err
	}
	newer, err := q.read(ctx, messagesAfterSQL, seq, domain.PageBytes/2, limit/2)
	if err != nil {
		return domain.MessagePage{}, err
	}
	older.numbers = append(older.numbers, newer.numbers...)
	older.messages = append(older.messages, newer.messages...)
	return older.page(false, older.count > 0), nil
}

func (q messageQuery) read(ctx context.Context, sql string, position any, bytes, limit int) (stretch, error) {
	rows, err := q.tx.Query(ctx, sql, q.id, q.actor.Backend, string(q.actor.User), position, bytes, limit)
	if err != nil {
		return stretch{}, err
	}
	var got stretch
	var number, seq *int64
	var sender, msgID, body *string
	var at *time.Time
	found := false
	_, err = pgx.ForEachRow(rows, []any{&got.head, &got.count, &number, &seq, &sender, &msgID, &at, &body}, func() error {
		found = true
		if seq == nil {
			return nil
		}
		m, err := domain.MessageOf(&domain.Event{
			ConversationID: q.id, Seq: *seq, Type: domain.MessagePosted, Sender: domain.UserID(*sender),
			ClientMsgID: *msgID, At: domain.At(*at), Body: json.RawMessage(*body),
		})
		got.numbers = append(got.numbers, *number)
		got.messages = append(got.messages, m)
		return err
	})
	if err == nil && !found {
		err = domain.ErrNotFound
	}
	return got, err
}

// page tells what lies on either side by the numbers of the messages; of an empty
// stretch the caller knows.
func (g stretch) page(before, after bool) domain.MessagePage {
	if n := len(g.numbers); n > 0 {
		before, after = g.numbers[0] > 1, g.numbers[n-1] < g.count
	}
	return domain.MessagePage{
		Messages: append([]domain.Message{}, g.messages...), HeadSeq: g.head, FloorSeq: firstSeq,
		HasMoreBefore: before, HasMoreAfter: after,
	}
}
