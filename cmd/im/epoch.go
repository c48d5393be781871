package main

import (
	"context"
	"fmt"

	"im/domain"
	"im/store/postgres"
)

// epochCmd is for when the log came back in an earlier state, and the server
// cannot tell by itself: after a dump was restored into the same server, say.
type epochCmd struct {
	New epochNewCmd `cmd:"" help:"Begin a new epoch: nodes close their sockets, and clients drop what they stored and sync anew."`
}

type epochNewCmd struct{ databaseFlags }

// Run implements the command.
func (c *epochNewCmd) Run(ctx context.Context, std streams) error {
	store, err := postgres.Open(ctx, postgres.Options{
		URL: c.DatabaseURL, Node: "im-epoch", Limits: domain.DefaultLimits(), Logger: c.Logger(std.err),
	})
	if err != nil {
		return c.named(err)
	}
	defer store.Close()
	epoch, err := store.NewEpoch(ctx)
	if err != nil {
		return c.named(err)
	}
	_, err = fmt.Fprintln(std.out, epoch)
	return err
}
