package appendlog

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// targets are the messages that the commands of a batch are about, as columns for the
// statements. The first group of slices has an element for each message, the second for
// each reaction.
type targets struct {
	states   []*domain.MessageState
	ids      [][16]byte
	seqs     []int64
	contents []bool // some command needs the content
	emojis   []bool // some command needs the emojis

	of       []int32 // index of the message
	reactors []domain.Reactor
}

// loadMessages reads the stored messages that the picked commands are about. It does so
// for each batch, because only the append can check that they did not change.
func (c *committer) loadMessages(ctx context.Context, groups map[domain.ConversationID]*group, picked []*request) error {
	t := targetsOf(groups, picked)
	if len(t.ids) == 0 {
		return nil
	}
	if err := t.load(ctx, c.conn); err != nil {
		return err
	}
	for i, m := range t.states {
		if m.Sender == "" { // there is no such message
			delete(groups[t.ids[i]].messages, m.Seq)
		}
	}
	return t.loadReactions(ctx, c.conn)
}

// targetsOf collects each message once, and each reaction.
func targetsOf(groups map[domain.ConversationID]*group, picked []*request) *targets {
	var t targets
	index := map[*domain.MessageState]int32{}
	for _, r := range picked {
		cmd, ok := r.cmd.(domain.MessageCommand)
		g := groups[r.target]
		if !ok || g.base == nil {
			continue
		}
		query := cmd.MessageQuery()
		m := g.messages[query.Seq]
		if m == nil {
			if g.messages == nil {
				g.messages = map[int64]*domain.MessageState{}
			}
			m = &domain.MessageState{Seq: query.Seq, Reactions: map[domain.Reactor]bool{}}
			g.messages[query.Seq] = m
			index[m] = int32(len(t.ids))
			t.states = append(t.states, m)
			t.ids = append(t.ids, r.target)
			t.seqs = append(t.seqs, query.Seq)
			t.contents = append(t.contents, false)
			t.emojis = append(t.emojis, false)
		}
		i := index[m]
		t.contents[i] = t.contents[i] || query.Content
		if query.Emoji != "" {
			t.emojis[i] = true
			t.of = append(t.of, i)
			t.reactors = append(t.reactors, domain.Reactor{User: query.User, Emoji: query.Emoji})
		}
	}
	return &t
}

// The distinct emojis of a message are found by a loose index scan: a leap to the next
// emoji for each, however many users have reacted with the same one.
const targetsSQL = `
SELECT t.n, e.sender, coalesce(s.touched, e.seq), s.recalled_seq IS NOT NULL,
	CASE WHEN t.content THEN coalesce(d.body, e.body)::text END,
	CASE WHEN t.emoji THEN ARRAY(
		WITH RECURSIVE leap AS (
			SELECT min(r.emoji) AS emoji FROM reactions r WHERE r.conversation_id = t.id AND r.target_seq = t.seq
			UNION ALL
			SELECT (
				SELECT min(r.emoji) FROM reactions r
				WHERE r.conversation_id = t.id AND r.target_seq = t.seq AND r.emoji > leap.emoji
			)
			FROM leap WHERE leap.emoji IS NOT NULL
		)
		SELECT emoji FROM leap WHERE emoji IS NOT NULL
	) END
FROM unnest($1::uuid[], $2::bigint[], $3::bool[], $4::bool[]) WITH ORDINALITY AS t (id, seq, content, emoji, n)
JOIN events e ON e.conversation_id = t.id AND e.seq = t.seq AND e.type = 'message.posted'
LEFT JOIN message_states s ON s.conversation_id = t.id AND s.seq = t.seq
LEFT JOIN events d ON d.conversation_id = t.id AND d.seq = s.edited_seq`

func (t *targets) load(ctx context.Context, conn *pg.Conn) error {
	rows, err := conn.Query(ctx, targetsSQL, t.ids, t.seqs, t.contents, t.emojis)
	if err != nil {
		return err
	}
	var n int
	var sender string
	var touched int64
	var recalled bool
	var body *string
	var emojis []string
	_, err = pgx.ForEachRow(rows, []any{&n, &sender, &touched, &recalled, &body, &emojis}, func() error {
		m := t.states[n-1]
		m.Sender, m.Revision, m.Recalled, m.Emojis = domain.UserID(sender), touched, recalled, emojis
		if body == nil {
			return nil
		}
		var edit domain.EditedBody // a posting has content and mentions in the same form
		if err := json.Unmarshal([]byte(*body), &edit); err != nil {
			return err
		}
		m.Content, m.Mentions = edit.Content, edit.Mentions
		return nil
	})
	return err
}

const reactedSQL = `
SELECT k.n FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY AS k (id, seq, emoji, user_id, n)
JOIN reactions r ON r.conversation_id = k.id AND r.target_seq = k.seq AND r.emoji = k.emoji AND r.user_id = k.user_id`

func (t *targets) loadReactions(ctx context.Context, conn *pg.Conn) error {
	if len(t.of) == 0 {
		return nil
	}
	var ids [][16]byte
	var seqs []int64
	var emojis, users []string
	for k, i := range t.of {
		ids, seqs = append(ids, t.ids[i]), append(seqs, t.seqs[i])
		emojis, users = append(emojis, t.reactors[k].Emoji), append(users, string(t.reactors[k].User))
	}
	rows, err := conn.Query(ctx, reactedSQL, ids, seqs, emojis, users)
	if err != nil {
		return err
	}
	var k int
	_, err = pgx.ForEachRow(rows, []any{&k}, func() error {
		t.states[t.of[k-1]].Reactions[t.reactors[k-1]] = true
		return nil
	})
	return err
}
