package search

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// What is indexed beyond one key, up to another, and is not as it should be.
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
	verifyTries = 40 // so long may the index lag behind the log before that is a difference
)

// Difference is a message that is not indexed as the log says.
type Difference struct {
	ConversationID domain.ConversationID
	Seq            int64
	What           string // missing, not in the log, different
}

// VerifySearch compares the index of search with the log, and tells report of each
// message that differs for longer than the index may lag behind (10 s). progress is
// told how many messages of how many have been compared, now and then.
func (i *Index) VerifySearch(
	ctx context.Context, progress func(done, total int64), report func(Difference),
) error {
	total, err := i.queries.MessageCount(ctx)
	if err != nil {
		return err
	}
	from, done := indexKey{}, int64(0)
	for from != lastKey() {
		part, err := i.verifyPart(ctx, from)
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

// verified is a part of the log that was compared.
type verified struct {
	to          indexKey
	messages    int
	differences []Difference
}

// verifyPart compares what follows a key, until it is right or was wrong for long
// enough.
func (i *Index) verifyPart(ctx context.Context, from indexKey) (part verified, err error) {
	for try := 0; ; try++ {
		docs, err := i.readDocuments(ctx, walkSQL, from.id, from.seq, indexSeqs)
		if err != nil {
			return part, err
		}
		part = verified{to: endOf(docs, indexSeqs), messages: len(docs)}
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

func (i *Index) differences(ctx context.Context, docs []document, from, to indexKey) (list []Difference, err error) {
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
