package appendlog

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// batch is what one transaction is to write.
type batch struct {
	id    uuid.UUID
	works []*work // by conversation, ascending
}

// work is what a batch does to one conversation.
type work struct {
	id    domain.ConversationID
	base  *domain.Conversation // as stored at its version; nil: there is none
	fresh bool                 // base was read after its commands had come
	steps []*step

	messages map[int64]*domain.MessageState // that its commands are about, as they are stored
}

// step is one command and what was decided on it.
type step struct {
	entry  *entry
	drafts []domain.Draft
	err    error
}

func newBatchID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// awaited tells whether somebody still waits for an answer.
func (b *batch) awaited() bool {
	return slices.ContainsFunc(b.works, func(w *work) bool {
		return slices.ContainsFunc(w.steps, func(s *step) bool { return !s.entry.answered })
	})
}

func (w *work) drafts() int {
	n := 0
	for _, s := range w.steps {
		n += len(s.drafts)
	}
	return n
}

// silent tells whether some command makes nothing, and nothing else of the work
// will have the version checked.
func (w *work) silent() bool { return w.drafts() == 0 }

// decide decides on picked, in order, each command on what those before it are
// about to do.
func (c *committer) decide(ctx context.Context, id uuid.UUID, picked []*entry) (*batch, error) {
	works := make(map[domain.ConversationID]*work, len(picked))
	for _, e := range picked {
		if works[e.target] == nil {
			works[e.target] = &work{id: e.target, base: c.states.get(e.target)}
		}
	}
	if err := c.load(ctx, works); err != nil {
		return nil, err
	}
	if err := c.loadMessages(ctx, works, picked); err != nil {
		return nil, err
	}
	c.tentatively(works, picked)
	stale, err := c.stale(ctx, works)
	if err != nil {
		return nil, err
	}
	if stale {
		if err := c.load(ctx, works); err != nil {
			return nil, err
		}
		c.tentatively(works, picked)
	}
	b := &batch{id: id, works: slices.Collect(maps.Values(works))}
	slices.SortFunc(b.works, func(x, y *work) int { return bytes.Compare(x.id[:], y.id[:]) })
	return b, nil
}

// tentatively decides on all of picked, up to the bound of a batch.
func (c *committer) tentatively(works map[domain.ConversationID]*work, picked []*entry) {
	next := make(map[domain.ConversationID]*domain.Conversation, len(works))
	for id, w := range works {
		w.steps = w.steps[:0]
		if w.base != nil {
			next[id] = w.base.Clone()
			for _, m := range w.messages {
				next[id].LoadMessage(m)
			}
		}
	}
	drafts := 0
	for _, e := range picked {
		if drafts >= batchDrafts {
			return
		}
		w, state := works[e.target], next[e.target]
		s := &step{entry: e, err: domain.ErrNotFound}
		if state != nil {
			s.drafts, s.err = e.cmd.Decide(state)
		}
		if s.err != nil {
			s.drafts = nil
		}
		for _, d := range s.drafts {
			state.Apply(d, state.Head+1)
		}
		drafts += len(s.drafts)
		w.steps = append(w.steps, s)
	}
}

const versionsSQL = `SELECT id, version FROM conversations WHERE id = ANY ($1)`

// stale checks the states that a refusal, or that there is nothing to do, was
// read from, where the append is not going to. It forgets those that are behind
// and tells whether there were any.
func (c *committer) stale(ctx context.Context, works map[domain.ConversationID]*work) (bool, error) {
	var ids [][16]byte
	for id, w := range works {
		if !w.fresh && w.silent() {
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
		if w := works[id]; w.base.Version != stored[id] {
			c.states.drop(id)
			w.base = nil
			stale = true
		}
	}
	return stale, nil
}

const statesSQL = `
SELECT c.id, c.kind, c.title, c.avatar_url, c.settings::text, c.metadata::text, c.version, c.head_seq, c.direct_key, c.blocked, m.users, m.roles, m.joined,
	ARRAY(SELECT target_seq FROM pins WHERE conversation_id = c.id ORDER BY target_seq)
FROM conversations c
CROSS JOIN LATERAL (
	SELECT array_agg(user_id) AS users, array_agg(role) AS roles, array_agg(joined_seq) AS joined
	FROM members WHERE conversation_id = c.id AND left_seq IS NULL
) m
WHERE c.id = ANY ($1)`

// load reads the states that are missing, each as of its version.
func (c *committer) load(ctx context.Context, works map[domain.ConversationID]*work) error {
	var ids [][16]byte
	for id, w := range works {
		if w.base == nil && !w.fresh {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := c.conn.Query(ctx, statesSQL, ids)
	if err != nil {
		return err
	}
	states, err := pgx.CollectRows(rows, scanState)
	if err != nil {
		return err
	}
	for _, id := range ids {
		works[id].fresh = true
	}
	for _, state := range states {
		works[state.ID].base = state
		c.states.put(state)
	}
	return nil
}

func scanState(row pgx.CollectableRow) (*domain.Conversation, error) {
	var (
		c               domain.Conversation
		kind            string
		settings        string
		metadata        *string
		users, roles    []string
		joined, pins    []int64
		direct          *string
		blocked         int16
		decodedSettings domain.Settings
	)
	err := row.Scan(&c.ID, &kind, &c.Title, &c.AvatarURL, &settings, &metadata, &c.Version, &c.Head,
		&direct, &blocked, &users, &roles, &joined, &pins)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(settings), &decodedSettings); err != nil {
		return nil, err
	}
	members := make(map[domain.UserID]domain.MemberState, len(users))
	for i, user := range users {
		members[domain.UserID(user)] = domain.MemberState{Role: domain.Role(roles[i]), JoinedSeq: joined[i]}
	}
	state := domain.NewConversationState(c.ID, domain.Kind(kind), c.Title, c.AvatarURL,
		decodedSettings, pg.RawJSON(metadata), c.Version, c.Head, members)
	state.Pins = pins
	if direct != nil {
		state.SetBlocked(blockedOf(*direct, blocked)...)
	}
	return state, nil
}

// blockedOf reads the column of a direct conversation.
func blockedOf(directKey string, bits int16) (users []domain.UserID) {
	a, b, _ := strings.Cut(directKey, "\n")
	if bits&1 != 0 {
		users = append(users, domain.UserID(a))
	}
	if bits&2 != 0 {
		users = append(users, domain.UserID(b))
	}
	return users
}
