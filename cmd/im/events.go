package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"im/domain"
	"im/store/postgres"
)

// eventsCmd is for the event stream, which the database keeps the place of. Nodes may run
// at the same time.
type eventsCmd struct {
	Status eventsStatusCmd `cmd:"" help:"Show how much the event stream is owed, and which events its broker has refused. Exit code 1 if there is no stream."`
	Replay eventsReplayCmd `cmd:"" help:"Publish events again: those since a time, or those of a conversation."`
	Forget eventsForgetCmd `cmd:"" help:"Forget the place of the event stream and what it is owed. If a node has IM_EVENTS_URL, restart it: a new stream begins."`
}

type eventsStatusCmd struct {
	databaseFlags

	JSON bool `name:"json" help:"Print JSON."`
}

type eventsReplayCmd struct {
	databaseFlags

	Since        string `placeholder:"TIME" help:"Time of the first event, such as 2026-01-02T03:04:05Z, or beginning."`
	Conversation string `placeholder:"ID" help:"Conversation whose events are published again."`
	AfterSeq     int64  `default:"0" help:"Seq of that conversation after which to begin."`
}

type eventsForgetCmd struct{ databaseFlags }

// errNoStream is what an operator reads if there is no stream.
var errNoStream = errors.New("there is no event stream: no node with IM_EVENTS_URL has run, or it was forgotten")

// inStore calls use with the store.
func (f databaseFlags) inStore(ctx context.Context, std streams, use func(*postgres.Store) error) error {
	store, err := postgres.Open(ctx, postgres.Options{URL: f.url(), Node: "events", Limits: domain.DefaultLimits(), Logger: f.Logger(std.err)})
	if err != nil {
		return f.named(err)
	}
	defer store.Close()
	return use(store)
}

// Run implements the command.
func (c *eventsStatusCmd) Run(ctx context.Context, std streams) error {
	return c.inStore(ctx, std, func(store *postgres.Store) error {
		s, err := store.StreamStatus(ctx)
		switch {
		case errors.Is(err, domain.ErrNotFound):
			return errNoStream
		case err != nil:
			return c.named(err)
		case c.JSON:
			return writeJSON(std.out, s)
		}
		_, err = fmt.Fprintf(std.out, "begun %s; delivered by a node now: %t; looking for older events: %t\nwaiting: %d events of %d conversations, the oldest for %s\n",
			s.CreatedAt.Format(time.RFC3339), s.Held, s.Walking, s.Events, s.Lanes, time.Duration(s.OldestS*float64(time.Second)).Round(time.Second))
		for _, gap := range s.Failed {
			if err == nil {
				_, err = fmt.Fprintf(std.out, "given up: %s seq %d at %s: %s\n", gap.ConversationID, gap.Seq, gap.FailedAt.UTC().Format(time.RFC3339), gap.Error)
			}
		}
		return err
	})
}

// Run implements the command.
func (c *eventsReplayCmd) Run(ctx context.Context, std streams) error {
	replay, err := c.replay()
	if err != nil {
		return usageError{err}
	}
	return c.inStore(ctx, std, func(store *postgres.Store) error {
		err := store.ReplayStream(ctx, replay)
		if !errors.Is(err, domain.ErrNotFound) {
			return c.named(err)
		}
		if _, err := store.StreamStatus(ctx); errors.Is(err, domain.ErrNotFound) {
			return errNoStream
		}
		return fmt.Errorf("--conversation: there is no conversation %s with events after seq %d", c.Conversation, c.AfterSeq)
	})
}

// replay returns what the flags ask for.
func (c *eventsReplayCmd) replay() (r domain.WebhookReplay, err error) {
	switch {
	case (c.Since == "") == (c.Conversation == ""):
		return r, errors.New("use either --since or --conversation")
	case c.Since == "beginning":
		r.Since = &domain.Time{}
	case c.Since != "":
		at, err := time.Parse(time.RFC3339Nano, c.Since)
		if err != nil {
			return r, errors.New("--since must be beginning, or a time such as 2026-01-02T03:04:05Z")
		}
		r.Since = new(domain.TimeOf(at))
	case c.AfterSeq < 0:
		return r, errors.New("--after-seq must not be negative")
	default:
		r.AfterSeq = &c.AfterSeq
		if r.ConversationID, err = domain.ParseConversationID("/conversation", c.Conversation); err != nil {
			return r, errors.New("--conversation must be the id of a conversation")
		}
	}
	return r, nil
}

// Run implements the command.
func (c *eventsForgetCmd) Run(ctx context.Context, std streams) error {
	return c.inStore(ctx, std, func(store *postgres.Store) error {
		err := store.DropStream(ctx)
		if errors.Is(err, domain.ErrNotFound) {
			return errNoStream
		}
		return c.named(err)
	})
}
