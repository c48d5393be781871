package read_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func seqs(events []domain.Event) []int64 {
	list := []int64{}
	for _, e := range events {
		list = append(list, e.Seq)
	}
	return list
}

func messageSeqs(messages []domain.Message) []int64 {
	list := []int64{}
	for _, m := range messages {
		list = append(list, m.Seq)
	}
	return list
}

func TestEvents(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	for i := range 9 {
		n.Post(t, "alice", id, fmt.Sprint(i), "x")
	}
	at := func(seq int64) *int64 { return &seq }
	for name, c := range map[string]struct {
		r    domain.Range
		want []int64
		more bool
	}{
		"newest":          {domain.Range{Limit: 3}, []int64{8, 9, 10}, true},
		"all":             {domain.Range{Limit: 10}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, false},
		"after":           {domain.Range{AfterSeq: at(4), Limit: 3}, []int64{5, 6, 7}, true},
		"after, the last": {domain.Range{AfterSeq: at(7), Limit: 3}, []int64{8, 9, 10}, false},
		"after the head":  {domain.Range{AfterSeq: at(10), Limit: 3}, []int64{}, false},
		"far beyond":      {domain.Range{AfterSeq: at(1 << 60), Limit: 3}, []int64{}, false},
		"below the floor": {domain.Range{AfterSeq: at(-5), Limit: 2}, []int64{1, 2}, true},
		"before":          {domain.Range{BeforeSeq: at(4), Limit: 2}, []int64{2, 3}, true},
		"before, all":     {domain.Range{BeforeSeq: at(4), Limit: 5}, []int64{1, 2, 3}, false},
		"before beyond":   {domain.Range{BeforeSeq: at(1 << 60), Limit: 2}, []int64{9, 10}, true},
		"before first":    {domain.Range{BeforeSeq: at(1), Limit: 2}, []int64{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := n.Events(t.Context(), storetest.User("bob"), id, c.r)
			require.NoError(t, err)
			require.Equal(t, c.want, seqs(page.Events))
			require.Equal(t, c.more, page.HasMore)
			require.EqualValues(t, 10, page.HeadSeq)
			require.EqualValues(t, 1, page.FloorSeq)
			require.NotEmpty(t, page.Epoch)
			require.NotNil(t, page.Users)
			if len(c.want) > 0 {
				require.Equal(t, c.want[0], page.FromSeq)
				require.Equal(t, c.want[len(c.want)-1], page.ToSeq)
			} else {
				require.Zero(t, page.FromSeq+page.ToSeq)
			}
		})
	}
}

func TestPagesEndByBytes(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	big := strings.Repeat("y", 32_000)
	const count = 80
	for i := range count {
		n.Post(t, "alice", id, fmt.Sprint(i), big)
	}
	var collected []int64
	for after := int64(0); ; {
		page, err := n.Events(t.Context(), storetest.User("bob"), id, domain.Range{AfterSeq: &after, Limit: 1000})
		require.NoError(t, err)
		require.NotEmpty(t, page.Events)
		text, err := json.Marshal(page)
		require.NoError(t, err)
		require.Less(t, len(text), domain.PageBytes+4096)
		collected = append(collected, seqs(page.Events)...)
		after = page.ToSeq
		if !page.HasMore {
			break
		}
	}
	require.Len(t, collected, 1+count)
	newest, err := n.Events(t.Context(), storetest.User("bob"), id, domain.Range{Limit: 1000})
	require.NoError(t, err)
	require.EqualValues(t, 1+count, newest.ToSeq, "the events nearest to the position are returned")
	require.True(t, newest.HasMore)
	messages, err := n.Messages(t.Context(), storetest.User("bob"), id, domain.Range{Limit: 1000})
	require.NoError(t, err)
	require.True(t, messages.HasMoreBefore)
	require.False(t, messages.HasMoreAfter)
	require.Less(t, len(messages.Messages), 40)
	part, err := n.LogRange(t.Context(), id, 0, 1<<40)
	require.NoError(t, err)
	require.Less(t, len(part), 40)
}

func TestMessages(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	var events []domain.Event
	for i := range 8 { // messages are 2, 4, 6 … 16
		events = append(events, n.Post(t, "alice", id, fmt.Sprint(i), fmt.Sprint(i)))
		_, err := n.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{domain.UserID(fmt.Sprint("u", i))}, domain.RoleMember)
		require.NoError(t, err)
	}
	at := func(seq int64) *int64 { return &seq }
	for name, c := range map[string]struct {
		r             domain.Range
		want          []int64
		before, after bool
	}{
		"newest":         {domain.Range{Limit: 2}, []int64{14, 16}, true, false},
		"after":          {domain.Range{AfterSeq: at(4), Limit: 2}, []int64{6, 8}, true, true},
		"after nothing":  {domain.Range{AfterSeq: at(0), Limit: 9}, []int64{2, 4, 6, 8, 10, 12, 14, 16}, false, false},
		"after the last": {domain.Range{AfterSeq: at(16), Limit: 2}, []int64{}, true, false},
		"before":         {domain.Range{BeforeSeq: at(6), Limit: 1}, []int64{4}, true, true},
		"before all":     {domain.Range{BeforeSeq: at(2), Limit: 1}, []int64{}, false, true},
		"around":         {domain.Range{AroundSeq: at(8), Limit: 4}, []int64{6, 8, 10, 12}, true, true},
		"around, one":    {domain.Range{AroundSeq: at(8), Limit: 1}, []int64{8}, true, true},
		"around the end": {domain.Range{AroundSeq: at(99), Limit: 4}, []int64{14, 16}, true, false},
		"around a time":  {domain.Range{AroundAt: &events[3].At, Limit: 4}, []int64{6, 8, 10, 12}, true, true},
		"by seq":         {domain.Range{Seqs: []int64{10, 2, 3, 77}, Limit: 1}, []int64{2, 10}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := n.Messages(t.Context(), storetest.User("bob"), id, c.r)
			require.NoError(t, err)
			require.Equal(t, c.want, messageSeqs(page.Messages))
			require.Equal(t, []bool{c.before, c.after}, []bool{page.HasMoreBefore, page.HasMoreAfter})
			require.EqualValues(t, 17, page.HeadSeq)
		})
	}
	m, err := n.Message(t.Context(), storetest.User("bob"), id, 4)
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"text","text":"1"}`, string(m.Content))
	for _, seq := range []int64{1, 3, 99, -1} {
		_, err := n.Message(t.Context(), storetest.User("bob"), id, seq)
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
}

func TestConversationsAndMembersPages(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	want := []domain.ConversationID{}
	for i := range 5 {
		id := n.Group(t, "alice", "bob", "carol", "dave")
		n.Post(t, "alice", id, fmt.Sprint(i), "x")
		want = append([]domain.ConversationID{id}, want...)
	}
	require.NoError(t, n.Acknowledge(t.Context(), []domain.Ack{{User: "bob", Device: "phone", ConversationID: want[0], Seq: 2}}))
	var got []domain.ConversationID
	cursor := ""
	for {
		page, err := n.Conversations(t.Context(), storetest.User("bob"), "phone", cursor, 2)
		require.NoError(t, err)
		for _, v := range page.Items {
			require.NotNil(t, v.LastMessage)
			require.Equal(t, v.ConversationID == want[0], v.AckedSeq == 2)
			got = append(got, v.ConversationID)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Equal(t, want, got)
	none, err := n.Conversations(t.Context(), storetest.User("stranger"), "", "", 2)
	require.NoError(t, err)
	require.NotNil(t, none.Items)

	var members []domain.UserID
	cursor = ""
	for {
		page, err := n.Members(t.Context(), storetest.User("bob"), want[0], cursor, 3)
		require.NoError(t, err)
		for _, m := range page.Items {
			members = append(members, m.UserID)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Equal(t, []domain.UserID{"alice", "bob", "carol", "dave"}, members)
	for _, bad := range []string{"x", "Y3g", "bQ"} {
		_, err := n.Members(t.Context(), storetest.User("bob"), want[0], bad, 3)
		require.ErrorIs(t, err, domain.ErrCursorInvalid)
		_, err = n.Conversations(t.Context(), storetest.User("bob"), "", bad, 3)
		require.ErrorIs(t, err, domain.ErrCursorInvalid)
	}
}

// For a user who is not a member a conversation does not exist. A backend needs no
// membership.
func TestI8NonMembersReadNothing(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "former")
	n.Post(t, "alice", id, "m", "x")
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("former"), id, "former")
	require.NoError(t, err)
	missing := domain.ConversationID{1}
	reads := map[string]func(domain.Actor, domain.ConversationID) error{
		"conversation": func(a domain.Actor, id domain.ConversationID) error {
			_, err := n.Conversation(t.Context(), a, id, "")
			return err
		},
		"events": func(a domain.Actor, id domain.ConversationID) error {
			_, err := n.Events(t.Context(), a, id, domain.Range{Limit: 1})
			return err
		},
		"events after": func(a domain.Actor, id domain.ConversationID) error {
			_, err := n.Events(t.Context(), a, id, domain.Range{AfterSeq: new(int64), Limit: 1})
			return err
		},
		"messages": func(a domain.Actor, id domain.ConversationID) error {
			_, err := n.Messages(t.Context(), a, id, domain.Range{Limit: 1})
			return err
		},
		"messages around a time": func(a domain.Actor, id domain.ConversationID) error {
			_, err := n.Messages(t.Context(), a, id, domain.Range{AroundAt: &domain.Time{}, Limit: 1})
			return err
		},
		"message": func(a domain.Actor, id domain.ConversationID) error {
			_, err := n.Message(t.Context(), a, id, 2)
			return err
		},
		"members": func(a domain.Actor, id domain.ConversationID) error {
			_, err := n.Members(t.Context(), a, id, "", 1)
			return err
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, read(storetest.User("bob"), id))
			require.ErrorIs(t, read(storetest.User("former"), id), domain.ErrNotFound)
			require.ErrorIs(t, read(storetest.User("stranger"), id), domain.ErrNotFound)
			require.ErrorIs(t, read(storetest.User("bob"), missing), domain.ErrNotFound)
			backend := domain.Actor{User: "app", Backend: true}
			require.NoError(t, read(backend, id))
			require.ErrorIs(t, read(backend, missing), domain.ErrNotFound)
		})
	}
	for _, who := range []domain.UserID{"former", "stranger"} {
		page, err := n.Sync(t.Context(), domain.SyncQuery{User: who, Limit: 10})
		require.NoError(t, err)
		require.Empty(t, page.Conversations)
		require.Empty(t, page.Removed)
		read, err := n.Memberships(t.Context(), who)
		require.NoError(t, err)
		require.Empty(t, read.List)
	}
}

func TestMembershipsAndViews(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "m", "x")
	read, err := n.Memberships(t.Context(), "bob")
	require.NoError(t, err)
	want, err := n.Epoch(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, read.Epoch)
	require.Equal(t, []domain.Membership{{ConversationID: id, HeadSeq: 2, JoinedSeq: 1}}, read.List)
	views, err := n.Views(t.Context(), id, []domain.UserID{"bob", "alice", "stranger"})
	require.NoError(t, err)
	require.Len(t, views, 2)
	require.EqualValues(t, 1, views["bob"].UnreadCount)
	require.Zero(t, views["alice"].UnreadCount)
	require.Equal(t, domain.RoleOwner, views["alice"].Role)
	require.EqualValues(t, 2, views["bob"].LastMessage.Seq)
	require.NotNil(t, views["bob"].Events)
	one, err := n.Conversation(t.Context(), storetest.User("bob"), id, "")
	require.NoError(t, err)
	require.Equal(t, one, views["bob"])
	none, err := n.Views(t.Context(), domain.ConversationID{1}, []domain.UserID{"bob"})
	require.NoError(t, err)
	require.Empty(t, none)
}

// Bodies are returned byte for byte.
func TestBodiesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	content := json.RawMessage(`{ "type":"custom", "biz_type":"t", "data":{"b":1.50,"a":"é\u00e9\n","c":1e2} }`)
	a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "é\"", Content: content}))
	require.NoError(t, a.Err)
	events := n.Log(t, id)
	require.Equal(t, a.Event, events[1])
	require.Contains(t, string(events[1].Body), string(content))
	m, err := n.Message(t.Context(), storetest.User("bob"), id, 2)
	require.NoError(t, err)
	require.Equal(t, string(content), string(m.Content))
}
