package reports

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// Reports reads and writes reports. It is safe for concurrent use.
type Reports struct{ db *pg.DB }

// New returns the reports in db.
func New(db *pg.DB) *Reports { return &Reports{db: db} }

// The message is copied in the statement that checks that the reporter may read it: what
// is kept was readable at one moment. A message that the same user reported before it was
// recalled counts as reported.
const reportSQL = `
WITH message AS (
	SELECT e.sender, e.at, coalesce(d.body, e.body) -> 'content' AS content,
		s.recalled_seq IS NOT NULL AND NOT EXISTS (
			SELECT FROM reports WHERE conversation_id = $1 AND seq = $4 AND reporter = $3
		) AS recalled
	FROM events e
	LEFT JOIN message_states s ON s.conversation_id = e.conversation_id AND s.seq = e.seq
	LEFT JOIN events d ON d.conversation_id = e.conversation_id AND d.seq = s.edited_seq
	WHERE e.conversation_id = $1 AND e.seq = $4 AND e.type = 'message.posted'
		AND ($2 OR EXISTS (
			SELECT FROM members m JOIN conversations c ON c.id = m.conversation_id
			WHERE m.user_id = $3 AND m.conversation_id = $1 AND m.left_seq IS NULL AND $4 >= im_floor_1(c.settings, m.joined_seq)
		))
), made AS (
	INSERT INTO reports (report_id, conversation_id, seq, reporter, category, text, sender, posted_at, content)
	SELECT $5, $1, $4, $3, $6, $7, sender, at, content FROM message WHERE NOT recalled
	ON CONFLICT (conversation_id, seq, reporter) DO NOTHING
)
SELECT recalled FROM message`

// Report reports a message, which the actor may read, else the error is ErrNotFound. A
// user who reports a message again changes nothing. A recalled message has no content
// that could be kept: ErrConflict.
func (r *Reports) Report(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, report domain.NewReport) error {
	var recalled bool
	key := uuid.Must(uuid.NewV7())
	err := r.db.Read(ctx, func(ctx context.Context) error {
		err := r.db.Pool.QueryRow(ctx, reportSQL, id, a.Backend, string(a.User), seq, key, string(report.Category), report.Text).Scan(&recalled)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	if err == nil && recalled {
		return domain.ErrConflict.WithMessage("the message was recalled")
	}
	return err
}

const (
	// Columns are what Scan reads.
	Columns = `report_id, conversation_id, seq, reporter, category, text, state, created_at, updated_at, sender, posted_at, content::text`

	listSQL = `
SELECT ` + Columns + ` FROM reports WHERE ($1 = '' OR state = $1) AND report_id > $2 ORDER BY report_id LIMIT $3`

	decideSQL = `
UPDATE reports SET state = $2, updated_at = CASE WHEN state = $2 THEN updated_at ELSE clock_timestamp() END
WHERE report_id = $1 RETURNING ` + Columns
)

// ListReports lists the reports in a state, or all if state is "", the oldest first. A page ends
// at limit reports or domain.PageBytes.
func (r *Reports) ListReports(ctx context.Context, state domain.ReportState, cursor string, limit int) (page domain.Page[domain.Report], err error) {
	var after uuid.UUID
	if cursor != "" {
		reader := pg.ReadCursor(pg.CursorReports, cursor)
		after = reader.UUID()
		if err := reader.Err(); err != nil {
			return page, err
		}
	}
	list, err := pg.ReadAll(ctx, r.db, Scan, listSQL, string(state), after, limit+1)
	if err != nil {
		return page, err
	}
	size := 0
	for i := range min(limit, len(list)) {
		if size += len(list[i].Content) + len(list[i].Text); size > domain.PageBytes && i > 0 {
			limit = i
			break
		}
	}
	return pg.KeysetPage(list, limit, pg.CursorReports, func(w *pg.CursorWriter, last domain.Report) {
		w.UUID(uuid.MustParse(last.ReportID))
	}), nil
}

// DecideReport changes the state of a report. If there is no such report, the error is
// ErrNotFound.
func (r *Reports) DecideReport(ctx context.Context, id string, state domain.ReportState) (report domain.Report, err error) {
	key, err := uuid.Parse(id)
	if err != nil {
		return report, domain.ErrNotFound
	}
	list, err := pg.ReadAll(ctx, r.db, Scan, decideSQL, key, string(state))
	if err == nil && len(list) == 0 {
		return report, domain.ErrNotFound
	}
	if err != nil {
		return report, err
	}
	return list[0], nil
}

// Scan reads a row of Columns.
func Scan(row pgx.CollectableRow) (r domain.Report, err error) {
	var id uuid.UUID
	var created, updated, posted time.Time
	var content string
	err = row.Scan(&id, &r.ConversationID, &r.Seq, &r.Reporter, &r.Category, &r.Text, &r.State, &created, &updated, &r.Sender, &posted, &content)
	r.ReportID, r.Content = id.String(), json.RawMessage(content)
	r.CreatedAt, r.UpdatedAt, r.PostedAt = domain.TimeOf(created), domain.TimeOf(updated), domain.TimeOf(posted)
	return r, err
}
