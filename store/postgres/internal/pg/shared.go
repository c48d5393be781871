package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// withPrelude adds the prelude to the query that begins a transaction. Both are sent as
// one message.
func withPrelude(o pgx.TxOptions, prelude string) pgx.TxOptions {
	if prelude != "" {
		o.BeginQuery += "; " + prelude
	}
	return o
}

// queryShared runs a statement on a connection through a pooler, in a transaction that
// begins with the prelude. It calls release when the connection is free again.
//
// Usually both are one round trip: a pipeline, which is an implicit transaction. The first
// time on a connection, the driver asks for the types of the parameters before it sends the
// pipeline. This takes place in a transaction of its own, without the prelude: the tables
// might not be found, and there would be no timeout. So the statement then gets an explicit
// transaction.
func queryShared(ctx context.Context, conn *pgx.Conn, release func(), prelude, sql string, args []any) (pgx.Rows, error) {
	var rows *sharedRows
	var err error
	described := describedOn(conn)
	if described[sql] {
		rows, err = pipeline(ctx, conn, prelude, sql, args)
	} else {
		rows, err = explicit(ctx, conn, prelude, sql, args)
	}
	if err != nil {
		delete(described, sql) // the driver forgets the types after an error
		release()
		return nil, explain(err)
	}
	rows.done = func(failed bool) {
		if failed {
			delete(described, sql)
		} else {
			described[sql] = true
		}
		release()
	}
	return rows, nil
}

// describedOn returns the statements whose types of parameters are known on a connection.
func describedOn(conn *pgx.Conn) map[string]bool {
	const key = "im described"
	data := conn.PgConn().CustomData()
	described, ok := data[key].(map[string]bool)
	if !ok {
		described = map[string]bool{}
		data[key] = described
	}
	return described
}

// pipeline sends the prelude and the statement at once.
func pipeline(ctx context.Context, conn *pgx.Conn, prelude, sql string, args []any) (*sharedRows, error) {
	b := &pgx.Batch{}
	b.Queue(prelude)
	b.Queue(sql, args...)
	results := conn.SendBatch(ctx, b)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // the same error
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		_ = results.Close()
		return nil, err
	}
	return &sharedRows{Rows: rows, end: func(error) error { return results.Close() }}, nil
}

// explicit begins a transaction for the statement.
func explicit(ctx context.Context, conn *pgx.Conn, prelude, sql string, args []any) (*sharedRows, error) {
	tx, err := conn.BeginTx(ctx, withPrelude(pgx.TxOptions{BeginQuery: BeginWrite}, prelude))
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		_ = tx.Rollback(ctx)
		return nil, err
	}
	return &sharedRows{Rows: rows, end: func(err error) error {
		if err != nil {
			return tx.Rollback(ctx)
		}
		return tx.Commit(ctx)
	}}, nil
}

// sharedRows are the rows of a statement in a transaction. The transaction ends with them:
// Err includes the error of the commit, once Next has returned false or Close was called.
type sharedRows struct {
	pgx.Rows
	end    func(error) error // ends the transaction
	done   func(failed bool)
	closed bool
	err    error
}

// Next implements pgx.Rows.
func (r *sharedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close implements pgx.Rows.
func (r *sharedRows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	r.Rows.Close()
	r.err = r.Rows.Err()
	if err := r.end(r.err); r.err == nil {
		r.err = err
	}
	r.err = explain(r.err)
	r.done(r.err != nil)
}

// Err implements pgx.Rows.
func (r *sharedRows) Err() error {
	if r.closed {
		return r.err
	}
	return r.Rows.Err()
}

// discard reads all rows of a query, and returns its command tag.
func discard(rows pgx.Rows, err error) (pgconn.CommandTag, error) {
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// firstRow is the first of some rows, or the error of the query.
type firstRow struct {
	rows pgx.Rows
	err  error
}

// Scan implements pgx.Row.
func (r firstRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
