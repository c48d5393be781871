package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// Do makes a REST call that has no method of its own. path is below /v1; request and
// answer are JSON values, or nil. Nodes that cannot be reached are passed over. Do
// returns an *Error for a refusal, and does not repeat the call, except once with a
// new token after ErrTokenExpired.
func (c *Client) Do(ctx context.Context, method, path string, request, answer any) error {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	token := c.tokens.current()
	for attempt := 1; ; attempt++ {
		if token == "" {
			var err error
			if token, err = c.tokens.next(ctx); err != nil {
				return err
			}
		}
		err := c.callAnyNode(ctx, method, path, token, body, answer)
		if attempt == 2 || !errors.Is(err, ErrTokenExpired) {
			return err
		}
		token = ""
	}
}

func (c *Client) callAnyNode(ctx context.Context, method, path, token string, body []byte, answer any) error {
	var failures error
	for _, base := range c.opts.URLs {
		request, err := http.NewRequestWithContext(ctx, method, base+"/v1"+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		if len(body) > 0 {
			request.Header.Set("Content-Type", "application/json")
		}
		response, err := c.http.Do(request)
		if err == nil {
			defer func() { _ = response.Body.Close() }() // the loop ends here
			return decodeAnswer(response, answer)
		}
		failures = errors.Join(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return failures
}

func decodeAnswer(response *http.Response, answer any) error {
	data, err := io.ReadAll(io.LimitReader(response.Body, maxFrame))
	if err != nil {
		return err
	}
	if response.StatusCode < 300 {
		if answer == nil || len(data) == 0 {
			return nil
		}
		return json.Unmarshal(data, answer)
	}
	var problem struct {
		errorFrame
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(data, &problem) != nil || problem.Code == "" {
		return fmt.Errorf("client: the server answered %s", response.Status)
	}
	refusal := problem.err()
	for _, text := range []string{problem.Detail, problem.Title} {
		if refusal.Message == "" {
			refusal.Message = text
		}
	}
	return refusal
}

// list iterates over all items of a list, and requests its pages as they are needed.
// An error is the last element.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := cloneQuery(query)
		for {
			var page struct {
				Items      []T     `json:"items"`
				NextCursor *string `json:"next_cursor"`
			}
			if err := c.Do(ctx, http.MethodGet, withQuery(path, query), nil, &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.NextCursor == nil {
				return
			}
			query.Set("cursor", *page.NextCursor)
		}
	}
}

func cloneQuery(query url.Values) url.Values {
	clone := url.Values{}
	for name, values := range query {
		clone[name] = values
	}
	return clone
}

func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

func conversationPath(id ConversationID) string { return "/conversations/" + id.String() }
