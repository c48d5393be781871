package read_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// After any commands about messages, on any node, the projections equal the fold of the
// log.
func TestI7ProjectionsOfMessagesEqualTheFold(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	users := []domain.UserID{"alice", "bob", "carol"}
	rapid.Check(t, func(rt *rapid.T) {
		id := nodes[0].Group(t, "alice", "bob", "carol")
		for i := range rapid.IntRange(1, 40).Draw(rt, "steps") {
			n := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
			who := storetest.User(rapid.SampledFrom(users).Draw(rt, "who"))
			seq := int64(rapid.IntRange(1, i+2).Draw(rt, "seq"))
			emoji := rapid.SampledFrom([]string{"👍", "👍\uFE0F", "+1", "é"}).Draw(rt, "emoji")
			var err error
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0, 1:
				_, err = n.Edit(who.User, id, seq, rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "words"), users[i%3])
			case 2:
				_, err = n.Recall(who.User, id, seq)
			case 3, 4:
				_, err = n.Chat.React(t.Context(), who, id, seq, emoji)
			case 5:
				_, err = n.Chat.Unreact(t.Context(), who, id, seq, emoji)
			case 6:
				_, err = n.Chat.Pin(t.Context(), who, id, seq)
			case 7:
				_, err = n.Chat.Unpin(t.Context(), who, id, seq)
			default:
				err = storetest.Wait(t, n.Send(t.Context(), who.User, domain.Post{
					ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: storetest.Text("x"), Metadata: json.RawMessage(`{"a":1}`),
				})).Err
			}
			if err != nil && !errors.Is(err, domain.ErrNotFound) && !errors.Is(err, domain.ErrForbidden) && !errors.Is(err, domain.ErrConflict) {
				rt.Fatal(err)
			}
		}
		storetest.RequireFold(rt, nodes[0], id, "bob")
	})
}

func TestAsOf(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	one := n.Post(t, "alice", id, "1", "one")
	edited := storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, one.Seq, "uno"))
	two := n.Post(t, "alice", id, "2", "two")
	at := func(r domain.Range) domain.MessagePage {
		t.Helper()
		page, err := n.Messages(t.Context(), storetest.User("bob"), id, r)
		require.NoError(t, err)
		return page
	}
	number := func(n int64) *int64 { return &n }
	page := at(domain.Range{Limit: 10, AsOf: &one.At})
	require.Equal(t, one.Seq, page.HeadSeq)
	require.Equal(t, storetest.Text("one"), page.Messages[0].Content)
	require.Nil(t, page.Messages[0].EditedAt)
	page = at(domain.Range{Limit: 10, AsOf: &edited.At})
	require.Equal(t, storetest.Text("uno"), page.Messages[0].Content)
	require.Equal(t, []int64{one.Seq}, messageSeqs(page.Messages))
	require.False(t, page.HasMoreAfter)
	page = at(domain.Range{Limit: 10, AsOfSeq: number(1 << 60)})
	require.Equal(t, two.Seq, page.HeadSeq, "a seq beyond the head counts as the head")
	require.Len(t, page.Messages, 2)
	before := domain.TimeOf(one.At.AddDate(-1, 0, 0))
	page = at(domain.Range{Limit: 10, AsOf: &before})
	require.Zero(t, page.HeadSeq)
	require.Empty(t, page.Messages)
	page = at(domain.Range{Limit: 1, AroundSeq: &two.Seq, AsOfSeq: &edited.Seq})
	require.Equal(t, []int64{one.Seq}, messageSeqs(page.Messages))
	page = at(domain.Range{Seqs: []int64{one.Seq, two.Seq}, Limit: 1, AsOfSeq: &edited.Seq})
	require.Equal(t, []int64{one.Seq}, messageSeqs(page.Messages))
	_, err := n.Messages(t.Context(), storetest.User("eve"), id, domain.Range{Limit: 1, AsOf: &before})
	require.ErrorIs(t, err, domain.ErrNotFound)
}
