package main

import (
	"context"
	"errors"

	tea "github.com/charmbracelet/bubbletea"

	"im/client"
)

// Messages to the screen, beside bubbletea's own.
type (
	eventMsg   client.Event
	statusMsg  client.Status
	changeMsg  struct{}
	endMsg     struct{ err error }
	historyMsg struct {
		of   *transcript
		page client.MessagePage
		err  error
	}
	sentMsg struct {
		post client.Post
		sent client.Sent
		err  error
	}
)

// runScreen chats full-screen until the user leaves.
func runScreen(ctx context.Context, cmd *chatCmd) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var program *tea.Program
	tell := func(m tea.Msg) { program.Send(m) }
	c, err := cmd.client(client.Options{
		OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
			tell(eventMsg(e))
			return nil
		},
		OnStatus: func(_ context.Context, _ *client.Client, s client.Status) { tell(statusMsg(s)) },
		OnChange: func(context.Context, *client.Client) { tell(changeMsg{}) },
	})
	if err != nil {
		return err
	}
	program = tea.NewProgram(newScreen(ctx, c, cmd), tea.WithAltScreen(), tea.WithContext(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tell(endMsg{<-connect(ctx, c)})
	}()
	last, err := program.Run()
	cancel()
	<-ended
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		err = nil
	}
	if s, ok := last.(*screen); ok && s.err != nil {
		return s.err
	}
	return err
}

// remote is what the screen asks of the client; each call is made apart from
// the screen and answers with a message.
type remote interface {
	User() client.UserID
	Conversations() []client.Conversation
	Messages(context.Context, client.ConversationID, client.Range) (client.MessagePage, error)
	Send(context.Context, client.Post) (client.Sent, error)
	MarkRead(context.Context, client.ConversationID, int64) (client.ReadState, error)
}

// screen is the model: a list of conversations and the one that is open.
type screen struct {
	remote remote
	// background starts a call with the context of the program.
	background func(func(context.Context) tea.Msg) tea.Cmd

	width, height int
	status        client.Status
	list          []client.Conversation
	with          client.UserID // of --to or /to: the other user of what is open
	only          bool          // --to: no list
	id            client.ConversationID
	open          *transcript // nil while nothing is open
	pending       []client.Post
	input         editor
	scroll        int // lines back from the end
	loading       bool
	note          string
	shown         int64 // marked as read
	err           error
}

var _ tea.Model = (*screen)(nil)

func newScreen(ctx context.Context, c remote, cmd *chatCmd) *screen {
	s := &screen{remote: c, with: client.UserID(cmd.To), only: cmd.To != "", width: 80, height: 24}
	s.background = func(call func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return call(ctx) }
	}
	if s.only {
		s.open = &transcript{oldest: true}
	}
	return s
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (s *screen) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
	case tea.KeyMsg:
		return s, s.key(m)
	case statusMsg:
		return s, s.connection(client.Status(m))
	case changeMsg:
		return s, s.refresh()
	case eventMsg:
		return s, s.live(client.Event(m))
	case historyMsg:
		return s, s.history(m)
	case sentMsg:
		s.answered(m)
	case endMsg:
		s.err = m.err
		return s, tea.Quit
	}
	return s, nil
}

// connection notes how the client stands; what comes after a break is new.
func (s *screen) connection(status client.Status) tea.Cmd {
	if status.State == client.Offline && s.open != nil && s.open.newAfter == 0 {
		s.open.newAfter = s.open.last()
	}
	s.status = status
	return s.refresh()
}

// refresh takes the list anew, and opens what should be open and was not there.
func (s *screen) refresh() tea.Cmd {
	s.list = s.remote.Conversations()
	if s.status.State != client.Online || !s.id.IsZero() {
		return nil
	}
	if s.with != "" {
		if v, ok := find(s.list, s.with); ok {
			return s.enter(v)
		}
		return nil
	}
	if s.open == nil && len(s.list) > 0 {
		return s.enter(s.list[0])
	}
	return nil
}

// enter opens a conversation with the end of its history.
func (s *screen) enter(v client.Conversation) tea.Cmd {
	before := s.open
	s.id, s.with, s.scroll, s.note, s.shown = v.ConversationID, v.Peer, 0, "", v.ReadSeq
	s.open = &transcript{self: s.remote.User()}
	if v.UnreadCount > 0 {
		s.open.newAfter = v.ReadSeq
	}
	if before == nil || !s.only {
		s.pending = nil
	}
	return s.load(client.Range{Limit: int(min(max(50, v.UnreadCount+10), 500))})
}

func (s *screen) load(r client.Range) tea.Cmd {
	s.loading = true
	id, of := s.id, s.open
	return s.background(func(ctx context.Context) tea.Msg {
		page, err := s.remote.Messages(ctx, id, r)
		return historyMsg{of: of, page: page, err: err}
	})
}

func (s *screen) history(m historyMsg) tea.Cmd {
	if m.of != s.open {
		return nil
	}
	s.loading = false
	if m.err != nil {
		s.note = "history: " + m.err.Error()
		return nil
	}
	s.open.page(m.page)
	for _, message := range m.page.Messages {
		s.settle(message.ClientMsgID)
	}
	return s.markRead()
}

// live takes an event as it happens.
func (s *screen) live(e client.Event) tea.Cmd {
	var opened tea.Cmd
	s.list = s.remote.Conversations()
	if s.id.IsZero() {
		opened = s.refresh()
	}
	if e.ConversationID != s.id {
		return opened
	}
	s.settle(e.ClientMsgID)
	before := s.open.last()
	s.open.event(e)
	if s.scroll > 0 && s.open.last() > before {
		s.scroll++ // stay where the reader is
	}
	return tea.Batch(opened, s.markRead())
}

// markRead tells the server that everything on the screen was seen.
func (s *screen) markRead() tea.Cmd {
	id, seq := s.id, s.open.last()
	if s.scroll > 0 || seq <= s.shown {
		return nil
	}
	s.shown = seq
	return s.background(func(ctx context.Context) tea.Msg {
		_, _ = s.remote.MarkRead(ctx, id, seq) // the next one makes up for it
		return changeMsg{}
	})
}

// send posts the line that was written.
func (s *screen) send(text string) tea.Cmd {
	if s.open == nil {
		s.note = "choose a conversation, or start one with /to USER"
		return nil
	}
	post := client.Post{ConversationID: s.id, Content: client.Text(text), ClientMsgID: newID()}
	if s.id.IsZero() {
		post.To = s.with
	}
	s.pending = append(s.pending, post)
	s.open.newAfter, s.scroll, s.note = 0, 0, ""
	return s.background(func(ctx context.Context) tea.Msg {
		sent, err := s.remote.Send(ctx, post)
		return sentMsg{post: post, sent: sent, err: err}
	})
}

func (s *screen) answered(m sentMsg) {
	if m.err != nil {
		s.settle(m.post.ClientMsgID)
		s.note = "not sent: " + m.err.Error()
		s.input.set(client.TextOf(m.post.Content))
		return
	}
	if m.sent.ConversationID == s.id {
		s.settle(m.post.ClientMsgID)
		s.open.put(entry{
			seq: m.sent.Seq, at: m.sent.At.Time, sender: s.remote.User(), text: clean(client.TextOf(m.post.Content)),
		})
		s.shown = max(s.shown, m.sent.Seq)
	}
}

// settle takes a message of ours off the pending ones.
func (s *screen) settle(clientMsgID string) {
	for i, p := range s.pending {
		if p.ClientMsgID == clientMsgID {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
			return
		}
	}
}
