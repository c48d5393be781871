package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"im/domain"
)

// Sanction is a ban or a mute of a user in a group.
type Sanction = domain.ListedSanction

// ReportCategory says what is wrong with a reported message.
type ReportCategory = domain.ReportCategory

// The categories of reports.
const (
	ReportSpam     ReportCategory = "spam"
	ReportAbuse    ReportCategory = "abuse"
	ReportSexual   ReportCategory = "sexual"
	ReportViolence ReportCategory = "violence"
	ReportIllegal  ReportCategory = "illegal"
	ReportOther    ReportCategory = "other"
)

// Ban removes a user from a group and keeps the user out until a time; the zero time means
// until Unban. The reason is shown to members; "" gives none. Owners and admins may, by the
// rule of RemoveMember; at most Limits.Bans users are banned.
func (c *Client) Ban(ctx context.Context, id ConversationID, user UserID, until time.Time, reason string) error {
	body := untilBody(until)
	setUnlessZero(body, "reason", reason)
	return c.Do(ctx, http.MethodPut, conversationPath(id)+"/bans/"+url.PathEscape(string(user)), body, nil)
}

// Unban lets a banned user join a group and be added again.
func (c *Client) Unban(ctx context.Context, id ConversationID, user UserID) error {
	return c.Do(ctx, http.MethodDelete, conversationPath(id)+"/bans/"+url.PathEscape(string(user)), nil, nil)
}

// Bans iterates over the banned users of a group. Owners and admins may.
func (c *Client) Bans(ctx context.Context, id ConversationID) iter.Seq2[Sanction, error] {
	return list[Sanction](ctx, c, conversationPath(id)+"/bans", nil)
}

// Mute forbids a user of a group to post, to edit and to react until a time; the zero time
// means until Unmute. Owners and admins may, by the rule of RemoveMember; at most
// Limits.Mutes users are muted.
func (c *Client) Mute(ctx context.Context, id ConversationID, user UserID, until time.Time) error {
	return c.Do(ctx, http.MethodPut, conversationPath(id)+"/mutes/"+url.PathEscape(string(user)), untilBody(until), nil)
}

// Unmute lifts a mute.
func (c *Client) Unmute(ctx context.Context, id ConversationID, user UserID) error {
	return c.Do(ctx, http.MethodDelete, conversationPath(id)+"/mutes/"+url.PathEscape(string(user)), nil, nil)
}

// Mutes iterates over the muted users of a group. Owners and admins may.
func (c *Client) Mutes(ctx context.Context, id ConversationID) iter.Seq2[Sanction, error] {
	return list[Sanction](ctx, c, conversationPath(id)+"/mutes", nil)
}

// Report reports a message to the app, with the message as it stands. Other users do not
// learn of it. The text is for the app, at most Limits.ReportChars characters; "" gives
// none. Reporting a message again changes nothing.
func (c *Client) Report(ctx context.Context, id ConversationID, seq int64, category ReportCategory, text string) error {
	body := map[string]any{"category": category}
	setUnlessZero(body, "text", text)
	return c.Do(ctx, http.MethodPost, messagePath(id, seq)+"/reports", body, nil)
}

func untilBody(until time.Time) map[string]any {
	body := map[string]any{}
	if !until.IsZero() {
		body["until"] = domain.TimeOf(until)
	}
	return body
}
