package chat

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/list"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"im/client"
)

// palette is the styles of the screen. Its colours are of the 256 of every terminal.
type palette struct {
	faint, bold, accent, alarm lipgloss.Style
}

func newPalette() palette {
	s := lipgloss.NewStyle
	return palette{
		faint: s().Faint(true), bold: s().Bold(true),
		accent: s().Foreground(lipgloss.AdaptiveColor{Light: "25", Dark: "111"}),
		alarm:  s().Foreground(lipgloss.AdaptiveColor{Light: "124", Dark: "210"}),
	}
}

const (
	sidebar      = 26 // columns of the list
	minListWidth = 72 // columns of a terminal that has room for the list
)

// layout updates the components after a message. The pane stays where the reader
// is: at the end if it was there, else at the same lines.
func (s *screen) layout() {
	rows := min(s.input.LineCount()-1+s.input.LineInfo().Height, maxInputRows)
	s.input.SetHeight(rows)
	height := max(1, s.height-3-rows)

	s.list.SetSize(sidebar, height)
	items := make([]list.Item, len(s.conversations))
	for i, v := range s.conversations {
		items[i] = item{v}
	}
	s.list.SetItems(items)
	s.list.Select(s.openIndex())

	atEnd, fromEnd := s.pane.AtBottom(), s.pane.TotalLineCount()-s.pane.YOffset
	older := s.firstShown > 0 && s.open != nil && s.open.first() < s.firstShown
	lines := s.lines()
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, s.paneWidth(), "…")
	}
	s.pane.Width, s.pane.Height = s.paneWidth(), height
	if missing := height - len(lines); missing > 0 {
		lines = append(make([]string, missing), lines...)
	}
	s.pane.SetContent(strings.Join(lines, "\n"))
	switch {
	case atEnd:
		s.pane.GotoBottom()
	case older: // lines were added before those that are visible
		s.pane.SetYOffset(len(lines) - fromEnd)
	}
	s.firstShown = 0
	if s.open != nil {
		s.firstShown = s.open.first()
	}
}

// View implements tea.Model.
func (s *screen) View() string {
	p := newPalette()
	body := s.pane.View()
	if s.hasList() {
		side := s.list.View()
		if len(s.conversations) == 0 {
			side = p.faint.Render("No conversations yet.\nStart one: /to USER")
		}
		height := s.pane.Height
		body = lipgloss.JoinHorizontal(lipgloss.Top,
			lipgloss.NewStyle().Width(sidebar).Height(height).MaxHeight(height).Render(side),
			p.faint.Render(strings.TrimSuffix(strings.Repeat(" │ \n", height), "\n")), body)
	}
	rule := p.faint.Render(strings.Repeat("─", max(0, s.width)))
	return strings.Join([]string{s.header(p), body, rule, s.input.View(), s.footer(p)}, "\n")
}

func (s *screen) hasList() bool { return !s.only && s.width >= minListWidth }

func (s *screen) paneWidth() int {
	if s.hasList() {
		return s.width - sidebar - 3
	}
	return max(20, s.width)
}

func (s *screen) header(p palette) string {
	name := "no conversation"
	switch at := s.openIndex(); {
	case s.peer != "":
		name = string(s.peer)
	case at >= 0:
		name = fmt.Sprintf("%s · %d members", nameOf(s.conversations[at]), s.conversations[at].MemberCount)
	}
	left := p.bold.Render(ansi.Truncate(name, max(8, s.width-24), "…"))
	right := s.connectionState(p)
	if user := s.remote.User(); user != "" {
		right = p.faint.Render(string(user)+" ") + right
	}
	return left + strings.Repeat(" ", max(1, s.width-ansi.StringWidth(left)-ansi.StringWidth(right))) + right
}

func (s *screen) connectionState(p palette) string {
	switch s.status.State {
	case client.Online:
		return p.accent.Render("● online")
	case client.Syncing:
		return p.accent.Render("◐ catching up")
	case client.Connecting:
		return p.faint.Render("○ connecting")
	default:
		return p.alarm.Render("○ offline")
	}
}

func (s *screen) footer(p palette) string {
	if s.notice != "" {
		return p.alarm.Render(ansi.Truncate(oneLine(clean(s.notice)), s.width, "…"))
	}
	text := "enter send · /help · pgup/pgdn scroll · ctrl+c leave"
	if !s.only {
		text = "tab next conversation · /to USER start one · " + text
	}
	if !s.pane.AtBottom() {
		text = "↓ newer below · " + text
	}
	if s.open != nil && s.open.loading {
		text = "loading … · " + text
	}
	return p.faint.Render(ansi.Truncate(text, s.width, "…"))
}

// item is a conversation in the list.
type item struct{ v client.Conversation }

var _ list.DefaultItem = item{}

// Title implements list.DefaultItem: the name and the number of unread messages.
func (i item) Title() string {
	name := nameOf(i.v)
	if i.v.UnreadCount == 0 {
		return name
	}
	count := fmt.Sprintf(" (%d)", min(i.v.UnreadCount, 999))
	return ansi.Truncate(name, sidebar-4-len(count), "…") + count
}

// Description implements list.DefaultItem: the last message.
func (i item) Description() string {
	if i.v.LastMessage == nil {
		return ""
	}
	return oneLine(textOf(*i.v.LastMessage))
}

// FilterValue implements list.Item. The list is not filtered.
func (item) FilterValue() string { return "" }

func newList() list.Model {
	rows := list.NewDefaultDelegate()
	rows.SetSpacing(0)
	l := list.New(nil, rows, sidebar, 1)
	l.SetFilteringEnabled(false)
	l.SetShowTitle(false)
	l.SetShowStatusBar(false)
	l.SetShowPagination(false)
	l.SetShowHelp(false)
	return l
}

// lines returns the open conversation, wrapped to the pane.
func (s *screen) lines() []string {
	if s.open == nil {
		return nil
	}
	p := newPalette()
	var lines []string
	var day string
	firstNew := s.open.firstNew()
	for i, e := range s.open.entries {
		if d := e.at.Local().Format("Monday, 2 January 2006"); d != day {
			day = d
			lines = append(lines, s.rule(p.faint, d))
		}
		if i == firstNew {
			lines = append(lines, s.rule(p.alarm, "new"))
		}
		lines = append(lines, s.entryLines(p, e)...)
	}
	for _, post := range s.pending {
		text := clean(client.TextOf(post.Content))
		for _, line := range s.entryLines(p, entry{at: time.Now(), sender: s.remote.User(), text: text + " …"}) {
			lines = append(lines, p.faint.Render(ansi.Strip(line)))
		}
	}
	if len(lines) == 0 && s.peer != "" {
		lines = append(lines, p.faint.Render("This is the beginning of your conversation with "+string(s.peer)+"."))
	}
	return lines
}

func (s *screen) rule(style lipgloss.Style, label string) string {
	side := strings.Repeat("─", max(2, (s.paneWidth()-ansi.StringWidth(label)-2)/2))
	return style.Render(side + " " + label + " " + side)
}

func (s *screen) entryLines(p palette, e entry) []string {
	stamp := e.at.Local().Format("15:04") + " "
	if e.sender == "" {
		return []string{p.faint.Render(stamp + "· " + oneLine(e.text))}
	}
	name := string(e.sender)
	style := p.bold.Foreground(colourOf(e.sender))
	if e.sender == s.remote.User() {
		style = p.bold
	}
	indent := strings.Repeat(" ", len(stamp))
	wrapped := strings.Split(ansi.Wrap(name+"  "+e.text, max(10, s.paneWidth()-len(stamp)), ""), "\n")
	for i, line := range wrapped {
		if i == 0 {
			line = p.faint.Render(stamp) + style.Render(ansi.Truncate(name, len(line), "")) + e.styled(p, strings.TrimPrefix(line, name))
		} else {
			line = indent + e.styled(p, line)
		}
		wrapped[i] = line
	}
	return wrapped
}

// styled returns a line of the entry's text: what the sender did not write is faint.
func (e *entry) styled(p palette, line string) string {
	mark := strings.TrimSpace(editedMark)
	switch {
	case e.message == nil:
		return line
	case e.message.Recalled:
		return p.faint.Render(line)
	case e.message.EditedAt != nil && strings.HasSuffix(line, mark):
		return strings.TrimSuffix(line, mark) + p.faint.Render(mark)
	}
	return line
}

// colourOf returns the colour of a user, the same on every screen.
func colourOf(user client.UserID) lipgloss.Color {
	colours := []lipgloss.Color{"33", "71", "133", "166", "37", "168", "136", "98"}
	h := fnv.New32a()
	_, _ = h.Write([]byte(user))
	return colours[h.Sum32()%uint32(len(colours))]
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "⏎") }
