package hook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// message returns the error's text for clients.
func message(err error) string {
	if e, ok := err.(*domain.Error); ok { //nolint:errorlint // the error itself
		return e.Message
	}
	return ""
}

func TestAccept(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	p := post(id, "m1", "a < b & c")
	p.Mentions, p.Metadata = []domain.UserID{"bob"}, json.RawMessage(`{"k":1}`)
	sent, err := n.send(t, "alice", p)
	require.NoError(t, err)
	require.Nil(t, sent.Content, "nothing was replaced")
	require.Equal(t, []string{"a < b & c"}, n.texts(t, id))

	calls := e.got()
	require.Len(t, calls, 1)
	require.Equal(t, "message.posting", calls[0].Type)
	require.False(t, calls[0].Timestamp.IsZero())
	require.Contains(t, string(calls[0].body), `"data":{"conversation_id":"`+id.String()+`","sender":"alice","client_msg_id":"m1",`+
		`"content":{"type":"text","text":"a < b & c"},"mentions":["bob"],"metadata":{"k":1}}`)
	require.Equal(t, 1, n.results(t, "accept"))
}

func TestReject(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	e.says(reject)
	_, err := n.send(t, "alice", post(id, "m1", "HELLO"))
	require.ErrorIs(t, err, domain.ErrRejected)
	require.Equal(t, "no shouting", message(err))
	require.Empty(t, n.texts(t, id))

	for answer, want := range map[string]string{
		`{"action":"reject"}`:            domain.ErrRejected.Message,
		`{"action":"reject","reason":7}`: domain.ErrRejected.Message,
		`{"action":"reject","reason":"` + strings.Repeat("é", 250) + `","x":1}`: strings.Repeat("é", 200),
	} {
		e.says(answer)
		_, err := n.send(t, "alice", post(id, "m1", "HELLO"))
		require.ErrorIs(t, err, domain.ErrRejected, answer)
		require.Equal(t, want, message(err))
	}
	e.says(accept)
	_, err = n.send(t, "alice", post(id, "m1", "hello"))
	require.NoError(t, err, "the key of a rejected message is free")
	require.Equal(t, 4, n.results(t, "reject"))
}

// A message whose content was replaced is stored so, and its repetition is the one with the
// content that was asked for, on any node.
func TestReplace(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	n, other := e.start(t, url), e.start(t, url)
	id := n.Group(t, "alice", "bob")
	e.says(replace("d***"))
	sent, err := n.send(t, "alice", post(id, "m1", "damn"))
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"text","text":"d***"}`, string(sent.Content))
	require.Equal(t, []string{"d***"}, other.texts(t, id))

	e.says(replace("another one"))
	for _, node := range []*node{n, other} {
		again, err := node.send(t, "alice", post(id, "m1", "damn"))
		require.NoError(t, err)
		require.True(t, again.Duplicate)
		require.Equal(t, sent.Event.Seq, again.Event.Seq)
		require.JSONEq(t, `{"type":"text","text":"d***"}`, string(again.Content))
		_, err = node.send(t, "alice", post(id, "m1", "d***"))
		require.ErrorIs(t, err, domain.ErrIdempotencyConflict, "this is not what was asked for")
	}
	require.Len(t, e.got(), 1, "a repetition is not asked about")

	p := post(id, "m2", "x")
	p.Metadata = json.RawMessage(`{"mine":1}`)
	for key, c := range map[string]struct{ answer, want string }{
		"kept":     {`{"action":"replace","content":{"type":"text","text":"y"}}`, `"metadata":{"mine":1}`},
		"replaced": {`{"action":"replace","content":{"type":"text","text":"y"},"metadata":{"theirs":2}}`, `"metadata":{"theirs":2}`},
		"removed":  {`{"action":"replace","content":{"type":"text","text":"y"},"metadata":null}`, `"text":"y"}}`},
	} {
		e.says(c.answer)
		p.ClientMsgID = key
		sent, err := n.send(t, "alice", p)
		require.NoError(t, err)
		require.Contains(t, string(sent.Event.Body), c.want)
	}
}

// The first message to a user makes their conversation, but not if it is rejected.
func TestFirstDirectMessage(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	e.says(reject)
	to := domain.Post{To: "bob", ClientMsgID: "m1", Content: storetest.Text("HI")}
	_, err := n.send(t, "alice", to)
	require.ErrorIs(t, err, domain.ErrRejected)
	_, err = n.FindDirect(t.Context(), domain.DirectKey("alice", "bob"))
	require.ErrorIs(t, err, domain.ErrNotFound)

	e.says(accept)
	sent, err := n.send(t, "alice", to)
	require.NoError(t, err)
	calls := e.got()
	require.Equal(t, "bob", calls[1].Data.To)
	require.Empty(t, calls[1].Data.ConversationID)
	e.says(reject)
	for _, p := range []domain.Post{to, post(sent.Event.ConversationID, "m1", "HI")} {
		again, err := n.send(t, "alice", p)
		require.NoError(t, err)
		require.True(t, again.Duplicate)
	}
	require.Len(t, e.got(), 2)
}

// What is in the log is answered from there, and what is refused in any case is not asked
// about.
func TestNotAsked(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	n, other := e.start(t, url), e.start(t, url)
	id := n.Group(t, "alice", "bob")
	sent, err := n.send(t, "bob", post(id, "m1", "hello"))
	require.NoError(t, err)
	recalled, err := n.send(t, "bob", post(id, "m2", "oops"))
	require.NoError(t, err)
	_, err = n.Recall("bob", id, recalled.Event.Seq)
	require.NoError(t, err)
	e.says(reject)
	for _, node := range []*node{n, other} {
		again, err := node.send(t, "bob", post(id, "m1", "hello"))
		require.NoError(t, err)
		require.True(t, again.Duplicate)
		require.Equal(t, sent.Event, again.Event)
		require.Nil(t, again.Content)
		_, err = node.send(t, "bob", post(id, "m1", "other"))
		require.ErrorIs(t, err, domain.ErrIdempotencyConflict)
		again, err = node.send(t, "bob", post(id, "m2", "anything"))
		require.NoError(t, err)
		require.True(t, again.Duplicate)
		require.Nil(t, again.Content)

		_, err = node.send(t, "mallory", post(id, "m1", "hello"))
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, err = node.send(t, "mallory", post(domain.NewConversationID(sent.Event.At.Time), "m1", "hello"))
		require.ErrorIs(t, err, domain.ErrNotFound)
		bad := post(id, "m3", "")
		_, err = node.send(t, "bob", bad)
		require.ErrorIs(t, err, domain.ErrInvalid)
	}
	_, err = n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "bob")
	require.NoError(t, err)
	for _, key := range []string{"m1", "m4"} {
		_, err = n.send(t, "bob", post(id, key, "hello"))
		require.ErrorIs(t, err, domain.ErrNotFound, "a former member")
	}
	_, err = n.Edit("bob", id, sent.Event.Seq, "edited")
	require.ErrorIs(t, err, domain.ErrNotFound, "a former member")
	require.Len(t, e.got(), 2)
}

// Backends are not asked about what they write themselves.
func TestBackendsAreNotAsked(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	e.says(reject)
	for i, a := range []domain.Actor{{User: "app", Backend: true}, {User: "alice", OnBehalf: true}} {
		answer := make(chan storetest.Answer, 1)
		n.Chat.Send(t.Context(), a, post(id, fmt.Sprint("m", i), "x"), func(s domain.Sent, err error) { answer <- storetest.Answer{Sent: s, Err: err} })
		got := storetest.Wait(t, answer)
		require.NoError(t, got.Err)
		events, err := n.Chat.EditMessage(t.Context(), a, id, got.Event.Seq, domain.Edit{Content: storetest.Text("y")})
		require.NoError(t, err)
		require.Len(t, events, 1)
	}
	require.Empty(t, e.got())
}

// While the endpoint thinks about a repetition, the first one is committed: the answer is
// that of the log, whatever the endpoint says.
func TestRepetitionWhileTheFirstIsInFlight(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	n, other := e.start(t, url), e.start(t, url)
	id := n.Group(t, "alice", "bob")
	var calls sync.WaitGroup
	calls.Add(2)
	committed := make(chan struct{})
	var first sync.Once
	e.answers(func(_ call, w http.ResponseWriter) {
		calls.Done()
		calls.Wait()
		late := true
		first.Do(func() { late = false })
		if late {
			<-committed
			_, _ = io.WriteString(w, reject)
			return
		}
		_, _ = io.WriteString(w, replace("h***"))
	})
	answers := []<-chan storetest.Answer{
		n.Send(context.Background(), "alice", post(id, "m1", "hell")), other.Send(context.Background(), "alice", post(id, "m1", "hell")),
	}
	eventually.True(t, "one is committed", func() bool { return len(n.texts(t, id)) == 1 })
	close(committed)
	a, b := storetest.Wait(t, answers[0]), storetest.Wait(t, answers[1])
	require.NoError(t, a.Err)
	require.NoError(t, b.Err)
	require.NotEqual(t, a.Duplicate, b.Duplicate)
	require.Equal(t, a.Event.Seq, b.Event.Seq)
	require.Equal(t, []string{"h***"}, n.texts(t, id))
}

func TestEdits(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	n, other := e.start(t, url), e.start(t, url)
	id := n.Group(t, "alice", "bob")
	sent, err := n.send(t, "bob", post(id, "m1", "hello"))
	require.NoError(t, err)
	seq := sent.Event.Seq

	_, err = other.Edit("bob", id, seq, "hello you", "alice")
	require.NoError(t, err)
	edit := e.got()[1]
	require.Equal(t, "message.editing", edit.Type)
	require.Equal(t, id.String(), edit.Data.ConversationID)
	require.Equal(t, seq, edit.Data.TargetSeq)
	require.Equal(t, "bob", edit.Data.Sender)
	require.Equal(t, "m1", edit.Data.ClientMsgID)
	require.Equal(t, "hello you", edit.text())
	require.Equal(t, []string{"alice"}, edit.Data.Mentions)

	e.says(reject)
	_, err = n.Edit("bob", id, seq, "HELLO")
	require.ErrorIs(t, err, domain.ErrRejected)
	require.Equal(t, "no shouting", message(err))
	storetest.Nothing(t)(n.Edit("bob", id, seq, "hello you"))
	require.Equal(t, []string{"hello you"}, n.texts(t, id))

	e.says(`{"action":"replace","content":{"type":"text","text":"d***"},"metadata":{"ignored":true}}`)
	event := storetest.Made(t, domain.MessageEdited)(n.Edit("bob", id, seq, "damn"))
	require.Contains(t, string(event.Body), `d***`)
	require.NotContains(t, string(event.Body), "ignored")
	storetest.Nothing(t)(other.Edit("bob", id, seq, "damn"))
	require.Equal(t, []string{"d***"}, n.texts(t, id))

	before := len(e.got())
	_, err = n.Edit("alice", id, seq, "x")
	require.ErrorIs(t, err, domain.ErrForbidden, "not the author")
	_, err = n.Edit("mallory", id, seq, "x")
	require.ErrorIs(t, err, domain.ErrNotFound)
	_, err = n.Edit("bob", id, 99, "x")
	require.ErrorIs(t, err, domain.ErrNotFound)
	_, err = n.Recall("bob", id, seq)
	require.NoError(t, err)
	_, err = n.Edit("bob", id, seq, "x")
	require.ErrorIs(t, err, domain.ErrConflict)
	require.Len(t, e.got(), before, "the endpoint is not asked about what is refused in any case")
}

// The log equals its projections and the search index whatever the hook replaces.
func TestReplacedIsDerivedFromTheLog(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	e.says(replace("replaced"))
	for i := range 5 {
		sent, err := n.send(t, "bob", post(id, fmt.Sprint("m", i), fmt.Sprint("original ", i)))
		require.NoError(t, err)
		_, err = n.Edit("bob", id, sent.Event.Seq, "edited")
		require.NoError(t, err)
	}
	for _, e := range n.Log(t, id) {
		require.NotContains(t, string(e.Body), "original")
		require.NotContains(t, string(e.Body), "edited")
	}
}
