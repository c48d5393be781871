package rebuild

import (
	"bytes"
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// The first rows are the uses, the others the attachments of the conversation with their
// state. Only a use of one of those is a projection of the log: messages of versions before
// there were attachments may name anything.
const foldedAttachmentsSQL = `
SELECT '' AS state, seq, attachment_id FROM attachment_uses WHERE conversation_id = $1
UNION ALL
SELECT state, 0, attachment_id FROM attachments WHERE conversation_id = $1
ORDER BY 1, 2, 3`

// attachmentUse is a message that names an attachment.
type attachmentUse struct {
	seq int64
	id  domain.AttachmentID
}

func (u attachmentUse) String() string {
	return "message " + strconv.FormatInt(u.seq, 10) + ", attachment " + u.id.String()
}

func (c *comparison) compareAttachments(rows pgx.Rows) error {
	stored := map[attachmentUse]struct{}{}
	states := map[domain.AttachmentID]domain.AttachmentState{}
	var use attachmentUse
	var state domain.AttachmentState
	_, err := pgx.ForEachRow(rows, []any{&state, &use.seq, &use.id}, func() error {
		if state == "" {
			stored[use] = struct{}{}
		} else {
			states[use.id] = state
		}
		return nil
	})
	if err != nil {
		return err
	}
	const table = "attachment_uses"
	named := map[domain.AttachmentID]bool{}
	wrong := map[int64]struct{}{}
	for _, seq := range slices.Sorted(maps.Keys(c.fold.Attachments)) {
		for _, id := range c.fold.Attachments[seq] {
			use := attachmentUse{seq, id}
			named[id] = true
			if _, known := stored[use]; !known && states[id] != "" {
				c.differ(table, use.String(), "", missing, present)
				wrong[seq] = struct{}{}
			}
			delete(stored, use)
		}
	}
	for use := range stored {
		c.differ(table, use.String(), "", present, missing)
		wrong[use.seq] = struct{}{}
	}
	c.uses = slices.Collect(maps.Keys(wrong))
	for _, id := range slices.SortedFunc(maps.Keys(states), compareIDs) {
		want := domain.AttachmentGone
		if named[id] {
			want = domain.AttachmentAttached
		}
		if states[id] != want {
			c.differ("attachments", id.String(), "state", states[id], want)
			c.attachments = append(c.attachments, id)
		}
	}
	return nil
}

func compareIDs(a, b domain.AttachmentID) int { return bytes.Compare(a[:], b[:]) }

const (
	dropUsesSQL = `DELETE FROM attachment_uses WHERE conversation_id = $1 AND seq = ANY ($2)`

	writeUsesSQL = `
INSERT INTO attachment_uses (conversation_id, seq, attachment_id)
SELECT $1, u.seq, u.attachment_id FROM unnest($2::bigint[], $3::uuid[]) AS u (seq, attachment_id)
JOIN attachments a ON a.attachment_id = u.attachment_id AND a.conversation_id = $1`

	// The sweep deletes the files of those that no message names.
	writeAttachmentsSQL = `
UPDATE attachments a SET
	state = CASE WHEN EXISTS (SELECT FROM attachment_uses u WHERE u.attachment_id = a.attachment_id) THEN 'attached' ELSE 'gone' END,
	due_at = CASE WHEN EXISTS (SELECT FROM attachment_uses u WHERE u.attachment_id = a.attachment_id) THEN 'infinity' ELSE clock_timestamp() END
WHERE a.conversation_id = $1 AND a.attachment_id = ANY ($2)`
)

func (c *comparison) queueUses(b *pgx.Batch, messages []int64) {
	var seqs []int64
	var ids [][16]byte
	for _, seq := range messages {
		for _, id := range c.fold.Attachments[seq] {
			seqs, ids = append(seqs, seq), append(ids, id)
		}
	}
	b.Queue(dropUsesSQL, c.id, messages)
	b.Queue(writeUsesSQL, c.id, seqs, ids)
}

func (c *comparison) queueAttachments(b *pgx.Batch, ids []domain.AttachmentID) {
	list := make([][16]byte, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	b.Queue(writeAttachmentsSQL, c.id, list)
}
