package rebuild

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// sanctionKey is the key of a ban or a mute.
type sanctionKey struct {
	kind domain.SanctionKind
	user domain.UserID
}

func (k sanctionKey) String() string { return string(k.kind) + " of " + string(k.user) }

func compareSanctionKeys(a, b sanctionKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.user, b.user))
}

const foldedSanctionsSQL = `
SELECT kind, user_id, seq, at, by_user, until, reason FROM sanctions WHERE conversation_id = $1 ORDER BY kind, user_id`

func (c *comparison) compareSanctions(rows pgx.Rows) error {
	var key sanctionKey
	var stored domain.FoldedSanction
	var at time.Time
	var until *time.Time
	seen := map[sanctionKey]struct{}{}
	_, err := pgx.ForEachRow(rows, []any{&key.kind, &key.user, &stored.Seq, &at, &stored.User, &until, &stored.Reason}, func() error {
		stored.At, stored.Until = domain.TimeOf(at), timeOf(until)
		seen[key] = struct{}{}
		want, known := c.fold.Sanctions(key.kind)[key.user]
		if c.compareSanction(key, stored, want, known) {
			c.sanctions = append(c.sanctions, key)
		}
		return nil
	})
	for _, kind := range []domain.SanctionKind{domain.Ban, domain.Mute} {
		for _, user := range slices.Sorted(maps.Keys(c.fold.Sanctions(kind))) {
			key := sanctionKey{kind, user}
			if _, ok := seen[key]; !ok && err == nil {
				c.differ("sanctions", key.String(), "", missing, present)
				c.sanctions = append(c.sanctions, key)
			}
		}
	}
	return err
}

// compareSanction compares a ban or a mute, and reports whether it must be written. Its
// reason is withheld, because a user wrote it.
func (c *comparison) compareSanction(key sanctionKey, stored, want domain.FoldedSanction, known bool) bool {
	wrong := c.compareMark("sanctions", key.String(), stored.FoldedMark, want.FoldedMark, known)
	if !known {
		return true
	}
	if !stored.Until.Equal(want.Until.Time) {
		c.differ("sanctions", key.String(), "until", stored.Until, want.Until)
		wrong = true
	}
	if stored.Reason != want.Reason {
		c.differ("sanctions", key.String(), "reason", nil, nil)
		wrong = true
	}
	return wrong
}

const (
	dropSanctionsSQL = `
DELETE FROM sanctions s USING unnest($2::text[], $3::text[]) AS k (kind, user_id)
WHERE s.conversation_id = $1 AND s.kind = k.kind AND s.user_id = k.user_id`

	writeSanctionsSQL = `
INSERT INTO sanctions (conversation_id, kind, user_id, seq, at, by_user, until, reason)
SELECT $1, s.kind, s.user_id, s.seq, s.at, s.by_user, s.until, s.reason
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[], $7::timestamptz[], $8::text[])
	AS s (kind, user_id, seq, at, by_user, until, reason)
WHERE s.seq > 0`
)

func (c *comparison) queueSanctions(b *pgx.Batch, keys []sanctionKey) {
	var kinds, users, by, reasons []string
	var seqs []int64
	var ats []time.Time
	var untils []*time.Time
	for _, key := range keys {
		s := c.fold.Sanctions(key.kind)[key.user] // seq 0: there is none
		var until *time.Time
		if !s.Until.IsZero() {
			until = &s.Until.Time
		}
		kinds, users = append(kinds, string(key.kind)), append(users, string(key.user))
		seqs, ats, untils = append(seqs, s.Seq), append(ats, s.At.Time), append(untils, until)
		by, reasons = append(by, string(s.User)), append(reasons, s.Reason)
	}
	b.Queue(dropSanctionsSQL, c.id, kinds, users)
	b.Queue(writeSanctionsSQL, c.id, kinds, users, seqs, ats, by, untils, reasons)
}
