package domain

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// folded returns the fold of events given as type, sender and body, with seqs from 1.
func folded(t *testing.T, events ...[3]string) *Fold {
	t.Helper()
	f := &Fold{}
	for i, e := range events {
		require.NoError(t, f.Apply(&Event{
			ConversationID: groupID, Seq: int64(i + 1), Type: EventType(e[0]), Sender: UserID(e[1]), Body: json.RawMessage(e[2]),
			At: TimeOf(testTime.Add(time.Duration(i) * time.Second)),
		}))
	}
	return f
}

var created = [3]string{"conversation.created", "alice", `{"kind":"group","title":"one","settings":{"posting":"everyone"},"metadata":null,
	"members":[{"user_id":"alice","role":"owner"},{"user_id":"bob","role":"member"}]}`}

func TestFold(t *testing.T) {
	f := folded(t, created,
		[3]string{"message.posted", "alice", `{"content":{},"mentions":["bob","*","bob"]}`},                // 2
		[3]string{"message.posted", "bob", `{"content":{},"mentions":["alice"]}`},                          // 3
		[3]string{"message.posted", "bob", `{"content":{"text":"\"mentions\""}}`},                          // 4
		[3]string{"message.edited", "alice", `{"target_seq":2,"content":{},"mentions":["bob"]}`},           // 5
		[3]string{"message.recalled", "bob", `{"target_seq":3}`},                                           // 6
		[3]string{"reaction.added", "bob", `{"target_seq":2,"emoji":"x"}`},                                 // 7
		[3]string{"reaction.added", "alice", `{"target_seq":2,"emoji":"x"}`},                               // 8
		[3]string{"reaction.removed", "bob", `{"target_seq":2,"emoji":"x"}`},                               // 9
		[3]string{"message.pinned", "alice", `{"target_seq":2}`},                                           // 10
		[3]string{"message.pinned", "alice", `{"target_seq":4}`},                                           // 11
		[3]string{"message.unpinned", "alice", `{"target_seq":4}`},                                         // 12
		[3]string{"member.removed", "alice", `{"user_id":"bob","role":"member"}`},                          // 13
		[3]string{"message.posted", "bob", `{"content":{}}`},                                               // 14: by a backend
		[3]string{"member.added", "alice", `{"user_id":"carol","role":"admin"}`},                           // 15
		[3]string{"conversation.updated", "alice", `{"title":null,"metadata":{"a":1}}`},                    // 16
		[3]string{"message.posted", "carol", `{"content":{}}`},                                             // 17
		[3]string{"something.new", "carol", `[]`},                                                          // 18
		[3]string{"member.added", "alice", `{"user_id":"bob","role":"member"}`},                            // 19
		[3]string{"member.role_changed", "alice", `{"user_id":"carol","role":"member"}`},                   // 20
		[3]string{"conversation.updated", "alice", `{"avatar_url":"u","settings":{"posting":"admins"}}`},   // 21
		[3]string{"member.removed", "carol", `{"user_id":"carol","role":"member"}`},                        // 22
		[3]string{"message.edited", "alice", `{"target_seq":2,"content":{}}`},                              // 23
		[3]string{"message.edited", "bob", `{"target_seq":4,"content":{},"mentions":["bob","alice","*"]}`}, // 24
	)
	require.Equal(t, []int64{24, 22, 17, 5, 2}, []int64{f.Head, f.Version, f.LastMessage, f.MessageCount(), int64(f.MemberCount())})
	require.Equal(t, map[UserID]FoldedMember{
		"alice": {Role: RoleOwner, Joined: 1, Read: 2, Posted: 2},
		"bob":   {Role: RoleMember, Joined: 19, Read: 19, Posted: 4},
		"carol": {Role: RoleMember, Joined: 15, Left: 22, Read: 17, Posted: 17},
	}, f.Members)
	require.Equal(t, map[int64]FoldedRevisions{2: {Edited: 23}, 3: {Recalled: 6}, 4: {Edited: 24}}, f.Revisions)
	require.Equal(t, map[int64]FoldedMentions{4: {"bob", []UserID{"*", "alice", "bob"}}}, f.Mentions)
	require.Equal(t, map[FoldedReactor]FoldedMark{{2, "x", "alice"}: {8, TimeOf(testTime.Add(7 * time.Second)), "alice"}}, f.Reactions)
	require.Equal(t, map[int64]FoldedMark{2: {10, TimeOf(testTime.Add(9 * time.Second)), "alice"}}, f.Pins)
	require.Nil(t, f.Title)
	require.Equal(t, "u", *f.AvatarURL)
	require.Equal(t, PostingAdmins, f.Settings.Posting)
	require.JSONEq(t, `{"a":1}`, string(f.Metadata))
	require.Equal(t, TimeOf(testTime.Add(23*time.Second)), f.LastAt)
	require.Empty(t, f.DirectKey)
	for seq, want := range map[int64]int64{0: 0, 1: 0, 2: 1, 3: 2, 4: 3, 13: 3, 14: 4, 24: 5, 1000: 5} {
		require.Equal(t, want, f.MessageNo(seq), seq)
	}
}

func TestFoldOfFormerMember(t *testing.T) {
	f := folded(t, created, [3]string{"message.posted", "bob", `{"content":{}}`},
		[3]string{"member.removed", "bob", `{"user_id":"bob","role":"member"}`}, [3]string{"message.posted", "bob", `{"content":{}}`})
	require.Equal(t, FoldedMember{Role: RoleMember, Joined: 1, Left: 3, Read: 2, Posted: 2}, f.Members["bob"])
}

func TestFoldOfSanctions(t *testing.T) {
	f := folded(t, created,
		[3]string{"member.banned", "alice", `{"user_id":"eve","reason":"spam"}`},                     // 2
		[3]string{"member.muted", "alice", `{"user_id":"bob","until":"2026-02-03T04:05:06Z"}`},       // 3
		[3]string{"member.banned", "alice", `{"user_id":"mallory"}`},                                 // 4
		[3]string{"member.unbanned", "alice", `{"user_id":"mallory"}`},                               // 5
		[3]string{"member.muted", "alice", `{"user_id":"eve"}`},                                      // 6
		[3]string{"member.banned", "bob", `{"user_id":"eve","until":"2026-02-03T04:05:06.000001Z"}`}, // 7
		[3]string{"member.unmuted", "alice", `{"user_id":"nobody"}`},                                 // 8
		[3]string{"member.unmuted", "alice", `{"user_id":"eve"}`},                                    // 9
	)
	until := TimeOf(time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC))
	at := func(seq int64, by UserID) FoldedMark {
		return FoldedMark{seq, TimeOf(testTime.Add(time.Duration(seq-1) * time.Second)), by}
	}
	require.Equal(t, map[UserID]FoldedSanction{"eve": {FoldedMark: at(7, "bob"), Until: TimeOf(until.Add(time.Microsecond))}}, f.Bans)
	require.Equal(t, map[UserID]FoldedSanction{"bob": {FoldedMark: at(3, "alice"), Until: until}}, f.Mutes)
	require.EqualValues(t, 9, f.Version)
}

func TestFoldOfDirect(t *testing.T) {
	f := folded(t, [3]string{"conversation.created", "b", `{"kind":"direct","members":[{"user_id":"b","role":"member"},{"user_id":"a","role":"member"}]}`})
	require.Equal(t, DirectKey("a", "b"), f.DirectKey)
	require.EqualValues(t, "b", f.Creator)
}

func TestFoldRefuses(t *testing.T) {
	f := folded(t, created)
	before := *f
	for _, e := range []Event{
		{Seq: 3, Type: MessagePosted, Body: json.RawMessage(`{}`)},
		{Seq: 1, Type: ConversationCreated, Body: json.RawMessage(created[2])},
		{Seq: 2, Type: ConversationCreated, Body: json.RawMessage(created[2])},
	} {
		require.ErrorIs(t, f.Apply(&e), ErrLogHole)
	}
	for _, e := range []EventType{
		ConversationUpdated, MemberAdded, MemberRemoved, MemberRoleChanged, MessageEdited, MessageRecalled,
		ReactionAdded, ReactionRemoved, MessagePinned, MessageUnpinned, MemberBanned, MemberUnbanned, MemberMuted, MemberUnmuted,
	} {
		err := f.Apply(&Event{Seq: 2, Type: e, Body: json.RawMessage(`["secret"]`)})
		require.Error(t, err, e)
		require.NotErrorIs(t, err, ErrLogHole)
		require.NotContains(t, err.Error(), "secret")
	}
	require.Error(t, f.Apply(&Event{Seq: 2, Type: MessagePosted, Body: json.RawMessage(`{"mentions":"secret"}`)}))
	require.Equal(t, before, *f)
	require.ErrorIs(t, (&Fold{}).Apply(&Event{Seq: 1, Type: MessagePosted}), ErrLogHole)
}

func TestMessageCounterOfLongLogs(t *testing.T) {
	var n messageCounter
	var want int64
	counts := []int64{0}
	for seq := int64(1); seq <= 1000; seq++ {
		message := seq%3 != 0 && seq%64 != 5
		if message {
			want++
		}
		n.add(seq, message)
		counts = append(counts, want)
	}
	for seq, want := range counts {
		require.Equal(t, want, n.upTo(int64(seq)), seq)
	}
}

// Events of earlier versions hold emojis with U+FE0F: each reaction counts once.
func TestFoldOfReactionsInSeveralForms(t *testing.T) {
	f := folded(t, created,
		[3]string{"message.posted", "alice", `{"content":{}}`},                            // 2
		[3]string{"reaction.added", "alice", `{"target_seq":2,"emoji":"❤\uFE0F"}`},        // 3
		[3]string{"reaction.added", "alice", `{"target_seq":2,"emoji":"❤"}`},              // 4
		[3]string{"reaction.added", "bob", `{"target_seq":2,"emoji":"❤"}`},                // 5
		[3]string{"reaction.added", "bob", `{"target_seq":2,"emoji":"👍\uFE0F"}`},          // 6
		[3]string{"reaction.removed", "bob", `{"target_seq":2,"emoji":"👍"}`},              // 7
		[3]string{"reaction.removed", "bob", `{"target_seq":2,"emoji":"❤\uFE0F"}`},        // 8
		[3]string{"reaction.added", "alice", `{"target_seq":2,"emoji":"1️\uFE0F\u20E3"}`}, // 9
	)
	at := func(seq int64) FoldedMark {
		return FoldedMark{seq, TimeOf(testTime.Add(time.Duration(seq-1) * time.Second)), "alice"}
	}
	require.Equal(t, map[FoldedReactor]FoldedMark{{2, "❤", "alice"}: at(4), {2, "1\u20E3", "alice"}: at(9)}, f.Reactions)
}
