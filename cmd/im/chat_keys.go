package main

import (
	"crypto/rand"
	"slices"
	"strings"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"

	"im/client"
)

func newID() string { return rand.Text() }

// key acts on a key that was pressed, or on text: a word that is read at once,
// such as "end", has the name of a key and is none.
func (s *screen) key(k tea.KeyMsg) tea.Cmd {
	if (k.Type == tea.KeyRunes || k.Type == tea.KeySpace) && !k.Alt {
		s.input.insert(k.Runes...)
		return nil
	}
	switch k.String() {
	case "ctrl+c", "ctrl+d":
		return tea.Quit
	case "esc":
		s.note = ""
		s.scroll = 0
	case "tab", "ctrl+n", "down":
		return s.step(1)
	case "shift+tab", "ctrl+p", "up":
		return s.step(-1)
	case "pgup", "ctrl+u":
		return s.back(s.page())
	case "pgdown":
		s.scroll = max(0, s.scroll-s.page())
		if s.open != nil && !s.id.IsZero() {
			return s.markRead()
		}
	case "enter":
		return s.submit()
	default:
		s.input.key(k)
	}
	return nil
}

func (s *screen) page() int { return max(1, s.height-6) }

// step moves to the next conversation of the list.
func (s *screen) step(by int) tea.Cmd {
	if s.only || len(s.list) == 0 {
		return nil
	}
	at := slices.IndexFunc(s.list, func(v client.Conversation) bool { return v.ConversationID == s.id })
	at = (at + by + len(s.list)) % len(s.list)
	return s.enter(s.list[at])
}

// back scrolls towards the past, and loads more of it when it comes near the
// first line.
func (s *screen) back(lines int) tea.Cmd {
	if s.open == nil || s.id.IsZero() {
		return nil
	}
	s.scroll += lines
	most := max(0, len(s.lines())-s.page())
	s.scroll = min(s.scroll, most)
	if s.scroll < most || s.open.oldest || s.loading || s.open.first() == 0 {
		return nil
	}
	return s.load(client.Range{Before: s.open.first(), Limit: 100})
}

func (s *screen) submit() tea.Cmd {
	text := strings.TrimSpace(s.input.text())
	s.input.set("")
	command, argument, _ := strings.Cut(text, " ")
	switch {
	case text == "":
		return nil
	case command == "/quit":
		return tea.Quit
	case command == "/to" && s.only:
		s.note = "leave --to away to change conversations"
		return nil
	case command == "/to" && argument != "":
		s.id, s.with, s.open = client.ConversationID{}, client.UserID(strings.TrimSpace(argument)), &transcript{oldest: true}
		s.note, s.scroll, s.pending = "", 0, nil
		return s.refresh()
	default:
		return s.send(text)
	}
}

// editor is one line of text with a cursor.
type editor struct {
	runes []rune
	at    int
}

func (e *editor) text() string { return string(e.runes) }

func (e *editor) set(text string) {
	e.runes = []rune(text)
	e.at = len(e.runes)
}

func (e *editor) key(k tea.KeyMsg) {
	switch k.String() {
	case "left", "ctrl+b":
		e.at = max(0, e.at-1)
	case "right", "ctrl+f":
		e.at = min(len(e.runes), e.at+1)
	case "home", "ctrl+a":
		e.at = 0
	case "end", "ctrl+e":
		e.at = len(e.runes)
	case "backspace":
		e.cut(max(0, e.at-1), e.at)
	case "delete":
		e.cut(e.at, min(len(e.runes), e.at+1))
	case "ctrl+w":
		e.cut(e.wordStart(), e.at)
	case "ctrl+k":
		e.cut(e.at, len(e.runes))
	case "ctrl+j", "alt+enter":
		e.insert('\n')
	}
}

func (e *editor) insert(runes ...rune) {
	e.runes = slices.Insert(e.runes, e.at, runes...)
	e.at += len(runes)
}

func (e *editor) cut(from, to int) {
	e.runes = slices.Delete(e.runes, from, to)
	e.at = from
}

func (e *editor) wordStart() int {
	i := e.at
	for i > 0 && unicode.IsSpace(e.runes[i-1]) {
		i--
	}
	for i > 0 && !unicode.IsSpace(e.runes[i-1]) {
		i--
	}
	return i
}
