package appendlog

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const statesSQL = `
SELECT c.id, c.kind, c.title, c.avatar_url, c.settings::text, c.metadata::text, c.version, c.head_seq, c.direct_key, c.blocked, m.users, m.roles, m.joined,
	ARRAY(SELECT target_seq FROM pins WHERE conversation_id = c.id ORDER BY target_seq),
	s.kinds, s.users, s.untils, s.reasons
FROM conversations c
CROSS JOIN LATERAL (
	SELECT array_agg(user_id) AS users, array_agg(role) AS roles, array_agg(joined_seq) AS joined
	FROM members WHERE conversation_id = c.id AND left_seq IS NULL
) m
CROSS JOIN LATERAL (
	SELECT array_agg(kind) AS kinds, array_agg(user_id) AS users, array_agg(until) AS untils, array_agg(reason) AS reasons
	FROM sanctions WHERE conversation_id = c.id
) s
WHERE c.id = ANY ($1)`

// load reads the states that the cache does not have, each at its version.
func (c *committer) load(ctx context.Context, groups map[domain.ConversationID]*group) error {
	var ids [][16]byte
	for id, g := range groups {
		if g.base == nil && !g.fresh {
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
		groups[id].fresh = true
	}
	for _, state := range states {
		groups[state.ID].base = state
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

		kinds, sanctioned, reasons []string
		untils                     []*time.Time
	)
	err := row.Scan(&c.ID, &kind, &c.Title, &c.AvatarURL, &settings, &metadata, &c.Version, &c.Head,
		&direct, &blocked, &users, &roles, &joined, &pins, &kinds, &sanctioned, &untils, &reasons)
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
	for i, user := range sanctioned {
		s := domain.Sanction{Reason: reasons[i]}
		if untils[i] != nil {
			s.Until = new(domain.TimeOf(*untils[i]))
		}
		state.SetSanction(domain.SanctionKind(kinds[i]), domain.UserID(user), s)
	}
	if direct != nil {
		state.SetBlocked(blockedOf(*direct, blocked)...)
	}
	return state, nil
}

// blockedOf returns the users of a direct conversation that are blocked by the other
// one: bit 0 is the first user of the key, bit 1 the second.
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
