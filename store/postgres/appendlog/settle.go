package appendlog

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// settle answers the commands of a batch by what the server said. Those of a
// conversation that had changed stay, to be decided anew.
func (c *committer) settle(ctx context.Context, b *batch, got written) error {
	var commits []domain.Committed
	var answers []reply
	var ends []int // of the answers of each of commits
	var lookups []*step
	for _, w := range b.works {
		if n := w.drafts(); n > 0 {
			part := written{got.statuses[:n], got.seqs[:n], got.ats[:1]}
			got = written{got.statuses[n:], got.seqs[n:], got.ats[1:]}
			if part.statuses[0] == statusStale {
				c.states.drop(w.id)
				continue
			}
			if committed, ok := c.conclude(w, part, &answers, &lookups); ok {
				commits, ends = append(commits, committed), append(ends, len(answers))
			}
		}
		c.refuse(w, &answers, &lookups)
	}
	c.tell(commits, ends, answers)
	return c.lookUp(ctx, lookups)
}

// tell publishes the commits, and then answers, what was committed to a
// conversation right after it was pushed to its members here: an event and the
// answer to its sender mostly leave together.
func (c *committer) tell(commits []domain.Committed, ends []int, answers []reply) {
	if len(commits) > 0 {
		c.log.options.Publish(commits)
	}
	answered := 0
	for i := range commits {
		c.log.options.Push(commits[i])
		c.reply(answers[answered:ends[i]])
		answered = ends[i]
	}
	c.reply(answers[answered:])
}

func (c *committer) reply(answers []reply) {
	for i := range answers {
		a := &answers[i]
		c.answer(a.step.entry, domain.Outcome{Events: a.events}, a.step.err)
	}
}

// reply is the answer to a step: what it made, or its error.
type reply struct {
	step   *step
	events []domain.Event
}

// conclude moves the state of a conversation by what was appended to it.
func (c *committer) conclude(w *work, got written, answers *[]reply, lookups *[]*step) (domain.Committed, bool) {
	before := w.base.Audience()
	committed := domain.Committed{ConversationID: w.id, Epoch: c.epoch, Events: make([]domain.Event, 0, len(got.statuses))}
	at, i := domain.TimeOf(got.ats[0]), 0
	for _, s := range w.steps {
		first := len(committed.Events)
		for _, d := range s.drafts {
			switch got.statuses[i] {
			case statusAppended:
				w.base.Apply(d, got.seqs[i])
				committed.Events = append(committed.Events, event(w.id, got.seqs[i], at, d))
			case statusDuplicate:
				*lookups = append(*lookups, s)
			case statusNoMessage:
				s.err = domain.Invalid("/reply_to", "is not a message of the conversation")
			}
			i++
		}
		if made := committed.Events[first:]; len(made) > 0 {
			*answers = append(*answers, reply{s, slices.Clip(made)})
		}
	}
	c.states.put(w.base)
	committed.Audience = union(before, w.base.Audience())
	return committed, len(committed.Events) > 0
}

func event(id domain.ConversationID, seq int64, at domain.Time, d domain.Draft) domain.Event {
	return domain.Event{
		ConversationID: id, Seq: seq, Type: d.Type, Sender: d.Sender, ClientMsgID: d.ClientMsgID, At: at, Body: d.Body,
	}
}

// refuse answers the commands that came to nothing. A refused posting may be one
// that was accepted before: that is looked up first, except for those who are not
// to learn of anything.
func (c *committer) refuse(w *work, answers *[]reply, lookups *[]*step) {
	for _, s := range w.steps {
		if s.err == nil && len(s.drafts) > 0 {
			continue
		}
		if _, ok := s.entry.cmd.Key(); ok && len(s.drafts) == 0 && s.err != nil && !errors.Is(s.err, domain.ErrNotFound) {
			*lookups = append(*lookups, s)
			continue
		}
		*answers = append(*answers, reply{step: s})
	}
}

// union merges two ascending lists; nil, which is everybody, stays nil.
func union(a, b []domain.UserID) []domain.UserID {
	if a == nil || b == nil {
		return nil
	}
	if slices.Equal(a, b) {
		return b
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

const firstsSQL = `
SELECT k.n, e.seq, e.type, e.at, e.hash, e.body::text
FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS k (conversation_id, sender, client_msg_id, n)
CROSS JOIN LATERAL (
	SELECT e.seq, e.type, e.at, e.hash, e.body FROM events e
	WHERE e.conversation_id = k.conversation_id AND e.sender = k.sender AND e.client_msg_id = k.client_msg_id
	LIMIT 1
) e`

// lookUp answers postings whose key may be there already: with the first event
// of the key, or with their own refusal.
func (c *committer) lookUp(ctx context.Context, steps []*step) error {
	if len(steps) == 0 {
		return nil
	}
	var ids [][16]byte
	var senders, msgIDs []string
	for _, s := range steps {
		key, _ := s.entry.cmd.Key()
		ids = append(ids, s.entry.target)
		senders = append(senders, string(key.Sender))
		msgIDs = append(msgIDs, key.ClientMsgID)
	}
	rows, err := c.conn.Query(ctx, firstsSQL, ids, senders, msgIDs)
	if err != nil {
		return err
	}
	var n int
	var seq int64
	var kind, body string
	var at time.Time
	var hash []byte
	outcomes := make(map[int]domain.Outcome, len(steps))
	_, err = pgx.ForEachRow(rows, []any{&n, &seq, &kind, &at, &hash, &body}, func() error {
		s := steps[n-1]
		key, _ := s.entry.cmd.Key()
		s.err = nil
		if hash != nil && string(hash) != string(key.Hash[:]) {
			s.err = domain.ErrIdempotencyConflict
			return nil
		}
		outcomes[n-1] = domain.Outcome{Duplicate: true, Events: []domain.Event{{
			ConversationID: s.entry.target, Seq: seq, Type: domain.EventType(kind), Sender: key.Sender,
			ClientMsgID: key.ClientMsgID, At: domain.TimeOf(at), Body: json.RawMessage(body),
		}}}
		return nil
	})
	if err != nil {
		return err
	}
	for i, s := range steps {
		if o, found := outcomes[i]; found || s.err != nil {
			c.answer(s.entry, o, s.err)
		}
	}
	return nil
}
