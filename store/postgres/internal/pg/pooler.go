package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pooler is what a DB knows of a connection pooler between it and the server. The zero
// value is none.
//
//	state  | preludes | what happens
//	none   | nil      | sessions have their settings, statements are prepared
//	in use | not nil  | each transaction begins with a prelude, and statements are prepared
//	       |          | only if the URL says so
//
// The connection that finds the pooler is dropped, because the caller that waits for it
// has no prelude yet.
type pooler struct{ preludes atomic.Pointer[preludes] }

// preludes are the statements that transactions begin with.
type preludes struct{ pooled, other string }

// errPoolerFound ends the first connection through a pooler. The next one is made for it.
var errPoolerFound = errors.New("the connection goes through a pooler; another one is needed")

// isKnown reports whether the pooler was found before.
func (p *pooler) isKnown() bool { return p.preludes.Load() != nil }

// adapt chooses how statements are sent through a pooler.
func (p *pooler) adapt(c *Config, conn *pgx.ConnConfig) {
	if p.isKnown() && !c.execMode {
		conn.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
}

// use makes transactions begin with the settings of a session and with a check that they
// run on the server whose epoch was checked.
func (p *pooler) use(c *Config, s *session, server string) {
	pooled, other := *s, *s
	pooled.names, pooled.values = c.sessionValues(true)
	other.names, other.values = c.sessionValues(false)
	p.preludes.Store(&preludes{pooled.prelude(c.schema, server), other.prelude(c.schema, server)})
}

func (p *pooler) prelude(pooled bool) string {
	known := p.preludes.Load()
	switch {
	case known == nil:
		return ""
	case pooled:
		return known.pooled
	default:
		return known.other
	}
}

// checkPooler refuses a pooler that the store cannot work with.
func (db *DB) checkPooler(ctx context.Context) error {
	if !db.pooler.isKnown() {
		return nil
	}
	mode := db.config.pool.ConnConfig.DefaultQueryExecMode
	if !db.config.execMode {
		mode = pgx.QueryExecModeCacheDescribe
	}
	db.Logger.Info("connected through a connection pooler: settings are sent with each transaction", "default_query_exec_mode", mode.String())
	if mode == pgx.QueryExecModeDescribeExec {
		return configError("default_query_exec_mode=describe_exec does not work behind a connection pooler; use cache_describe")
	}
	if mode == pgx.QueryExecModeCacheStatement {
		return db.checkStatements(ctx)
	}
	return nil
}

// statementPooling explains the error of a transaction if the pooler gives each statement
// another session.
func statementPooling(err error) error {
	if SQLState(err) == stateProtocol && strings.Contains(serverMessage(err), "transaction blocks not allowed") {
		return configError("the connection pooler permits no transactions (%s): use transaction pooling or session pooling", serverMessage(err))
	}
	return err
}

const probeTimeout = 500 * time.Millisecond

// checkStatements refuses default_query_exec_mode=cache_statement if the pooler loses
// prepared statements. A transaction of another connection keeps the session of the server
// busy in which the statement was prepared, if both share it.
func (db *DB) checkStatements(ctx context.Context) error {
	one, err := db.config.connect(ctx, db.locator, nil)
	if err != nil {
		return err
	}
	defer closeConn(one)
	other, err := db.config.connect(ctx, db.locator, nil)
	if err != nil {
		return err
	}
	defer closeConn(other)
	const name = "im_probe"
	if _, err := one.PgConn().Prepare(ctx, name, `SELECT 1`, nil); err != nil {
		return explain(err)
	}
	if _, err := other.Exec(ctx, `BEGIN; SELECT 1`); err != nil {
		return err
	}
	probe, cancel := context.WithTimeout(ctx, probeTimeout) // a pool with one session of the server cannot answer
	defer cancel()
	if err := one.PgConn().ExecPrepared(probe, name, nil, nil, nil).Read().Err; losesStatements(err) {
		return explain(err)
	}
	return nil
}

// losesStatements reports whether the server did not know a prepared statement, or knew it
// from another client.
func losesStatements(err error) bool {
	switch SQLState(err) {
	case "26000", "42P05": // invalid_sql_statement_name, duplicate_prepared_statement
		return true
	}
	return false
}

// explain says what to change if an error comes from a pooler that loses prepared
// statements.
func explain(err error) error {
	if losesStatements(err) {
		return fmt.Errorf("%w: the pooler does not keep prepared statements: remove default_query_exec_mode from the URL, "+
			"or use a pooler that does (PgBouncer from 1.21 on, with max_prepared_statements)", err)
	}
	return err
}

// sharesSessions reports whether a pooler gives the sessions of the server to other
// clients between two transactions. Both connections are idle in between: if they ever
// have the same session of the server, or one of them has two, then it does.
func sharesSessions(ctx context.Context, one, other *pgx.Conn) (bool, error) {
	var processes [2]int64
	for _, n := range []int{0, 1, 1, 0, 1, 1, 0, 0, 1} {
		process, err := processOf(ctx, []*pgx.Conn{one, other}[n])
		if n == 1 && ctx.Err() == nil && pgconn.Timeout(err) {
			return false, nil // the first connection keeps the only session
		}
		if err != nil {
			return false, err
		}
		if processes[n] != 0 && processes[n] != process || process == processes[1-n] {
			return true, nil
		}
		processes[n] = process
	}
	return false, nil
}

func processOf(ctx context.Context, conn *pgx.Conn) (process int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid()::bigint`, pgx.QueryExecModeExec).Scan(&process)
	return process, err
}
