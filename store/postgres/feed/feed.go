package feed

import (
	"context"
	"time"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// newCommits is the condition that a commit is not visible in the snapshot $1.
	newCommits = `(c.tx >= pg_snapshot_xmax($1::text::pg_snapshot)
			OR c.tx = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot))))`

	// The fifth column says whether commits that are new to the position have been
	// deleted. They have been if the position is older than the last deleted commit. An
	// old position also lacks them if its snapshot lists the transaction as in progress;
	// in a young position such a transaction cannot be a deleted commit: those are hours
	// old.
	feedSQL = `
SELECT pg_current_snapshot()::text, e.epoch,
	im_same_server_1(e.system_identifier, e.timeline, s.system_identifier, s.timeline)
		AND ` + pg.SameDatabase + `,
	extract(epoch FROM now())::bigint,
	$1::text IS NOT NULL AND (e.feed_gone >= pg_snapshot_xmax($1::text::pg_snapshot)
		OR e.feed_gone >= pg_snapshot_xmin($1::text::pg_snapshot) AND to_timestamp($2::bigint) < now() - interval '5 hours'),
	coalesce(h.ids, '{}'), coalesce(h.firsts, '{}'), coalesce(h.heads, '{}'), coalesce(h.membership, '{}'),
	coalesce(d.users, '{}'), coalesce(d.sessions, '{}'), coalesce(d.belows, '{}'), coalesce(d.codes, '{}')
FROM epoch e CROSS JOIN im_server_1() s CROSS JOIN LATERAL (
	SELECT array_agg(id) AS ids, array_agg(first_seq) AS firsts, array_agg(head_seq) AS heads, array_agg(membership) AS membership
	FROM (
		SELECT r.id, min(r.first_seq) AS first_seq, max(r.head_seq) AS head_seq, bool_or(r.membership) AS membership
		FROM commits c
		CROSS JOIN LATERAL unnest(c.conversations, c.firsts, c.heads, c.membership) AS r (id, first_seq, head_seq, membership)
		WHERE ` + newCommits + `
		GROUP BY r.id
	) changed
) h CROSS JOIN LATERAL (
	SELECT array_agg(c.end_user) AS users, array_agg(c.end_session) AS sessions,
		array_agg(c.end_below) AS belows, array_agg(c.end_code) AS codes
	FROM commits c WHERE c.end_user IS NOT NULL AND ` + newCommits + `
) d`
)

// Changes reads commits of all nodes. It is safe for concurrent use.
type Changes struct{ db *pg.DB }

// New returns the changes of db.
func New(db *pg.DB) *Changes { return &Changes{db: db} }

// Feed returns the commits since a position, even those that were committed late, and the
// next position. A conversation is in it once. For the position "" it returns no heads,
// only the present position. If the log came back in an earlier state, the page has a new
// Epoch, a position in that epoch, and no heads.
//
// The error is ErrCursorInvalid if the position is malformed, or older than the commits
// that are kept. Then start again from "" and compare everything.
func (c *Changes) Feed(ctx context.Context, from domain.FeedPosition) (domain.FeedPage, error) {
	var since *string
	var position pg.Snapshot
	var epoch string
	var at int64
	if from != "" {
		var err error
		if epoch, position, at, err = parsePosition(from); err != nil {
			return domain.FeedPage{}, err
		}
		text := position.String()
		since = &text
	}
	f, err := c.readFeed(ctx, since, at)
	if err != nil {
		return domain.FeedPage{}, err
	}
	if !f.same || epoch == f.page.Epoch && f.now.Xmax < position.Xmax {
		if err := pg.Translate(c.db.BeginEpoch(ctx, c.db.Pool, f.page.Epoch)); err != nil {
			return domain.FeedPage{}, err
		}
		if f, err = c.readFeed(ctx, nil, 0); err != nil {
			return domain.FeedPage{}, err
		}
	}
	c.db.SetEpoch(f.page.Epoch)
	c.db.SawTransactions(f.page.Epoch, f.now.Xmax)
	switch {
	case from != "" && epoch != f.page.Epoch:
		f.page.Heads, f.page.Ends = nil, nil // the position belongs to another epoch
	case f.gone:
		return domain.FeedPage{}, domain.ErrCursorInvalid
	}
	return f.page, nil
}

// parsePosition parses a position: a snapshot, its epoch, and the time at which it was
// taken, in Unix seconds of the server's clock.
func parsePosition(p domain.FeedPosition) (epoch string, s pg.Snapshot, at int64, err error) {
	r := pg.ReadCursor(pg.CursorFeed, string(p))
	epoch, s, at = r.Shard(), r.Snapshot(), int64(r.Number())
	return epoch, s, at, r.Err()
}

// newPosition returns the position that parsePosition parses.
func newPosition(epoch string, s pg.Snapshot, at int64) domain.FeedPosition {
	w := pg.NewCursor(pg.CursorFeed)
	w.Shard(epoch)
	w.Snapshot(s)
	w.Number(uint64(at))
	return domain.FeedPosition(w.String())
}

// Span returns the time between two positions by the clock of the server that
// returned them, in whole seconds; 0 if one of them is malformed.
func Span(from, to domain.FeedPosition) time.Duration {
	_, _, a, errA := parsePosition(from)
	_, _, b, errB := parsePosition(to)
	if errA != nil || errB != nil {
		return 0
	}
	return time.Duration(b-a) * time.Second
}

// TakenAt returns when a position was taken, by the clock of the server that returned it;
// the beginning of 1970 if it is malformed.
func TakenAt(p domain.FeedPosition) time.Time {
	_, _, at, err := parsePosition(p)
	if err != nil {
		return time.Unix(0, 0)
	}
	return time.Unix(at, 0)
}

// Covers reports whether a reader at the position later has seen all commits that one at
// the position earlier has seen, in the same epoch. It reports false if one of them is
// malformed.
func Covers(later, earlier domain.FeedPosition) bool {
	epochL, l, _, errL := parsePosition(later)
	epochE, e, _, errE := parsePosition(earlier)
	return errL == nil && errE == nil && epochL == epochE && l.Covers(e)
}

// feed is the result of feedSQL.
type feed struct {
	page domain.FeedPage
	now  pg.Snapshot
	same bool // the epoch began on this server and timeline, in this database
	gone bool // commits that are new to the position have been deleted
}

// readFeed reads the commits since a snapshot that was taken at a Unix time in seconds.
// Without a snapshot it reads only the present position.
func (c *Changes) readFeed(ctx context.Context, since *string, at int64) (feed, error) {
	var (
		f             feed
		text          string
		ids           [][16]byte
		firsts, heads []int64
		membership    []bool
		ends          sessionEnds
	)
	err := c.db.Read(ctx, func(ctx context.Context) error {
		return c.db.Pool.QueryRow(ctx, feedSQL, since, at).
			Scan(&text, &f.page.Epoch, &f.same, &at, &f.gone, &ids, &firsts, &heads, &membership,
				&ends.users, &ends.sessions, &ends.belows, &ends.codes)
	})
	if err != nil {
		return feed{}, err
	}
	if f.now, err = pg.ParseSnapshot(text); err != nil {
		return feed{}, domain.ErrInternal.WithCause(err)
	}
	f.page.Position = newPosition(f.page.Epoch, f.now, at)
	for i, id := range ids {
		f.page.Heads = append(f.page.Heads, domain.FeedHead{
			ConversationID: id, First: firsts[i], Head: heads[i], Membership: membership[i],
		})
	}
	f.page.Ends = ends.list()
	return f, nil
}

// sessionEnds holds the sessions to end, in parallel lists.
type sessionEnds struct {
	users, sessions []string
	belows          []int64
	codes           []int32
}

func (d *sessionEnds) list() []domain.EndSessions {
	var list []domain.EndSessions
	for i, user := range d.users {
		list = append(list, domain.EndSessions{
			User: domain.UserID(user), Session: domain.SessionID(d.sessions[i]), Below: d.belows[i], Code: int(d.codes[i]),
		})
	}
	return list
}
