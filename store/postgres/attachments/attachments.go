package attachments

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// Attachments reads and writes the rows of attachments. It is safe for concurrent use.
type Attachments struct{ db *pg.DB }

// New returns the attachments in db.
func New(db *pg.DB) *Attachments { return &Attachments{db: db} }

const (
	columns = `attachment_id, owner, state, conversation_id, name, mime, size, sha256, upload_until`

	// The row of the quota is locked until the attachment is inserted, so that the quota
	// holds over several nodes. Without a limit ($10 is 0) nothing is counted.
	createSQL = `
WITH counted AS (
	INSERT INTO attachment_quotas AS q (owner, day, count)
	SELECT $2, (clock_timestamp() AT TIME ZONE 'UTC')::date, 1 WHERE $10 > 0
	ON CONFLICT (owner, day) DO UPDATE SET count = q.count + 1 WHERE q.count < $10
	RETURNING true
)
INSERT INTO attachments (attachment_id, owner, name, mime, size, sha256, upload_until, due_at)
SELECT $1, $2, $3, $4, $5, $6, clock_timestamp() + $7::interval, clock_timestamp() + $8::interval
WHERE $9 OR EXISTS (SELECT FROM counted)
RETURNING upload_until`

	untilTomorrowSQL = `
SELECT extract(epoch FROM (date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') + interval '1 day') - clock_timestamp() AT TIME ZONE 'UTC')::float8`
)

// CreateAttachment creates a pending attachment whose file may be uploaded for a time, and
// which is an orphan after another time unless a message names it. perDay is how many the
// owner may create on a day of UTC; 0: any number. One too many is ErrRateLimited.
func (s *Attachments) CreateAttachment(
	ctx context.Context, id domain.AttachmentID, owner domain.UserID, n domain.NewAttachment, upload, orphan time.Duration, perDay int,
) (domain.Attachment, error) {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	a := domain.Attachment{NewAttachment: n, ID: id, Owner: owner, State: domain.AttachmentPending}
	var until time.Time
	err := s.db.Pool.QueryRow(ctx, createSQL,
		id, string(owner), n.Name, n.MIME, n.Size, n.SHA256[:], upload, orphan, perDay == 0, perDay).Scan(&until)
	if pg.NoRows(err) {
		var seconds float64
		if err = s.db.Pool.QueryRow(ctx, untilTomorrowSQL).Scan(&seconds); err == nil {
			return a, domain.ErrRateLimited.WithMessage("more attachments than attachments_per_day").
				WithRetryAfter(time.Duration(seconds*1000+1) * time.Millisecond)
		}
	}
	s.db.ResetIfBroken(err)
	a.UploadUntil = domain.TimeOf(until)
	return a, pg.Translate(err)
}

const attachmentSQL = `SELECT ` + columns + ` FROM attachments WHERE attachment_id = $1`

// Attachment returns an attachment in any state, or ErrNotFound.
func (s *Attachments) Attachment(ctx context.Context, id domain.AttachmentID) (domain.Attachment, error) {
	return s.one(ctx, attachmentSQL, id)
}

// A user reads an attachment if it is the user's own and no message names it, or if the
// user may read a message that names it. $3 is set for a backend.
const readableSQL = `
SELECT ` + columns + ` FROM attachments a
WHERE attachment_id = $1 AND state <> 'gone' AND CASE
	WHEN conversation_id IS NULL THEN owner = $2
	ELSE $3 OR EXISTS (
		SELECT FROM attachment_uses u
		JOIN members m ON m.user_id = $2 AND m.conversation_id = u.conversation_id AND m.left_seq IS NULL
		JOIN conversations c ON c.id = u.conversation_id
		WHERE u.attachment_id = a.attachment_id AND u.seq >= im_floor_1(c.settings, m.joined_seq)
	)
END`

// ReadableAttachment returns an attachment that the actor may read, else ErrNotFound. A
// pending one is its owner's, too.
func (s *Attachments) ReadableAttachment(ctx context.Context, a domain.Actor, id domain.AttachmentID) (domain.Attachment, error) {
	return s.one(ctx, readableSQL, id, string(a.User), a.Backend)
}

func (s *Attachments) one(ctx context.Context, sql string, args ...any) (a domain.Attachment, err error) {
	list, err := pg.ReadAll(ctx, s.db, scan, sql, args...)
	if err == nil && len(list) == 0 {
		err = domain.ErrNotFound
	}
	if err != nil {
		return a, err
	}
	return list[0], nil
}

func scan(row pgx.CollectableRow) (a domain.Attachment, err error) {
	var conversation *domain.ConversationID
	var sum []byte
	var until time.Time
	err = row.Scan(&a.ID, &a.Owner, &a.State, &conversation, &a.Name, &a.MIME, &a.Size, &sum, &until)
	if conversation != nil {
		a.ConversationID = *conversation
	}
	copy(a.SHA256[:], sum)
	a.UploadUntil = domain.TimeOf(until)
	return a, err
}

const uploadedSQL = `
WITH changed AS (
	UPDATE attachments SET state = 'ready' WHERE attachment_id = $1 AND state = 'pending' RETURNING true
)
SELECT EXISTS (SELECT FROM changed) OR EXISTS (SELECT FROM attachments WHERE attachment_id = $1 AND state IN ('ready', 'attached'))`

// AttachmentUploaded makes a pending attachment ready. It reports whether the file is
// wanted: false for an attachment that is gone or unknown.
func (s *Attachments) AttachmentUploaded(ctx context.Context, id domain.AttachmentID) (wanted bool, err error) {
	err = s.db.Read(ctx, func(ctx context.Context) error {
		return s.db.Pool.QueryRow(ctx, uploadedSQL, id).Scan(&wanted)
	})
	return wanted, err
}

const secretSQL = `SELECT secret FROM attachment_secret`

// AttachmentSecret returns the key that signs addresses, which all nodes share.
func (s *Attachments) AttachmentSecret(ctx context.Context) (secret []byte, err error) {
	err = s.db.Read(ctx, func(ctx context.Context) error {
		return s.db.Pool.QueryRow(ctx, secretSQL).Scan(&secret)
	})
	return secret, err
}

const (
	orphansSQL = `
UPDATE attachments SET state = 'gone', due_at = clock_timestamp()
WHERE attachment_id IN (
	SELECT attachment_id FROM attachments WHERE due_at < 'infinity' AND due_at <= now() AND state IN ('pending', 'ready')
	ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)`

	// The lease is the time until another node tries: whoever dies here delays the file only.
	claimSQL = `
UPDATE attachments SET attempts = attempts + 1, due_at = clock_timestamp() + $2::interval
WHERE attachment_id IN (
	SELECT attachment_id FROM attachments WHERE due_at < 'infinity' AND due_at <= now() AND state = 'gone'
	ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING attachment_id`

	// An upload that is still signed may bring the file back, so the row stays until then,
	// and the file is deleted once more.
	deletedSQL = `
WITH removed AS (
	DELETE FROM attachments WHERE attachment_id = $1 AND state = 'gone' AND upload_until + $2::interval < clock_timestamp()
)
UPDATE attachments SET due_at = upload_until + $2::interval
WHERE attachment_id = $1 AND state = 'gone' AND upload_until + $2::interval >= clock_timestamp()`

	sweepQuotasSQL = `DELETE FROM attachment_quotas WHERE day < (now() AT TIME ZONE 'UTC')::date - 1`
)

// OrphanAttachments makes up to limit orphans gone, and returns how many.
func (s *Attachments) OrphanAttachments(ctx context.Context, limit int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	tag, err := s.db.Pool.Exec(ctx, orphansSQL, limit)
	s.db.ResetIfBroken(err)
	return int(tag.RowsAffected()), pg.Translate(err)
}

// ClaimGoneAttachments returns up to limit attachments whose files are to be deleted. For
// the time of the lease no other node gets them.
func (s *Attachments) ClaimGoneAttachments(ctx context.Context, limit int, lease time.Duration) ([]domain.AttachmentID, error) {
	return pg.ReadAll(ctx, s.db, pgx.RowTo[domain.AttachmentID], claimSQL, limit, lease)
}

// AttachmentDeleted deletes the row of an attachment whose file was deleted; but not before
// its upload has expired and margin has passed. Then the file is to be deleted once more.
func (s *Attachments) AttachmentDeleted(ctx context.Context, id domain.AttachmentID, margin time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	_, err := s.db.Pool.Exec(ctx, deletedSQL, id, margin)
	s.db.ResetIfBroken(err)
	return pg.Translate(err)
}

// SweepAttachmentQuotas deletes the quotas of past days.
func (s *Attachments) SweepAttachmentQuotas(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	_, err := s.db.Pool.Exec(ctx, sweepQuotasSQL)
	return pg.Translate(err)
}
