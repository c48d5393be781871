package main

import (
	"context"
	"fmt"

	"im/internal/app"
	"im/store/postgres"
)

// migrateCmd is for clusters whose nodes may not change the schema.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply all missing migrations. Nodes do so too when they start, unless IM_MIGRATE is off."`
	Down   migrateDownCmd   `cmd:"" help:"Revert the last migration and delete the data that it stored."`
	Status migrateStatusCmd `cmd:"" help:"Print the version of the schema and the newest version of this binary."`
}

// databaseFlags say where the database is.
type databaseFlags struct {
	DatabaseURL string `name:"database-url" default:"${default_database_url}" help:"URL of PostgreSQL."`

	app.Log
}

// named adds the setting to an error of the database.
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
