package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// ErrNoSession is the cause of the error of ConnectSession behind a pooler that gives the
// sessions of the server to other clients between two transactions.
var ErrNoSession = configError("a migration holds a lock across transactions, and the connection pooler gives its sessions to other " +
	"clients in between: set IM_DATABASE_DIRECT_URL to the URL of the server itself")

// Session is a connection that keeps its session of the server: its settings, and its
// advisory locks.
type Session struct {
	*pgx.Conn

	config *Config
	shared bool // a pooler will give the session to other clients later
}

// Connect returns a connection for a single purpose, without a DB: its epoch is not
// checked, and behind a pooler it may have another session in each transaction. If the
// context of a statement ends, so does the statement in the server, unless a pooler is in
// between.
func Connect(ctx context.Context, c *Config) (*Session, error) {
	conn, err := c.connect(ctx, newLocator(c), func(config *pgx.ConnConfig) {
		withoutStatements(config)
		config.BuildContextWatcherHandler = cancelStatement
	})
	if err != nil {
		return nil, err
	}
	s, err := c.prepare(ctx, conn, false)
	if err != nil {
		closeConn(conn)
		return nil, err
	}
	return &Session{Conn: conn, config: c, shared: s.shared}, nil
}

// cancelDelay is the time that the server has to end a statement that is canceled.
const cancelDelay = 5 * time.Second

func cancelStatement(conn *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelDelay}
}

// withoutStatements makes a connection prepare no statements, because a pooler may lose
// them.
func withoutStatements(config *pgx.ConnConfig) {
	if config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
}

// Keep makes sure that the connection keeps its session, and gives it the settings of
// sessions, and others that override them.
func (s *Session) Keep(ctx context.Context, settings map[string]string) error {
	if s.shared {
		other, err := s.config.connect(ctx, newLocator(s.config), nil)
		if err != nil {
			return err
		}
		defer closeConn(other)
		shared, err := sharesSessions(ctx, s.Conn, other)
		if err != nil {
			return err
		}
		if shared {
			return ErrNoSession
		}
	}
	names, values := s.config.sessionValues(false)
	for name, value := range settings {
		names, values = append(names, name), append(values, value)
	}
	_, err := s.Exec(ctx, `SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS s (name, value)
		WHERE current_setting(name, true) IS NOT NULL`, pgx.QueryExecModeExec, names, values)
	return err
}

// Close closes the connection in good order. A pooler gets the session back without the
// settings.
func (s *Session) Close() {
	if s.shared && !s.IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _ = s.Exec(ctx, `RESET ALL`) // poolers do that too
	}
	closeConn(s.Conn)
}

// Schema returns the schema of the tables.
func (c *Config) Schema() string { return c.schema }

// SearchPath returns the search path of sessions.
func (c *Config) SearchPath() string { return c.path }

// ConnectPlain returns a connection without settings to the database of the URL, or to
// another one of the same server.
func ConnectPlain(ctx context.Context, c *Config, database string) (*pgx.Conn, error) {
	return c.connect(ctx, newLocator(c), func(config *pgx.ConnConfig) {
		withoutStatements(config)
		if database != "" {
			config.Database = database
		}
	})
}
