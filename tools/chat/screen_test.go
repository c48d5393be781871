package chat

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"im/client"
	"im/domain"
)

func TestClean(t *testing.T) {
	require.Equal(t, "[2Jred\nnext a b", clean("\x1b[2Jred\nnext\x07 a\tb\u202e "))
}

func message(id client.ConversationID, seq int64, sender client.UserID, text string) client.Event {
	return client.Event{
		ConversationID: id, Seq: seq, Type: domain.MessagePosted, Sender: sender, ClientMsgID: fmt.Sprint(sender, seq),
		At: domain.TimeOf(time.Now()), Body: []byte(`{"content":` + string(client.Text(text)) + `}`),
	}
}

func TestTranscriptHoldsEachSeqOnce(t *testing.T) {
	id := domain.NewConversationID(time.Now())
	tr := transcript{self: "alice", newAfter: 3}
	for _, seq := range []int64{5, 3, 4, 5, 2, 3} {
		tr.addEvent(message(id, seq, "bob", fmt.Sprint(seq)))
	}
	page := client.MessagePage{HasMoreBefore: false}
	for seq := int64(1); seq < 5; seq++ {
		m, _ := client.MessageOf(message(id, seq, "bob", fmt.Sprint(seq)))
		page.Messages = append(page.Messages, m)
	}
	tr.addPage(page)
	var texts []string
	for _, e := range tr.entries {
		texts = append(texts, e.text)
	}
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, texts)
	require.Equal(t, 3, tr.firstNew())
	require.True(t, tr.complete)
}

func TestNoteOf(t *testing.T) {
	for want, e := range map[string]client.Event{
		"bob joined":                   {Type: domain.MemberAdded, Sender: "bob", Body: []byte(`{"user_id":"bob"}`)},
		"bob added carol":              {Type: domain.MemberAdded, Sender: "bob", Body: []byte(`{"user_id":"carol"}`)},
		"bob left":                     {Type: domain.MemberRemoved, Sender: "bob", Body: []byte(`{"user_id":"bob"}`)},
		"bob removed carol":            {Type: domain.MemberRemoved, Sender: "bob", Body: []byte(`{"user_id":"carol"}`)},
		"bob made carol admin":         {Type: domain.MemberRoleChanged, Sender: "bob", Body: []byte(`{"user_id":"carol","role":"admin"}`)},
		"":                             {Type: "some.day", Sender: "bob"},
		"bob started the conversation": {Type: domain.ConversationCreated, Sender: "bob"},
	} {
		require.Equal(t, want, noteOf(e))
	}
}

// fakeRemote is a remote in memory with one conversation.
type fakeRemote struct {
	list []client.Conversation
	page client.MessagePage
	err  error
	sent []client.Post
	read int64
	asks []client.Range
}

func (f *fakeRemote) User() client.UserID                  { return "alice" }
func (f *fakeRemote) Conversations() []client.Conversation { return f.list }

func (f *fakeRemote) Messages(_ context.Context, _ client.ConversationID, r client.Range) (client.MessagePage, error) {
	f.asks = append(f.asks, r)
	return f.page, nil
}

func (f *fakeRemote) Send(_ context.Context, p client.Post) (client.Sent, error) {
	f.sent = append(f.sent, p)
	return client.Sent{ConversationID: f.list[0].ConversationID, Seq: 9, At: domain.TimeOf(time.Now())}, f.err
}

func (f *fakeRemote) MarkRead(_ context.Context, _ client.ConversationID, seq int64) (client.ReadState, error) {
	f.read = seq
	return client.ReadState{}, nil
}

// update passes a message to the screen, runs the commands that it returns, and
// passes on their messages in turn.
func update(s *screen, m tea.Msg) {
	if batch, ok := m.(tea.BatchMsg); ok {
		for _, c := range batch {
			if c != nil {
				update(s, c())
			}
		}
		return
	}
	if _, c := s.Update(m); c != nil {
		if next := c(); next != nil {
			if _, quit := next.(tea.QuitMsg); !quit {
				update(s, next)
			}
		}
	}
}

// typeLine types a line and presses enter.
func typeLine(s *screen, text string) {
	for _, word := range strings.SplitAfter(text, " ") { // a terminal passes a word in one message
		update(s, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(word)})
	}
	update(s, tea.KeyMsg{Type: tea.KeyEnter})
}

// viewOf returns what is visible, without styles.
func viewOf(s *screen) string { return ansi.Strip(s.View()) }

func newTestScreen(to string) (*screen, *fakeRemote, client.ConversationID) {
	id := domain.NewConversationID(time.Now())
	f := &fakeRemote{list: []client.Conversation{{
		ConversationID: id, Kind: domain.Direct, Peer: "bob", HeadSeq: 3, ReadSeq: 2, UnreadCount: 1,
	}}}
	for seq := int64(2); seq <= 3; seq++ {
		m, _ := client.MessageOf(message(id, seq, "bob", fmt.Sprint("history ", seq)))
		f.page.Messages = append(f.page.Messages, m)
	}
	s := newScreen(context.Background(), f, client.UserID(to))
	update(s, tea.WindowSizeMsg{Width: 100, Height: 20})
	update(s, statusMsg{State: client.Online})
	return s, f, id
}

func TestScreen(t *testing.T) {
	for _, to := range []string{"", "bob"} {
		s, f, id := newTestScreen(to)
		view := viewOf(s)
		require.Contains(t, view, "● online")
		require.Contains(t, view, "bob  history 2")
		require.Less(t, strings.Index(view, "history 2"), strings.Index(view, " new "))
		require.Less(t, strings.Index(view, " new "), strings.LastIndex(view, "history 3"))
		require.EqualValues(t, 3, f.read, "what is on the screen is read")

		update(s, eventMsg(message(id, 4, "bob", "live")))
		update(s, eventMsg(message(id, 4, "bob", "live")))
		require.Equal(t, 1, strings.Count(viewOf(s), "bob  live"))
		require.EqualValues(t, 4, f.read)

		typeLine(s, "up to the end of delete and home")
		require.Equal(t, "up to the end of delete and home", client.TextOf(f.sent[0].Content), "words that name keys are words")
		require.Equal(t, 1, strings.Count(viewOf(s), "up to the end"), "pending and sent are one")
		require.NotContains(t, viewOf(s), " new ")

		update(s, statusMsg{State: client.Offline})
		require.Contains(t, viewOf(s), "○ offline")
		update(s, statusMsg{State: client.Online})
		update(s, eventMsg(message(id, 10, "bob", "missed")))
		require.Less(t, strings.LastIndex(viewOf(s), " new "), strings.LastIndex(viewOf(s), "missed"))
	}
}

func TestScreenKeepsARefusedText(t *testing.T) {
	s, f, _ := newTestScreen("bob")
	f.err = domain.ErrForbidden
	typeLine(s, "not allowed")
	require.Contains(t, viewOf(s), "not sent: forbidden")
	require.Equal(t, "not allowed", s.input.Value(), "what was written is not lost")
	require.Empty(t, s.pending)
}

func TestScreenFirstMessageCreatesTheConversation(t *testing.T) {
	s, f, _ := newTestScreen("")
	typeLine(s, "/to carol")
	require.Contains(t, viewOf(s), "the beginning of your conversation with carol")
	typeLine(s, "hello")
	require.Equal(t, client.UserID("carol"), f.sent[0].To)
	require.True(t, f.sent[0].ConversationID.IsZero())
}

func TestParseLine(t *testing.T) {
	for line, want := range map[string][3]string{
		"hello /help":     {"", "", "hello /help"},
		"  /help ":        {"/help", "", ""},
		"/to  carol ":     {"/to", "carol", ""},
		"//etc/hosts":     {"", "", "/etc/hosts"},
		"///":             {"", "", "//"},
		"/":               {"/", "", ""},
		" ":               {"", "", ""},
		"@bob /help":      {"", "", "@bob /help"},
		"/shrug and more": {"/shrug", "and more", ""},
	} {
		command, argument, text := parseLine(line)
		require.Equal(t, want, [3]string{command, argument, text}, line)
	}
}

// A command is never sent to the other user.
func TestScreenCommands(t *testing.T) {
	s, f, _ := newTestScreen("bob")
	typeLine(s, "/help")
	require.Contains(t, viewOf(s), "/quit: leave")
	typeLine(s, "/shrug me")
	require.Contains(t, viewOf(s), "there is no command /shrug")
	require.Equal(t, "/shrug me", s.input.Value(), "what was written is not lost")
	s.input.Reset()
	typeLine(s, "/to")
	require.Contains(t, viewOf(s), "start without --to")
	require.Empty(t, f.sent)
	typeLine(s, "//help")
	require.Equal(t, "/help", client.TextOf(f.sent[0].Content))
}

func TestScreenScrollsBack(t *testing.T) {
	s, f, id := newTestScreen("bob")
	f.page.HasMoreBefore = true
	s.open.complete = false
	for seq := int64(10); seq < 60; seq++ {
		update(s, eventMsg(message(id, seq, "bob", fmt.Sprint("line ", seq))))
	}
	require.Contains(t, viewOf(s), "line 59")
	for range 10 {
		update(s, tea.KeyMsg{Type: tea.KeyPgUp})
	}
	require.NotContains(t, viewOf(s), "line 59")
	require.Contains(t, f.asks, client.Range{Before: 2, Limit: 100})
	read := f.read
	update(s, eventMsg(message(id, 60, "bob", "unseen")))
	require.Equal(t, read, f.read, "what is below the screen is not read")
}

func TestScreenOfAnySize(t *testing.T) {
	s, _, _ := newTestScreen("")
	for width := range 120 {
		for _, height := range []int{0, 1, 3, 5, 40} {
			update(s, tea.WindowSizeMsg{Width: width, Height: height})
			require.NotEmpty(t, s.View())
		}
	}
}
