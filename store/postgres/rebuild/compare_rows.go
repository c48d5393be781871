package rebuild

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// Rows of users who left have no index but their key, so they are looked up by the users
// of the fold. A row of a user who left and who is not in the log is not found. It has no
// effect, because no row and a left member mean the same.
const foldedMembersSQL = `
SELECT m.user_id, m.role, m.joined_seq, coalesce(m.left_seq, 0), m.read_seq, m.read_message_no, m.posted_seq
FROM unnest($2::text[]) AS u (user_id) JOIN members m ON m.user_id = u.user_id AND m.conversation_id = $1
UNION
SELECT user_id, role, joined_seq, 0, read_seq, read_message_no, posted_seq FROM members WHERE conversation_id = $1 AND left_seq IS NULL
ORDER BY 1`

func (c *comparison) compareMembers(rows pgx.Rows) error {
	users := c.fold.Users()
	var user domain.UserID
	var stored domain.FoldedMember
	var messageNo int64
	seen := make(map[domain.UserID]struct{}, len(users))
	_, err := pgx.ForEachRow(rows, []any{&user, &stored.Role, &stored.Joined, &stored.Left, &stored.Read, &messageNo, &stored.Posted}, func() error {
		seen[user] = struct{}{}
		c.compareMember(user, stored, messageNo)
		return nil
	})
	if err != nil {
		return err
	}
	for _, user := range users {
		if _, ok := seen[user]; !ok {
			c.differ("members", string(user), "", missing, present)
			c.members = append(c.members, user)
		}
	}
	c.numbers = c.numbers || len(c.members) > 0
	return nil
}

func (c *comparison) compareMember(user domain.UserID, stored domain.FoldedMember, messageNo int64) {
	want, known := c.fold.Members[user]
	before, key := len(c.differences), string(user)
	if !known {
		c.differ("members", key, "", present, missing)
		c.members = append(c.members, user)
		return
	}
	if stored.Role != want.Role {
		c.differ("members", key, "role", stored.Role, want.Role)
	}
	if stored.Joined != want.Joined {
		c.differ("members", key, "joined_seq", stored.Joined, want.Joined)
	}
	if stored.Left != want.Left {
		c.differ("members", key, "left_seq", stored.Left, want.Left)
	}
	// A read position is no projection, but its bounds are.
	if least := minRead(want); stored.Read < least || stored.Read > c.fold.Head {
		c.differ("members", key, "read_seq", stored.Read, "from "+strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(c.fold.Head, 10))
	}
	if stored.Posted != want.Posted && stored.Posted != 0 { // 0: the member has posted nothing since there is the column
		c.differ("members", key, "posted_seq", stored.Posted, want.Posted)
	}
	if len(c.differences) > before {
		c.members = append(c.members, user)
	}
	if no := c.fold.MessageNo(stored.Read); messageNo != no {
		c.differ("members", key, "read_message_no", messageNo, no)
		c.numbers = true
	}
}

// minRead returns the lowest read position of a member; users who left have none.
func minRead(m domain.FoldedMember) int64 {
	if m.Left != 0 {
		return 0
	}
	return m.Read
}

const foldedStatesSQL = `
SELECT seq, touched, coalesce(edited_seq, 0), coalesce(recalled_seq, 0) FROM message_states WHERE conversation_id = $1 ORDER BY seq`

func (c *comparison) compareStates(rows pgx.Rows) error {
	var seq, touched int64
	var stored domain.FoldedRevisions
	const table = "message_states"
	seen := map[int64]struct{}{}
	_, err := pgx.ForEachRow(rows, []any{&seq, &touched, &stored.Edited, &stored.Recalled}, func() error {
		seen[seq] = struct{}{}
		want, known := c.fold.Revisions[seq]
		before, key := len(c.differences), "message "+strconv.FormatInt(seq, 10)
		switch {
		case !known:
			c.differ(table, key, "", present, missing)
		case stored.Edited != want.Edited:
			c.differ(table, key, "edited_seq", stored.Edited, want.Edited)
		}
		if known && stored.Recalled != want.Recalled {
			c.differ(table, key, "recalled_seq", stored.Recalled, want.Recalled)
		}
		if known && touched != want.Revision() {
			c.differ(table, key, "touched", touched, want.Revision())
		}
		if len(c.differences) > before {
			c.states = append(c.states, seq)
		}
		return nil
	})
	for _, seq := range slices.Sorted(maps.Keys(c.fold.Revisions)) {
		if _, ok := seen[seq]; !ok && err == nil {
			c.differ(table, "message "+strconv.FormatInt(seq, 10), "", missing, present)
			c.states = append(c.states, seq)
		}
	}
	return err
}

const foldedMentionsSQL = `SELECT seq, user_id, sender FROM mentions WHERE conversation_id = $1 ORDER BY seq, user_id`

func (c *comparison) compareMentions(rows pgx.Rows) error {
	var seq int64
	var user, sender domain.UserID
	key := func(seq int64, user domain.UserID) string {
		return "message " + strconv.FormatInt(seq, 10) + ", user " + string(user)
	}
	right := map[int64]int{} // correct rows by message
	wrong := map[int64]struct{}{}
	_, err := pgx.ForEachRow(rows, []any{&seq, &user, &sender}, func() error {
		want := c.fold.Mentions[seq]
		switch _, known := slices.BinarySearch(want.Users, user); {
		case !known:
			c.differ("mentions", key(seq, user), "", present, missing)
		case sender != want.Sender:
			c.differ("mentions", key(seq, user), "sender", sender, want.Sender)
		default:
			right[seq]++
			return nil
		}
		wrong[seq] = struct{}{}
		return nil
	})
	if err != nil {
		return err
	}
	for _, seq := range slices.Sorted(maps.Keys(c.fold.Mentions)) {
		want := c.fold.Mentions[seq]
		if _, reported := wrong[seq]; right[seq] == len(want.Users) || reported {
			continue
		}
		wrong[seq] = struct{}{}
		c.differ("mentions", "message "+strconv.FormatInt(seq, 10), "", strconv.Itoa(right[seq])+" users", strconv.Itoa(len(want.Users))+" users")
	}
	for seq := range wrong {
		c.mentions = append(c.mentions, seq)
	}
	return nil
}

const foldedReactionsSQL = `
SELECT target_seq, emoji, user_id, seq, at FROM reactions WHERE conversation_id = $1
ORDER BY target_seq, emoji, user_id`

// compareReactions compares the reactions. A Difference names a reaction by its message
// and its user only: an emoji may be any text.
func (c *comparison) compareReactions(rows pgx.Rows) error {
	var key domain.FoldedReactor
	var stored domain.FoldedMark
	var at time.Time
	seen := make(map[domain.FoldedReactor]struct{}, len(c.fold.Reactions))
	_, err := pgx.ForEachRow(rows, []any{&key.Target, &key.Emoji, &key.User, &stored.Seq, &at}, func() error {
		stored.At, stored.User = domain.TimeOf(at), key.User
		seen[key] = struct{}{}
		want, known := c.fold.Reactions[key]
		if c.compareMark("reactions", markKey(key.Target, key.User), stored, want, known) {
			c.reactions = append(c.reactions, key)
		}
		return nil
	})
	for _, key := range slices.SortedFunc(maps.Keys(c.fold.Reactions), compareReactors) {
		if _, ok := seen[key]; !ok && err == nil {
			c.differ("reactions", markKey(key.Target, key.User), "", missing, present)
			c.reactions = append(c.reactions, key)
		}
	}
	return err
}

func markKey(target int64, user domain.UserID) string {
	return "message " + strconv.FormatInt(target, 10) + ", user " + string(user)
}

const foldedPinsSQL = `SELECT target_seq, user_id, seq, at FROM pins WHERE conversation_id = $1 ORDER BY target_seq`

func (c *comparison) comparePins(rows pgx.Rows) error {
	var target int64
	var stored domain.FoldedMark
	var at time.Time
	seen := map[int64]struct{}{}
	_, err := pgx.ForEachRow(rows, []any{&target, &stored.User, &stored.Seq, &at}, func() error {
		stored.At = domain.TimeOf(at)
		seen[target] = struct{}{}
		want, known := c.fold.Pins[target]
		if c.compareMark("pins", "message "+strconv.FormatInt(target, 10), stored, want, known) {
			c.pins = append(c.pins, target)
		}
		return nil
	})
	for _, target := range slices.Sorted(maps.Keys(c.fold.Pins)) {
		if _, ok := seen[target]; !ok && err == nil {
			c.differ("pins", "message "+strconv.FormatInt(target, 10), "", missing, present)
			c.pins = append(c.pins, target)
		}
	}
	return err
}

// compareMark compares a reaction or pin, and reports whether it must be written.
func (c *comparison) compareMark(table, key string, stored, want domain.FoldedMark, known bool) bool {
	if !known {
		c.differ(table, key, "", present, missing)
		return true
	}
	if stored.Seq != want.Seq {
		c.differ(table, key, "seq", stored.Seq, want.Seq)
	}
	if !stored.At.Equal(want.At.Time) {
		c.differ(table, key, "at", stored.At, want.At)
	}
	if stored.User != want.User {
		c.differ(table, key, "user_id", stored.User, want.User)
	}
	return stored.Seq != want.Seq || stored.User != want.User || !stored.At.Equal(want.At.Time)
}
