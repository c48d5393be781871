package main

import (
	"context"
	"fmt"

	"im/internal/app"
	"im/store/postgres"
)

// migrateCmd is for clusters that do not let nodes change the schema.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Bring the schema up to date. Nodes do that at their start too, unless IM_MIGRATE is off."`
	Down   migrateDownCmd   `cmd:"" help:"Take the last migration back, with all that is stored in what it made."`
	Status migrateStatusCmd `cmd:"" help:"Say how far the schema is."`
}

// databaseFlags say where the schema is.
type databaseFlags struct {
	DatabaseURL string `name:"database-url" default:"postgres://postgres@127.0.0.1:5432/im?sslmode=disable" help:"PostgreSQL."`

	app.Log
}

func (f databaseFlags) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("IM_DATABASE_URL: %w", app.Cause(err))
}

type migrateUpCmd struct{ databaseFlags }

// Run implements the command.
func (c *migrateUpCmd) Run(ctx context.Context, std streams) error {
	if err := app.Migrate(ctx, c.DatabaseURL, c.Logger(std.err)); err != nil {
		return c.named(err)
	}
	return printStatus(ctx, std, c.databaseFlags)
}

type migrateDownCmd struct{ databaseFlags }

// Run implements the command.
func (c *migrateDownCmd) Run(ctx context.Context, std streams) error {
	if err := postgres.MigrateDown(ctx, c.DatabaseURL, c.Logger(std.err)); err != nil {
		return c.named(err)
	}
	return printStatus(ctx, std, c.databaseFlags)
}

type migrateStatusCmd struct{ databaseFlags }

// Run implements the command.
func (c *migrateStatusCmd) Run(ctx context.Context, std streams) error {
	return printStatus(ctx, std, c.databaseFlags)
}

func printStatus(ctx context.Context, std streams, f databaseFlags) error {
	status, err := postgres.Migrations(ctx, f.DatabaseURL)
	if err != nil {
		return f.named(err)
	}
	state := "up to date"
	switch {
	case status.Current < status.Latest:
		state = fmt.Sprintf("%d to run", status.Latest-status.Current)
	case status.Current > status.Latest:
		state = "newer than this program"
	}
	_, err = fmt.Fprintf(std.out, "schema %d of %d: %s\n", status.Current, status.Latest, state)
	return err
}
