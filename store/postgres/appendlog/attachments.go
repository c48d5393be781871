package appendlog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const attachmentColumns = `attachment_id, owner, state, conversation_id, size, mime`

const attachmentsSQL = `SELECT ` + attachmentColumns + ` FROM attachments WHERE attachment_id = ANY ($1)`

// loadAttachments reads the attachments that the messages of the picked commands name. It
// does so for each batch: whether they are still the same is checked by the append.
func (c *committer) loadAttachments(ctx context.Context, groups map[domain.ConversationID]*group, picked []*request) error {
	var ids [][16]byte
	for _, r := range picked {
		if cmd, ok := r.cmd.(domain.AttachmentCommand); ok {
			if id := cmd.Attachment(); !id.IsZero() {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := c.conn.Query(ctx, attachmentsSQL, ids)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, scanAttachment)
	if err != nil {
		return err
	}
	found := make(map[domain.AttachmentID]domain.Attachment, len(list))
	for _, a := range list {
		found[a.ID] = a
	}
	for _, g := range groups {
		g.attachments = g.attachments[:0]
	}
	for _, r := range picked {
		if cmd, ok := r.cmd.(domain.AttachmentCommand); ok {
			if a, known := found[cmd.Attachment()]; known {
				groups[r.target].attachments = append(groups[r.target].attachments, a)
			}
		}
	}
	return nil
}

// scanAttachment reads what decisions need of an attachment.
func scanAttachment(row pgx.CollectableRow) (a domain.Attachment, err error) {
	var conversation *domain.ConversationID
	err = row.Scan(&a.ID, &a.Owner, &a.State, &conversation, &a.Size, &a.MIME)
	if conversation != nil {
		a.ConversationID = *conversation
	}
	return a, err
}

const attachmentSQL = `SELECT ` + attachmentColumns + ` FROM attachments WHERE attachment_id = $1`

// FindAttachment implements domain.Log.
func (l *Log) FindAttachment(ctx context.Context, id domain.AttachmentID) (domain.Attachment, error) {
	list, err := pg.ReadAll(ctx, l.db, scanAttachment, attachmentSQL, id)
	if err == nil && len(list) == 0 {
		err = domain.ErrNotFound
	}
	if err != nil {
		return domain.Attachment{}, err
	}
	return list[0], nil
}
