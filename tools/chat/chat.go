package chat

import (
	"context"
	"fmt"
	"io"

	"im/client"
)

// Options configure a chat.
type Options struct {
	// NewClient returns a client of the user with the callbacks given to it.
	// The chat runs the client.
	NewClient func(client.Options) (*client.Client, error)
	// To restricts the chat to the direct conversation with this user. It is
	// created with the first message. Empty means all conversations.
	To client.UserID
}

// connect runs a client until ctx ends. The channel receives the reason.
func connect(ctx context.Context, c *client.Client) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return ended
}

// nameOf returns the name under which a conversation is shown.
func nameOf(v client.Conversation) string {
	switch {
	case v.Title != nil && *v.Title != "":
		return clean(*v.Title)
	case v.Peer != "":
		return string(v.Peer)
	default:
		return "group " + v.ConversationID.String()[30:]
	}
}

// findDirect returns the direct conversation with peer, if there is one.
func findDirect(conversations []client.Conversation, peer client.UserID) (client.Conversation, bool) {
	for _, v := range conversations {
		if v.Peer == peer {
			return v, true
		}
	}
	return client.Conversation{}, false
}

// printError prints a note about err, if there is one.
func printError(w io.Writer, err error) {
	if err != nil {
		fmt.Fprintln(w, "·", clean(err.Error()))
	}
}
