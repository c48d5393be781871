package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/client"
	"im/domain"
	"im/test/eventually"
	"im/test/imtest"
)

// change returns an event about a message.
func change(id client.ConversationID, seq int64, kind client.EventType, target int64, text string) client.Event {
	body := fmt.Sprintf(`{"target_seq":%d}`, target)
	if text != "" {
		body = fmt.Sprintf(`{"target_seq":%d,"content":%s}`, target, client.Text(text))
	}
	return client.Event{ConversationID: id, Seq: seq, Type: kind, Sender: "bob", At: domain.TimeOf(time.Now()), Body: []byte(body)}
}

func TestScreenShowsEditsAndRecalls(t *testing.T) {
	s, f, id := newTestScreen("")
	update(s, eventMsg(message(id, 4, "bob", "a secret")))
	update(s, eventMsg(message(id, 5, "bob", "a tpyo")))
	update(s, eventMsg(change(id, 6, client.MessageEdited, 5, "a typo")))
	update(s, eventMsg(change(id, 7, client.MessageRecalled, 4, "")))
	update(s, eventMsg(change(id, 8, client.MessageRecalled, 1, ""))) // not on the screen
	view := viewOf(s)
	require.Contains(t, view, "bob  a typo (edited)")
	require.NotContains(t, view, "tpyo")
	require.Contains(t, view, "bob  message deleted")
	require.NotContains(t, view, "secret")

	m, _ := client.MessageOf(message(id, 5, "bob", "the last one"))
	m.EditedAt = &m.At
	f.list[0].LastMessage = &m
	update(s, changeMsg{})
	require.Contains(t, viewOf(s), "the last one (edited)", "in the list")
	m.Recalled, m.Content = true, json.RawMessage("null")
	update(s, changeMsg{})
	require.Regexp(t, `(?m)^ *│? *message deleted +│`, viewOf(s), "in the list")
}

// A page of history may have been read before a change that came while it was under way,
// or after a change that is still to come.
func TestTranscriptWithPagesUnderWay(t *testing.T) {
	id := domain.NewConversationID(time.Now())
	old, _ := client.MessageOf(message(id, 2, "bob", "old"))
	for name, head := range map[string]int64{"read before the edit": 5, "read after the edit": 6, "read after both": 7} {
		shown := map[int64]string{5: "new (edited)", 6: "new (edited)", 7: "newest (edited)"}[head]
		t.Run(name, func(t *testing.T) {
			m := old
			if head >= 6 {
				m, _ = client.MessageAfter(m, change(id, 6, client.MessageEdited, 2, "new"), "alice")
			}
			if head >= 7 {
				m, _ = client.MessageAfter(m, change(id, 7, client.MessageEdited, 2, "newest"), "alice")
			}
			tr := transcript{self: "alice", loading: true}
			tr.addEvent(change(id, 6, client.MessageEdited, 2, "new"))
			tr.addPage(client.MessagePage{Messages: []client.Message{m}, HeadSeq: head})
			require.Equal(t, shown, tr.entries[0].text)
			tr.addEvent(change(id, 7, client.MessageEdited, 2, "newest"))
			require.Equal(t, "newest (edited)", tr.entries[0].text)
			require.Empty(t, tr.changes)
		})
	}
	tr := transcript{self: "alice"}
	tr.addEvent(message(id, 2, "bob", "old"))
	tr.addPage(client.MessagePage{Messages: []client.Message{{ConversationID: id, Seq: 2, Sender: "bob", Recalled: true}}, HeadSeq: 9})
	require.Equal(t, deletedText, tr.entries[0].text, "a later state replaces an earlier one")
}

// lines collects what a chat prints.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestPlainPrintsEditsAndRecalls(t *testing.T) {
	s := imtest.NewServer(t)
	id := s.NewConversation("alice", "bob")
	s.Post(id, "bob", "in history")
	ctx, stop := context.WithCancel(t.Context())
	in, typed := io.Pipe()
	var out, notes lines
	ended := make(chan error, 1)
	go func() {
		ended <- RunPlain(ctx, Options{To: "bob", NewClient: func(o client.Options) (*client.Client, error) {
			o.URLs, o.Token = []string{s.URL}, client.Token("alice")
			return client.New(o)
		}}, in, &out, &notes)
	}()
	printed := func(pattern string) {
		t.Helper()
		eventually.True(t, "prints "+pattern, func() bool { return regexp.MustCompile(pattern).MatchString(out.String()) })
	}
	printed(`(?m)^bob: in history$`)
	change := func(kind client.EventType, sender client.UserID, body any) {
		t.Helper()
		text, err := json.Marshal(body)
		require.NoError(t, err)
		s.Append(id, client.Event{Type: kind, Sender: sender, Body: text})
	}
	seq := s.Post(id, "bob", "live")
	change(client.MessageEdited, "bob", domain.EditedBody{TargetSeq: seq, Content: client.Text("edited\nlive")})
	printed(`(?m)^bob edited the message of \d\d:\d\d:\d\d: edited\n    live$`)
	change(client.MessageRecalled, "bob", domain.RecalledBody{TargetSeq: seq})
	printed(`(?m)^bob deleted the message of \d\d:\d\d:\d\d$`)
	change(client.MessageRecalled, "alice", domain.RecalledBody{TargetSeq: 2})
	printed(`(?m)^alice deleted bob's message of \d\d:\d\d:\d\d$`)
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, typed.Close())
}
