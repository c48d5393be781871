package search

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/read"
	"im/store/postgres/search/terms"
	"im/store/postgres/users"
)

const (
	// maxRanked is how many of the messages that match are ranked: the newest.
	maxRanked = 10_000
	// maxLabels bounds the conversations that a search names in its index condition,
	// together with the words. For a user in more, the rows that match the words are
	// filtered.
	maxLabels = 500
	// searchQueueTime is how long a search waits while the maximum number of others run.
	searchQueueTime = time.Second
)

const timeoutSQL = `SET LOCAL statement_timeout = '3s'`

const scopeSQL = `
SELECT conversation_id FROM members
WHERE user_id = $1 AND left_seq IS NULL AND ($2::uuid IS NULL OR conversation_id = $2) LIMIT $3`

const conversationExistsSQL = `SELECT EXISTS (SELECT FROM conversations WHERE id = $1)`

// searchSQL finds the newest $7 messages that match $1 and that the caller may read,
// ranks them by $2, and returns a page after a place in the order of rank.
const searchSQL = `
SELECT conversation_id, seq, at, rank FROM (
	SELECT conversation_id, seq, at, ts_rank_cd(terms, $2::text::tsquery, 1) AS rank
	FROM (
		SELECT s.conversation_id, s.seq, s.at, s.terms
		FROM search_messages s
		LEFT JOIN members m ON m.user_id = $4 AND m.conversation_id = s.conversation_id AND m.left_seq IS NULL
		LEFT JOIN conversations c ON c.id = m.conversation_id
		WHERE s.terms @@ $1::text::tsquery AND s.at >= $5 AND s.at < $6
			AND ($3 OR s.seq >= CASE WHEN c.id IS NOT NULL THEN im_floor_1(c.settings, m.joined_seq) END)
		ORDER BY s.at DESC, s.conversation_id DESC, s.seq DESC LIMIT $7
	) newest
) ranked
WHERE (rank, at, conversation_id, seq) < ($8::real, $9::timestamptz, $10::uuid, $11::bigint)
ORDER BY rank DESC, at DESC, conversation_id DESC, seq DESC LIMIT $12`

// hit is a message that matches, and its place in the order of rank.
type hit struct {
	id   domain.ConversationID
	seq  int64
	at   time.Time
	rank float32
}

// SearchMessages finds messages in the conversations of the actor, or in all
// conversations for a backend that acts as itself. The most relevant come first, and of
// equally relevant ones the newest. A page ends at q.Limit messages or domain.PageBytes.
// It fails with ErrInvalid at /q if the query has no words, ErrNotFound for a
// conversation that the actor is not in, and ErrUnavailable if it takes too long or too
// many searches run.
func (i *Index) SearchMessages(
	ctx context.Context, a domain.Actor, q domain.SearchQuery,
) (page domain.SearchPage, err error) {
	if utf8.RuneCountInString(q.Text) > domain.MaxQueryChars {
		return page, domain.Invalid("/q", "is too long")
	}
	query, ok := terms.ParseQuery(q.Text)
	if !ok {
		return page, domain.Invalid("/q", "must have a letter, a digit or an emoji")
	}
	from, err := startOf(q)
	if err != nil {
		return page, err
	}
	leave, err := i.enter(ctx)
	if err != nil {
		return page, err
	}
	defer leave()
	err = i.db.ReadHistoryTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		page, err = search{tx: tx, actor: a, asked: q, query: query}.page(ctx, from)
		return err
	})
	if err != nil {
		return domain.SearchPage{}, err
	}
	// Long texts take a while to mark: not in the transaction, which holds a connection.
	for i := range page.Items {
		found := &page.Items[i]
		found.Highlights = highlights(query, found.Content)
	}
	return page, nil
}

// enter waits until few enough searches run that other reads find connections.
func (i *Index) enter(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, searchQueueTime)
	defer cancel()
	select {
	case i.searching <- struct{}{}:
		return func() { <-i.searching }, nil
	case <-ctx.Done():
		return nil, domain.ErrUnavailable.WithMessage("too many searches at once").WithCause(ctx.Err())
	}
}

// search is one search, in its transaction.
type search struct {
	tx    pgx.Tx
	actor domain.Actor
	asked domain.SearchQuery
	query terms.Query
}

func (s search) page(ctx context.Context, from hit) (page domain.SearchPage, err error) {
	page.Items, page.Users = []domain.FoundMessage{}, map[domain.UserID]domain.Profile{}
	if _, err := s.tx.Exec(ctx, timeoutSQL); err != nil {
		return page, err
	}
	within, some, err := s.scope(ctx)
	if err != nil || !some {
		return page, err
	}
	hits, err := s.hits(ctx, within, from)
	if err != nil {
		return page, err
	}
	shown := hits[:min(len(hits), s.asked.Limit)]
	messages, n, err := s.messages(ctx, shown)
	if err != nil {
		return page, err
	}
	if n < len(hits) && n > 0 {
		page.NextCursor = new(searchCursor(s.asked, hits[n-1]))
	}
	for _, m := range messages {
		if !m.Recalled { // since it was indexed
			page.Items = append(page.Items, domain.FoundMessage{Message: m})
		}
	}
	var cast domain.ReferencedUsers
	for i := range page.Items {
		cast.AddMessages([]domain.Message{page.Items[i].Message})
	}
	page.Users, err = users.ProfilesOf(ctx, s.tx, &cast)
	return page, err
}

// scope returns the condition on sender and conversations to add to the words. some is
// false if the actor has no conversation to search.
func (s search) scope(ctx context.Context) (within string, some bool, err error) {
	if s.asked.Sender != "" {
		within = " & " + terms.AnyOf([]string{senderLabel(string(s.asked.Sender))})
	}
	id := s.asked.ConversationID
	if s.actor.Backend {
		if id == nil {
			return within, true, nil
		}
		if err := s.tx.QueryRow(ctx, conversationExistsSQL, *id).Scan(&some); err != nil {
			return "", false, err
		}
		if !some {
			return "", false, domain.ErrNotFound
		}
		return within + " & " + terms.AnyOf([]string{conversationLabel(*id)}), true, nil
	}
	rows, err := s.tx.Query(ctx, scopeSQL, string(s.actor.User), id, maxLabels+1)
	if err != nil {
		return "", false, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	switch {
	case err != nil:
		return "", false, err
	case len(ids) == 0 && id != nil:
		return "", false, domain.ErrNotFound
	case len(ids) == 0:
		return "", false, nil
	case len(ids) > maxLabels:
		return within, true, nil
	}
	labels := make([]string, len(ids))
	for i, id := range ids {
		labels[i] = conversationLabel(id)
	}
	return within + " & " + terms.AnyOf(labels), true, nil
}

// hits returns the hits after a place, one more than a page has.
func (s search) hits(ctx context.Context, within string, from hit) ([]hit, error) {
	since, until := time.Time{}, pg.LatestActivity().At
	if s.asked.Since != nil {
		since = s.asked.Since.Time
	}
	if s.asked.Until != nil {
		until = s.asked.Until.Time
	}
	words := s.query.TSQuery()
	rows, err := s.tx.Query(ctx, searchSQL, words+within, words, s.actor.Backend, string(s.actor.User), since, until, maxRanked,
		from.rank, from.at, from.id, from.seq, s.asked.Limit+1)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h hit, err error) {
		return h, row.Scan(&h.id, &h.seq, &h.at, &h.rank)
	})
}

const hitMessagesSQL = `
SELECT n, seq, conversation_id, sender, client_msg_id, at, body, edited_at, edit
FROM (
	SELECT *, sum(size) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS total FROM (
		SELECT t.n, m.conversation_id, m.seq, m.sender, coalesce(m.client_msg_id, '') AS client_msg_id, m.at, m.body::text AS body,
			d.at AS edited_at, d.body::text AS edit,
			320 + octet_length(m.sender) + octet_length(m.body::text) + coalesce(octet_length(d.body::text), 0) AS size
		FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS t (id, seq, n)
		JOIN events m ON m.conversation_id = t.id AND m.seq = t.seq AND m.type = 'message.posted'
		LEFT JOIN LATERAL (
			SELECT at, body FROM events
			WHERE conversation_id = t.id AND target_seq = t.seq AND type = 'message.edited'
			ORDER BY seq DESC LIMIT 1
		) d ON true
	) found
) sized
WHERE total <= $3 OR total = size
ORDER BY n`

// messages reads the messages of the hits, as they stand, up to the size of a page. n is
// how many of the hits it got to.
func (s search) messages(ctx context.Context, hits []hit) (list []domain.Message, n int, err error) {
	ids, seqs := make([][16]byte, len(hits)), make([]int64, len(hits))
	for i, h := range hits {
		ids[i], seqs[i] = h.id, h.seq
	}
	rows, err := s.tx.Query(ctx, hitMessagesSQL, ids, seqs, domain.PageBytes)
	if err != nil {
		return nil, 0, err
	}
	var row read.MessageRow
	var id domain.ConversationID
	c := row.Columns()
	_, err = pgx.ForEachRow(rows, append([]any{c[0], c[1], &id}, c[2:]...), func() error {
		m, err := row.Message(id)
		list, n = append(list, m), int(*row.Number)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	shown := make([]*domain.Message, len(list))
	for i := range list {
		shown[i] = &list[i]
	}
	return list, n, read.Decorate(ctx, s.tx, s.actor.User, math.MaxInt64, shown)
}

// searchCursor returns the place after a hit of one query.
func searchCursor(q domain.SearchQuery, h hit) string {
	w := pg.NewCursor(pg.CursorSearch)
	w.Text(queryKey(q))
	w.Number(uint64(math.Float32bits(h.rank)))
	w.Key(pg.ActivityKey{At: h.at, ID: h.id})
	w.Number(uint64(h.seq))
	return w.String()
}

// startOf returns where a page begins: at the top, or after the last page.
func startOf(q domain.SearchQuery) (hit, error) {
	last := lastKey()
	from := hit{id: last.id, seq: last.seq, at: pg.LatestActivity().At, rank: float32(math.Inf(1))}
	if q.Cursor == "" {
		return from, nil
	}
	r := pg.ReadCursor(pg.CursorSearch, q.Cursor)
	same := r.Text() == queryKey(q)
	rank, key := r.Number(), r.Key()
	seq := r.Number()
	if err := r.Err(); err != nil || !same || key.At.After(from.at) || key.At.Before(time.Unix(0, 0)) ||
		rank > math.MaxUint32 || seq > math.MaxInt64 {
		return hit{}, domain.ErrCursorInvalid
	}
	return hit{id: key.ID, seq: int64(seq), at: key.At, rank: math.Float32frombits(uint32(rank))}, nil
}

// queryKey identifies a query, so that a cursor is not used for another one.
func queryKey(q domain.SearchQuery) string {
	q.Cursor, q.Limit = "", 0
	text, _ := json.Marshal(q) // such fields always marshal
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
