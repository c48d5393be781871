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

// connect returns a client that runs until ctx ends; ended gets the reason.
func (c *chatCmd) connect(ctx context.Context, o client.Options) (connected *client.Client, ended <-chan error, err error) {
	if o.URLs, err = c.Target.nodes(); err != nil {
		return nil, nil, err
	}
	o.Token = c.Target.tokens(domain.UserID(c.User), o.URLs)
	if connected, err = client.New(o); err != nil {
		return nil, nil, err
	}
	end := make(chan error, 1)
	go func() { end <- connected.Run(ctx) }()
	return connected, end, nil
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
