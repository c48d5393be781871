package read

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// view is a row of im_views_2, completed by other statements.
type view struct {
	domain.ConversationView
	user        domain.UserID
	lastMessage int64 // seq of the last message; 0: none
	member      bool
}

func (v *view) key() pg.ActivityKey { return pg.ActivityKey{At: v.ActiveAt.Time, ID: v.ConversationID} }

func scanView(row pgx.CollectableRow) (*view, error) {
	v := &view{ConversationView: domain.ConversationView{Events: []domain.Event{}}}
	var user, kind, notify string
	var direct, role, metadata *string
	var createdAt, activeAt time.Time
	var settings []byte
	err := row.Scan(&user, &v.ConversationID, &kind, &v.Title, &v.AvatarURL, &settings, &metadata,
		&createdAt, &activeAt, &direct, &v.MemberCount, &v.HeadSeq, &v.lastMessage,
		&role, &v.JoinedSeq, &v.FloorSeq, &v.AckedSeq, &v.ReadSeq, &v.UnreadCount, &v.MentionCount,
		&notify, &v.Preferences.Pinned, &v.Preferences.Archived)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(settings, &v.Settings); err != nil {
		return nil, err
	}
	v.user, v.Kind, v.Preferences.Notify = domain.UserID(user), domain.Kind(kind), notify
	v.CreatedAt, v.ActiveAt, v.Metadata = domain.TimeOf(createdAt), domain.TimeOf(activeAt), pg.RawJSON(metadata)
	v.Role = domain.RoleOwner // a backend has the rights of an owner
	if role != nil {
		v.member, v.Role = true, domain.Role(*role)
		v.Peer = otherUser(direct, v.user)
	}
	return v, nil
}

// otherUser returns the other one of the two users of a direct key.
func otherUser(direct *string, user domain.UserID) domain.UserID {
	if direct == nil {
		return ""
	}
	a, b, _ := strings.Cut(*direct, "\n")
	if a == string(user) {
		return domain.UserID(b)
	}
	return domain.UserID(a)
}

const timelinesSQL = `
SELECT n, conversation_id, seq, type, sender, client_msg_id, at, body
FROM (
	SELECT *, sum(size) OVER (ORDER BY n, seq = last_message DESC, seq DESC ROWS UNBOUNDED PRECEDING) AS total
	FROM (
		SELECT r.n::int, r.last_message, e.conversation_id, e.seq, ` + eventColumns + `
		FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS r (id, from_seq, last_message, n)
		CROSS JOIN LATERAL (
			SELECT * FROM events WHERE conversation_id = r.id AND seq >= r.from_seq
			UNION ALL
			SELECT * FROM events WHERE conversation_id = r.id AND seq = r.last_message AND seq < r.from_seq
		) e
	) t
) sized
WHERE total <= $4 OR total = size
ORDER BY n, seq`

// fillTimelines adds the newest events and the last message to each view. It returns the
// number of views that fit into domain.PageBytes: at least one, whose events may be fewer
// than asked for.
func fillTimelines(ctx context.Context, tx pgx.Tx, views []*view, timeline int) (int, error) {
	var ids [][16]byte
	var froms, lasts []int64
	for _, v := range views {
		ids = append(ids, v.ConversationID)
		froms = append(froms, max(v.HeadSeq-int64(timeline)+1, v.FloorSeq))
		if v.lastMessage < v.FloorSeq {
			v.lastMessage = 0 // the user may not read it
		}
		lasts = append(lasts, v.lastMessage)
	}
	rows, err := tx.Query(ctx, timelinesSQL, ids, froms, lasts, domain.PageBytes)
	if err != nil {
		return 0, err
	}
	found := make([][]domain.Event, len(views))
	var n int
	var e domain.Event
	var kind, sender, body string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&n, &e.ConversationID, &e.Seq, &kind, &sender, &e.ClientMsgID, &at, &body}, func() error {
		e.Type, e.Sender, e.At, e.Body = domain.EventType(kind), domain.UserID(sender), domain.TimeOf(at), json.RawMessage(body)
		found[n-1] = append(found[n-1], e)
		return nil
	})
	if err != nil {
		return 0, err
	}
	complete := make([]bool, len(views))
	for i, v := range views {
		if complete[i], err = v.fill(found[i], froms[i]); err != nil {
			return 0, err
		}
	}
	if err := completeLast(ctx, tx, views, complete); err != nil {
		return 0, err
	}
	size := 0
	for i, v := range views {
		if size += v.Size(); i > 0 && (!complete[i] || size > domain.PageBytes) {
			return i, nil
		}
	}
	return len(views), nil
}

// fill sets the last message, the events and Limited. found has the events from the seq
// from on and the last message, ascending; the oldest may be missing. fill reports whether
// none is missing.
func (v *view) fill(found []domain.Event, from int64) (complete bool, err error) {
	missing := v.HeadSeq - from + 1
	if v.lastMessage > 0 && v.lastMessage < from {
		missing++
	}
	missing -= int64(len(found))
	for i := range found {
		if found[i].Seq == v.lastMessage {
			m, err := domain.MessageOf(&found[i])
			if err != nil {
				return false, err
			}
			v.LastMessage = &m
		}
	}
	first := len(found) // index of the first event of the end of found that has no gap
	for first > 0 && found[first-1].Seq == v.HeadSeq-int64(len(found)-first) && found[first-1].Seq >= from {
		first--
	}
	v.Events = append(v.Events, found[first:]...)
	domain.RedactBelow(v.FloorSeq, v.Events)
	v.limit()
	return missing <= 0, nil
}

// limit sets Limited: whether there are unacknowledged events older than those in Events.
func (v *view) limit() {
	held := v.HeadSeq + 1
	if len(v.Events) > 0 {
		held = v.Events[0].Seq
	}
	v.Limited = held > max(v.AckedSeq+1, v.FloorSeq)
}
