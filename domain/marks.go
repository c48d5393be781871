package domain

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// react is the command that adds a reaction of the actor to a message, or removes it.
type react struct {
	messageBase
	emoji  string
	limit  int // Limits.MessageEmojis
	remove bool
}

var _ MessageCommand = (*react)(nil)

func (c *react) MessageQuery() MessageQuery {
	return MessageQuery{Seq: c.seq, User: c.actor.User, Emoji: c.emoji}
}

func (c *react) Decide(conv *Conversation) ([]Draft, error) {
	role, m, err := c.message(conv)
	exists := err == nil && m.Reactions[Reactor{c.actor.User, c.emoji}]
	switch {
	case err != nil:
		return nil, err
	case exists == !c.remove:
		return nil, nil
	case c.remove:
		return c.drafts(ReactionRemoved)
	case m.Recalled:
		return nil, errRecalled
	case len(m.Emojis) >= c.limit && !slices.Contains(m.Emojis, c.emoji):
		return nil, ErrLimitExceeded.WithMessage("the message has message_emojis different ones already")
	}
	if err := conv.maySpeak(c.actor, role); err != nil {
		return nil, err
	}
	return c.drafts(ReactionAdded)
}

func (c *react) drafts(t EventType) ([]Draft, error) {
	d, err := c.event(t, ReactionBody{TargetSeq: c.seq, Emoji: c.emoji})
	if err != nil {
		return nil, err
	}
	d.Emoji = c.emoji
	return []Draft{d}, nil
}

// emojiSelector is U+FE0F. It asks for the emoji form of the character before it (❤ as
// ❤️), and changes nothing else. Keyboards write some emojis with it and some without.
const emojiSelector = "\uFE0F"

// NormalizeEmoji returns the form in which the emoji of a reaction is stored and
// compared: without U+FE0F. All ways to write an emoji have the same form, and different
// emojis have different forms. U+FE0E stays: it asks for text, so the emoji is another one.
func NormalizeEmoji(emoji string) string { return strings.ReplaceAll(emoji, emojiSelector, "") }

// checkEmoji validates the emoji of a reaction, which is normalized: any short text
// without control characters, since clients only display it.
func checkEmoji(emoji string, limits Limits) error {
	const pointer = "/emoji"
	switch {
	case emoji == "":
		return Invalid(pointer, "is required")
	case len(emoji) > limits.EmojiBytes:
		return Invalid(pointer, "longer than emoji_bytes")
	case !utf8.ValidString(emoji):
		return Invalid(pointer, "must be valid UTF-8")
	}
	for _, r := range emoji {
		if unicode.IsControl(r) {
			return Invalid(pointer, "control characters are not allowed")
		}
	}
	return nil
}

// pin is the command that pins a message, or removes the pin.
type pin struct {
	messageBase
	limit  int // Limits.Pins
	remove bool
}

var _ MessageCommand = (*pin)(nil)

func (c *pin) Decide(conv *Conversation) ([]Draft, error) {
	role, m, err := c.message(conv)
	if err != nil {
		return nil, err
	}
	_, pinned := slices.BinarySearch(conv.Pins, c.seq)
	t := MessagePinned
	switch {
	case conv.Kind == Group && !role.Moderates():
		return nil, ErrForbidden.WithMessage("only the owner and admins may pin")
	case pinned == !c.remove:
		return nil, nil
	case c.remove:
		t = MessageUnpinned
	case m.Recalled:
		return nil, errRecalled
	case len(conv.Pins) >= c.limit:
		return nil, ErrLimitExceeded.WithMessage("the conversation has the maximum number of pins")
	}
	if err := conv.mayPost(c.actor); err != nil && !c.remove {
		return nil, err
	}
	d, err := c.event(t, PinBody{TargetSeq: c.seq})
	if err != nil {
		return nil, err
	}
	return []Draft{d}, nil
}
