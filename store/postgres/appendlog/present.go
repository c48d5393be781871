package appendlog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// Most decisions do not depend on the time. The clock, and the last posts of members in
// slow mode, are read only after a decision has missed them; see domain.Conversation.Missing.
// The append does not check the clock: what was decided a moment ago stays true. It does
// check the last posts (p_posters of im_append_moderated_1), because another node may
// append a message of the same member at the same moment.
const presentSQL = `
SELECT clock_timestamp(), p.n, m.posted_seq, e.at
FROM (SELECT) AS one
LEFT JOIN unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS p (id, user_id, n) ON true
LEFT JOIN members m ON m.user_id = p.user_id AND m.conversation_id = p.id
LEFT JOIN events e ON e.conversation_id = p.id AND e.seq = m.posted_seq`

// decideNow decides until no decision misses what it needs of the present. Each round
// loads something that the one before missed, so it ends.
func (c *committer) decideNow(ctx context.Context, groups map[domain.ConversationID]*group, picked []*request) error {
	for {
		var ids [][16]byte
		var posters []string
		missing := false
		for id, state := range decideAll(groups, picked) {
			clock, users := state.Missing()
			missing = missing || clock || len(users) > 0
			for _, user := range users {
				ids, posters = append(ids, id), append(posters, string(user))
			}
		}
		if !missing {
			return nil
		}
		if err := c.loadPresent(ctx, groups, ids, posters); err != nil {
			return err
		}
	}
}

// loadPresent reads the clock, for all groups, and the last posts of members.
func (c *committer) loadPresent(ctx context.Context, groups map[domain.ConversationID]*group, ids [][16]byte, posters []string) error {
	rows, err := c.conn.Query(ctx, presentSQL, ids, posters)
	if err != nil {
		return err
	}
	var now time.Time
	var n, seq *int64
	var at *time.Time
	_, err = pgx.ForEachRow(rows, []any{&now, &n, &seq, &at}, func() error {
		if n == nil {
			return nil
		}
		var last domain.LastPost
		if seq != nil && at != nil {
			last = domain.LastPost{Seq: *seq, At: domain.TimeOf(*at)}
		}
		g := groups[ids[*n-1]]
		if g.posts == nil {
			g.posts = map[domain.UserID]domain.LastPost{}
		}
		g.posts[domain.UserID(posters[*n-1])] = last
		return nil
	})
	for _, g := range groups {
		g.now = now
	}
	return err
}

// loadPresent gives what was read of the present to a copy of the state.
func (g *group) loadPresent(state *domain.Conversation) {
	if g.now.IsZero() {
		return
	}
	state.LoadClock(g.now)
	for user, last := range g.posts {
		state.LoadLastPost(user, last)
	}
}
