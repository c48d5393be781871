package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"im/domain"
	"im/internal/eventjson"
)

const (
	missedMessages = 1_000
	catchUpRounds  = 10 // measured in each run, after one that is not
	postInFlight   = 32
	pullLimit      = 1_000
)

func catchupCases(o Options) []scenario {
	missed := cmp.Or(o.Missed, missedMessages)
	return []scenario{{
		label: fmt.Sprintf("%d missed", missed), nodes: 1,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runCatchup(ctx, r, missed) },
	}}
}

// runCatchup measures the time from connecting until the last missed message is parsed.
func runCatchup(ctx context.Context, r *run, missed int) ([]Metric, error) {
	a, b := r.fixture.user("a", 0), r.fixture.user("b", 0)
	id, err := r.fixture.create(ctx, a, domain.Direct, b)
	if err != nil {
		return nil, err
	}
	if err := r.fixture.post(ctx, a, id, missed); err != nil {
		return nil, err
	}
	token, err := r.cluster.token(ctx, b)
	if err != nil {
		return nil, err
	}
	welcome, all, clock := newLatency(), newLatency(), newClock()
	for i := range 1 + catchUpRounds {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		began := clock.now()
		sock, err := dial(ctx, r.cluster.urls[0], token, fmt.Sprint(device, i))
		if err != nil {
			return nil, err
		}
		greeted := clock.now()
		got, err := catchUp(sock)
		ended := clock.now()
		sock.close()
		if err != nil {
			return nil, err
		}
		if got != missed {
			return nil, fmt.Errorf("received %d of %d missed messages", got, missed)
		}
		if i > 0 {
			welcome.add(0, greeted-began)
			all.add(0, ended-began)
		}
	}
	return append(all.percentiles("catchup", 50, 100), welcome.percentiles("welcome", 50)...), nil
}

// syncPage is the part of a sync_page frame that is used.
type syncPage struct {
	Conversations []struct {
		ID      string `json:"conversation_id"`
		HeadSeq int64  `json:"head_seq"`
	} `json:"conversations"`
	Cursor string `json:"cursor"`
	Done   bool   `json:"done"`
}

// catchUp syncs, pulls all events and returns the number of messages among them.
func catchUp(sock *socket) (messages int, err error) {
	var synced syncPage
	if err := sock.ask(&synced, "sync_page", map[string]any{"type": "sync"}); err != nil {
		return 0, err
	}
	for _, c := range synced.Conversations {
		for after, more := int64(0), true; more; {
			payload, err := sock.request("page", map[string]any{"type": "pull", "conversation_id": c.ID, "after_seq": after, "limit": pullLimit})
			if err != nil {
				return 0, err
			}
			page, err := eventjson.DecodePage(payload) // as package client does
			if err != nil {
				return 0, err
			}
			for _, e := range page.Events {
				if e.Type == domain.MessagePosted {
					messages++
				}
			}
			after, more = page.ToSeq, page.HasMore
		}
	}
	return messages, nil
}

// request sends a request and returns the answer of type kind. The answer is valid
// until the next call.
func (s *socket) request(kind string, request map[string]any) ([]byte, error) {
	s.number++
	request["id"] = fmt.Sprint(s.number)
	if err := s.write(request); err != nil {
		return nil, err
	}
	return s.await(kind)
}

// ask sends a request and decodes the answer of type kind into answer.
func (s *socket) ask(answer any, kind string, request map[string]any) error {
	payload, err := s.request(kind, request)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(payload, answer)
}

// post sends n messages of user and waits for their answers.
func (f *fixture) post(ctx context.Context, user domain.UserID, id string, n int) error {
	sock, err := f.connect(ctx, user, 0)
	if err != nil {
		return err
	}
	defer sock.close()
	message := newSendFrame(f.tag, id, text100)
	for sent, answered := 0, 0; answered < n; answered++ {
		for ; sent < n && sent-answered < postInFlight; sent++ {
			sock.queue(message, 0)
		}
		if err := sock.flush(); err != nil {
			return err
		}
		if _, err := sock.await("sent"); err != nil {
			return err
		}
	}
	return nil
}
