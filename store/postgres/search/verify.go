package search

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// The rows after one key, up to another, that differ from the documents of the log.
const verifyIndexSQL = `
SELECT coalesce(d.id, s.conversation_id), coalesce(d.seq, s.seq),
	CASE WHEN s.seq IS NULL THEN 'missing' WHEN d.seq IS NULL THEN 'not in the log' ELSE 'different' END
FROM (
	SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[]) AS d (id, seq, at, sender, terms)
	WHERE d.terms <> ''
) d FULL JOIN (
	SELECT * FROM search_messages s
	WHERE (s.conversation_id, s.seq) > ($6::uuid, $7::bigint) AND (s.conversation_id, s.seq) <= ($8::uuid, $9::bigint)
) s ON s.conversation_id = d.id AND s.seq = d.seq
WHERE (d.at, d.sender, d.terms::tsvector) IS DISTINCT FROM (s.at, s.sender, s.terms)
ORDER BY 1, 2`

const (
	verifyPause = 250 * time.Millisecond
	verifyTries = 40 // × verifyPause: how long the index may lag behind the log
)

// Difference is a message whose row in the index does not follow from the log.
type Difference struct {
	ConversationID domain.ConversationID
	Seq            int64
	What           string // missing, not in the log, different
}

// VerifySearch compares the index with the log. It calls report for each message that
// differs for longer than the index may lag behind (10 s). progress is called from time
// to time with the number of messages compared and the total.
func (i *Index) VerifySearch(
	ctx context.Context, progress func(done, total int64), report func(Difference),
) error {
	total, err := i.queries.MessageCount(ctx)
	if err != nil {
		return err
	}
	from, done := messageKey{}, int64(0)
	for from != lastKey() {
		part, err := i.verifyChunk(ctx, from)
		if err != nil {
			return err
		}
		for _, d := range part.differences {
			report(d)
		}
		from, done = part.to, done+int64(part.messages)
		progress(done, max(total, done))
	}
	return nil
}

// verifiedChunk is a chunk of the log that was compared.
type verifiedChunk struct {
	to          messageKey
	messages    int
	differences []Difference
}

// verifyChunk compares the chunk after a key, again and again until it is equal or has
// differed for verifyTries × verifyPause.
func (i *Index) verifyChunk(ctx context.Context, from messageKey) (part verifiedChunk, err error) {
	for try := 0; ; try++ {
		docs, err := i.readDocuments(ctx, scanSQL, from.id, from.seq, quietChunk)
		if err != nil {
			return part, err
		}
		part = verifiedChunk{to: endOf(docs, quietChunk), messages: len(docs)}
		part.differences, err = i.differences(ctx, docs, from, part.to)
		if err != nil || len(part.differences) == 0 || try == verifyTries {
			return part, err
		}
		select {
		case <-time.After(verifyPause):
		case <-ctx.Done():
			return part, pg.Translate(ctx.Err())
		}
	}
}

func (i *Index) differences(ctx context.Context, docs []document, from, to messageKey) (list []Difference, err error) {
	c := columnsOf(docs)
	err = i.db.Read(ctx, func(ctx context.Context) error {
		rows, err := i.db.Pool.Query(ctx, verifyIndexSQL, c.ids, c.seqs, c.ats, c.senders, c.vectors, from.id, from.seq, to.id, to.seq)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Difference, err error) {
			return d, row.Scan(&d.ConversationID, &d.Seq, &d.What)
		})
		return err
	})
	return list, err
}
