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
	all, clock := newLatency(), newClock()
	var rounds stageTimes
	for i := range 1 + catchUpRounds {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		began := clock.now()
		sock, err := dial(ctx, r.cluster.urls[0], token, fmt.Sprint(device, i))
		if err != nil {
			return nil, err
		}
		now := stages{welcome: clock.now() - began}
		got, err := catchUp(sock, clock, &now)
		ended := clock.now()
		sock.close()
		if err != nil {
			return nil, err
		}
		if got != missed {
			return nil, fmt.Errorf("received %d of %d missed messages", got, missed)
		}
		if i > 0 {
			all.add(0, ended-began)
			rounds = append(rounds, now)
		}
	}
	return append(all.percentiles("catchup", 50, 100), rounds.metrics()...), nil
}

// stages are the nanoseconds of the parts of one round.
type stages struct {
	welcome int64 // from connecting until welcome
	sync    int64 // until the list of conversations is parsed
	first   int64 // of all pulls: until the first bytes of the page
	rest    int64 // until its last byte
	parse   int64 // of all pages
}

// stageTimes are the stages of all rounds.
type stageTimes []stages

func (s stageTimes) metrics() (list []Metric) {
	for _, stage := range []struct {
		name string
		of   func(stages) int64
	}{
		{"welcome", func(t stages) int64 { return t.welcome }},
		{"sync", func(t stages) int64 { return t.sync }},
		{"first_byte", func(t stages) int64 { return t.first }},
		{"last_byte", func(t stages) int64 { return t.rest }},
		{"parse", func(t stages) int64 { return t.parse }},
	} {
		l := newLatency()
		for _, round := range s {
			l.add(0, stage.of(round))
		}
		list = append(list, l.percentiles(stage.name, 50)...)
	}
	return list
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
func catchUp(sock *socket, clock clock, took *stages) (messages int, err error) {
	var synced syncPage
	last := clock.now()
	lap := func(stage *int64) {
		now := clock.now()
		*stage, last = *stage+now-last, now
	}
	if err := sock.ask(&synced, "sync_page", map[string]any{"type": "sync"}); err != nil {
		return 0, err
	}
	lap(&took.sync)
	for _, c := range synced.Conversations {
		for after, more := int64(0), true; more; {
			if err := sock.send(map[string]any{"type": "pull", "conversation_id": c.ID, "after_seq": after, "limit": pullLimit}); err != nil {
				return 0, err
			}
			if err := sock.peek(); err != nil {
				return 0, err
			}
			lap(&took.first)
			payload, err := sock.await("page")
			if err != nil {
				return 0, err
			}
			lap(&took.rest)
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
			lap(&took.parse)
		}
	}
	return messages, nil
}

// request sends a request and returns the answer of type kind. The answer is valid
// until the next call.
func (s *socket) request(kind string, request map[string]any) ([]byte, error) {
	if err := s.send(request); err != nil {
		return nil, err
	}
	return s.await(kind)
}

// send sends a request with the next id.
func (s *socket) send(request map[string]any) error {
	s.number++
	request["id"] = fmt.Sprint(s.number)
	return s.write(request)
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
