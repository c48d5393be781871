package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
)

// NewGroup describes a group to be created. Every field is optional.
type NewGroup struct {
	Title     string // at most Limits.TitleChars characters
	AvatarURL string // any URL of the app
	// Members are the other members, at most Limits.MembersPerCall. The client's user
	// becomes the owner.
	Members []UserID
	// Settings change the default settings.
	Settings SettingsChange
	// Metadata is JSON of the app, at most Limits.MetadataBytes; nil for none.
	Metadata json.RawMessage
	// ClientConversationID identifies the group: created again by the same user with the
	// same id and the same fields, it is the same group. Empty creates another group with
	// each call.
	ClientConversationID string
}

// SettingsChange changes settings one by one; nil keeps one.
type SettingsChange struct {
	Posting  *string `json:"posting,omitempty"`  // everyone, admins (an announcement channel), or nobody (frozen)
	Joining  *string `json:"joining,omitempty"`  // invite, or open: everyone who knows the id may join
	History  *string `json:"history,omitempty"`  // all, or since_join: what new members can read
	Receipts *bool   `json:"receipts,omitempty"` // whether members see each other's progress
	// SlowModeS is how many seconds the messages of a member must be apart; 0: no limit.
	SlowModeS *int `json:"slow_mode_s,omitempty"`
}

// GroupChange changes a group; nil keeps a field.
type GroupChange struct {
	Title     *string         // "" removes it
	AvatarURL *string         // "" removes it
	Settings  SettingsChange  // changes settings one by one
	Metadata  json.RawMessage // replaces all of it; JSON null removes it, nil keeps it
}

// Direct returns the direct conversation with another user, and creates it if it does
// not exist.
func (c *Client) Direct(ctx context.Context, with UserID) (Conversation, error) {
	return c.create(ctx, map[string]any{"kind": KindDirect, "members": []UserID{with}})
}

// CreateGroup creates a group, of which the client's user is the owner.
func (c *Client) CreateGroup(ctx context.Context, g NewGroup) (Conversation, error) {
	body := map[string]any{"kind": KindGroup, "members": append([]UserID{}, g.Members...)}
	setUnlessZero(body, "title", g.Title)
	setUnlessZero(body, "avatar_url", g.AvatarURL)
	setUnlessZero(body, "settings", g.Settings)
	setUnlessZero(body, "client_conversation_id", g.ClientConversationID)
	if g.Metadata != nil {
		body["metadata"] = g.Metadata
	}
	return c.create(ctx, body)
}

func setUnlessZero[T comparable](body map[string]any, name string, value T) {
	if value != *new(T) {
		body[name] = value
	}
}

func (c *Client) create(ctx context.Context, body map[string]any) (created Conversation, err error) {
	err = c.Do(ctx, http.MethodPost, "/conversations", body, &created)
	return created, err
}

// UpdateGroup changes a group. Owners and admins may.
func (c *Client) UpdateGroup(ctx context.Context, id ConversationID, change GroupChange) error {
	body := map[string]any{}
	for name, text := range map[string]*string{"title": change.Title, "avatar_url": change.AvatarURL} {
		switch {
		case text == nil:
		case *text == "":
			body[name] = nil
		default:
			body[name] = *text
		}
	}
	setUnlessZero(body, "settings", change.Settings)
	if change.Metadata != nil {
		body["metadata"] = change.Metadata
	}
	return c.Do(ctx, http.MethodPatch, conversationPath(id), body, nil)
}

// PreferencesChange changes preferences one by one; nil keeps one.
type PreferencesChange struct {
	Notify   *string `json:"notify,omitempty"`   // all, mentions or none: what the app notifies of
	Pinned   *bool   `json:"pinned,omitempty"`   // above other conversations
	Archived *bool   `json:"archived,omitempty"` // until the next message
}

// Preferences returns the user's own settings of a conversation.
func (c *Client) Preferences(ctx context.Context, id ConversationID) (p Preferences, err error) {
	err = c.Do(ctx, http.MethodGet, conversationPath(id)+"/preferences", nil, &p)
	return p, err
}

// SetPreferences changes the user's own settings of a conversation, and returns all of
// them.
func (c *Client) SetPreferences(ctx context.Context, id ConversationID, change PreferencesChange) (p Preferences, err error) {
	err = c.Do(ctx, http.MethodPatch, conversationPath(id)+"/preferences", change, &p)
	return p, err
}

// Receipts iterates over the progress of the members, the client's user included. In a
// conversation without receipts it is only the client's user.
func (c *Client) Receipts(ctx context.Context, id ConversationID) iter.Seq2[MemberReceipt, error] {
	return list[MemberReceipt](ctx, c, conversationPath(id)+"/receipts", nil)
}

// Members iterates over the members of a conversation.
func (c *Client) Members(ctx context.Context, id ConversationID) iter.Seq2[Member, error] {
	return list[Member](ctx, c, conversationPath(id)+"/members", nil)
}

// AddMembers adds users to a group, as members without a special role. Users who are
// members already stay as they are. Owners and admins may; at most
// Limits.MembersPerCall at once.
func (c *Client) AddMembers(ctx context.Context, id ConversationID, users ...UserID) error {
	return c.Do(ctx, http.MethodPost, conversationPath(id)+"/members", map[string]any{"user_ids": users}, nil)
}

// SetRole changes the role of a member, or adds the user with that role. Only the owner
// changes roles; making a member the owner makes the former owner an admin.
func (c *Client) SetRole(ctx context.Context, id ConversationID, user UserID, role Role) error {
	return c.Do(ctx, http.MethodPut, memberPath(id, user), map[string]any{"role": role}, nil)
}

// RemoveMember removes a user from a group. Owners and admins may; only the owner
// removes admins.
func (c *Client) RemoveMember(ctx context.Context, id ConversationID, user UserID) error {
	return c.Do(ctx, http.MethodDelete, memberPath(id, user), nil, nil)
}

// Join adds the client's user to an open group. It waits for the first connection,
// which tells who the user is.
func (c *Client) Join(ctx context.Context, id ConversationID) error {
	self, err := c.self(ctx)
	if err != nil {
		return err
	}
	return c.SetRole(ctx, id, self, RoleMember)
}

// Leave removes the client's user from a group. An owner who leaves hands over to the
// longest-serving admin, else member. Leave waits for the first connection.
func (c *Client) Leave(ctx context.Context, id ConversationID) error {
	self, err := c.self(ctx)
	if err != nil {
		return err
	}
	return c.RemoveMember(ctx, id, self)
}

func memberPath(id ConversationID, user UserID) string {
	return conversationPath(id) + "/members/" + url.PathEscape(string(user))
}
