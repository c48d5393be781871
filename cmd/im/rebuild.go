package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"im/domain"
	"im/store/postgres"
)

// rebuildCmd makes the projections equal to the log. Nodes may run at the same time.
type rebuildCmd struct {
	Verify       bool          `help:"Only compare. Exit with 1 if anything differs."`
	Conversation string        `placeholder:"ID" help:"Rebuild or compare this conversation only."`
	Restart      bool          `help:"Begin with the first conversation, not where an earlier rebuild was stopped."`
	Pause        time.Duration `default:"0s" help:"Pause after each conversation, to leave the database to others."`
	JSON         bool          `name:"json" help:"Print one JSON object for each difference, and a summary."`

	databaseFlags
}

// Run implements the command.
func (c *rebuildCmd) Run(ctx context.Context, std streams) error {
	o := postgres.RebuildOptions{Verify: c.Verify, Restart: c.Restart, Pause: c.Pause}
	if c.Conversation != "" {
		id, err := domain.ParseConversationID("--conversation", c.Conversation)
		if err != nil {
			return usageError{fmt.Errorf("--conversation: %s", reason(err))}
		}
		o.Conversation = id
	}
	if c.Pause < 0 {
		return usageError{errors.New("--pause must not be negative")}
	}
	store, err := postgres.Open(ctx, postgres.Options{
		URL: c.url(), Node: "rebuild", Limits: domain.DefaultLimits(), Logger: c.Logger(std.err),
	})
	if err != nil {
		return c.named(err)
	}
	defer store.Close()
	report := &rebuildReport{json: c.JSON, out: std.out, progress: std.err, begun: time.Now(), reported: time.Now()}
	o.Found, o.Progress = report.found, report.step
	p, err := store.Rebuild(ctx, o)
	if err == nil && c.Conversation == "" {
		err = c.search(ctx, store, report, &p)
	}
	report.end(p, err)
	switch {
	case errors.Is(err, context.Canceled) && !c.Verify:
		return errors.New("stopped; the next rebuild resumes from here")
	case errors.Is(err, domain.ErrNotFound):
		return errors.New("--conversation: there is no such conversation")
	case err != nil:
		return c.named(err)
	case p.Broken > 0:
		return fmt.Errorf("%d conversations cannot be rebuilt from their log", p.Broken)
	case c.Verify && p.Differences > 0:
		return errors.New("the projections differ from the log")
	}
	return nil
}

// search rebuilds or compares the search index, as Rebuild does with the other
// projections. If no node runs, messages that are not indexed yet count as differences.
func (c *rebuildCmd) search(ctx context.Context, store *postgres.Store, report *rebuildReport, p *postgres.RebuildProgress) error {
	if !c.Verify {
		return store.ReindexSearch(ctx, report.searched)
	}
	return store.VerifySearch(ctx, report.searched, func(d postgres.SearchDifference) {
		p.Differences++
		report.found(postgres.Difference{
			ConversationID: d.ConversationID, Table: "search_messages", Key: fmt.Sprint("seq ", d.Seq), Stored: d.What,
		})
	})
}

// rebuildSummary is the last line of --json.
type rebuildSummary struct {
	postgres.RebuildProgress

	Seconds float64 `json:"seconds"`
	Done    bool    `json:"done"` // false if it was stopped or failed
}

const progressEvery = 2 * time.Second

// rebuildReport writes differences to out, and progress to another writer.
type rebuildReport struct {
	json          bool
	out, progress io.Writer
	begun         time.Time
	reported      time.Time // when progress was last written
}

func (r *rebuildReport) found(d postgres.Difference) {
	if r.json {
		r.line(map[string]postgres.Difference{"difference": d})
		return
	}
	words := []string{d.ConversationID.String(), d.Table}
	for _, word := range []string{d.Key, d.Column} {
		if word != "" {
			words = append(words, word)
		}
	}
	text := strings.Join(words, ", ") + ": "
	switch {
	case d.Stored == "" && d.Folded == "":
		text += "differs"
	case d.Folded == "":
		text += d.Stored
	default:
		text += d.Stored + ", the log says " + d.Folded
	}
	_, _ = fmt.Fprintln(r.out, text)
}

func (r *rebuildReport) step(p postgres.RebuildProgress) {
	if time.Since(r.reported) < progressEvery {
		return
	}
	r.reported = time.Now()
	_, _ = fmt.Fprintf(r.progress, "%d of %d conversations, %d events (%.0f a second), %d differences\n",
		p.Before+p.Conversations, p.Total, p.Events, r.rate(p), p.Differences)
}

func (r *rebuildReport) searched(done, total int64) {
	if time.Since(r.reported) < progressEvery {
		return
	}
	r.reported = time.Now()
	_, _ = fmt.Fprintf(r.progress, "%d of %d messages in the search index\n", done, total)
}

func (r *rebuildReport) rate(p postgres.RebuildProgress) float64 {
	return float64(p.Events) / max(time.Since(r.begun).Seconds(), 1e-3)
}

func (r *rebuildReport) end(p postgres.RebuildProgress, err error) {
	if r.json {
		r.line(map[string]rebuildSummary{"summary": {p, time.Since(r.begun).Seconds(), err == nil}})
		return
	}
	_, _ = fmt.Fprintf(r.out, "%d conversations, %d events (%.0f a second), %d differences\n",
		p.Conversations, p.Events, r.rate(p), p.Differences)
}

func (r *rebuildReport) line(v any) {
	_ = json.NewEncoder(r.out).Encode(v) // the reader may have closed the pipe
}
