package read

import "im/store/postgres/internal/pg"

// Queries answers reads of conversations. It is safe for concurrent use.
type Queries struct {
	db     *pg.DB
	unread *unreadRecords
}

// New returns the queries on db.
func New(db *pg.DB) *Queries { return &Queries{db: db, unread: newUnreadRecords()} }

// readable selects the conversation $1 with the lowest seq that the reader may read: a
// backend if $2, else the user $3. It selects no row if the reader may not read the
// conversation.
const readable = `
		SELECT c.id, c.head_seq, CASE WHEN $2 THEN 1 ELSE im_floor_1(c.settings, m.joined_seq) END AS floor_seq
		FROM conversations c
		LEFT JOIN members m ON m.user_id = $3 AND m.conversation_id = c.id AND m.left_seq IS NULL
		WHERE c.id = $1 AND ($2 OR m.user_id IS NOT NULL)`

// firstSeq is the lowest seq of a conversation.
const firstSeq = 1
