package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"

	"im/domain"
	"im/store/postgres"
)

const retryPause = 250 * time.Millisecond

// finalError is an error that a retry cannot resolve, such as a wrong password.
type finalError struct{ error }

// Unwrap is for errors.Is and errors.As.
func (e finalError) Unwrap() error { return e.error }

func isFinal(err error) bool {
	_, ok := errors.AsType[finalError](err)
	return ok
}

// reach calls try until it succeeds, fails with a finalError, or timeout has passed.
// Errors name the setting. The first failure is logged.
func reach(ctx context.Context, setting string, timeout time.Duration, logger *slog.Logger, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := try(ctx)
	for logged := false; err != nil && !isFinal(err); err = try(ctx) {
		if !logged && ctx.Err() == nil {
			logger.WarnContext(ctx, "dependency unreachable, retrying", "setting", setting, "timeout", timeout, "error", Cause(err))
			logged = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not ready after %s: %w", setting, timeout, Cause(err))
		case <-time.After(retryPause):
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", setting, Cause(err))
	}
	return nil
}

// Cause returns the driver's error behind an error that is worded for clients. An
// operator needs the former.
func Cause(err error) error {
	if d, ok := errors.AsType[*domain.Error](err); ok && d.Unwrap() != nil {
		return d.Unwrap()
	}
	return err
}

// Migrate applies all missing migrations to the database at url. It creates the
// database if there is none.
func Migrate(ctx context.Context, url string, logger *slog.Logger) error {
	if err := ensureDatabase(ctx, url, logger); err != nil {
		return err
	}
	err := postgres.Migrate(ctx, url, logger)
	return finalUnless(err, !errors.Is(err, postgres.ErrDevelopmentSchema))
}

// SQLSTATEs that decide whether to retry or to create the database.
const (
	cannotConnectNow   = "57P03" // the server is starting or stopping
	tooManyConnections = "53300"
	invalidCatalog     = "3D000" // there is no such database
	duplicateDatabase  = "42P04" // it was created concurrently
	uniqueViolation    = "23505" // likewise, at another point of CREATE DATABASE
)

// ensureDatabase checks that the database can be reached and creates a missing one.
func ensureDatabase(ctx context.Context, url string, logger *slog.Logger) error {
	config, err := pgx.ParseConfig(url)
	if err != nil { // the error may contain the URL, and with it the password
		return finalError{errors.New("not a PostgreSQL URL (postgres://user:password@host:5432/database)")}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		return conn.Close(ctx)
	}
	if code := sqlState(err); code != invalidCatalog {
		return finalUnless(err, code == "" || code == cannotConnectNow || code == tooManyConnections)
	}
	name := config.Database
	config.Database = "postgres"
	conn, err = pgx.ConnectConfig(ctx, config)
	if err != nil {
		return finalUnless(err, sqlState(err) == "")
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	logger.InfoContext(ctx, "creating the database", "name", name)
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if code := sqlState(err); err != nil && code != duplicateDatabase && code != uniqueViolation {
		return finalUnless(fmt.Errorf("database %s does not exist and cannot be created: %w", name, err), code == "")
	}
	return nil
}

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// finalUnless returns err as a finalError unless it is temporary.
func finalUnless(err error, temporary bool) error {
	if temporary {
		return err
	}
	return finalError{err}
}

// pingRedis checks once that Redis answers.
func pingRedis(ctx context.Context, client redis.UniversalClient) error {
	err := client.Ping(ctx).Err()
	if redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS") {
		return finalUnless(err, false)
	}
	return err
}

// dialAMQP checks once that RabbitMQ accepts a connection.
func dialAMQP(ctx context.Context, url string) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(retryPause)
	}
	conn, err := amqp091.DialConfig(url, amqp091.Config{Dial: amqp091.DefaultDial(max(time.Until(deadline), time.Millisecond))})
	if err == nil {
		return conn.Close()
	}
	refused, ok := errors.AsType[*amqp091.Error](err)
	return finalUnless(err, !ok || refused.Recover || refused.Code == amqp091.ConnectionForced)
}
