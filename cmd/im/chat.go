package main

import (
	"context"
	"errors"
	"os"

	"github.com/mattn/go-isatty"

	"im/client"
	"im/domain"
	"im/tools/chat"
)

// chatCmd is `im chat`: a full screen at a terminal, else lines of input and output.
type chatCmd struct {
	Target target `embed:""`

	User string `placeholder:"USER" help:"The user to chat as. Not needed with --token."`
	To   string `placeholder:"USER" help:"Chat with this user only. The first message creates the conversation."`
}

// Run chats until the user leaves, the input ends or ctx ends.
func (c *chatCmd) Run(ctx context.Context, std streams) error {
	if c.User == "" && c.Target.Token == "" {
		return usageError{errors.New("--user (or --token) is required")}
	}
	o := chat.Options{NewClient: c.client, To: client.UserID(c.To)}
	if isatty.IsTerminal(os.Stdin.Fd()) && isatty.IsTerminal(os.Stdout.Fd()) {
		return chat.RunScreen(ctx, o)
	}
	return chat.RunPlain(ctx, o, os.Stdin, std.out, std.err)
}

// client returns a client of the user with the callbacks of o.
func (c *chatCmd) client(o client.Options) (*client.Client, error) {
	var err error
	if o.URLs, err = c.Target.nodes(); err != nil {
		return nil, err
	}
	o.Token = c.Target.tokens(domain.UserID(c.User), o.URLs)
	return client.New(o)
}
