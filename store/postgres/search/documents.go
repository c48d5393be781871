package search

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/search/terms"
)

const (
	quietChunk     = 512    // seqs read at once
	appendingChunk = 64     // the same while this node appends and the index keeps up
	maxPlaces      = 20_000 // term positions written at once; one message may go beyond
)

const (
	// The messages, as they stand, that the events of some ranges of seqs are about.
	documentsSQL = `
SELECT t.id, t.seq, p.at, p.sender, (coalesce(d.body, p.body) -> 'content')::text
FROM (
	SELECT DISTINCT h.id, coalesce(e.target_seq, e.seq) AS seq
	FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS h (id, first_seq, head_seq)
	JOIN events e ON e.conversation_id = h.id AND e.seq BETWEEN h.first_seq AND h.head_seq
	WHERE e.type IN ('message.posted', 'message.edited', 'message.recalled')
) t
JOIN events p ON p.conversation_id = t.id AND p.seq = t.seq AND p.type = 'message.posted'
LEFT JOIN LATERAL (
	SELECT body FROM events
	WHERE conversation_id = t.id AND target_seq = t.seq AND type = 'message.edited'
	ORDER BY seq DESC LIMIT 1
) d ON true
ORDER BY t.id, t.seq`

	// The messages after a key, in the order of the keys: all, or those in some slots.
	scanSQL = scanHead + scanEnd

	scanSlotsSQL = scanHead + ` AND get_byte(uuid_send(conversation_id), 15) & 15 = ANY ($4::smallint[])` + scanEnd

	scanHead = `
SELECT p.conversation_id, p.seq, p.at, p.sender, (coalesce(d.body, p.body) -> 'content')::text
FROM (
	SELECT conversation_id, seq, at, sender, body FROM events
	WHERE (conversation_id, seq) > ($1::uuid, $2::bigint) AND type = 'message.posted'`

	scanEnd = `
	ORDER BY conversation_id, seq LIMIT $3
) p
LEFT JOIN LATERAL (
	SELECT body FROM events
	WHERE conversation_id = p.conversation_id AND target_seq = p.seq AND type = 'message.edited'
	ORDER BY seq DESC LIMIT 1
) d ON true
ORDER BY p.conversation_id, p.seq`

	// Documents without terms are deleted. The statement writes all or nothing, and
	// nothing if the lease is lost. It commits synchronously, although losing it would
	// only set the index back to its position: a crash that loses transactions which
	// others have seen looks like a log that has lost its end.
	putDocumentsSQL = whileHeld + `, gone AS (
	DELETE FROM search_messages s USING unnest($3::uuid[], $4::bigint[], $7::text[]) AS d (id, seq, terms), all_held
	WHERE d.terms = '' AND s.conversation_id = d.id AND s.seq = d.seq
), put AS (
	INSERT INTO search_messages AS s (conversation_id, seq, at, sender, terms)
	SELECT d.id, d.seq, d.at, d.sender, d.terms::tsvector
	FROM unnest($3::uuid[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[]) AS d (id, seq, at, sender, terms), all_held
	WHERE d.terms <> ''
	ON CONFLICT (conversation_id, seq) DO UPDATE SET at = excluded.at, sender = excluded.sender, terms = excluded.terms
	WHERE (s.at, s.sender, s.terms) IS DISTINCT FROM (excluded.at, excluded.sender, excluded.terms)
)
UPDATE search_slots s SET held_until = clock_timestamp() + interval '1500 ms'` + renewHeld
)

// document is a message and its terms.
type document struct {
	key     messageKey
	at      time.Time
	sender  string
	content string
	terms   terms.Vector
}

// takeChunk takes up to n seqs off the heads of a page of the feed. It consumes heads.
func takeChunk(heads []domain.FeedHead, n int) (chunk, rest []domain.FeedHead) {
	for room := int64(n); room > 0 && len(heads) > 0; {
		piece := heads[0]
		piece.Head = min(piece.Head, piece.First+room-1)
		room -= piece.Head - piece.First + 1
		chunk = append(chunk, piece)
		if heads[0].First = piece.Head + 1; heads[0].First > heads[0].Head {
			heads = heads[1:]
		}
	}
	return chunk, heads
}

// documents reads the messages that the events of a chunk are about.
func (i *Index) documents(ctx context.Context, chunk []domain.FeedHead) ([]document, error) {
	ids, firsts, heads := make([][16]byte, len(chunk)), make([]int64, len(chunk)), make([]int64, len(chunk))
	for i, h := range chunk {
		ids[i], firsts[i], heads[i] = h.ConversationID, h.First, h.Head
	}
	return i.readDocuments(ctx, documentsSQL, ids, firsts, heads)
}

func (i *Index) readDocuments(ctx context.Context, sql string, args ...any) (docs []document, err error) {
	err = i.db.Read(ctx, func(ctx context.Context) error {
		rows, err := i.db.Pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		docs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d document, err error) {
			var content *string
			if err := row.Scan(&d.key.id, &d.key.seq, &d.at, &d.sender, &content); err != nil {
				return d, err
			}
			if content != nil {
				d.content = *content
			}
			return d, nil
		})
		return err
	})
	for i := range docs {
		docs[i].makeTerms()
	}
	return docs, err
}

// makeTerms sets the terms of the document from its content, which it drops.
func (d *document) makeTerms() {
	var texts []string
	for _, f := range domain.TextFields(json.RawMessage(d.content)) {
		texts = append(texts, f.Text)
	}
	d.terms = terms.NewVector([]string{conversationLabel(d.key.id), senderLabel(d.sender)}, texts...)
	d.content = ""
}

func conversationLabel(id domain.ConversationID) string {
	return terms.Label('c', base64.RawStdEncoding.EncodeToString(id[:]))
}

func senderLabel(sender string) string { return terms.Label('s', sender) }

// put writes documents, up to maxPlaces at a time.
func (x *indexer) put(ctx context.Context, docs []document, l lease) error {
	for len(docs) > 0 {
		n, places := 0, 0
		for n < len(docs) && (n == 0 || places+docs[n].terms.Places <= maxPlaces) {
			places += docs[n].terms.Places
			n++
		}
		c := columnsOf(docs[:n])
		if err := x.write(ctx, putDocumentsSQL, l, c.ids, c.seqs, c.ats, c.senders, c.vectors); err != nil {
			return err
		}
		docs = docs[n:]
	}
	return nil
}

// documentColumns are documents as parameters of a statement.
type documentColumns struct {
	ids              [][16]byte
	seqs             []int64
	ats              []time.Time
	senders, vectors []string
}

func columnsOf(docs []document) documentColumns {
	n := len(docs)
	c := documentColumns{make([][16]byte, n), make([]int64, n), make([]time.Time, n), make([]string, n), make([]string, n)}
	for i, d := range docs {
		c.ids[i], c.seqs[i], c.ats[i], c.senders[i], c.vectors[i] = d.key.id, d.key.seq, d.at, d.sender, d.terms.Text
	}
	return c
}
