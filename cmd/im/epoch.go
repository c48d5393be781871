package main

import (
	"context"
	"fmt"

	"im/domain"
	"im/store/postgres"
)

// epochCmd is for a log that was reset to an earlier state without a trace in the
// server: its files were put back while no node ran.
type epochCmd struct {
	New epochNewCmd `cmd:"" help:"Begin a new epoch: nodes close their sockets; clients drop what they stored and sync again."`
}

type epochNewCmd struct{ databaseFlags }

// Run implements the command.
func (c *epochNewCmd) Run(ctx context.Context, std streams) error {
	store, err := postgres.Open(ctx, postgres.Options{
		URL: c.url(), Node: "epoch", Limits: domain.DefaultLimits(), Logger: c.Logger(std.err),
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
