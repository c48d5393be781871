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

// view is a row of im_views_1 and what is read beside it.
type view struct {
	domain.ConversationView
	user        domain.UserID
	lastAt      time.Time
	lastMessage int64
	member      bool
}

func (v *view) key() pg.ActivityKey { return pg.ActivityKey{At: v.lastAt, ID: v.ConversationID} }

func scanView(row pgx.CollectableRow) (*view, error) {
	v := &view{ConversationView: domain.ConversationView{Events: []domain.Event{}}}
	var user, kind, notify string
	var direct, role, metadata *string
	var createdAt time.Time
	var settings []byte
	err := row.Scan(&user, &v.ConversationID, &kind, &v.Title, &v.AvatarURL, &settings, &metadata,
		&createdAt, &v.lastAt, &direct, &v.MemberCount, &v.HeadSeq, &v.lastMessage,
		&role, &v.JoinedSeq, &v.FloorSeq, &v.AckedSeq, &v.ReadSeq, &v.UnreadCount, &v.MentionCount,
		&notify, &v.Preferences.Pinned, &v.Preferences.Archived)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(settings, &v.Settings); err != nil {
		return nil, err
	}
	v.user, v.Kind, v.Preferences.Notify = domain.UserID(user), domain.Kind(kind), notify
	v.CreatedAt, v.Metadata = domain.TimeOf(createdAt), pg.RawJSON(metadata)
	v.Role = domain.RoleOwner // what a backend may act as
	if role != nil {
		v.member, v.Role = true, domain.Role(*role)
		v.Peer = peer(direct, v.user)
	}
	return v, nil
}

// peer is the other one of the two users of a direct key.
func peer(direct *string, user domain.UserID) domain.UserID {
	if direct == nil {
		return ""
	}
	a, b, _ := strings.Cut(*direct, "\n")
	if a == string(user) {
		return domain.UserID(b)
	}
	return domain.UserID(a)
}

// firstSeq is the lowest seq of a conversation.
const firstSeq = 1

const timelinesSQL = `
SELECT n, conversation_id, seq, type, sender, client_msg_id, at, body
FROM (
	SELECT *, octet_length(body) + octet_length(sender) + octet_length(client_msg_id) + 192 AS size,
		sum(octet_length(body) + octet_length(sender) + octet_length(client_msg_id) + 192)
			OVER (ORDER BY n, seq = last_message DESC, seq DESC ROWS UNBOUNDED PRECEDING) AS total
	FROM (
		SELECT r.n::int, r.last_message, e.conversation_id, e.seq, e.type, e.sender,
			coalesce(e.client_msg_id, '') AS client_msg_id, e.at, e.body::text AS body
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

// fillTimelines adds to each view its newest events and its last message, in
// the transaction of tx, and returns how many views were filled before
// domain.PageBytes was reached: at least one, its events perhaps fewer.
func fillTimelines(ctx context.Context, tx pgx.Tx, views []*view, timeline int) (int, error) {
	var ids [][16]byte
	var froms, lasts []int64
	for _, v := range views {
		ids = append(ids, v.ConversationID)
		froms = append(froms, max(v.HeadSeq-int64(timeline)+1, v.FloorSeq))
		if v.lastMessage < v.FloorSeq {
			v.lastMessage = 0 // there is none for this user
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
	whole := make([]bool, len(views))
	for i, v := range views {
		if whole[i], err = v.fill(found[i], froms[i]); err != nil {
			return 0, err
		}
	}
	if err := presentLast(ctx, tx, views, whole); err != nil {
		return 0, err
	}
	size := 0
	for i, v := range views {
		if size += v.Size(); i > 0 && (!whole[i] || size > domain.PageBytes) {
			return i, nil
		}
	}
	return len(views), nil
}

// fill sets last message, events and limited from what was found, ascending, and
// tells whether all was there.
func (v *view) fill(found []domain.Event, from int64) (whole bool, err error) {
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
	first := len(found) // of the unbroken end
	for first > 0 && found[first-1].Seq == v.HeadSeq-int64(len(found)-first) && found[first-1].Seq >= from {
		first--
	}
	v.Events = append(v.Events, found[first:]...)
	domain.HideBelow(v.FloorSeq, v.Events)
	v.limit()
	return missing <= 0, nil
}

// limit tells whether there are unacknowledged events older than those shown.
func (v *view) limit() {
	held := v.HeadSeq + 1
	if len(v.Events) > 0 {
		held = v.Events[0].Seq
	}
	v.Limited = held > max(v.AckedSeq+1, v.FloorSeq)
}
