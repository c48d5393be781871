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

// finalError is an error that waiting does not mend.
type finalError struct{ error }

// Unwrap is for errors.Is and errors.As.
func (e finalError) Unwrap() error { return e.error }

func isFinal(err error) bool {
	_, ok := errors.AsType[finalError](err)
	return ok
}

// reach tries until it succeeds, fails for good, or the timeout is over. The
// error names the setting.
func reach(ctx context.Context, setting string, timeout time.Duration, logger *slog.Logger, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := try(ctx)
	for told := false; err != nil && !isFinal(err); err = try(ctx) {
		if !told && ctx.Err() == nil {
			logger.WarnContext(ctx, "waiting for what the setting names", "setting", setting, "error", Cause(err))
			told = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not usable after %s: %w", setting, timeout, Cause(err))
		case <-time.After(retryPause):
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", setting, Cause(err))
	}
	return nil
}

// Cause is what the operator needs of an error that is worded for clients.
func Cause(err error) error {
	if d, ok := errors.AsType[*domain.Error](err); ok && d.Unwrap() != nil {
		return d.Unwrap()
	}
	return err
}

// Migrate brings the schema at url up to date, and makes the database before if
// it does not exist.
func Migrate(ctx context.Context, url string, logger *slog.Logger) error {
	if err := ensureDatabase(ctx, url, logger); err != nil {
		return err
	}
	err := postgres.Migrate(ctx, url, logger)
	return finalUnless(err, !errors.Is(err, postgres.ErrDevelopmentSchema))
}

// SQLSTATEs of a server that cannot say yes or no yet, of a missing database,
// and of one that somebody else makes at the same time.
const (
	cannotConnectNow  = "57P03"
	tooManyConnection = "53300"
	invalidCatalog    = "3D000"
	duplicateDatabase = "42P04"
	uniqueViolation   = "23505"
)

// ensureDatabase connects, if need be after making the database.
func ensureDatabase(ctx context.Context, url string, logger *slog.Logger) error {
	config, err := pgx.ParseConfig(url)
	if err != nil { // which may repeat the URL
		return finalError{errors.New("not a PostgreSQL URL (postgres://user:password@host:5432/database)")}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		return conn.Close(ctx)
	}
	if code := sqlState(err); code != invalidCatalog {
		return finalUnless(err, code == "" || code == cannotConnectNow || code == tooManyConnection)
	}
	name := config.Database
	config.Database = "postgres"
	conn, err = pgx.ConnectConfig(ctx, config)
	if err != nil {
		return finalUnless(err, sqlState(err) == "")
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	logger.InfoContext(ctx, "making the database", "name", name)
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if code := sqlState(err); err != nil && code != duplicateDatabase && code != uniqueViolation {
		return finalUnless(fmt.Errorf("database %s does not exist and cannot be made: %w", name, err), code == "")
	}
	return nil
}

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

func finalUnless(err error, passing bool) error {
	if passing {
		return err
	}
	return finalError{err}
}

// pingRedis asks once.
func pingRedis(ctx context.Context, client redis.UniversalClient) error {
	err := client.Ping(ctx).Err()
	if redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS") {
		return finalUnless(err, false)
	}
	return err
}

// dialAMQP connects once, to see that it can be done.
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
