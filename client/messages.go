package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Range selects messages by at most one position; without one, the newest messages.
type Range struct {
	After  int64 // the messages next above this seq
	Before int64 // the messages next below this seq
	Around int64 // the message of this seq, and half of Limit on each side
	// Limit is the number of messages, at most Limits.PageEvents (1,000 by default); a
	// larger one is ErrInvalid. 0 means 100. A page may be shorter; see HasMoreBefore and
	// HasMoreAfter.
	Limit int
}

// Messages returns messages as they stand now, ascending. It reads the history that
// OnEvent did not receive.
func (c *Client) Messages(ctx context.Context, id ConversationID, r Range) (page MessagePage, err error) {
	query := url.Values{}
	for name, number := range map[string]int64{
		"after_seq": r.After, "before_seq": r.Before, "around_seq": r.Around, "limit": int64(r.Limit),
	} {
		if number != 0 {
			query.Set(name, strconv.FormatInt(number, 10))
		}
	}
	err = c.Do(ctx, http.MethodGet, withQuery(conversationPath(id)+"/messages", query), nil, &page)
	return page, err
}

// Message returns one message as it stands now.
func (c *Client) Message(ctx context.Context, id ConversationID, seq int64) (m Message, err error) {
	err = c.Do(ctx, http.MethodGet, messagePath(id, seq), nil, &m)
	return m, err
}

// Edit replaces the content of the user's own message. Its mentions stay without a list
// of mentions; an empty list that is not nil removes them. A recalled message is
// ErrConflict.
func (c *Client) Edit(ctx context.Context, id ConversationID, seq int64, content json.RawMessage, mentions ...UserID) error {
	body := map[string]any{"content": content}
	if mentions != nil {
		body["mentions"] = mentions
	}
	return c.Do(ctx, http.MethodPatch, messagePath(id, seq), body, nil)
}

// Recall deletes a message for everyone. The author may, and owners and admins of a
// group may those of members. The reason is shown to everyone; "" gives none.
func (c *Client) Recall(ctx context.Context, id ConversationID, seq int64, reason string) error {
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	return c.Do(ctx, http.MethodDelete, withQuery(messagePath(id, seq), query), nil, nil)
}

// React adds the user's reaction to a message. Adding it again changes nothing. An emoji
// with U+FE0F and without it is the same one; EmojiForm returns it as it should be shown.
func (c *Client) React(ctx context.Context, id ConversationID, seq int64, emoji string) error {
	return c.Do(ctx, http.MethodPut, reactionPath(id, seq, emoji), nil, nil)
}

// Unreact removes the user's reaction from a message.
func (c *Client) Unreact(ctx context.Context, id ConversationID, seq int64, emoji string) error {
	return c.Do(ctx, http.MethodDelete, reactionPath(id, seq, emoji), nil, nil)
}

// Reactions iterates over the reactions to a message, by emoji and user. Message has
// their counts.
func (c *Client) Reactions(ctx context.Context, id ConversationID, seq int64) iter.Seq2[UserReaction, error] {
	return list[UserReaction](ctx, c, messagePath(id, seq)+"/reactions", nil)
}

// Pin pins a message. Owners and admins of a group may, and both users of a direct
// conversation; at most Limits.Pins messages are pinned.
func (c *Client) Pin(ctx context.Context, id ConversationID, seq int64) error {
	return c.Do(ctx, http.MethodPut, messagePath(id, seq)+"/pin", nil, nil)
}

// Unpin unpins a message. The same users may as pin one.
func (c *Client) Unpin(ctx context.Context, id ConversationID, seq int64) error {
	return c.Do(ctx, http.MethodDelete, messagePath(id, seq)+"/pin", nil, nil)
}

// Pins iterates over the pinned messages of a conversation, the last pinned first.
func (c *Client) Pins(ctx context.Context, id ConversationID) iter.Seq2[PinnedMessage, error] {
	return list[PinnedMessage](ctx, c, conversationPath(id)+"/pins", nil)
}

// Query describes the messages that a search finds.
type Query struct {
	// Text has the words to find, all of them; the last one may be the beginning of a
	// word. Words in double quotes must stand together. At most 200 characters.
	Text           string
	ConversationID ConversationID // zero: any of the user's conversations
	Sender         UserID         // "": any user
	Since          time.Time      // not older; zero: of any age
	Until          time.Time      // older; zero: of any age
}

// Search iterates over the messages that match, the most relevant first. A message is
// found about 2 s after its commit.
func (c *Client) Search(ctx context.Context, q Query) iter.Seq2[FoundMessage, error] {
	query := url.Values{"q": {q.Text}}
	if !q.ConversationID.IsZero() {
		query.Set("conversation_id", q.ConversationID.String())
	}
	if q.Sender != "" {
		query.Set("sender", string(q.Sender))
	}
	for name, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			query.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return list[FoundMessage](ctx, c, "/search/messages", query)
}

func messagePath(id ConversationID, seq int64) string {
	return conversationPath(id) + "/messages/" + strconv.FormatInt(seq, 10)
}

func reactionPath(id ConversationID, seq int64, emoji string) string {
	return messagePath(id, seq) + "/reactions/" + url.PathEscape(emoji)
}
