package bench

import (
	"cmp"
	"context"
	"fmt"

	"im/domain"
)

const (
	listedConversations  = 10_000
	changedConversations = 10
	syncRounds           = 10  // measured rounds of a run, after one that is not measured
	syncLimit            = 500 // conversations of a page
)

func syncCases(o Options) []scenario {
	listed := cmp.Or(o.Listed, listedConversations)
	return []scenario{{
		label: fmt.Sprintf("%d conversations", listed), nodes: 1,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runSync(ctx, r, listed) },
	}}
}

// runSync measures three times, each from the request to the end of the answer: of the
// first page of a full sync, of all its pages, and of a sync after a few changes.
func runSync(ctx context.Context, r *run, listed int) ([]Metric, error) {
	me := r.fixture.user("me", 0)
	ids := make([]string, listed)
	if err := each(ctx, listed, func(ctx context.Context, i int) (err error) {
		ids[i], err = r.fixture.create(ctx, me, domain.Direct, r.fixture.user("p", i))
		return err
	}); err != nil {
		return nil, err
	}
	sock, err := r.fixture.connect(ctx, me, 0)
	if err != nil {
		return nil, err
	}
	defer sock.close()
	s := &syncing{sock: sock, clock: newClock(), first: newLatency(), whole: newLatency(), since: newLatency()}
	for i := range 1 + syncRounds {
		if err := s.once(ctx, r, ids, i); err != nil {
			return nil, err
		}
	}
	metrics := s.first.percentiles("first_page", 50, 100)
	metrics = append(metrics, s.whole.percentiles("whole", 50)...)
	return append(metrics, s.since.percentiles("after_changes", 50, 100)...), nil
}

// syncing measures the syncs of one user.
type syncing struct {
	sock                *socket
	clock               clock
	first, whole, since *latency
}

// once measures one round: a full sync, and one after changes. It drops the times of
// round 0.
func (s *syncing) once(ctx context.Context, r *run, ids []string, round int) error {
	began := s.clock.now()
	var page syncPage
	if err := s.sock.ask(&page, "sync_page", map[string]any{"type": "sync"}); err != nil {
		return err
	}
	first := s.clock.now() - began
	began = s.clock.now()
	cursor, listed, err := s.pages("")
	whole := s.clock.now() - began
	if err != nil {
		return err
	}
	if listed != len(ids) {
		return fmt.Errorf("the sync listed %d of %d conversations", listed, len(ids))
	}
	changed := min(changedConversations, len(ids))
	if err := each(ctx, changed, func(ctx context.Context, i int) error {
		at := (round*changed + i) % len(ids)
		return r.fixture.postMessage(ctx, r.fixture.user("p", at), ids[at], round)
	}); err != nil {
		return err
	}
	began = s.clock.now()
	_, listed, err = s.pages(cursor)
	since := s.clock.now() - began
	if err != nil {
		return err
	}
	if listed != changed {
		return fmt.Errorf("the sync listed %d changed conversations instead of %d", listed, changed)
	}
	if round > 0 {
		s.first.add(0, first)
		s.whole.add(0, whole)
		s.since.add(0, since)
	}
	return nil
}

// pages syncs until the last page. It returns the cursor for the next sync.
func (s *syncing) pages(cursor string) (next string, listed int, err error) {
	for {
		request := map[string]any{"type": "sync", "limit": syncLimit}
		if cursor != "" {
			request["cursor"] = cursor
		}
		var page syncPage
		if err := s.sock.ask(&page, "sync_page", request); err != nil {
			return "", 0, err
		}
		cursor = page.Cursor
		listed += len(page.Conversations)
		if page.Done {
			return cursor, listed, nil
		}
	}
}

// postMessage posts a message over REST.
func (f *fixture) postMessage(ctx context.Context, user domain.UserID, id string, number int) error {
	return f.postText(ctx, user, id, number, text100)
}

func (f *fixture) postText(ctx context.Context, user domain.UserID, id string, number int, text string) error {
	return f.call(ctx, user, "POST", "/v1/conversations/"+id+"/messages", map[string]any{
		"client_msg_id": fmt.Sprint(number), "content": map[string]string{"type": "text", "text": text},
	}, nil)
}
