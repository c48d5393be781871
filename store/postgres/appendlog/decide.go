package appendlog

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/internal/timeline"
)

// batch is what one transaction is to write.
type batch struct {
	id     uuid.UUID
	groups []*group // ascending by conversation
}

// group is the part of a batch for one conversation.
type group struct {
	id        domain.ConversationID
	base      *domain.Conversation // the stored state at its version; nil: no such conversation
	fresh     bool                 // base was read for this batch, and not taken from the cache
	decisions []*decision

	messages map[int64]*domain.MessageState // the stored messages that its commands are about

	attachments []domain.Attachment // those that messages of the batch name, of all groups

	now   time.Time                         // the clock of the database, if a decision needs it
	posts map[domain.UserID]domain.LastPost // the last messages that decisions need
}

// decision is one command and what was decided on it.
type decision struct {
	request *request
	drafts  []domain.Draft
	err     error
}

func newBatchID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// awaited reports whether some request of the batch is not answered yet.
func (b *batch) awaited() bool {
	return slices.ContainsFunc(b.groups, func(g *group) bool {
		return slices.ContainsFunc(g.decisions, func(d *decision) bool { return !d.request.answered })
	})
}

// mark marks a stage of all messages of the batch.
func (b *batch) mark(stage timeline.Stage) {
	if !timeline.On() {
		return
	}
	for _, g := range b.groups {
		for _, d := range g.decisions {
			mark(stage, d.request.cmd)
		}
	}
}

// drafts returns the number of events that the group writes.
func (g *group) drafts() int {
	n := 0
	for _, d := range g.decisions {
		n += len(d.drafts)
	}
	return n
}

// isSilent reports whether the group writes no events, so that the append will not
// check its version.
func (g *group) isSilent() bool { return g.drafts() == 0 }

// decide decides the picked requests in their order, each on the state that the
// requests before it leave.
func (c *committer) decide(ctx context.Context, id uuid.UUID, picked []*request) (*batch, error) {
	groups := make(map[domain.ConversationID]*group, len(picked))
	for _, r := range picked {
		if groups[r.target] == nil {
			groups[r.target] = &group{id: r.target, base: c.states.get(r.target)}
		}
	}
	if err := c.load(ctx, groups); err != nil {
		return nil, err
	}
	if err := c.loadMessages(ctx, groups, picked); err != nil {
		return nil, err
	}
	if err := c.loadAttachments(ctx, groups, picked); err != nil {
		return nil, err
	}
	if err := c.decideNow(ctx, groups, picked); err != nil {
		return nil, err
	}
	stale, err := c.dropStale(ctx, groups)
	if err != nil {
		return nil, err
	}
	if stale {
		if err := c.load(ctx, groups); err != nil {
			return nil, err
		}
		if err := c.decideNow(ctx, groups, picked); err != nil {
			return nil, err
		}
	}
	b := &batch{id: id, groups: slices.Collect(maps.Values(groups))}
	slices.SortFunc(b.groups, func(x, y *group) int { return bytes.Compare(x.id[:], y.id[:]) })
	return b, nil
}

// decideAll replaces the decisions of the groups, and returns the states on which they
// were decided. It stops at batchDrafts events; the requests that are left stay held.
func decideAll(groups map[domain.ConversationID]*group, picked []*request) map[domain.ConversationID]*domain.Conversation {
	next := make(map[domain.ConversationID]*domain.Conversation, len(groups))
	for id, g := range groups {
		g.decisions = g.decisions[:0]
		if g.base != nil {
			next[id] = g.base.Clone()
			for _, m := range g.messages {
				next[id].LoadMessage(m)
			}
			for _, a := range g.attachments {
				next[id].LoadAttachment(a)
			}
			g.loadPresent(next[id])
		}
	}
	drafts := 0
	for _, r := range picked {
		if drafts >= batchDrafts {
			break
		}
		g, state := groups[r.target], next[r.target]
		d := &decision{request: r, err: domain.ErrNotFound}
		if state != nil {
			d.drafts, d.err = r.cmd.Decide(state)
		}
		if d.err != nil {
			d.drafts = nil
		}
		for _, draft := range d.drafts {
			state.Apply(draft, state.Head+1)
		}
		drafts += len(d.drafts)
		g.decisions = append(g.decisions, d)
	}
	return next
}

const versionsSQL = `SELECT id, version FROM conversations WHERE id = ANY ($1)`

// dropStale checks the cached states of silent groups, whose version the append will
// not check: a refusal, or the finding that nothing is to be done, must not come from a
// cache that is behind. It drops the states that are behind, and reports whether there
// were any.
func (c *committer) dropStale(ctx context.Context, groups map[domain.ConversationID]*group) (bool, error) {
	var ids [][16]byte
	for id, g := range groups {
		if !g.fresh && g.isSilent() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return false, nil
	}
	rows, err := c.conn.Query(ctx, versionsSQL, ids)
	if err != nil {
		return false, err
	}
	stored := make(map[domain.ConversationID]int64, len(ids))
	var id domain.ConversationID
	var version int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &version}, func() error {
		stored[id] = version
		return nil
	}); err != nil {
		return false, err
	}
	stale := false
	for _, id := range ids {
		if g := groups[id]; g.base.Version != stored[id] {
			c.states.drop(id)
			g.base = nil
			stale = true
		}
	}
	return stale, nil
}
