package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"im/internal/app"
	"im/store/postgres"
)

// migrateCmd is for clusters whose nodes may not change the schema.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply all missing migrations. Nodes do so too when they start, unless IM_MIGRATE is off."`
	Down   migrateDownCmd   `cmd:"" help:"Revert the last migration and delete the data that it stored."`
	Status migrateStatusCmd `cmd:"" help:"Print the version of the schema and the newest version of this binary."`
}

// databaseFlags say where the database is. By default it is that of `im dev`.
type databaseFlags struct {
	DatabaseURL      string `name:"database-url" placeholder:"${default_database_url}" help:"URL of PostgreSQL. By default that of the im dev of this folder, else ${default_database_url}."`
	DatabasePassword string `secret:"" help:"Password for PostgreSQL. It replaces the one in the URL, and needs no escaping."`
	Data             string `name:"data" default:"${default_data}" hidden:"" help:"Data folder of im dev."`

	app.Log
}

// AfterApply puts the password into the URL. The parser of the command line calls it.
func (f *databaseFlags) AfterApply() (err error) {
	f.DatabaseURL, err = app.DatabaseURL(f.DatabaseURL, f.DatabasePassword)
	return err
}

// url returns the URL of the database.
func (f databaseFlags) url() string {
	return cmp.Or(f.DatabaseURL, readDevInfo(f.Data).DatabaseURL, app.DefaultDatabaseURL)
}

// named adds the setting to an error of the database.
func (f databaseFlags) named(err error) error {
	switch {
	case err == nil:
		return nil
	case f.DatabaseURL == "" && readDevInfo(f.Data).DatabaseURL != "":
		return fmt.Errorf("the database of the im dev in %s: %w", f.Data, app.Cause(err))
	}
	return fmt.Errorf("IM_DATABASE_URL: %w", app.Cause(err))
}

// migrateFlags are for commands that read or change the version of the schema.
type migrateFlags struct {
	databaseFlags

	DatabaseDirectURL string        `name:"database-direct-url" help:"URL of PostgreSQL itself, if --database-url is that of a connection pooler."`
	MigrateTimeout    time.Duration `default:"0s" help:"How long the migrations may take, with waiting for nodes and for locks. 0 means no limit."`
}

// AfterApply puts the password into the URLs.
func (f *migrateFlags) AfterApply() (err error) {
	if f.DatabaseDirectURL, err = app.DirectURL(f.DatabaseDirectURL, f.DatabasePassword); err != nil {
		return err
	}
	return f.databaseFlags.AfterApply()
}

// url returns the URL to use.
func (f migrateFlags) url() string { return cmp.Or(f.DatabaseDirectURL, f.databaseFlags.url()) }

func (f migrateFlags) options(std streams) postgres.MigrateOptions {
	return postgres.MigrateOptions{URL: f.url(), Node: hostName(), Timeout: f.MigrateTimeout, Logger: f.Logger(std.err)}
}

// named adds the setting to an error of the database.
func (f migrateFlags) named(err error) error {
	switch {
	case errors.Is(err, postgres.ErrMigrateTimeout):
		return fmt.Errorf("IM_MIGRATE_TIMEOUT: %w", app.Cause(err))
	case err != nil && f.DatabaseDirectURL != "":
		return fmt.Errorf("IM_DATABASE_DIRECT_URL: %w", app.Cause(err))
	}
	return f.databaseFlags.named(err)
}

// stopped is named for migrations that a signal may have stopped.
func (f migrateFlags) stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("stopped; the migration that ran is not done, and those before it are")
	}
	return f.named(err)
}

type migrateUpCmd struct {
	Create bool `help:"Create the database if it does not exist."`

	migrateFlags
}

// Run implements the command.
func (c *migrateUpCmd) Run(ctx context.Context, std streams) error {
	if err := app.Migrate(ctx, c.options(std), c.Create); err != nil {
		return c.stopped(ctx, err)
	}
	return printStatus(ctx, std, c.migrateFlags)
}

type migrateDownCmd struct{ migrateFlags }

// Run implements the command.
func (c *migrateDownCmd) Run(ctx context.Context, std streams) error {
	if err := postgres.MigrateDown(ctx, c.options(std)); err != nil {
		return c.stopped(ctx, err)
	}
	return printStatus(ctx, std, c.migrateFlags)
}

type migrateStatusCmd struct{ migrateFlags }

// Run implements the command.
func (c *migrateStatusCmd) Run(ctx context.Context, std streams) error {
	return printStatus(ctx, std, c.migrateFlags)
}

func printStatus(ctx context.Context, std streams, f migrateFlags) error {
	status, err := postgres.Migrations(ctx, f.url())
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
