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
	"im/domain"
)

const (
	historyLines = 20       // of a conversation, printed at the start; more if more is unread
	maxLine      = 64 << 10 // bytes of a line of input
	maxPrinted   = 1000     // messages of which the sender and time are kept
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
	posted []client.Message                // the last ones that were printed, without content
	last   map[client.ConversationID]int64 // the last printed seq
	unread map[client.ConversationID]int64 // the seq to mark as read
	wake   chan struct{}                   // receives when unread changes
	moved  chan struct{}                   // receives when last changes
}

// RunPlain prints messages to out as they arrive and sends the lines of in. It
// returns when in ends and everything was sent, or when ctx ends. Without
// Options.To, a line must begin with @user. Notes about the connection and about
// refused messages go to notes. Lines that begin with a slash are commands.
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
	v, known := p.c.Conversation(e.ConversationID)
	if !known {
		return nil
	}
	if m, ok := client.MessageOf(e); ok {
		p.print(v, m)
	} else if isChange(e) {
		p.printChange(v, e)
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
	p.posted = append(p.posted, client.Message{
		ConversationID: m.ConversationID, Seq: m.Seq, At: m.At, Sender: m.Sender, Recalled: m.Recalled,
	})
	p.posted = p.posted[max(0, len(p.posted)-maxPrinted):]
	p.unread[m.ConversationID] = m.Seq
	p.printLine(v, m.Sender, fmt.Sprintf("%s: %s", m.Sender, textOf(m)))
	for _, changed := range []chan struct{}{p.wake, p.moved} {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// printLine prints something that a user did, and where if that is not clear.
func (p *plain) printLine(v client.Conversation, user client.UserID, text string) {
	if p.to == "" && (v.Peer == "" || user != v.Peer) {
		fmt.Fprintf(p.out, "[%s] ", nameOf(v))
	}
	fmt.Fprintln(p.out, strings.ReplaceAll(text, "\n", "\n    "))
}

// printChange prints that a message was edited or deleted: what was printed of it cannot be
// changed.
func (p *plain) printChange(v client.Conversation, e client.Event) {
	if p.to != "" && v.Peer != p.to {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	target, err := domain.TargetOf(&e)
	if err != nil || e.Seq <= p.last[e.ConversationID] {
		return // history was printed with the change
	}
	m := client.Message{ConversationID: e.ConversationID, Seq: target}
	what := "an earlier message"
	for i := range p.posted {
		if posted := &p.posted[i]; posted.Seq == target && posted.ConversationID == e.ConversationID {
			m, what = *posted, "the message of "+posted.At.Local().Format("15:04:05")
		}
	}
	if m.Sender != "" && m.Sender != e.Sender {
		what = string(m.Sender) + "'s message of " + m.At.Local().Format("15:04:05")
	}
	after, ok := client.MessageAfter(m, e, p.c.User())
	after.EditedAt = nil // the line says it
	switch {
	case !ok || m.Recalled || after.Content == nil: // printed as deleted, or one that the user may not read
	case e.Type == client.MessageRecalled:
		p.printLine(v, e.Sender, fmt.Sprintf("%s deleted %s", e.Sender, what))
	case !after.Recalled: // else its recall follows
		p.printLine(v, e.Sender, fmt.Sprintf("%s edited %s: %s", e.Sender, what, textOf(after)))
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
			command, _, text := parseLine(line)
			switch command {
			case "":
			case "/quit":
				return nil
			case "/help":
				fmt.Fprintln(p.notes, "· "+plainHelp)
				continue
			default:
				fmt.Fprintln(p.notes, "· "+unknownCommand(command))
				continue
			}
			if err := p.send(ctx, text); err != nil {
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

// send sends one text and returns when it has been printed. A refused message is
// reported in a note and is not an error.
func (p *plain) send(ctx context.Context, text string) error {
	to := p.to
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
