package push

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/store/postgres/internal/unread"
)

// A time that is compared with due_at is a subquery, because only then the index is gone
// through up to it: clock_timestamp() by itself is asked again for each row of a provider.
const claimSQL = `
WITH due AS MATERIALIZED (
	SELECT user_id, conversation_id, device_id FROM push_notifications
	WHERE provider = $1 AND due_at <= (SELECT clock_timestamp()) AND NOT service = ANY ($2::text[])
	ORDER BY due_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE push_notifications n SET due_at = clock_timestamp() + $4::interval, claim = n.claim + 1
FROM due WHERE (n.user_id, n.conversation_id, n.device_id) = (due.user_id, due.conversation_id, due.device_id)
RETURNING n.user_id, n.conversation_id, n.device_id, n.seq, n.sent_seq, n.attempts, n.claim`

// ClaimPushes claims notifications of a provider that are due, without those of some
// services, for a time.
func (p *Pushes) ClaimPushes(
	ctx context.Context, provider domain.PushProvider, without []string, limit int, lease time.Duration,
) ([]domain.PushClaim, error) {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	if without == nil {
		without = []string{}
	}
	rows, err := p.db.Pool.Query(ctx, claimSQL, string(provider), without, limit, lease)
	if err != nil {
		p.db.ResetIfBroken(err)
		return nil, pg.Translate(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c domain.PushClaim, err error) {
		return c, row.Scan(&c.User, &c.ConversationID, &c.Device, &c.Seq, &c.SentSeq, &c.Attempts, &c.Number)
	})
	p.db.ResetIfBroken(err)
	return list, pg.Translate(err)
}

// jobsSQL shows what claims are about as everything is now. It looks back 500 events: a
// user who wants mentions only may have left very many others unread. The content is that
// of the last edit.
const jobsSQL = `
WITH x AS MATERIALIZED (
	SELECT c.*, greatest(c.sent_seq + 1, c.high - 500) AS low
	FROM unnest($2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[])
		WITH ORDINALITY AS c (user_id, conversation_id, device_id, high, sent_seq, n)
)
SELECT x.n, r.registration_id::text, r.provider, r.token, r.p256dh, r.auth, r.preview, r.locale,
	e.seq, e.at, e.sender, e.mentioned, coalesce(f.name, ''), c.kind = 'group', coalesce(c.title, ''), (
		SELECT b.body -> 'content' FROM events b WHERE b.conversation_id = x.conversation_id AND b.seq = coalesce((
			SELECT s.edited_seq FROM message_states s WHERE s.conversation_id = x.conversation_id AND s.seq = e.seq
		), e.seq)
	)::text,
	m.user_id IS NULL OR m.read_seq >= x.sent_seq OR EXISTS (
		SELECT FROM message_states s WHERE s.conversation_id = x.conversation_id AND s.seq = x.sent_seq AND s.recalled_seq IS NOT NULL
	),
	coalesce((SELECT o.at <= clock_timestamp() - $1::interval FROM events o WHERE o.conversation_id = x.conversation_id AND o.seq = x.high), false)
FROM x JOIN push_registrations r ON r.user_id = x.user_id AND r.device_id = x.device_id AND NOT ` + revoked + `
JOIN conversations c ON c.id = x.conversation_id
LEFT JOIN members m ON m.user_id = x.user_id AND m.conversation_id = x.conversation_id AND m.left_seq IS NULL
LEFT JOIN ` + latest + ` e ON NOT ` + banned + `
LEFT JOIN profiles f ON f.user_id = e.sender`

// A registration that a plan has just locked is left for the next time.
const endedSQL = `
DELETE FROM push_registrations WHERE (user_id, device_id) IN (
	SELECT r.user_id, r.device_id FROM unnest($1::text[], $2::text[]) AS c (user_id, device_id)
	JOIN push_registrations r ON r.user_id = c.user_id AND r.device_id = c.device_id
	WHERE ` + revoked + ` FOR UPDATE OF r SKIP LOCKED
)`

// PushJobs returns what there is to send for claims. A device that is not registered any
// more has none, nor has one whose registration was ended by a revocation; what it was owed
// is deleted then.
func (p *Pushes) PushJobs(ctx context.Context, claims []domain.PushClaim, rules domain.PushRules) (jobs []domain.PushJob, err error) {
	n := len(claims)
	users, ids, devices := make([]string, n), make([]domain.ConversationID, n), make([]string, n)
	highs, sents := make([]int64, n), make([]int64, n)
	for i, c := range claims {
		users[i], ids[i], devices[i], highs[i], sents[i] = string(c.User), c.ConversationID, string(c.Device), c.Seq, c.SentSeq
	}
	jobs, err = pg.ReadAll(ctx, p.db, func(row pgx.CollectableRow) (domain.PushJob, error) {
		return scanJob(row, claims)
	}, jobsSQL, rules.Within, users, ids, devices, highs, sents)
	if err == nil && len(jobs) < n {
		err = p.exec(ctx, endedSQL, users, devices)
	}
	if err != nil || len(jobs) == 0 {
		return nil, err
	}
	totals, err := unread.Totals(ctx, p.db, badged(jobs))
	for i := range jobs {
		jobs[i].UnreadTotal = totals[jobs[i].User]
	}
	return jobs, err
}

// badged returns the users whose number of unread messages is sent, each once.
func badged(jobs []domain.PushJob) []domain.UserID {
	var users []domain.UserID
	for _, j := range jobs {
		if j.Message != nil || j.Cleared && j.SentSeq > 0 {
			users = append(users, j.User)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

func scanJob(row pgx.CollectableRow, claims []domain.PushClaim) (j domain.PushJob, err error) {
	var n int
	var seq *int64
	var at *time.Time
	var sender, content *string
	var mentioned *bool
	var m domain.PushMessage
	err = row.Scan(&n, &j.RegistrationID, &j.Address.Provider, &j.Address.Token, &j.Address.P256DH, &j.Address.Auth, &j.Preview, &j.Locale,
		&seq, &at, &sender, &mentioned, &m.SenderName, &m.Group, &m.Title, &content, &j.Cleared, &j.Expired)
	if err != nil {
		return j, err
	}
	j.PushClaim = claims[n-1]
	if seq == nil {
		return j, nil
	}
	m.Seq, m.At, m.Sender, m.Mentioned = *seq, domain.TimeOf(*at), domain.UserID(*sender), *mentioned
	if content != nil {
		m.Content = []byte(*content)
	}
	j.Message = &m
	return j, nil
}

// What is written about a claim that has ended has no effect.
const (
	one = ` WHERE user_id = $1 AND conversation_id = $2 AND device_id = $3 AND claim = $4`

	// A message that came in between is sent after the delay.
	sentSQL = `
UPDATE push_notifications SET sent_seq = $6, sent_at = clock_timestamp(), attempts = 0, seq = CASE WHEN seq = $5 THEN $6 ELSE seq END,
	due_at = clock_timestamp() + CASE WHEN seq = $5 THEN $8::interval ELSE $7::interval END` + one

	retrySQL = `UPDATE push_notifications SET attempts = attempts + 1, due_at = clock_timestamp() + $5::interval` + one

	// What was sent is looked at again after as long as it is old, and forgotten after a day.
	shownSQL = `
WITH forgotten AS (
	DELETE FROM push_notifications` + one + ` AND seq = $5 AND sent_at < clock_timestamp() - interval '24 hours'
)
UPDATE push_notifications SET attempts = 0, seq = CASE WHEN seq = $5 THEN sent_seq ELSE seq END,
	due_at = CASE WHEN seq = $5 THEN clock_timestamp() + least(greatest(clock_timestamp() - sent_at, $6::interval), interval '6 hours')
		ELSE clock_timestamp() END` + one + ` AND NOT (seq = $5 AND sent_at < clock_timestamp() - interval '24 hours')`

	doneSQL = `
WITH gone AS (
	DELETE FROM push_notifications` + one + ` AND seq = $5
)
UPDATE push_notifications SET due_at = clock_timestamp()` + one + ` AND seq <> $5`
)

func key(c domain.PushClaim, more ...any) []any {
	return append([]any{string(c.User), c.ConversationID, string(c.Device), c.Number}, more...)
}

// PushSent notes that the message seq was sent. It is looked at after a time.
func (p *Pushes) PushSent(ctx context.Context, c domain.PushClaim, seq int64, rules domain.PushRules, look time.Duration) error {
	return p.exec(ctx, sentSQL, key(c, c.Seq, seq, rules.Delay, look)...)
}

// PushRetried lets a notification be due again after a time.
func (p *Pushes) PushRetried(ctx context.Context, c domain.PushClaim, after time.Duration) error {
	return p.exec(ctx, retrySQL, key(c, after)...)
}

// PushShown notes that what was sent is still to be shown, and that there is nothing else.
// It is looked at again after a time that grows; first after look.
func (p *Pushes) PushShown(ctx context.Context, c domain.PushClaim, look time.Duration) error {
	return p.exec(ctx, shownSQL, key(c, c.Seq, look)...)
}

// PushDone forgets a notification, unless there is a message that came in between.
func (p *Pushes) PushDone(ctx context.Context, c domain.PushClaim) error {
	return p.exec(ctx, doneSQL, key(c, c.Seq)...)
}

// The rows are locked in the order in which a plan locks them.
const readSQL = `
WITH read AS MATERIALIZED (
	SELECT n.user_id, n.conversation_id, n.device_id
	FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS r (user_id, conversation_id, seq)
	JOIN push_notifications n ON n.user_id = r.user_id AND n.conversation_id = r.conversation_id
	WHERE n.seq <= r.seq AND n.sent_seq = n.seq AND n.due_at > clock_timestamp()
	ORDER BY n.user_id, n.conversation_id, n.device_id FOR NO KEY UPDATE OF n
)
UPDATE push_notifications n SET due_at = clock_timestamp()
FROM read r WHERE (n.user_id, n.conversation_id, n.device_id) = (r.user_id, r.conversation_id, r.device_id)`

// readsAtOnce is how many conversations that were read one statement is about.
const readsAtOnce = 1000

// PushRead lets what was sent be looked at now: users have read these conversations up to
// these seqs.
func (p *Pushes) PushRead(ctx context.Context, list []domain.Receipt) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b domain.Receipt) int { return strings.Compare(string(a.UserID), string(b.UserID)) })
	var failed []error // what is in one chunk does not wait for another one
	for chunk := range slices.Chunk(list, readsAtOnce) {
		var users []string
		var ids []domain.ConversationID
		var seqs []int64
		for _, r := range chunk {
			users, ids, seqs = append(users, string(r.UserID)), append(ids, r.ConversationID), append(seqs, r.ReadSeq)
		}
		failed = append(failed, p.exec(ctx, readSQL, users, ids, seqs))
	}
	return errors.Join(failed...)
}

const owedSQL = `
SELECT count(*), greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0))::float8
FROM (SELECT due_at FROM push_notifications WHERE provider = $1 AND due_at <= (SELECT clock_timestamp()) ORDER BY due_at LIMIT 10000) n`

// PushOwed returns how many notifications of a provider are due.
func (p *Pushes) PushOwed(ctx context.Context, provider domain.PushProvider) (owed domain.PushOwed, err error) {
	list, err := pg.ReadAll(ctx, p.db, func(row pgx.CollectableRow) (o domain.PushOwed, err error) {
		var seconds float64
		err = row.Scan(&o.Due, &seconds)
		o.Oldest = time.Duration(seconds * float64(time.Second))
		return o, err
	}, owedSQL, string(provider))
	if err != nil || len(list) == 0 {
		return owed, err
	}
	return list[0], nil
}
