package read

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/users"
)

// The statements of messages return rows as those of events do. They read the state as of
// the seq $7 and ignore later events. If $7 is below the reader's floor, the state is that
// of the floor: empty.
const (
	messagesHead = `
WITH c AS (
	SELECT f.id, f.floor_seq, coalesce(b.message_no, 0) AS below, coalesce(h.seq, 0) AS head_seq, coalesce(h.message_no, 0) AS message_count
	FROM (` + readable + `
	) f
	LEFT JOIN events b ON b.conversation_id = f.id AND b.seq = f.floor_seq - 1
	LEFT JOIN events h ON h.conversation_id = f.id AND h.seq = least(f.head_seq, greatest($7, f.floor_seq - 1))
)
SELECT c.floor_seq, c.below, c.head_seq, c.message_count, e.message_no, e.seq, e.sender, e.client_msg_id, e.at, e.body, e.edited_at, e.edit
FROM c LEFT JOIN LATERAL (
	SELECT *, sum(size) OVER (ORDER BY `

	messagesRange = ` ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT m.message_no, m.seq, m.sender, m.client_msg_id, m.at, m.body::text AS body, d.at AS edited_at, d.body::text AS edit,
			320 + octet_length(m.sender) + octet_length(m.client_msg_id) + octet_length(m.body::text)
				+ coalesce(octet_length(d.body::text), 0) AS size
		FROM events m LEFT JOIN LATERAL (
			SELECT at, body FROM events
			WHERE conversation_id = c.id AND target_seq = m.seq AND type = 'message.edited' AND seq <= c.head_seq
			ORDER BY seq DESC LIMIT 1
		) d ON true
		WHERE m.conversation_id = c.id AND m.seq <= c.head_seq AND m.type = 'message.posted' AND `

	messagesEnd = ` LIMIT $6
	) range
) e ON e.total <= $5 OR e.total = e.size
ORDER BY e.seq`

	messagesAfterSQL = messagesHead + `seq` + messagesRange +
		`m.seq > greatest($4, c.floor_seq - 1) ORDER BY m.seq` + messagesEnd

	messagesBeforeSQL = messagesHead + `seq DESC` + messagesRange +
		`m.seq < $4 AND m.seq >= c.floor_seq ORDER BY m.seq DESC` + messagesEnd

	messagesBySeqSQL = messagesHead + `seq` + messagesRange +
		`m.seq >= c.floor_seq AND m.seq = ANY ($4::bigint[]) ORDER BY m.seq` + messagesEnd

	seqAtSQL = `SELECT im_seq_at_1(id, head_seq, $2) FROM conversations WHERE id = $1`
)

// messageRange is the result of one statement of messages.
type messageRange struct {
	floor    int64   // the lowest seq that the reader may read
	below    int64   // number of messages below the floor
	head     int64   // of the state that was read
	count    int64   // number of messages up to head
	numbers  []int64 // message_no of each message
	messages []domain.Message
}

// Messages returns messages in their state as of HeadSeq, the present one or a past one
// that r names: the messages after, before or around a position, those of r.Seqs that
// exist, or the newest ones. It returns no messages below the actor's floor. The page ends
// at r.Limit messages or domain.PageBytes. The content of recalled messages is erased from
// past states too.
func (qs *Queries) Messages(
	ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range,
) (page domain.MessagePage, err error) {
	err = qs.db.ReadHistoryTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		q := messageQuery{tx: tx, actor: a, id: id, upto: math.MaxInt64}
		if err := q.asOf(ctx, r); err != nil {
			return err
		}
		if page, err = q.page(ctx, r); err != nil {
			return err
		}
		var referenced domain.ReferencedUsers
		referenced.AddMessages(page.Messages)
		page.Users, err = users.ProfilesOf(ctx, tx, &referenced)
		return err
	})
	return page, err
}

// Message returns one message. If there is no message with this seq, the error is
// ErrNotFound.
func (qs *Queries) Message(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.Message, error) {
	page, err := qs.Messages(ctx, a, id, domain.Range{Seqs: []int64{seq}, Limit: 1})
	if err != nil {
		return domain.Message{}, err
	}
	if len(page.Messages) == 0 {
		return domain.Message{}, domain.ErrNotFound
	}
	return page.Messages[0], nil
}

// messageQuery reads messages in one transaction, as of one seq.
type messageQuery struct {
	tx    pgx.Tx
	actor domain.Actor
	id    domain.ConversationID
	upto  int64 // the state as of this seq; math.MaxInt64: the present one
}

// asOf sets the seq as of which r reads.
func (q *messageQuery) asOf(ctx context.Context, r domain.Range) (err error) {
	switch {
	case r.AsOfSeq != nil:
		q.upto = *r.AsOfSeq
	case r.AsOf != nil:
		q.upto, err = q.seqAt(ctx, *r.AsOf)
	}
	return err
}

// seqAt returns the seq of the last event that is not later than at; 0 if there is none.
func (q *messageQuery) seqAt(ctx context.Context, at domain.Time) (seq int64, err error) {
	err = q.tx.QueryRow(ctx, seqAtSQL, q.id, at.Time).Scan(&seq)
	if pg.NoRows(err) {
		err = domain.ErrNotFound
	}
	return seq, err
}

func (q messageQuery) page(ctx context.Context, r domain.Range) (domain.MessagePage, error) {
	switch {
	case r.Seqs != nil:
		got, err := q.read(ctx, messagesBySeqSQL, r.Seqs, domain.PageBytes, len(r.Seqs))
		page := got.page(false, false)
		page.HasMoreBefore, page.HasMoreAfter = false, false // the messages are not a range
		return page, err
	case r.AfterSeq != nil:
		got, err := q.read(ctx, messagesAfterSQL, *r.AfterSeq, domain.PageBytes, r.Limit)
		return got.page(got.visible(), false), err
	case r.AroundSeq != nil:
		return q.around(ctx, *r.AroundSeq, r.Limit)
	case r.AroundAt != nil:
		seq, err := q.seqAt(ctx, *r.AroundAt)
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
	return got.page(false, got.visible()), err
}

// around reads limit messages: half of them up to and including seq, half above it.
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
	return older.page(false, older.visible()), nil
}

func (q messageQuery) read(ctx context.Context, sql string, position any, bytes, limit int) (messageRange, error) {
	rows, err := q.tx.Query(ctx, sql, q.id, q.actor.Backend, string(q.actor.User), position, bytes, limit, q.upto)
	if err != nil {
		return messageRange{}, err
	}
	var got messageRange
	var row MessageRow
	found := false
	_, err = pgx.ForEachRow(rows, append([]any{&got.floor, &got.below, &got.head, &got.count}, row.Columns()...), func() error {
		found = true
		if row.Seq == nil {
			return nil
		}
		m, err := row.Message(q.id)
		got.numbers = append(got.numbers, *row.Number)
		got.messages = append(got.messages, m)
		return err
	})
	if err == nil && !found {
		err = domain.ErrNotFound
	}
	if err != nil {
		return messageRange{}, err
	}
	shown := make([]*domain.Message, len(got.messages))
	for i := range got.messages {
		shown[i] = &got.messages[i]
	}
	if err := Decorate(ctx, q.tx, q.actor.User, q.upto, shown); err != nil {
		return messageRange{}, err
	}
	got.cut(bytes, sql == messagesBeforeSQL)
	return got, nil
}

// MessageRow holds the last columns of a row of a statement of messages: message_no, seq,
// sender, client_msg_id, at, body, and time and body of the last edit.
type MessageRow struct {
	Number, Seq               *int64
	sender, msgID, body, edit *string
	at, editedAt              *time.Time
}

// Columns returns where to scan the columns of a row.
func (r *MessageRow) Columns() []any {
	return []any{&r.Number, &r.Seq, &r.sender, &r.msgID, &r.at, &r.body, &r.editedAt, &r.edit}
}

// Message returns the message of the row that was scanned, with its last edit, without
// reactions and pins.
func (r *MessageRow) Message(id domain.ConversationID) (domain.Message, error) {
	m, err := domain.MessageOf(&domain.Event{
		ConversationID: id, Seq: *r.Seq, Type: domain.MessagePosted, Sender: domain.UserID(*r.sender),
		ClientMsgID: *r.msgID, At: domain.TimeOf(*r.at), Body: json.RawMessage(*r.body),
	})
	if err == nil && r.edit != nil {
		err = m.Edited(domain.TimeOf(*r.editedAt), json.RawMessage(*r.edit))
	}
	return m, err
}

// cut removes the messages that exceed bytes with their reactions, which the statement did
// not count: from the beginning or from the end of the range. One message stays.
func (g *messageRange) cut(bytes int, beginning bool) {
	n, size := 0, 0
	for ; n < len(g.messages); n++ {
		i := n
		if beginning {
			i = len(g.messages) - 1 - n
		}
		if size += g.messages[i].Size(); n > 0 && size > bytes {
			break
		}
	}
	from, to := 0, n
	if beginning {
		from, to = len(g.messages)-n, len(g.messages)
	}
	g.numbers, g.messages = g.numbers[from:to], g.messages[from:to]
}

// visible reports whether there is any message that the reader may read.
func (g messageRange) visible() bool { return g.count > g.below }

// page returns the range as a page. The numbers of its messages show whether there are
// more on either side; before and after are used if the range is empty.
func (g messageRange) page(before, after bool) domain.MessagePage {
	if n := len(g.numbers); n > 0 {
		before, after = g.numbers[0] > g.below+1, g.numbers[n-1] < g.count
	}
	return domain.MessagePage{
		Messages: append([]domain.Message{}, g.messages...), HeadSeq: g.head, FloorSeq: g.floor,
		HasMoreBefore: before, HasMoreAfter: after,
	}
}
