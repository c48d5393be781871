package main

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"im/client"
)

// palette is how the screen looks; colours are of the 256 that every terminal has.
type palette struct {
	faint, bold, accent, alarm, selected, unread lipgloss.Style
}

func colours() palette {
	s := lipgloss.NewStyle
	return palette{
		faint: s().Faint(true), bold: s().Bold(true),
		accent:   s().Foreground(lipgloss.AdaptiveColor{Light: "25", Dark: "111"}),
		alarm:    s().Foreground(lipgloss.AdaptiveColor{Light: "124", Dark: "210"}),
		selected: s().Background(lipgloss.AdaptiveColor{Light: "254", Dark: "237"}).Bold(true),
		unread:   s().Foreground(lipgloss.AdaptiveColor{Light: "25", Dark: "111"}).Bold(true),
	}
}

const sidebar = 26

// View implements tea.Model.
func (s *screen) View() string {
	p := colours()
	width, height := s.paneWidth(), max(1, s.height-4)
	pane := s.window(s.lines(), height)
	var b strings.Builder
	b.WriteString(s.header(p) + "\n")
	list := s.listLines(p, height)
	for i := range height {
		if s.hasList() {
			b.WriteString(fit(list[i], sidebar) + p.faint.Render(" │ "))
		}
		b.WriteString(fit(pane[i], width) + "\n")
	}
	b.WriteString(p.faint.Render(strings.Repeat("─", max(0, s.width))) + "\n")
	b.WriteString(s.prompt(p) + "\n")
	b.WriteString(s.footer(p))
	return b.String()
}

func (s *screen) hasList() bool { return !s.only && s.width >= 72 }

func (s *screen) paneWidth() int {
	if s.hasList() {
		return s.width - sidebar - 3
	}
	return max(20, s.width)
}

func (s *screen) header(p palette) string {
	name := "no conversation"
	switch {
	case s.with != "":
		name = string(s.with)
	case s.open != nil:
		for _, v := range s.list {
			if v.ConversationID == s.id {
				name = fmt.Sprintf("%s · %d members", nameOf(v), v.MemberCount)
			}
		}
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

func (s *screen) listLines(p palette, height int) []string {
	lines := make([]string, height)
	for i, v := range s.list {
		if 2*i+1 >= height {
			break
		}
		count := ""
		if v.UnreadCount > 0 && v.ConversationID != s.id {
			count = fmt.Sprint(min(v.UnreadCount, 999))
		}
		name := fit(nameOf(v), sidebar-len(count)-1)
		if v.ConversationID == s.id {
			lines[2*i] = p.selected.Render(fit(name, sidebar))
		} else {
			lines[2*i] = name + " " + p.unread.Render(count)
		}
		if v.LastMessage != nil {
			lines[2*i+1] = p.faint.Render(ansi.Truncate(oneLine(textOf(*v.LastMessage)), sidebar, "…"))
		}
	}
	if len(s.list) == 0 && height > 1 {
		lines[0], lines[1] = p.faint.Render("No conversations yet."), p.faint.Render("Start one: /to USER")
	}
	return lines
}

// lines is the open conversation, wrapped to the pane.
func (s *screen) lines() []string {
	if s.open == nil {
		return nil
	}
	p := colours()
	var lines []string
	if s.loading {
		lines = append(lines, p.faint.Render("loading …"))
	}
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
	if len(lines) == 0 && s.with != "" {
		lines = append(lines, p.faint.Render("This is the beginning of your conversation with "+string(s.with)+"."))
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
			line = p.faint.Render(stamp) + style.Render(ansi.Truncate(name, len(line), "")) + strings.TrimPrefix(line, name)
		} else {
			line = indent + line
		}
		wrapped[i] = line
	}
	return wrapped
}

// colourOf gives each user a colour of their own, the same everywhere.
func colourOf(user client.UserID) lipgloss.Color {
	few := []lipgloss.Color{"33", "71", "133", "166", "37", "168", "136", "98"}
	h := fnv.New32a()
	_, _ = h.Write([]byte(user))
	return few[h.Sum32()%uint32(len(few))]
}

// window is the part of lines that shows, the end unless scrolled back.
func (s *screen) window(lines []string, height int) []string {
	end := max(0, len(lines)-s.scroll)
	start := max(0, end-height)
	out := make([]string, height)
	copy(out[height-(end-start):], lines[start:end])
	return out
}

func (s *screen) prompt(p palette) string {
	before, after := string(s.input.runes[:s.input.at]), string(s.input.runes[s.input.at:])
	under, rest := " ", ""
	if after != "" {
		first := []rune(after)[0]
		under, rest = string(first), after[len(string(first)):]
	} else if before == "" {
		rest = p.faint.Render("Write a message")
	}
	line := oneLine(before) + lipgloss.NewStyle().Reverse(true).Render(oneLine(under)) + oneLine(rest)
	if over := ansi.StringWidth(before) + 4 - s.width; over > 0 {
		line = ansi.TruncateLeft(line, over, "…")
	}
	return p.accent.Render("› ") + ansi.Truncate(line, max(4, s.width-2), "")
}

func (s *screen) footer(p palette) string {
	if s.note != "" {
		return p.alarm.Render(ansi.Truncate(oneLine(clean(s.note)), s.width, "…"))
	}
	keys := "enter send · pgup/pgdn scroll · ctrl+c leave"
	if !s.only {
		keys = "tab next conversation · /to USER start one · " + keys
	}
	if s.scroll > 0 {
		keys = "↓ newer below · " + keys
	}
	return p.faint.Render(ansi.Truncate(keys, s.width, "…"))
}

func fit(text string, width int) string {
	text = ansi.Truncate(text, width, "…")
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "⏎") }
