package main

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

// historyLines is how much of a conversation is shown on entry, unless more of
// it is unread.
const historyLines = 20

// plain is the chat without a screen: one line a message, and notes about the
// connection apart from them.
type plain struct {
	c     *client.Client
	to    client.UserID
	out   io.Writer
	notes io.Writer
	ready chan struct{} // closed when history is printed

	mu   sync.Mutex
	last map[client.ConversationID]int64
	read map[client.ConversationID]int64 // to be marked as read
	wake chan struct{}                   // there is something to mark

	moved chan struct{} // last has changed
}

// runPlain prints messages to out as they come, sends the lines of in, and
// returns when in ends and all was sent. Without --to, a line begins with
// @user.
func runPlain(ctx context.Context, cmd *chatCmd, in io.Reader, out, notes io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &plain{
		to: client.UserID(cmd.To), out: out, notes: notes, ready: make(chan struct{}),
		last: map[client.ConversationID]int64{}, read: map[client.ConversationID]int64{}, wake: make(chan struct{}, 1),
		moved: make(chan struct{}, 1),
	}
	var err error
	if p.c, err = cmd.client(client.Options{OnEvent: p.event, OnStatus: p.status}); err != nil {
		return err
	}
	failed := connect(ctx, p.c)
	talk := make(chan error, 1)
	go func() { talk <- p.talk(ctx, in) }()
	go p.markRead(ctx)
	select {
	case err = <-talk:
		cancel()
		if ended := <-failed; err == nil {
			err = ended
		}
	case err = <-failed:
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
		explain(p.notes, s.Err)
	}
}

// event prints what is live, once what was before is printed.
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
	p.read[m.ConversationID] = m.Seq
	text := strings.ReplaceAll(textOf(m), "\n", "\n    ")
	if p.to == "" && (v.Peer == "" || m.Sender != v.Peer) {
		fmt.Fprintf(p.out, "[%s] ", nameOf(v))
	}
	fmt.Fprintf(p.out, "%s: %s\n", m.Sender, text)
	for _, told := range []chan struct{}{p.wake, p.moved} {
		select {
		case told <- struct{}{}:
		default:
		}
	}
}

// talk prints history and then sends the lines of in.
func (p *plain) talk(ctx context.Context, in io.Reader) error {
	if err := p.c.Synced(ctx); err != nil {
		return err
	}
	if err := p.history(ctx); err != nil {
		return err
	}
	close(p.ready)
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, 1<<16)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
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

// history prints the end of the conversation with --to, all that is unread at
// least; without --to, only what is unread anywhere.
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
		fresh := false
		for _, m := range page.Messages {
			if m.Seq > v.ReadSeq && m.Sender != p.c.User() && !fresh {
				fresh = true
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

// send posts one line; a refusal is told and is not the end.
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
		explain(p.notes, fmt.Errorf("not sent: %w", err))
		return nil
	}
	return p.printed(ctx, sent.ConversationID, sent.Seq)
}

// printed waits until everything up to seq is printed: the answer to a send may
// be here before what others wrote before it.
func (p *plain) printed(ctx context.Context, id client.ConversationID, seq int64) error {
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

// markRead tells the server what was printed; it must not hold up printing.
func (p *plain) markRead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		shown := p.read
		p.read = map[client.ConversationID]int64{}
		p.mu.Unlock()
		for id, seq := range shown {
			_, _ = p.c.MarkRead(ctx, id, seq) // the next one makes up for it
		}
	}
}
