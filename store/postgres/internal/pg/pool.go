package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Begin statements name the isolation level and the access mode, so that the defaults of
// the role and the database do not matter.
const (
	BeginRead  = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	BeginWrite = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`
)

// Pool is a pool of connections. Behind a pooler, each statement and each transaction gets
// its settings by a prelude, in the same round trip; on a connection to the server itself,
// the session has them.
type Pool struct {
	pool    *pgxpool.Pool
	prelude func() string // "" on connections to the server itself
}

// Query runs a statement that returns rows. The error of a statement that fails later is
// that of the rows.
func (p *Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	prelude := p.prelude()
	if prelude == "" {
		return p.pool.Query(ctx, sql, args...)
	}
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return queryShared(ctx, conn.Conn(), conn.Release, prelude, sql, args)
}

// QueryRow runs a statement that returns one row at most.
func (p *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if p.prelude() == "" {
		return p.pool.QueryRow(ctx, sql, args...)
	}
	rows, err := p.Query(ctx, sql, args...)
	return firstRow{rows, err}
}

// Exec runs a statement.
func (p *Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if p.prelude() == "" {
		return p.pool.Exec(ctx, sql, args...)
	}
	return discard(p.Query(ctx, sql, args...))
}

// BeginTx begins a transaction. Options.BeginQuery must be set.
func (p *Pool) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	return p.pool.BeginTx(ctx, withPrelude(o, p.prelude()))
}

// Reset closes all connections: those in use when they are returned.
func (p *Pool) Reset() { p.pool.Reset() }

// Stat returns the numbers of connections.
func (p *Pool) Stat() *pgxpool.Stat { return p.pool.Stat() }

// Conn is a connection outside the pool. It is not safe for concurrent use.
type Conn struct {
	conn    *pgx.Conn
	prelude func() string
}

// Query is as Pool.Query.
func (c *Conn) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	prelude := c.prelude()
	if prelude == "" {
		return c.conn.Query(ctx, sql, args...)
	}
	return queryShared(ctx, c.conn, func() {}, prelude, sql, args)
}

// QueryRow is as Pool.QueryRow.
func (c *Conn) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if c.prelude() == "" {
		return c.conn.QueryRow(ctx, sql, args...)
	}
	rows, err := c.Query(ctx, sql, args...)
	return firstRow{rows, err}
}

// Exec runs a statement.
func (c *Conn) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if c.prelude() == "" {
		return c.conn.Exec(ctx, sql, args...)
	}
	return discard(c.Query(ctx, sql, args...))
}

// BeginTx begins a transaction. Options.BeginQuery must be set.
func (c *Conn) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	return c.conn.BeginTx(ctx, withPrelude(o, c.prelude()))
}

// IsClosed reports whether the connection was closed or lost.
func (c *Conn) IsClosed() bool { return c.conn.IsClosed() }
