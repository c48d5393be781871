package top

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

var (
	titleStyle = lipgloss.NewStyle().Bold(true)
	headStyle  = lipgloss.NewStyle().Reverse(true)
	errorStyle = lipgloss.NewStyle().Foreground(lipgloss.Color("9"))
	quietStyle = lipgloss.NewStyle().Faint(true)
)

// RunScreen shows the nodes on the whole terminal until the user leaves or ctx ends.
func RunScreen(ctx context.Context, urls []string, every time.Duration) error {
	s := &screen{every: every, urls: urls}
	s.read = func() tea.Msg {
		if s.next == nil {
			s.next = Watch(ctx, urls)
			if !sleep(ctx, min(every, time.Second)) {
				return nil
			}
		}
		return frameMsg(s.next(ctx))
	}
	_, err := tea.NewProgram(s, tea.WithAltScreen(), tea.WithContext(ctx)).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		err = nil
	}
	return err
}

// Messages to the screen.
type (
	frameMsg Frame
	tickMsg  struct{}
)

// screen is the model. One reading is under way at a time; the next begins a while after
// its end.
type screen struct {
	urls  []string
	every time.Duration
	read  func() tea.Msg
	next  func(context.Context) Frame // used by read only
	frame *Frame
	width int
}

var _ tea.Model = (*screen)(nil)

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return s.read }

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return s, tea.Quit
		}
	case tea.WindowSizeMsg:
		s.width = msg.Width
	case frameMsg:
		frame := Frame(msg)
		s.frame = &frame
		return s, tea.Tick(s.every, func(time.Time) tea.Msg { return tickMsg{} })
	case tickMsg:
		return s, s.read
	}
	return s, nil
}

// View implements tea.Model.
func (s *screen) View() string {
	if s.frame == nil {
		return fmt.Sprintf("reading %d nodes …", len(s.urls))
	}
	var table strings.Builder
	_ = WriteText(&table, *s.frame) // a strings.Builder takes everything
	lines := strings.Split(strings.TrimRight(table.String(), "\n"), "\n")
	for i, line := range lines {
		if s.width > 0 {
			line = ansi.Truncate(line, s.width, "…")
		}
		switch {
		case i == 0:
			line = headStyle.Render(line)
		case i > s.rows() || strings.Contains(line, "no Redis") || strings.Contains(line, "no RabbitMQ") || strings.Contains(line, "not serving"):
			line = errorStyle.Render(line)
		}
		lines[i] = line
	}
	title := titleStyle.Render("im top") + fmt.Sprintf("  %s, over %.1f s", s.frame.At.Format(time.TimeOnly), s.frame.Seconds)
	return title + "\n\n" + strings.Join(lines, "\n") + "\n\n" + quietStyle.Render("q quits")
}

// rows returns the number of rows below the head of the table.
func (s *screen) rows() (n int) {
	for _, node := range s.frame.Nodes {
		if node.Error == "" {
			n++
		}
	}
	if n > 1 {
		n++
	}
	return n
}

// sleep waits for d, and reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
