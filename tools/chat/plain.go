package chat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"im/client"
)

const (
	historyLines = 20       // of a conversation, printed at the start; more if more is unread
	maxLine      = 64 << 10 // bytes of a line of input
)

// plain is the chat without a screen. It prints one line for each message, and
// notes about the connection to a writer of their own.
type plain struct {
	c     *client.Client
	to    client.UserID
	out   io.Writer
	notes io.Writer
	ready chan struct{} // closed when history has been printed

	mu     sync.Mutex
	last   map[client.ConversationID]int64 // the last printed seq
	unread map[client.ConversationID]int64 // the seq to mark as read
	wake   chan struct{}                   // receives when unread changes
	moved  chan struct{}                   // receives when last changes
}

// RunPlain prints messages to out as they arrive and sends the lines of in. It
// returns when in ends and everything was sent, or when ctx ends. Without
// Options.To, a line must begin with @user. Notes about the connection and about
// refused messages go to notes.
func RunPlain(ctx context.Context, o Options, in io.Reader, out, notes io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	p := &plain{
		to: o.To, out: out, notes: notes, ready: make(chan struct{}),
		last: map[client.ConversationID]int64{}, unread: map[client.ConversationID]int64{},
		wake: make(chan struct{}, 1), moved: make(chan struct{}, 1),
	}
	var err error
	if p.c, err = o.NewClient(client.Options{OnEvent: p.event, OnStatus: p.status}); err != nil {
		return err
	}
	disconnected := connect(ctx, p.c)
	sent := make(chan error, 1)
	running.Go(func() { sent <- p.sendLines(ctx, in) })
	running.Go(func() { p.markRead(ctx) })
	select {
	case err = <-sent:
		cancel()
		if ended := <-disconnected; err == nil {
			err = ended
		}
	case err = <-disconnected:
	}
	if errors.Is(err, context.Canceled) {
		return nil // interrupted
	}
	return err
}

func (p *plain) status(_ context.Context, _ *client.Client, s client.Status) {
	switch s.State {
	case client.Online:
		fmt.Fprintln(p.notes, "· online as", p.c.User())
	case client.Offline:
		fmt.Fprintln(p.notes, "· connection lost; trying again")
		printError(p.notes, s.Err)
	}
}

// event prints a live message. It waits until history has been printed.
func (p *plain) event(ctx context.Context, _ *client.Client, e client.Event) error {
	select {
	case <-p.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	if m, ok := client.MessageOf(e); ok {
		if v, known := p.c.Conversation(m.ConversationID); known {
			p.print(v, m)
		}
	}
	return nil
}

// print prints a message unless it was printed before or is of a conversation
// that is not shown.
func (p *plain) print(v client.Conversation, m client.Message) {
	if p.to != "" && v.Peer != p.to {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Seq <= p.last[m.ConversationID] {
		return
	}
	p.last[m.ConversationID] = m.Seq
	p.unread[m.ConversationID] = m.Seq
	text := strings.ReplaceAll(textOf(m), "\n", "\n    ")
	if p.to == "" && (v.Peer == "" || m.Sender != v.Peer) {
		fmt.Fprintf(p.out, "[%s] ", nameOf(v))
	}
	fmt.Fprintf(p.out, "%s: %s\n", m.Sender, text)
	for _, changed := range []chan struct{}{p.wake, p.moved} {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// sendLines prints history and then sends each line of in.
func (p *plain) sendLines(ctx context.Context, in io.Reader) error {
	if err := p.c.Synced(ctx); err != nil {
		return err
	}
	if err := p.history(ctx); err != nil {
		return err
	}
	close(p.ready)
	for lines := readLines(ctx, in); ; {
		select {
		case line, more := <-lines:
			if !more {
				return nil
			}
			if err := p.send(ctx, line); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readLines returns the lines of in. The channel is closed when in ends. A read
// of a terminal cannot be interrupted, so the goroutine may outlive ctx.
func readLines(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxLine)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// history prints the end of the conversation with Options.To, at least its unread
// messages. Without Options.To it prints the unread messages of all conversations.
func (p *plain) history(ctx context.Context) error {
	for _, v := range p.c.Conversations() {
		if p.to != "" && v.Peer != p.to || p.to == "" && v.UnreadCount == 0 {
			continue
		}
		count := int(v.UnreadCount)
		if p.to != "" {
			count = max(count, historyLines)
		}
		page, err := p.c.Messages(ctx, v.ConversationID, client.Range{Limit: min(count, 1000)})
		if err != nil {
			return err
		}
		marked := false
		for _, m := range page.Messages {
			if m.Seq > v.ReadSeq && m.Sender != p.c.User() && !marked {
				marked = true
				fmt.Fprintln(p.notes, "· new")
			}
			p.print(v, m)
		}
		p.mu.Lock()
		p.last[v.ConversationID] = max(p.last[v.ConversationID], page.HeadSeq)
		p.mu.Unlock()
	}
	return nil
}

// send sends one line and returns when it has been printed. A refused message is
// reported in a note and is not an error.
func (p *plain) send(ctx context.Context, line string) error {
	to, text := p.to, strings.TrimSpace(line)
	if to == "" {
		name, rest, ok := strings.Cut(strings.TrimPrefix(text, "@"), " ")
		if !ok || !strings.HasPrefix(text, "@") {
			fmt.Fprintln(p.notes, "· write @user and a text, or start with --to")
			return nil
		}
		to, text = client.UserID(name), strings.TrimSpace(rest)
	}
	if text == "" {
		return nil
	}
	sent, err := p.c.Send(ctx, client.Post{To: to, Content: client.Text(text)})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		printError(p.notes, fmt.Errorf("not sent: %w", err))
		return nil
	}
	return p.waitPrinted(ctx, sent.ConversationID, sent.Seq)
}

// waitPrinted waits until everything up to seq has been printed. The answer to a
// send may arrive before the events that precede it.
func (p *plain) waitPrinted(ctx context.Context, id client.ConversationID, seq int64) error {
	for {
		p.mu.Lock()
		done := p.last[id] >= seq
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-p.moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// markRead marks printed messages as read, until ctx ends. It is apart from
// printing, which must not wait for it.
func (p *plain) markRead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		printed := p.unread
		p.unread = map[client.ConversationID]int64{}
		p.mu.Unlock()
		for id, seq := range printed {
			_, _ = p.c.MarkRead(ctx, id, seq) // the next message marks this one too
		}
	}
}
