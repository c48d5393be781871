package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mattn/go-isatty"

	"im/client"
	"im/domain"
)

// chatCmd is `im chat`: a person at a terminal or, where input or output is
// something else, lines in and messages out.
type chatCmd struct {
	Target target `embed:""`

	User string `placeholder:"USER" help:"Who you are; not needed with --token."`
	To   string `placeholder:"USER" help:"Chat with this user only; the conversation is made with the first message."`
}

// Run chats until the user leaves, input ends or ctx does.
func (c *chatCmd) Run(ctx context.Context, std streams) error {
	if c.User == "" && c.Target.Token == "" {
		return usageError{errors.New("--user (or --token) is required")}
	}
	if isatty.IsTerminal(os.Stdin.Fd()) && isatty.IsTerminal(os.Stdout.Fd()) {
		return runScreen(ctx, c)
	}
	return runPlain(ctx, c, os.Stdin, std.out, std.err)
}

// client returns a client of the user, which is not connected yet.
func (c *chatCmd) client(o client.Options) (*client.Client, error) {
	var err error
	if o.URLs, err = c.Target.nodes(); err != nil {
		return nil, err
	}
	o.Token = c.Target.tokens(domain.UserID(c.User), o.URLs)
	return client.New(o)
}

// connect runs a client until ctx ends; what it returns gets the reason.
func connect(ctx context.Context, c *client.Client) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return ended
}

// nameOf is what a person calls a conversation.
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

// find returns the direct conversation with a user among a list.
func find(list []client.Conversation, with client.UserID) (client.Conversation, bool) {
	for _, v := range list {
		if v.Peer == with {
			return v, true
		}
	}
	return client.Conversation{}, false
}

func explain(w io.Writer, err error) {
	if err != nil {
		fmt.Fprintln(w, "·", clean(err.Error()))
	}
}
