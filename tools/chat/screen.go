package chat

import (
	"context"
	"errors"

	"github.com/charmbracelet/bubbles/list"
	"github.com/charmbracelet/bubbles/textarea"
	"github.com/charmbracelet/bubbles/viewport"
	tea "github.com/charmbracelet/bubbletea"

	"im/client"
)

// Messages to the screen, in addition to those of bubbletea.
type (
	eventMsg   client.Event
	statusMsg  client.Status
	changeMsg  struct{} // the list of conversations has changed
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

// RunScreen runs the chat on the whole terminal until the user leaves or ctx ends.
func RunScreen(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var program *tea.Program
	c, err := o.NewClient(client.Options{
		OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
			program.Send(eventMsg(e))
			return nil
		},
		OnStatus: func(_ context.Context, _ *client.Client, s client.Status) { program.Send(statusMsg(s)) },
		OnChange: func(context.Context, *client.Client) { program.Send(changeMsg{}) },
	})
	if err != nil {
		return err
	}
	program = tea.NewProgram(newScreen(ctx, c, o.To), tea.WithAltScreen(), tea.WithContext(ctx))
	disconnected := make(chan struct{})
	go func() {
		defer close(disconnected)
		program.Send(endMsg{<-connect(ctx, c)})
	}()
	last, err := program.Run()
	cancel()
	<-disconnected
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		err = nil
	}
	if s, ok := last.(*screen); ok && s.err != nil {
		return s.err
	}
	return err
}

// remote is the part of the client that the screen uses. Calls that wait run in
// commands of bubbletea, which report the result with a message.
type remote interface {
	User() client.UserID
	Conversations() []client.Conversation
	Messages(context.Context, client.ConversationID, client.Range) (client.MessagePage, error)
	Send(context.Context, client.Post) (client.Sent, error)
	MarkRead(context.Context, client.ConversationID, int64) (client.ReadState, error)
}

// screen is the model: the list of conversations, the open one, and an editor.
//
//	open  id    peer
//	nil   zero  empty   nothing is open
//	set   zero  set     a chat with peer that has no conversation yet
//	set   set   any     a conversation
type screen struct {
	remote remote
	// background runs a call with the context of the program.
	background func(func(context.Context) tea.Msg) tea.Cmd

	status        client.Status
	conversations []client.Conversation
	only          bool // Options.To was set: there is no list
	id            client.ConversationID
	peer          client.UserID
	open          *transcript
	pending       []client.Post // sent by this user, without an answer
	markedRead    int64         // the last seq of the open conversation that was marked as read
	notice        string        // shown instead of the keys
	err           error         // why the client ended

	width, height int
	list          list.Model
	pane          viewport.Model // the lines of open
	firstShown    int64          // the seq of the first entry in the pane
	input         textarea.Model
}

var _ tea.Model = (*screen)(nil)

func newScreen(ctx context.Context, c remote, to client.UserID) *screen {
	s := &screen{
		remote: c, peer: to, only: to != "", width: 80, height: 24,
		list: newList(), pane: viewport.New(0, 0), input: newEditor(),
	}
	s.background = func(call func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return call(ctx) }
	}
	if s.only {
		s.open = &transcript{complete: true}
	}
	s.input.SetWidth(s.width)
	s.layout()
	return s
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (s *screen) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	command := s.handle(m)
	s.layout()
	return s, command
}

func (s *screen) handle(m tea.Msg) tea.Cmd {
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
		s.input.SetWidth(m.Width)
		return s.edit(nil)
	case tea.KeyMsg:
		return s.key(m)
	case statusMsg:
		return s.connection(client.Status(m))
	case changeMsg:
		return s.refresh()
	case eventMsg:
		return s.live(client.Event(m))
	case historyMsg:
		return s.history(m)
	case sentMsg:
		s.answered(m)
	case endMsg:
		s.err = m.err
		return tea.Quit
	}
	return nil
}

// connection shows the state of the client. Messages after an interruption are
// marked as new.
func (s *screen) connection(status client.Status) tea.Cmd {
	if status.State == client.Offline && s.open != nil && s.open.newAfter == 0 {
		s.open.newAfter = s.open.last()
	}
	s.status = status
	return s.refresh()
}

// refresh reads the list of conversations. If no conversation is open, it opens
// the one with the chosen peer, or the first of the list.
func (s *screen) refresh() tea.Cmd {
	s.conversations = s.remote.Conversations()
	if s.status.State != client.Online || !s.id.IsZero() {
		return nil
	}
	if s.peer != "" {
		if v, ok := findDirect(s.conversations, s.peer); ok {
			return s.enter(v)
		}
		return nil
	}
	if s.open == nil && len(s.conversations) > 0 {
		return s.enter(s.conversations[0])
	}
	return nil
}

// enter opens a conversation at the end of its history.
func (s *screen) enter(v client.Conversation) tea.Cmd {
	before := s.open
	s.id, s.peer, s.notice, s.markedRead = v.ConversationID, v.Peer, "", v.ReadSeq
	s.open = &transcript{self: s.remote.User()}
	if v.UnreadCount > 0 {
		s.open.newAfter = v.ReadSeq
	}
	if before == nil || !s.only {
		s.pending = nil
	}
	s.pane.GotoBottom()
	return s.load(client.Range{Limit: int(min(max(50, v.UnreadCount+10), 500))})
}

func (s *screen) load(r client.Range) tea.Cmd {
	s.open.loading = true
	id, of := s.id, s.open
	return s.background(func(ctx context.Context) tea.Msg {
		page, err := s.remote.Messages(ctx, id, r)
		return historyMsg{of: of, page: page, err: err}
	})
}

func (s *screen) history(m historyMsg) tea.Cmd {
	if m.of != s.open {
		return nil // another conversation has been opened since
	}
	if m.err != nil {
		s.open.loading, s.open.changes = false, nil
		s.notice = "history: " + m.err.Error()
		return nil
	}
	s.open.addPage(m.page)
	for _, message := range m.page.Messages {
		s.removePending(message.ClientMsgID)
	}
	return s.markRead()
}

// live handles an event as it happens.
func (s *screen) live(e client.Event) tea.Cmd {
	var opened tea.Cmd
	s.conversations = s.remote.Conversations()
	if s.id.IsZero() {
		opened = s.refresh()
	}
	if e.ConversationID != s.id {
		return opened
	}
	s.removePending(e.ClientMsgID)
	s.open.addEvent(e)
	return tea.Batch(opened, s.markRead())
}

// markRead marks the open conversation as read, if its end is visible.
func (s *screen) markRead() tea.Cmd {
	id, seq := s.id, s.open.last()
	if !s.pane.AtBottom() || seq <= s.markedRead {
		return nil
	}
	s.markedRead = seq
	return s.background(func(ctx context.Context) tea.Msg {
		_, _ = s.remote.MarkRead(ctx, id, seq) // the next message marks this one too
		return changeMsg{}
	})
}

// send posts text to the open conversation.
func (s *screen) send(text string) tea.Cmd {
	if s.open == nil {
		s.notice = "choose a conversation, or start one with /to USER"
		return nil
	}
	post := client.Post{ConversationID: s.id, Content: client.Text(text), ClientMsgID: newID()}
	if s.id.IsZero() {
		post.To = s.peer
	}
	s.pending = append(s.pending, post)
	s.open.newAfter, s.notice = 0, ""
	s.pane.GotoBottom()
	return s.background(func(ctx context.Context) tea.Msg {
		sent, err := s.remote.Send(ctx, post)
		return sentMsg{post: post, sent: sent, err: err}
	})
}

// answered handles the answer to a send. A refused text goes back to the editor.
func (s *screen) answered(m sentMsg) {
	if m.err != nil {
		s.removePending(m.post.ClientMsgID)
		s.notice = "not sent: " + m.err.Error()
		s.input.SetValue(client.TextOf(m.post.Content))
		return
	}
	if m.sent.ConversationID == s.id {
		s.removePending(m.post.ClientMsgID)
		s.open.add(entryOfMessage(client.Message{
			ConversationID: s.id, Seq: m.sent.Seq, At: m.sent.At, Sender: s.remote.User(), Content: m.post.Content,
		}, m.sent.Seq))
		s.markedRead = max(s.markedRead, m.sent.Seq)
	}
}

func (s *screen) removePending(clientMsgID string) {
	for i, p := range s.pending {
		if p.ClientMsgID == clientMsgID {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
			return
		}
	}
}
