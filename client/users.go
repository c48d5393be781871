package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// Profiles returns the profiles of users who share a conversation with the client's
// user; others, and those without a profile, are left out. At most 100 at once.
func (c *Client) Profiles(ctx context.Context, users ...UserID) (map[UserID]UserProfile, error) {
	var answer struct {
		Users map[UserID]UserProfile `json:"users"`
	}
	err := c.Do(ctx, http.MethodGet, withQuery("/users", usersQuery(users)), nil, &answer)
	return answer.Users, err
}

// Presence returns the presence of users now, in their order; Watch follows it. At most
// 100 at once.
func (c *Client) Presence(ctx context.Context, users ...UserID) ([]Presence, error) {
	var answer struct {
		Items []Presence `json:"items"`
	}
	err := c.Do(ctx, http.MethodGet, withQuery("/presence", usersQuery(users)), nil, &answer)
	return answer.Items, err
}

func usersQuery(users []UserID) url.Values {
	query := url.Values{}
	for _, user := range users {
		query.Add("user_id", string(user))
	}
	return query
}

// Block blocks a user, who can then neither send to the client's user directly nor see
// their presence.
func (c *Client) Block(ctx context.Context, user UserID) error {
	return c.Do(ctx, http.MethodPut, blockPath(user), nil, nil)
}

// Unblock lifts a block.
func (c *Client) Unblock(ctx context.Context, user UserID) error {
	return c.Do(ctx, http.MethodDelete, blockPath(user), nil, nil)
}

// Blocks iterates over the users that the client's user has blocked.
func (c *Client) Blocks(ctx context.Context) iter.Seq2[Block, error] {
	return list[Block](ctx, c, "/blocks", nil)
}

func blockPath(user UserID) string { return "/blocks/" + url.PathEscape(string(user)) }

// Sessions iterates over the live sessions of the user, on all devices and nodes.
func (c *Client) Sessions(ctx context.Context) iter.Seq2[LiveSession, error] {
	return list[LiveSession](ctx, c, "/sessions", nil)
}

// EndSession ends one of the user's sessions, whose client is closed with 4401.
func (c *Client) EndSession(ctx context.Context, session LiveSession) error {
	return c.Do(ctx, http.MethodDelete, "/sessions/"+url.PathEscape(string(session.SessionID)), nil, nil)
}
