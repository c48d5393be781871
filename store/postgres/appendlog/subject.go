package appendlog

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// subjects are the messages that the commands of a batch are about. The arrays run
// in parallel in two groups: messages, and reactions (of indexes messages).
type subjects struct {
	states   []*domain.MessageState
	ids      [][16]byte
	seqs     []int64
	contents []bool // asked for
	emojis   []bool // asked for

	of       []int32
	reactors []domain.Reactor
}

// loadMessages reads what the commands of picked have to know of messages, anew
// for each batch: only the append can tell whether it is still so.
func (c *committer) loadMessages(ctx context.Context, works map[domain.ConversationID]*work, picked []*entry) error {
	s := gather(works, picked)
	if len(s.ids) == 0 {
		return nil
	}
	if err := s.load(ctx, c.conn); err != nil {
		return err
	}
	for i, m := range s.states {
		if m.Sender == "" { // there is no such message
			delete(works[s.ids[i]].messages, m.Seq)
		}
	}
	return s.loadReactions(ctx, c.conn)
}

// gather notes each message once, and each reaction.
func gather(works map[domain.ConversationID]*work, picked []*entry) *subjects {
	var s subjects
	index := map[*domain.MessageState]int32{}
	for _, e := range picked {
		cmd, ok := e.cmd.(domain.MessageCommand)
		w := works[e.target]
		if !ok || w.base == nil {
			continue
		}
		subject := cmd.MessageQuery()
		m := w.messages[subject.Seq]
		if m == nil {
			if w.messages == nil {
				w.messages = map[int64]*domain.MessageState{}
			}
			m = &domain.MessageState{Seq: subject.Seq, Reactions: map[domain.Reactor]bool{}}
			w.messages[subject.Seq] = m
			index[m] = int32(len(s.ids))
			s.states = append(s.states, m)
			s.ids = append(s.ids, e.target)
			s.seqs = append(s.seqs, subject.Seq)
			s.contents = append(s.contents, false)
			s.emojis = append(s.emojis, false)
		}
		i := index[m]
		s.contents[i] = s.contents[i] || subject.Content
		if subject.Emoji != "" {
			s.emojis[i] = true
			s.of = append(s.of, i)
			s.reactors = append(s.reactors, domain.Reactor{User: subject.User, Emoji: subject.Emoji})
		}
	}
	return &s
}

// The different emojis of a message are found by leaps through the key, however
// many users have the same one there.
const subjectsSQL = `
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

func (s *subjects) load(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, subjectsSQL, s.ids, s.seqs, s.contents, s.emojis)
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
		m := s.states[n-1]
		m.Sender, m.Revision, m.Recalled, m.Emojis = domain.UserID(sender), touched, recalled, emojis
		if body == nil {
			return nil
		}
		var said domain.EditedBody // a posting says content and mentions in the same way
		if err := json.Unmarshal([]byte(*body), &said); err != nil {
			return err
		}
		m.Content, m.Mentions = said.Content, said.Mentions
		return nil
	})
	return err
}

const reactedSQL = `
SELECT k.n FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY AS k (id, seq, emoji, user_id, n)
JOIN reactions r ON r.conversation_id = k.id AND r.target_seq = k.seq AND r.emoji = k.emoji AND r.user_id = k.user_id`

func (s *subjects) loadReactions(ctx context.Context, conn *pgx.Conn) error {
	if len(s.of) == 0 {
		return nil
	}
	var ids [][16]byte
	var seqs []int64
	var emojis, users []string
	for k, i := range s.of {
		ids, seqs = append(ids, s.ids[i]), append(seqs, s.seqs[i])
		emojis, users = append(emojis, s.reactors[k].Emoji), append(users, string(s.reactors[k].User))
	}
	rows, err := conn.Query(ctx, reactedSQL, ids, seqs, emojis, users)
	if err != nil {
		return err
	}
	var k int
	_, err = pgx.ForEachRow(rows, []any{&k}, func() error {
		s.states[s.of[k-1]].Reactions[s.reactors[k-1]] = true
		return nil
	})
	return err
}
