package appendlog_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// A ban and a mute are in effect on every node at once, though other nodes have cached the
// state from before.
func TestSanctionsOnEveryNode(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	one, two := storetest.Start(t, url), storetest.Start(t, url)
	id := one.Group(t, "alice", "bob", "carol")
	one.SetSettings(t, id, domain.SettingsPatch{Joining: new(domain.JoiningOpen)})
	two.Post(t, "bob", id, "cached", "x")
	events, err := one.Chat.Ban(t.Context(), storetest.User("alice"), id, "bob", nil, "spam")
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, []domain.EventType{domain.MemberRemoved, domain.MemberBanned}, []domain.EventType{events[0].Type, events[1].Type})
	_, err = two.Chat.PutMember(t.Context(), storetest.User("bob"), id, "bob", domain.RoleMember)
	require.ErrorIs(t, err, domain.ErrForbidden)
	_, err = two.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{"bob"}, domain.RoleMember)
	require.ErrorIs(t, err, domain.ErrForbidden)
	fresh := storetest.Start(t, url) // reads the ban from the database
	_, err = fresh.Chat.PutMember(t.Context(), storetest.User("bob"), id, "bob", domain.RoleMember)
	require.ErrorIs(t, err, domain.ErrForbidden)
	storetest.Made(t, domain.MemberUnbanned)(two.Chat.Unban(t.Context(), storetest.User("alice"), id, "bob"))
	storetest.Made(t, domain.MemberAdded)(one.Chat.PutMember(t.Context(), storetest.User("bob"), id, "bob", domain.RoleMember))

	two.Post(t, "carol", id, "before", "x")
	storetest.Made(t, domain.MemberMuted)(one.Chat.Mute(t.Context(), storetest.User("alice"), id, "carol", nil))
	p := domain.Post{ConversationID: id, ClientMsgID: "after", Content: storetest.Text("x")}
	for _, n := range []*storetest.Node{two, fresh} {
		require.ErrorIs(t, storetest.Wait(t, n.Send(t.Context(), "carol", p)).Err, domain.ErrForbidden)
	}
	p.ClientMsgID = "before"
	again := storetest.Wait(t, two.Send(t.Context(), "carol", p))
	require.NoError(t, again.Err)
	require.True(t, again.Duplicate, "a repetition is answered before permission is asked")
}

// A mute ends by the clock of the database: the first message is not before the end.
func TestMuteEnds(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	refusals := 0
	for try := 0; refusals == 0; try++ { // on a busy machine the mute may be over before the first message
		until := storetest.EndingSoon(t, n.URL, func(soon domain.Time) error {
			_, err := n.Chat.Mute(t.Context(), storetest.User("alice"), id, "bob", &soon)
			return err
		})
		eventually.True(t, "bob may post", func() bool {
			a := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(try), Content: storetest.Text("x")}))
			if a.Err == nil {
				require.False(t, a.Event.At.Before(until.Time), "%v is before %v", a.Event.At, until)
				return true
			}
			refused, _ := errors.AsType[*domain.Error](a.Err)
			require.ErrorIs(t, a.Err, domain.ErrForbidden)
			require.Positive(t, refused.After)
			require.LessOrEqual(t, refused.After, storetest.Deadline)
			refusals++
			return false
		})
		require.Less(t, try, 20)
	}
}

// A member in slow mode posts once, though two nodes have found at the same time that the
// member may.
func TestSlowModeOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url, storetest.OneCommitter), storetest.Start(t, url, storetest.OneCommitter)}
	id := nodes[0].Group(t, "alice", "bob")
	nodes[0].SetSettings(t, id, domain.SettingsPatch{SlowModeS: new(int64(3600))})
	for i, n := range nodes {
		n.Post(t, "alice", id, fmt.Sprint("cached", i), "x")
	}
	conn := storetest.Connect(t, url)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM conversations WHERE id = $1 FOR UPDATE`, id)
	require.NoError(t, err)
	var answers []<-chan storetest.Answer
	for i, n := range nodes {
		answers = append(answers, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: storetest.Text("x")}))
	}
	watch := storetest.Connect(t, url)
	eventually.True(t, "both nodes have decided, and wait for the head", func() bool {
		var waiting int
		require.NoError(t, watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%im_append%'`).Scan(&waiting))
		return waiting == 2
	})
	require.NoError(t, tx.Rollback(t.Context()))
	var posted, limited int
	for _, answer := range answers {
		a := storetest.Wait(t, answer)
		if a.Err == nil {
			posted++
		} else {
			require.ErrorIs(t, a.Err, domain.ErrRateLimited)
			refused, _ := errors.AsType[*domain.Error](a.Err)
			require.InDelta(t, time.Hour, refused.After, float64(time.Minute))
			limited++
		}
	}
	require.Equal(t, []int{1, 1}, []int{posted, limited})
}

// Slow mode counts from the member's last message, also from one before it was switched
// on, in either way of appending, and over leaving and joining again.
func TestSlowModeCountsEarlierMessages(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol", "dave")
	send := func(who domain.UserID, key string, mentions ...domain.UserID) error {
		return storetest.Wait(t, n.Send(t.Context(), who, domain.Post{ConversationID: id, ClientMsgID: key, Content: storetest.Text("x"), Mentions: mentions})).Err
	}
	require.NoError(t, send("bob", "1"))
	require.NoError(t, send("carol", "1", "bob")) // with mentions: by im_append_1
	n.SetSettings(t, id, domain.SettingsPatch{SlowModeS: new(int64(3600))})
	require.ErrorIs(t, send("bob", "2"), domain.ErrRateLimited)
	require.ErrorIs(t, send("carol", "2"), domain.ErrRateLimited)
	require.NoError(t, send("dave", "1"))
	require.NoError(t, send("dave", "1"), "a repetition is no second message")
	require.ErrorIs(t, send("dave", "2"), domain.ErrRateLimited)
	for i := range 3 {
		require.NoError(t, send("alice", fmt.Sprint(i)))
	}
	storetest.Made(t, domain.MemberRemoved)(n.Chat.RemoveMember(t.Context(), storetest.User("bob"), id, "bob"))
	n.AddMember(t, id, "bob")
	require.ErrorIs(t, send("bob", "3"), domain.ErrRateLimited)
	n.SetSettings(t, id, domain.SettingsPatch{SlowModeS: new(int64(0))})
	require.NoError(t, send("bob", "4"))
}

// Messages of one member that are decided in one batch are apart, too.
func TestSlowModeInOneBatch(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t), storetest.OneCommitter)
	id := n.Group(t, "alice", "bob")
	n.SetSettings(t, id, domain.SettingsPatch{SlowModeS: new(int64(3600))})
	var answers []<-chan storetest.Answer
	for i := range 50 {
		answers = append(answers, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: storetest.Text("x")}))
	}
	posted := 0
	for _, answer := range answers {
		if storetest.Wait(t, answer).Err == nil {
			posted++
		}
	}
	require.Equal(t, 1, posted)
}

// The lists of bans and mutes are bounded. A ban that has ended makes room for another.
func TestSanctionLimit(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	limits := domain.DefaultLimits()
	limits.Bans, limits.Mutes = 2, 1
	chat := domain.NewChat(n.Store, limits)
	id := n.Group(t, "alice", "bob")
	alice := storetest.User("alice")
	storetest.EndingSoon(t, n.URL, func(soon domain.Time) error {
		_, err := chat.Ban(t.Context(), alice, id, "a", &soon, "")
		return err
	})
	storetest.Made(t, domain.MemberBanned)(chat.Ban(t.Context(), alice, id, "b", nil, ""))
	storetest.Made(t, domain.MemberMuted)(chat.Mute(t.Context(), alice, id, "a", nil))
	_, err := chat.Mute(t.Context(), alice, id, "b", nil)
	require.ErrorIs(t, err, domain.ErrLimitExceeded)
	eventually.True(t, "the ban that has ended makes room", func() bool {
		events, err := chat.Ban(t.Context(), alice, id, "c", nil, "")
		if err != nil {
			require.ErrorIs(t, err, domain.ErrLimitExceeded)
			return false
		}
		require.Len(t, events, 2)
		require.Equal(t, domain.MemberUnbanned, events[0].Type)
		return true
	})
	bans, err := n.Sanctions(t.Context(), alice, id, domain.Ban, "", 10)
	require.NoError(t, err)
	require.Len(t, bans.Items, 2)
	_, err = chat.Ban(t.Context(), alice, id, "d", nil, "")
	require.ErrorIs(t, err, domain.ErrLimitExceeded)
}
