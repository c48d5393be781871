package chat

import (
	"crypto/rand"
	"slices"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/textarea"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"im/client"
)

const maxInputRows = 4 // of the terminal; a longer text scrolls

func newID() string { return rand.Text() }

// newEditor returns the editor of messages. Enter is left to the screen.
func newEditor() textarea.Model {
	e := textarea.New()
	e.Prompt, e.Placeholder, e.ShowLineNumbers = "› ", "Write a message", false
	e.CharLimit, e.MaxHeight, e.MaxWidth = 0, 0, 0
	e.KeyMap.InsertNewline.SetKeys("ctrl+j", "alt+enter")
	e.KeyMap.Paste.SetEnabled(false) // the terminal pastes
	e.FocusedStyle.CursorLine = lipgloss.NewStyle()
	e.FocusedStyle.Prompt = newPalette().accent
	e.Cursor.SetMode(cursor.CursorStatic)
	e.Focus()
	return e
}

// edit passes a message to the editor, which then scrolls to its cursor. It has its
// full height for that: layout shrinks it to the rows that it uses.
func (s *screen) edit(m tea.Msg) (command tea.Cmd) {
	s.input.SetHeight(maxInputRows)
	s.input, command = s.input.Update(m)
	return command
}

// key handles a pressed key. Text is inserted without a look at the key bindings:
// a word that arrives in one piece, such as "end", has the name of a key.
func (s *screen) key(k tea.KeyMsg) tea.Cmd {
	if (k.Type == tea.KeyRunes || k.Type == tea.KeySpace) && !k.Alt {
		s.input.InsertString(string(k.Runes))
		return s.edit(nil)
	}
	switch k.String() {
	case "ctrl+c", "ctrl+d":
		return tea.Quit
	case "esc":
		s.notice = ""
		s.pane.GotoBottom()
	case "tab", "ctrl+n", "down":
		return s.step(1)
	case "shift+tab", "ctrl+p", "up":
		return s.step(-1)
	case "pgup", "ctrl+u":
		return s.scrollBack()
	case "pgdown":
		s.pane.ScrollDown(s.page())
		if s.open != nil && !s.id.IsZero() {
			return s.markRead()
		}
	case "enter":
		return s.submit()
	default:
		return s.edit(k)
	}
	return nil
}

// page returns the number of lines to scroll by: two stay visible.
func (s *screen) page() int { return max(1, s.pane.Height-2) }

// step opens the conversation that is by positions down the list, around its ends.
func (s *screen) step(by int) tea.Cmd {
	n := len(s.conversations)
	if s.only || n == 0 {
		return nil
	}
	return s.enter(s.conversations[(s.openIndex()+by+n)%n])
}

// openIndex returns the index of the open conversation in the list, or -1.
func (s *screen) openIndex() int {
	return slices.IndexFunc(s.conversations, func(v client.Conversation) bool { return v.ConversationID == s.id })
}

// scrollBack scrolls towards the past. At the first line it loads older messages.
func (s *screen) scrollBack() tea.Cmd {
	if s.open == nil || s.id.IsZero() {
		return nil
	}
	s.pane.ScrollUp(s.page())
	if !s.pane.AtTop() || s.open.complete || s.open.loading || s.open.first() == 0 {
		return nil
	}
	return s.load(client.Range{Before: s.open.first(), Limit: 100})
}

// submit carries out a command or sends the written text.
func (s *screen) submit() tea.Cmd {
	written := s.input.Value()
	command, argument, text := parseLine(written)
	s.input.Reset()
	switch {
	case text != "":
		return s.send(text)
	case command == "/quit":
		return tea.Quit
	case command == "/help":
		s.notice = screenHelp
	case command == "/to" && s.only:
		s.notice = "start without --to to change conversations"
	case command == "/to" && argument != "":
		s.id, s.peer, s.open = client.ConversationID{}, client.UserID(argument), &transcript{complete: true}
		s.notice, s.pending = "", nil
		s.pane.GotoBottom()
		return s.refresh()
	case command == "/to":
		s.notice = "write /to and a user"
	case command != "":
		s.notice = unknownCommand(command)
		s.input.SetValue(written)
	}
	return nil
}
