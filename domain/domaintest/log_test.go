package domaintest_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/domain/domaintest"
)

var alice, bob = domain.Actor{User: "alice"}, domain.Actor{User: "bob"}

// newGroup returns a log with a group of alice (owner) and bob.
func newGroup(t *testing.T) (*domaintest.Log, *domain.Chat, domain.ConversationID) {
	t.Helper()
	log := domaintest.NewLog()
	chat := domain.NewChat(log, domain.DefaultLimits())
	id, created, err := chat.Create(t.Context(), alice, domain.Creation{Kind: domain.Group, Members: []domain.UserID{"bob"}})
	require.NoError(t, err)
	require.True(t, created)
	return log, chat, id
}

func post(id domain.ConversationID, clientMsgID, text string) domain.Post {
	return domain.Post{ConversationID: id, ClientMsgID: clientMsgID, Content: json.RawMessage(`{"type":"text","text":"` + text + `"}`)}
}

func send(chat *domain.Chat, a domain.Actor, p domain.Post) (sent domain.Sent, err error) {
	chat.Send(context.Background(), a, p, func(s domain.Sent, e error) { sent, err = s, e })
	return sent, err
}

func mustSend(t *testing.T, chat *domain.Chat, a domain.Actor, p domain.Post) domain.Sent {
	t.Helper()
	sent, err := send(chat, a, p)
	require.NoError(t, err)
	return sent
}

func TestSeqsAreDenseUnderConcurrentSends(t *testing.T) {
	log, chat, id := newGroup(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { mustSend(t, chat, alice, post(id, strconv.Itoa(i), "hi")) })
	}
	wg.Wait()
	events := log.EventsOf(id)
	require.Len(t, events, 21)
	var fold domain.Fold
	for i := range events {
		require.NoError(t, fold.Apply(&events[i]))
	}
	require.Equal(t, log.State(id).Head, fold.Head)
}

func TestDuplicates(t *testing.T) {
	log, chat, id := newGroup(t)
	first := mustSend(t, chat, bob, post(id, "c", "hi"))
	require.False(t, first.Duplicate)
	again := mustSend(t, chat, bob, post(id, "c", "hi"))
	require.True(t, again.Duplicate)
	require.Equal(t, first.Event, again.Event)
	_, err := send(chat, bob, post(id, "c", "other"))
	require.ErrorIs(t, err, domain.ErrIdempotencyConflict)
	mustSend(t, chat, alice, post(id, "c", "other")) // keys are each sender's own
	_, err = chat.RecallMessage(t.Context(), bob, id, first.Event.Seq, "")
	require.NoError(t, err)
	require.True(t, mustSend(t, chat, bob, post(id, "c", "other")).Duplicate, "anything is a duplicate of a recalled message")
	_, err = chat.RemoveMember(t.Context(), alice, id, "bob")
	require.NoError(t, err)
	_, err = send(chat, bob, post(id, "c", "hi"))
	require.ErrorIs(t, err, domain.ErrNotFound)
	require.Len(t, log.EventsOf(id), 5)
}

func TestCreateIsIdempotent(t *testing.T) {
	log, chat, _ := newGroup(t)
	create := func(c domain.Creation) (domain.ConversationID, bool, error) {
		return chat.Create(t.Context(), alice, c)
	}
	direct := domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"bob"}}
	group := domain.Creation{Kind: domain.Group, ClientConversationID: "k"}
	for _, c := range []domain.Creation{direct, group} {
		id, created, err := create(c)
		require.NoError(t, err)
		require.True(t, created)
		again, created, err := create(c)
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, id, again)
	}
	found, err := log.FindDirect(t.Context(), domain.DirectKey("bob", "alice"))
	require.NoError(t, err)
	require.Equal(t, log.IDs()[1], found)
	_, err = log.FindDirect(t.Context(), domain.DirectKey("bob", "carol"))
	require.ErrorIs(t, err, domain.ErrNotFound)
	group.Members = []domain.UserID{"carol"}
	_, _, err = create(group)
	require.ErrorIs(t, err, domain.ErrIdempotencyConflict)
}

func TestMessagesAsTheyStand(t *testing.T) {
	log, chat, id := newGroup(t)
	ctx := t.Context()
	one := mustSend(t, chat, alice, post(id, "1", "one")).Event.Seq
	two := mustSend(t, chat, bob, post(id, "2", "two")).Event.Seq
	steps := []func() ([]domain.Event, error){
		func() ([]domain.Event, error) { return chat.React(ctx, alice, id, one, "+1") },
		func() ([]domain.Event, error) { return chat.React(ctx, bob, id, one, "+1") },
		func() ([]domain.Event, error) { return chat.React(ctx, bob, id, one, "x") },
		func() ([]domain.Event, error) { return chat.Unreact(ctx, alice, id, one, "+1") },
		func() ([]domain.Event, error) { return chat.Pin(ctx, alice, id, one) },
		func() ([]domain.Event, error) {
			return chat.EditMessage(ctx, bob, id, two, domain.Edit{Content: json.RawMessage(`{"type":"text","text":"secret"}`)})
		},
	}
	for _, step := range steps {
		events, err := step()
		require.NoError(t, err)
		require.Len(t, events, 1)
	}
	messages := log.MessagesOf(id, "bob")
	require.Equal(t, []domain.Reaction{{Emoji: "+1", Count: 1, Mine: true}, {Emoji: "x", Count: 1, Mine: true}}, messages[0].Reactions)
	require.JSONEq(t, `{"type":"text","text":"secret"}`, string(messages[1].Content))
	require.NotNil(t, messages[1].EditedAt)
	pins := log.PinsOf(id, "alice")
	require.Len(t, pins, 1)
	require.EqualValues(t, "alice", pins[0].PinnedBy)
	reactions, ok := log.ReactionsOf(id, one)
	require.True(t, ok)
	require.Len(t, reactions, 2)
	_, ok = log.ReactionsOf(id, 1)
	require.False(t, ok)

	events, err := chat.RecallMessage(ctx, bob, id, two, "")
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.True(t, log.MessagesOf(id, "bob")[1].Recalled)
	for _, e := range log.EventsOf(id) {
		require.NotContains(t, string(e.Body), "secret", "a recall leaves nothing of what was said")
		require.NotContains(t, string(e.Body), "two")
	}
	again, err := chat.RecallMessage(ctx, bob, id, two, "")
	require.NoError(t, err)
	require.Empty(t, again)
}

func TestRepliesNameMessages(t *testing.T) {
	_, chat, id := newGroup(t)
	reply := post(id, "c", "hi")
	reply.ReplyTo = new(int64(1))
	_, err := send(chat, alice, reply)
	require.ErrorIs(t, err, domain.ErrInvalid)
	reply.ReplyTo = new(mustSend(t, chat, alice, post(id, "1", "one")).Event.Seq)
	mustSend(t, chat, alice, reply)
}

func TestPagesOfEvents(t *testing.T) {
	log, chat, id := newGroup(t)
	message := mustSend(t, chat, alice, post(id, "1", "one")).Event.Seq
	mustSend(t, chat, alice, post(id, "2", "two"))
	settings := domain.DefaultSettings()
	settings.History = domain.HistorySinceJoin
	log.Append(id, domaintest.NewDraft(domain.MemberAdded, "alice", domain.MemberRole{UserID: "carol", Role: domain.RoleMember})) // 4
	_, err := chat.Update(t.Context(), alice, id, domain.Changes{Settings: &domain.SettingsPatch{History: &settings.History}})    // 5
	require.NoError(t, err)
	_, err = chat.EditMessage(t.Context(), alice, id, message, domain.Edit{Content: json.RawMessage(`{"type":"text","text":"secret"}`)}) // 6
	require.NoError(t, err)

	page := func(user domain.UserID, q domain.Range) domain.EventPage {
		p, err := log.Events(t.Context(), domain.Actor{User: user}, id, q)
		require.NoError(t, err)
		return p
	}
	p := page("alice", domain.Range{AfterSeq: new(int64(1)), Limit: 3})
	require.Equal(t, []int64{2, 4, 6, 1}, []int64{p.FromSeq, p.ToSeq, p.HeadSeq, p.FloorSeq})
	require.True(t, p.HasMore)
	p = page("alice", domain.Range{BeforeSeq: new(int64(3)), Limit: 5})
	require.Equal(t, []int64{1, 2}, []int64{p.FromSeq, p.ToSeq})
	require.False(t, p.HasMore)
	require.Empty(t, page("alice", domain.Range{AfterSeq: new(int64(100)), Limit: 3}).Events)
	p = page("carol", domain.Range{Limit: 10})
	require.Equal(t, []int64{4, 6, 4}, []int64{p.FromSeq, p.ToSeq, p.FloorSeq})
	require.NotContains(t, string(p.Events[2].Body), "secret", "the message is below carol's floor")
	_, err = log.Events(t.Context(), domain.Actor{User: "eve"}, id, domain.Range{Limit: 1})
	require.ErrorIs(t, err, domain.ErrNotFound)

	events, err := log.LogRange(t.Context(), id, 2, 100)
	require.NoError(t, err)
	require.Len(t, events, 4)
	view, ok := log.View(id, "carol")
	require.True(t, ok)
	require.Equal(t, []int64{6, 4, 4, 3}, []int64{view.HeadSeq, view.FloorSeq, view.JoinedSeq, view.LastMessage.Seq})
}

func TestFeed(t *testing.T) {
	log, chat, id := newGroup(t)
	feed := func(after domain.FeedPosition) domain.FeedPage {
		page, err := log.Feed(t.Context(), after)
		require.NoError(t, err)
		return page
	}
	start := feed("")
	require.Empty(t, start.Heads)
	mustSend(t, chat, alice, post(id, "1", "one"))
	_, err := chat.RemoveMember(t.Context(), alice, id, "alice")
	require.NoError(t, err)
	next := feed(start.Position)
	require.Equal(t, []domain.FeedHead{
		{ConversationID: id, First: 2, Head: 2}, {ConversationID: id, First: 3, Head: 4, Membership: true},
	}, next.Heads)
	log.SetEpoch("e2")
	require.Empty(t, feed(next.Position).Heads)
	require.Equal(t, "e2", feed(next.Position).Epoch)
}

func TestCommitsAreReportedBeforeTheAnswer(t *testing.T) {
	log, chat, id := newGroup(t)
	var steps []string
	log.OnCommit(func(c domain.Committed) {
		require.Equal(t, []domain.UserID{"alice", "bob"}, c.Audience)
		steps = append(steps, "commit "+strconv.FormatInt(log.State(c.ConversationID).Head, 10))
	})
	chat.Send(t.Context(), alice, post(id, "1", "one"), func(domain.Sent, error) { steps = append(steps, "answer") })
	_, err := chat.RemoveMember(t.Context(), alice, id, "bob")
	require.NoError(t, err)
	require.Equal(t, []string{"commit 2", "answer", "commit 3"}, steps)
}

func TestInterceptDelaysAndFails(t *testing.T) {
	log, chat, id := newGroup(t)
	broken := errors.New("broken")
	var methods []string
	log.Intercept(func(_ context.Context, method string) error { methods = append(methods, method); return broken })
	_, err := send(chat, alice, post(id, "1", "one"))
	require.ErrorIs(t, err, broken)
	_, _, err = log.Create(t.Context(), domain.NewConversation{})
	require.ErrorIs(t, err, broken)
	_, err = log.FindDirect(t.Context(), "")
	require.ErrorIs(t, err, broken)
	_, err = log.Events(t.Context(), alice, id, domain.Range{})
	require.ErrorIs(t, err, broken)
	_, err = log.LogRange(t.Context(), id, 0, 1)
	require.ErrorIs(t, err, broken)
	_, err = log.Feed(t.Context(), "")
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{"Submit", "Create", "FindDirect", "Events", "LogRange", "Feed"}, methods)
	require.Len(t, log.EventsOf(id), 1)

	release := make(chan struct{})
	log.Intercept(func(context.Context, string) error { <-release; return nil })
	sent := make(chan domain.Sent)
	go chat.Send(t.Context(), alice, post(id, "1", "one"), func(s domain.Sent, _ error) { sent <- s })
	require.Len(t, log.EventsOf(id), 1, "what is for the test is not delayed")
	close(release)
	require.EqualValues(t, 2, (<-sent).Event.Seq)
	log.Intercept(nil)
}

func TestTimesNeverGoBack(t *testing.T) {
	log, chat, id := newGroup(t)
	log.SetClock(func() time.Time { return time.Unix(0, 0) })
	sent := mustSend(t, chat, alice, post(id, "1", "one"))
	require.Equal(t, log.EventsOf(id)[0].At, sent.Event.At)
}
