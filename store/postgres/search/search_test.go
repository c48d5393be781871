package search_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestSearchInEveryLanguage(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	texts := []string{
		"The quick brown fox jumps", "Größe über alles, Straße", "Съешь ещё этих мягких булок", "السَّلامُ عليكم",
		"สวัสดีชาวโลก", "我在北京天安门，你好世界", "東京タワーはかっこいいカタカナ", "안녕하세요 세계", "party 🎉👍🏽 tonight", "ＦＵＬＬ width iPhone手机壳",
	}
	for i, s := range texts {
		n.Post(t, "alice", id, fmt.Sprint(i), s)
	}
	n.WaitIndexed(t)
	for typed, want := range map[string]int{
		"fox": 0, "FOX quick": 0, `"brown fox"`: 0, "jum": 0, "grosse": 1, "STRASSE": 1, "uber": 1,
		"ЕЩЕ": 2, "булок мягк": 2, "السلام": 3, "โลก": 4, "ส": 4,
		"北京": 5, "你好": 5, "天安门": 5, "你": 5, "世": 5, "京天": 5, "世界 北京": 5,
		"東京": 6, "タワー": 6, "ｶﾀｶﾅ": 6, "かっこいい": 6, "東": 6, "안녕": 7, "하세요": 7, "세계": 7, "안": 7,
		"🎉": 8, "👍": 8, "full": 9, "iphone手机": 9, "手机": 9, "壳": 9, "手": 9,
	} {
		require.Equal(t, []int64{int64(want + 2)}, n.Found(t, "bob", typed), typed)
	}
	for _, typed := range []string{"北安", "京你", `"fox brown"`, "ox", "quick 北京", "セヨ", "하녕"} {
		require.Empty(t, n.Found(t, "bob", typed), typed)
	}
}

func TestSearchFindsWhatIsReadAndHighlightsIt(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	require.NoError(t, n.PutProfile(t.Context(), "alice", domain.UserProfile{Profile: domain.Profile{Name: new("Alice")}}))
	for i, content := range []string{
		`{"type":"file","url":"https://example.org/secret","name":"Quarterly report.pdf","text":"see the report"}`,
		`{"type":"custom","biz_type":"report","data":{"text":"report"}}`,
		string(storetest.Text(strings.Repeat("filler ", 30) + "😀 the Report of " + strings.Repeat("more ", 50))),
	} {
		a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: json.RawMessage(content)}))
		require.NoError(t, a.Err)
	}
	_, err := n.Chat.React(t.Context(), storetest.User("bob"), id, 2, "👍")
	require.NoError(t, err)
	n.WaitIndexed(t)
	page := n.Search(t, storetest.User("bob"), domain.SearchQuery{Text: "report"})
	require.Len(t, page.Items, 2, "custom content is the app's own")
	require.Nil(t, page.NextCursor)
	require.Equal(t, "Alice", *page.Users["alice"].Name)
	first := page.Items[0]
	require.EqualValues(t, 2, first.Seq, "what says it twice is more relevant than what is long")
	require.Equal(t, []domain.Reaction{{Emoji: "👍", Count: 1, Mine: true}}, first.Reactions)
	require.Equal(t, []domain.Highlight{
		{Field: "text", Fragment: "see the report", Ranges: []domain.TextRange{{Start: 8, Length: 6}}},
		{Field: "name", Fragment: "Quarterly report.pdf", Ranges: []domain.TextRange{{Start: 10, Length: 6}}},
	}, first.Highlights)
	h := page.Items[1].Highlights[0]
	require.Equal(t, 216-40, h.Offset)
	require.Equal(t, []domain.TextRange{{Start: 40, Length: 6}}, h.Ranges)
	require.Equal(t, "Report", string([]rune(h.Fragment)[40:46]))
	require.Len(t, []rune(h.Fragment), 160)
	require.Empty(t, n.Found(t, "bob", "secret"), "a URL is not what people read")
	require.Len(t, n.Found(t, "bob", "pdf"), 1)
}

func TestSearchFollowsEditsAndRecalls(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	id := n.Group(t, "alice", "bob")
	one, two := n.Post(t, "alice", id, "1", "unspeakable first"), n.Post(t, "alice", id, "2", "unspeakable second")
	n.WaitIndexed(t)
	require.ElementsMatch(t, []int64{one.Seq, two.Seq}, n.Found(t, "bob", "unspeakable"))
	storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, one.Seq, "harmless now"))
	storetest.Made(t, domain.MessageRecalled)(other.Recall("alice", id, two.Seq))
	eventually.True(t, "edits and recalls are followed", func() bool { return len(n.Found(t, "bob", "unspeakable")) == 0 })
	eventually.True(t, "what an edit says is found", func() bool { return len(other.Found(t, "bob", "harmless")) == 1 })
	page := n.Search(t, storetest.User("bob"), domain.SearchQuery{Text: "harmless"})
	require.NotNil(t, page.Items[0].EditedAt)
	n.WaitIndexed(t)
	var rest int
	require.NoError(t, storetest.Connect(t, url).QueryRow(t.Context(), `SELECT count(*) FROM search_messages
		WHERE conversation_id = $1 AND (terms::text LIKE '%unspeak%' OR seq = $2)`, id, two.Seq).Scan(&rest))
	require.Zero(t, rest, "what was recalled is not in the index either")
}

// Between a recall and its indexing the index may still hold what was said.
func TestSearchNeverShowsWhatWasRecalled(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	e := n.Post(t, "alice", id, "1", "unspeakable")
	n.WaitIndexed(t)
	conn := storetest.Connect(t, n.URL)
	_, err := conn.Exec(t.Context(), `UPDATE search_slots SET holder = 'none', turn = turn + 1, held_until = 'infinity'`)
	require.NoError(t, err)
	storetest.Made(t, domain.MessageRecalled)(n.Recall("alice", id, e.Seq))
	require.Empty(t, n.Search(t, storetest.User("bob"), domain.SearchQuery{Text: "unspeakable"}).Items)
	var held bool
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM search_messages WHERE conversation_id = $1)`, id).Scan(&held))
	require.True(t, held, "the index was behind, as the test wants it")
}

// I8: current members only, and of those only what they may read.
func TestI8SearchFindsOnlyWhatTheCallerMayRead(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id, other := n.Group(t, "alice", "bob", "carol"), n.Group(t, "alice", "dave")
	n.Post(t, "alice", id, "1", "needle one")
	n.Post(t, "alice", other, "1", "needle two")
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "carol")
	require.NoError(t, err)
	n.WaitIndexed(t)
	ids := func(a domain.Actor, q domain.SearchQuery) (list []domain.ConversationID) {
		q.Text = "needle"
		for _, m := range n.Search(t, a, q).Items {
			list = append(list, m.ConversationID)
		}
		return list
	}
	require.ElementsMatch(t, []domain.ConversationID{id, other}, ids(storetest.User("alice"), domain.SearchQuery{}))
	require.Equal(t, []domain.ConversationID{id}, ids(storetest.User("alice"), domain.SearchQuery{ConversationID: &id}))
	require.Equal(t, []domain.ConversationID{id}, ids(storetest.User("bob"), domain.SearchQuery{}))
	for _, stranger := range []domain.UserID{"carol", "dave", "eve"} {
		require.NotContains(t, ids(storetest.User(stranger), domain.SearchQuery{}), id)
		_, err := n.SearchMessages(t.Context(), storetest.User(stranger), domain.SearchQuery{Text: "needle", ConversationID: &id, Limit: 1})
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
	backend := domain.Actor{User: "backend", Backend: true}
	require.ElementsMatch(t, []domain.ConversationID{id, other}, ids(backend, domain.SearchQuery{}))
	require.Equal(t, []domain.ConversationID{other}, ids(backend, domain.SearchQuery{ConversationID: &other}))
	_, err = n.SearchMessages(t.Context(), backend, domain.SearchQuery{Text: "x", ConversationID: &domain.ConversationID{9}, Limit: 1})
	require.ErrorIs(t, err, domain.ErrNotFound)

	_, err = n.Chat.PutMember(t.Context(), storetest.User("alice"), id, "carol", domain.RoleMember)
	require.NoError(t, err)
	require.Equal(t, []domain.ConversationID{id}, ids(storetest.User("carol"), domain.SearchQuery{}), "who joins again finds it at once")

	_, err = storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE conversations SET settings = '{"history":"since_join"}' WHERE id = $1`, id)
	require.NoError(t, err)
	require.Empty(t, ids(storetest.User("carol"), domain.SearchQuery{}), "with since_join, not what was before")
	require.Equal(t, []domain.ConversationID{id}, ids(storetest.User("bob"), domain.SearchQuery{}))
	require.Contains(t, ids(backend, domain.SearchQuery{}), id)
}

// A user of more conversations than are named to the index finds the same.
func TestSearchOfAUserInVeryManyConversations(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id, foreign := n.Group(t, "alice", "bob"), n.Group(t, "bob")
	n.Post(t, "bob", id, "1", "needle")
	n.Post(t, "bob", foreign, "1", "needle")
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `INSERT INTO members (user_id, conversation_id, role, joined_seq, read_seq, read_message_no, changed)
		SELECT 'alice', gen_random_uuid(), 'member', 1, 1, 0, '3' FROM generate_series(1, 600)`)
	require.NoError(t, err)
	n.WaitIndexed(t)
	page := n.Search(t, storetest.User("alice"), domain.SearchQuery{Text: "needle"})
	require.Len(t, page.Items, 1)
	require.Equal(t, id, page.Items[0].ConversationID)
}

func TestSearchFilters(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	var at []domain.Time
	for i, who := range []domain.UserID{"alice", "bob", "alice", "bob"} {
		at = append(at, n.Post(t, who, id, fmt.Sprint(i), "needle").At)
	}
	n.WaitIndexed(t)
	for _, c := range []struct {
		q    domain.SearchQuery
		want []int64
	}{
		{domain.SearchQuery{}, []int64{5, 4, 3, 2}},
		{domain.SearchQuery{Sender: "bob"}, []int64{5, 3}},
		{domain.SearchQuery{Sender: "stranger"}, nil},
		{domain.SearchQuery{Since: &at[1]}, []int64{5, 4, 3}},
		{domain.SearchQuery{Until: &at[1]}, []int64{2}},
		{domain.SearchQuery{Since: &at[1], Until: &at[3], Sender: "alice", ConversationID: &id}, []int64{4}},
		{domain.SearchQuery{Since: &at[2], Until: &at[1]}, nil},
	} {
		c.q.Text = "needle"
		var got []int64
		for _, m := range n.Search(t, storetest.User("alice"), c.q).Items {
			got = append(got, m.Seq)
		}
		require.Equal(t, c.want, got, "%+v", c.q)
	}
}

func TestSearchPages(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	ids := []domain.ConversationID{n.Group(t, "alice"), n.Group(t, "alice")}
	for i := range 40 {
		n.Post(t, "alice", ids[i%2], fmt.Sprint(i), "needle"+strings.Repeat(" needle", i%3)+strings.Repeat(" hay", i%5))
	}
	n.WaitIndexed(t)
	whole := n.Search(t, storetest.User("alice"), domain.SearchQuery{Text: "needle"})
	require.Len(t, whole.Items, 40)
	for _, limit := range []int{1, 7, 39, 40} {
		var got []domain.FoundMessage
		q := domain.SearchQuery{Text: "needle", Limit: limit}
		for {
			page := n.Search(t, storetest.User("alice"), q)
			got = append(got, page.Items...)
			if page.NextCursor == nil {
				break
			}
			require.Len(t, page.Items, limit)
			q.Cursor = *page.NextCursor
			if len(got) == limit { // a message posted between two pages changes neither
				n.Post(t, "alice", ids[0], fmt.Sprint("new", limit), "hay")
			}
		}
		require.Equal(t, whole.Items, got, "limit %d", limit)
	}
	cursor := n.Search(t, storetest.User("alice"), domain.SearchQuery{Text: "needle", Limit: 1}).NextCursor
	for _, q := range []domain.SearchQuery{
		{Text: "hay", Cursor: *cursor},
		{Text: "needle", Sender: "alice", Cursor: *cursor},
		{Text: "needle", Cursor: "x"},
		{Text: "needle", Cursor: *cursor + "AA"},
	} {
		q.Limit = 1
		_, err := n.SearchMessages(t.Context(), storetest.User("alice"), q)
		require.ErrorIs(t, err, domain.ErrCursorInvalid)
	}
}

// A page ends at PageBytes, and goes on behind it.
func TestSearchPagesEndAtTheirSize(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice")
	long := strings.Repeat("hay ", 8000)
	for i := range 40 {
		n.Post(t, "alice", id, fmt.Sprint(i), "needle "+long)
	}
	n.WaitIndexed(t)
	q := domain.SearchQuery{Text: "needle", Limit: 500}
	first := n.Search(t, storetest.User("alice"), q)
	require.Less(t, len(first.Items), 40)
	require.NotNil(t, first.NextCursor)
	q.Cursor = *first.NextCursor
	second := n.Search(t, storetest.User("alice"), q)
	require.Len(t, second.Items, 40-len(first.Items))
	require.Nil(t, second.NextCursor)
}

func TestSearchRanksByRelevanceThenTime(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice")
	for i, s := range []string{
		"green tea", "green and very strong tea", "green tea", "green with a lot of other words until at last comes tea", "black tea",
	} {
		n.Post(t, "alice", id, fmt.Sprint(i), s)
	}
	n.WaitIndexed(t)
	require.Equal(t, []int64{4, 2, 3, 5}, n.Found(t, "alice", "green tea"))
}

func TestSearchRefusesWhatLooksForNothing(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	for _, typed := range []string{"", " ", "…", `""`, "&|!", strings.Repeat("x", 201)} {
		_, err := n.SearchMessages(t.Context(), storetest.User("alice"), domain.SearchQuery{Text: typed, Limit: 1})
		require.ErrorIs(t, err, domain.ErrInvalid, "%q", typed)
		var e *domain.Error
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Fields, "/q")
	}
}

// Whatever is typed is found, or refused as invalid: nothing of it reaches the
// server as anything but words.
func FuzzSearch(f *testing.F) {
	n := storetest.Start(f, pgtest.New(f))
	n.Group(f, "alice")
	for _, typed := range []string{
		`'); DROP TABLE events; --`, `a' & 'b`, `\\'`, `a:*`, `!a`, `(a|b) <-> c`, "北京 \"你好\" 안녕", "👍🏽 \u034f \u200c", "x\\", "'''", "ﷺ㍿", `#calice`,
	} {
		f.Add(typed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		_, err := n.SearchMessages(t.Context(), storetest.User("alice"), domain.SearchQuery{Text: typed, Limit: 1})
		if err != nil && !errors.Is(err, domain.ErrInvalid) {
			t.Fatalf("%q: %v", typed, err)
		}
	})
}
