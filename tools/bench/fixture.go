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

// setUpConcurrency is how many connections and calls run at a time during the setup.
const setUpConcurrency = 32

// device is the device id of all sessions.
const device = "bench"

// fixture creates the users and conversations of one run, and connects them.
type fixture struct {
	c    *cluster
	tag  string // prefix of all names
	http *http.Client
}

func newFixture(c *cluster, tag string) *fixture {
	return &fixture{c: c, tag: tag, http: &http.Client{
		Timeout:   answerTimeout,
		Transport: &http.Transport{MaxIdleConnsPerHost: setUpConcurrency},
	}}
}

func (f *fixture) close() { f.http.CloseIdleConnections() }

// user returns the id of the i-th user of a kind.
func (f *fixture) user(kind string, i int) domain.UserID {
	return domain.UserID(fmt.Sprintf("bench-%s-%s%d", f.tag, kind, i))
}

// connect opens a session on the node with a number. Numbers beyond the last node
// start again with the first.
func (f *fixture) connect(ctx context.Context, user domain.UserID, node int) (*socket, error) {
	token, err := f.c.token(ctx, user)
	if err != nil {
		return nil, err
	}
	return dial(ctx, f.c.urls[node%len(f.c.urls)], token, device)
}

// create creates a conversation and returns its id.
func (f *fixture) create(ctx context.Context, creator domain.UserID, kind domain.Kind, others ...domain.UserID) (string, error) {
	body := map[string]any{"kind": kind, "members": others}
	if kind == domain.Group {
		body["title"] = "bench " + f.tag
	}
	var created struct {
		ID string `json:"conversation_id"`
	}
	err := f.call(ctx, creator, http.MethodPost, "/v1/conversations", body, &created)
	return created.ID, err
}

// add adds members to a group, at most perCall with each call.
func (f *fixture) add(ctx context.Context, owner domain.UserID, id string, users []domain.UserID, perCall int) error {
	for len(users) > 0 {
		part := users[:min(perCall, len(users))]
		users = users[len(part):]
		body := map[string]any{"user_ids": part}
		if err := f.call(ctx, owner, http.MethodPost, "/v1/conversations/"+id+"/members", body, nil); err != nil {
			return err
		}
	}
	return nil
}

// call makes a REST call as a user, to the first node.
func (f *fixture) call(ctx context.Context, user domain.UserID, method, path string, body, answer any) error {
	token, err := f.c.token(ctx, user)
	if err != nil {
		return err
	}
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, f.c.urls[0]+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := f.http.Do(request)
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

// each calls do for 0 … n-1, up to setUpConcurrency at a time.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(setUpConcurrency)
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

// clock counts nanoseconds since it was created.
type clock struct{ began time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.began)) }

// sleepUntil waits until a time of the clock. It returns an error if ctx ends first.
func (c clock) sleepUntil(ctx context.Context, ns int64) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(ns - c.now())):
		return nil
	}
}
