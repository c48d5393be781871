package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"im/domain"
)

// Range selects messages by at most one position; without one, the newest.
type Range struct {
	After, Before, Around int64 // seqs; After and Before exclude, Around includes
	Limit                 int   // 0 is the server's default
}

// Direct returns the direct conversation with another user, made at need.
func (c *Client) Direct(ctx context.Context, with UserID) (Conversation, error) {
	return c.create(ctx, map[string]any{"kind": domain.Direct, "members": []UserID{with}})
}

// CreateGroup makes a group of the user, who owns it, and of others. Each call
// makes another one.
func (c *Client) CreateGroup(ctx context.Context, title string, others ...UserID) (Conversation, error) {
	return c.create(ctx, map[string]any{"kind": domain.Group, "title": title, "members": append([]UserID{}, others...)})
}

func (c *Client) create(ctx context.Context, creation map[string]any) (made Conversation, err error) {
	err = c.Do(ctx, http.MethodPost, "/conversations", creation, &made)
	return made, err
}

// Messages returns messages as they stand now, ascending: history that the
// device was never handed.
func (c *Client) Messages(ctx context.Context, id ConversationID, r Range) (MessagePage, error) {
	query := url.Values{}
	for name, seq := range map[string]int64{
		"after_seq": r.After, "before_seq": r.Before, "around_seq": r.Around, "limit": int64(r.Limit),
	} {
		if seq != 0 {
			query.Set(name, strconv.FormatInt(seq, 10))
		}
	}
	var page MessagePage
	err := c.Do(ctx, http.MethodGet, "/conversations/"+id.String()+"/messages?"+query.Encode(), nil, &page)
	return page, err
}

// AddMembers adds users to a group, as plain members.
func (c *Client) AddMembers(ctx context.Context, id ConversationID, users ...UserID) error {
	return c.Do(ctx, http.MethodPost, "/conversations/"+id.String()+"/members", map[string]any{"user_ids": users}, nil)
}

// Join has the client's own user, who is self, join an open group as a plain member.
func (c *Client) Join(ctx context.Context, id ConversationID, self UserID) error {
	return c.Do(ctx, http.MethodPut, memberPath(id, self), map[string]any{"role": domain.RoleMember}, nil)
}

// RemoveMember removes a user from a group; the client's own user leaves it.
func (c *Client) RemoveMember(ctx context.Context, id ConversationID, user UserID) error {
	return c.Do(ctx, http.MethodDelete, memberPath(id, user), nil, nil)
}

func memberPath(id ConversationID, user UserID) string {
	return "/conversations/" + id.String() + "/members/" + url.PathEscape(string(user))
}

// Do makes any other REST call: path is below /v1, request and answer are JSON
// values, or nil. A node that cannot be reached is passed over. A refusal is an
// *Error.
func (c *Client) Do(ctx context.Context, method, path string, request, answer any) error {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	token := c.tokens.current()
	for try := 1; ; try++ {
		if token == "" {
			var err error
			if token, err = c.tokens.next(ctx); err != nil {
				return err
			}
		}
		err := c.anyNode(ctx, method, path, token, body, answer)
		if try == 2 || !errors.Is(err, domain.ErrTokenExpired) {
			return err
		}
		token = ""
	}
}

func (c *Client) anyNode(ctx context.Context, method, path, token string, body []byte, answer any) error {
	var failed error
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
			return readAnswer(response, answer)
		}
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}

func readAnswer(response *http.Response, answer any) error {
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
