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

// finish answers the requests of a batch by the result of the append. Those of a
// conversation that had changed stay held, to be decided again.
func (c *committer) finish(ctx context.Context, b *batch, got written) error {
	var r results
	for _, g := range b.groups {
		if n := g.drafts(); n > 0 {
			part := written{got.statuses[:n], got.seqs[:n], got.ats[:1]}
			got = written{got.statuses[n:], got.seqs[n:], got.ats[1:]}
			if part.statuses[0] == statusStale {
				c.states.drop(g.id)
				continue
			}
			c.apply(g, part, &r)
		}
		r.addRefused(g)
	}
	c.publish(&r)
	return c.answerDuplicates(ctx, r.duplicates)
}

// results collects what the groups of a batch came to.
type results struct {
	commits    []domain.Committed
	ends       []int // the number of replies up to and including those of each commit
	replies    []reply
	duplicates []*decision // their idempotency key may be in the log already
}

// reply is the answer to a request: the events it made, or the error of its decision.
type reply struct {
	decision *decision
	events   []domain.Event
}

// publish publishes the commits and answers the requests. The requests of a conversation
// are answered right after its events are queued for the hub of this node, so that the
// sender gets the event and the answer at about the same time.
func (c *committer) publish(r *results) {
	if len(r.commits) > 0 {
		c.log.metrics.commit(r.commits)
		c.log.options.Publish(r.commits)
	}
	answered := 0
	for i := range r.commits {
		c.log.options.Push(r.commits[i])
		c.reply(r.replies[answered:r.ends[i]])
		answered = r.ends[i]
	}
	c.reply(r.replies[answered:])
}

func (c *committer) reply(replies []reply) {
	for _, r := range replies {
		c.answer(r.decision.request, domain.Outcome{Events: r.events}, r.decision.err)
	}
}

// apply brings the cached state of a conversation up to date with what was appended, and
// adds the commit and its replies.
func (c *committer) apply(g *group, got written, r *results) {
	before := g.base.Audience()
	committed := domain.Committed{ConversationID: g.id, Epoch: c.epoch, Events: make([]domain.Event, 0, len(got.statuses))}
	at, i := domain.TimeOf(got.ats[0]), 0
	for _, d := range g.decisions {
		first := len(committed.Events)
		for _, draft := range d.drafts {
			switch got.statuses[i] {
			case statusAppended:
				g.base.Apply(draft, got.seqs[i])
				committed.Events = append(committed.Events, event(g.id, got.seqs[i], at, draft))
			case statusDuplicate:
				r.duplicates = append(r.duplicates, d)
			case statusNoMessage:
				d.err = domain.Invalid("/reply_to", "is not a message of the conversation")
			}
			i++
		}
		committed.Traces = d.request.traces(committed.Traces, first, len(committed.Events)-first)
		if made := committed.Events[first:]; len(made) > 0 {
			r.replies = append(r.replies, reply{d, slices.Clip(made)})
		}
	}
	c.states.put(g.base)
	committed.Audience = union(before, g.base.Audience())
	if len(committed.Events) > 0 {
		r.commits, r.ends = append(r.commits, committed), append(r.ends, len(r.replies))
	}
}

func event(id domain.ConversationID, seq int64, at domain.Time, d domain.Draft) domain.Event {
	return domain.Event{
		ConversationID: id, Seq: seq, Type: d.Type, Sender: d.Sender, ClientMsgID: d.ClientMsgID, At: at, Body: d.Body,
	}
}

// addRefused adds the decisions that made no events. A refused posting may be one that
// was accepted before, so its key is looked up first; except after ErrNotFound, which
// must reveal nothing.
func (r *results) addRefused(g *group) {
	for _, d := range g.decisions {
		if d.err == nil && len(d.drafts) > 0 {
			continue
		}
		if _, ok := d.request.cmd.Key(); ok && len(d.drafts) == 0 && d.err != nil && !errors.Is(d.err, domain.ErrNotFound) {
			r.duplicates = append(r.duplicates, d)
			continue
		}
		r.replies = append(r.replies, reply{decision: d})
	}
}

// union merges two ascending lists. nil, which means everyone, stays nil.
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

const firstEventsSQL = `
SELECT k.n, e.seq, e.type, e.at, e.hash, e.body::text
FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS k (conversation_id, sender, client_msg_id, n)
CROSS JOIN LATERAL (
	SELECT e.seq, e.type, e.at, e.hash, e.body FROM events e
	WHERE e.conversation_id = k.conversation_id AND e.sender = k.sender AND e.client_msg_id = k.client_msg_id
	LIMIT 1
) e`

// answerDuplicates answers postings whose idempotency key may be in the log: with the
// first event of the key, with ErrIdempotencyConflict if that has other content, or
// with their own refusal.
func (c *committer) answerDuplicates(ctx context.Context, decisions []*decision) error {
	if len(decisions) == 0 {
		return nil
	}
	var ids [][16]byte
	var senders, msgIDs []string
	for _, d := range decisions {
		key, _ := d.request.cmd.Key()
		ids = append(ids, d.request.target)
		senders = append(senders, string(key.Sender))
		msgIDs = append(msgIDs, key.ClientMsgID)
	}
	rows, err := c.conn.Query(ctx, firstEventsSQL, ids, senders, msgIDs)
	if err != nil {
		return err
	}
	var n int
	var seq int64
	var kind, body string
	var at time.Time
	var hash []byte
	outcomes := make(map[int]domain.Outcome, len(decisions))
	_, err = pgx.ForEachRow(rows, []any{&n, &seq, &kind, &at, &hash, &body}, func() error {
		d := decisions[n-1]
		key, _ := d.request.cmd.Key()
		d.err = nil
		if hash != nil && string(hash) != string(key.Hash[:]) {
			d.err = domain.ErrIdempotencyConflict
			return nil
		}
		outcomes[n-1] = domain.Outcome{Duplicate: true, Events: []domain.Event{{
			ConversationID: d.request.target, Seq: seq, Type: domain.EventType(kind), Sender: key.Sender,
			ClientMsgID: key.ClientMsgID, At: domain.TimeOf(at), Body: json.RawMessage(body),
		}}}
		return nil
	})
	if err != nil {
		return err
	}
	for i, d := range decisions {
		if o, found := outcomes[i]; found || d.err != nil {
			c.answer(d.request, o, d.err)
		}
	}
	return nil
}
