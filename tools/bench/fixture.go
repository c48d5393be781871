package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"im/domain"
)

// setUpAtOnce is how many connections or calls of the setting up run at a time.
const setUpAtOnce = 32

const device = "bench"

// people make users and conversations of one run, and connect them.
type people struct {
	c    *cluster
	tag  string // begins every name
	http *http.Client
}

func newPeople(c *cluster, tag string) *people {
	return &people{c: c, tag: tag, http: &http.Client{
		Timeout:   answerWithin,
		Transport: &http.Transport{MaxIdleConnsPerHost: setUpAtOnce},
	}}
}

func (p *people) close() { p.http.CloseIdleConnections() }

// user returns the name of the i-th user of a kind.
func (p *people) user(kind string, i int) domain.UserID {
	return domain.UserID(fmt.Sprintf("bench-%s-%s%d", p.tag, kind, i))
}

// connect opens a session on a node, counted from 0; nodes are taken in turn.
func (p *people) connect(ctx context.Context, user domain.UserID, node int) (*socket, error) {
	token, err := p.c.token(ctx, user)
	if err != nil {
		return nil, err
	}
	return dial(ctx, p.c.urls[node%len(p.c.urls)], token, device)
}

// create makes a conversation and returns its id.
func (p *people) create(ctx context.Context, creator domain.UserID, kind domain.Kind, others ...domain.UserID) (string, error) {
	body := map[string]any{"kind": kind, "members": others}
	if kind == domain.Group {
		body["title"] = "bench " + p.tag
	}
	var made struct {
		ID string `json:"conversation_id"`
	}
	err := p.call(ctx, creator, http.MethodPost, "/v1/conversations", body, &made)
	return made.ID, err
}

// add adds members to a group, as many calls as it takes.
func (p *people) add(ctx context.Context, owner domain.UserID, id string, users []domain.UserID, perCall int) error {
	for len(users) > 0 {
		some := users[:min(perCall, len(users))]
		users = users[len(some):]
		body := map[string]any{"user_ids": some}
		if err := p.call(ctx, owner, http.MethodPost, "/v1/conversations/"+id+"/members", body, nil); err != nil {
			return err
		}
	}
	return nil
}

// call makes a REST call of a user, at the first node.
func (p *people) call(ctx context.Context, user domain.UserID, method, path string, body, answer any) error {
	token, err := p.c.token(ctx, user)
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, p.c.urls[0]+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := p.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, read)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(read, answer)
}

// each runs do for 0 … n-1, some at once.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(setUpAtOnce)
	for i := range n {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return do(ctx, i)
		})
	}
	return g.Wait()
}

// clock counts nanoseconds from its making.
type clock struct{ began time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.began)) }

// sleepUntil returns early with an error if ctx ends.
func (c clock) sleepUntil(ctx context.Context, ns int64) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(ns - c.now())):
		return nil
	}
}
