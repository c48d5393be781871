package pg

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// sessionSetting is a setting that the store depends on, with the value that every
// session has, whatever the defaults of the server, the database and the role are.
type sessionSetting struct {
	name, value string
	free        bool // the URL may have another value
	direct      bool // of the connection to the server, so it is not for servers behind a pooler
	always      bool // set in each transaction behind a pooler, even if the default is the same: others may change it there
	announced   bool // log a default that is replaced
	refused     bool // cannot be set within a transaction: refuse another default behind a pooler
}

// ownSettings are the settings of every session.
//
// The tcp settings make the server drop the session of a node that does not read its
// answers, and with it its locks. remote_apply is kept for synchronous_commit, because it
// promises more.
var ownSettings = []sessionSetting{
	{name: "synchronous_commit", value: "on", always: true, announced: true},
	{name: "lock_timeout", value: "1s", always: true},
	{name: "idle_in_transaction_session_timeout", value: "2s", always: true},
	{name: "statement_timeout", value: readTimeout, free: true, always: true},
	{name: "search_path", always: true},
	{name: "default_transaction_isolation", value: "read committed", announced: true, refused: true},
	{name: "default_transaction_read_only", value: "off", announced: true, refused: true},
	{name: "default_transaction_deferrable", value: "off"},
	{name: "transaction_timeout", value: "0"},  // from PostgreSQL 17 on
	{name: "idle_session_timeout", value: "0"}, // from PostgreSQL 14 on
	{name: "timezone", value: "UTC"},
	{name: "datestyle", value: "ISO, MDY"},
	{name: "intervalstyle", value: "postgres"},
	{name: "bytea_output", value: "hex"},
	{name: "extra_float_digits", value: "1"},
	{name: "array_nulls", value: "on"},
	{name: "transform_null_equals", value: "off"},
	{name: "gin_fuzzy_search_limit", value: "0"}, // else a search finds some of the messages
	{name: "standard_conforming_strings", value: "on"},
	{name: "client_encoding", value: "UTF8"},
	{name: "tcp_keepalives_idle", value: "5", free: true, direct: true},
	{name: "tcp_keepalives_interval", value: "2", free: true, direct: true},
	{name: "tcp_keepalives_count", value: "3", free: true, direct: true},
	{name: "tcp_user_timeout", value: "5000", free: true, direct: true},
}

const (
	// readTimeout is the statement timeout of the pool: the server ends a statement soon
	// after its caller has given up.
	readTimeout = "5s"
	// noTimeout is the statement timeout of other connections, for work that takes longer.
	noTimeout = "0"
)

func ownSetting(name string) (sessionSetting, bool) {
	i := slices.IndexFunc(ownSettings, func(s sessionSetting) bool { return s.name == name })
	if i < 0 {
		return sessionSetting{}, false
	}
	return ownSettings[i], true
}

// sessionValues returns the values of all settings of a session: the store's own, then
// those of the URL. A pooled connection has a statement timeout.
func (c *Config) sessionValues(pooled bool) (names, values []string) {
	for _, s := range ownSettings {
		value := s.value
		switch {
		case s.name == "search_path":
			value = c.path
		case s.name == "statement_timeout" && !pooled:
			value = noTimeout
		case c.settings[s.name] != "":
			value = c.settings[s.name]
		}
		names, values = append(names, s.name), append(values, value)
	}
	for _, name := range slices.Sorted(maps.Keys(c.settings)) {
		if _, own := ownSetting(name); !own {
			names, values = append(names, name), append(values, c.settings[name])
		}
	}
	return names, values
}

// prepareSQL reads the defaults of a new session and changes them. Behind a pooler the
// session belongs to other clients too: the change then ends with this statement, which
// only shows whether the settings are valid. A pooler is recognized because it does not
// tell its clients the process of the server.
//
// Settings that this version of PostgreSQL does not have are left out, except those of
// the URL.
const prepareSQL = `
WITH before AS MATERIALIZED (
	SELECT pg_backend_pid()::bigint = $1::bigint AS own, current_setting('server_encoding') AS encoding,
		current_setting('session_replication_role') AS replication_role, current_setting('fsync') AS fsync,
		ARRAY(SELECT current_setting(s.name, true) FROM unnest($2::text[]) WITH ORDINALITY AS s (name, n) ORDER BY s.n) AS defaults
), changed AS MATERIALIZED (
	SELECT count(set_config(s.name, CASE
		WHEN s.name = 'synchronous_commit' AND before.defaults[s.n] = 'remote_apply' THEN 'remote_apply'
		ELSE s.value
	END, NOT before.own))
	FROM before, unnest($2::text[], $3::text[]) WITH ORDINALITY AS s (name, value, n)
	WHERE before.defaults[s.n] IS NOT NULL OR s.n > $4::bigint
)
SELECT own, encoding, replication_role, fsync, defaults FROM before, changed`

// session is what prepare has found out about a new session.
type session struct {
	shared   bool // a pooler may give the session of the server to other clients
	fsync    string
	names    []string
	values   []string
	defaults []*string // of names; nil: the server does not have the setting
}

// prepare gives a new connection its settings, and refuses a database that the log cannot
// be kept in. Behind a pooler, nothing is set: see prelude.
func (c *Config) prepare(ctx context.Context, conn *pgx.Conn, pooled bool) (*session, error) {
	s := &session{}
	s.names, s.values = c.sessionValues(pooled)
	var own bool
	var encoding, role string
	row := conn.QueryRow(ctx, prepareSQL, pgx.QueryExecModeExec, int64(conn.PgConn().PID()), s.names, s.values, len(ownSettings))
	if err := row.Scan(&own, &encoding, &role, &s.fsync, &s.defaults); err != nil {
		return nil, settingRefused(err)
	}
	s.shared = !own
	if own {
		permitCancel(conn)
	}
	if encoding != "UTF8" {
		return nil, configError("the database %s has the encoding %s, and messages need UTF8: create a new one "+
			"(CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'), or name one that does not exist, and the node creates it", c.Database, encoding)
	}
	if role != "origin" {
		return nil, configError("session_replication_role is %s for this role or database, which switches triggers off: reset it", role)
	}
	if s.shared {
		return s, c.checkDefaults(s)
	}
	return s, nil
}

// settingRefused explains an error of prepareSQL. The server names the setting at fault.
func settingRefused(err error) error {
	const unknown, invalid, denied, fixed = "42704", "22023", "42501", "55P02"
	switch SQLState(err) {
	case unknown:
		return configError("%s: remove it from the URL", serverMessage(err))
	case invalid, denied, fixed:
		return configError("%s: change it in the URL", serverMessage(err))
	}
	return err
}

// checkDefaults refuses defaults that cannot be changed behind a pooler: a transaction has
// them before its first statement.
func (c *Config) checkDefaults(s *session) error {
	for i, name := range s.names {
		own, _ := ownSetting(name)
		if own.refused && s.defaults[i] != nil && !sameValue(own.value, *s.defaults[i]) {
			return configError("%s is %q by default, and behind a connection pooler a node cannot change it: "+
				"ALTER ROLE … IN DATABASE %s SET %s = '%s'", name, *s.defaults[i], c.Database, name, own.value)
		}
	}
	return nil
}

// prelude is the statement that gives one transaction behind a pooler its settings. Only
// those are set that the server does not have by default, and those that other clients
// might have changed in the server's session. With the name of a server (see CheckEpoch),
// the statement fails on another one.
func (s *session) prelude(schema, server string) string {
	var calls []string
	for i, name := range s.names {
		own, isOwn := ownSetting(name)
		value, before := s.values[i], s.defaults[i]
		switch {
		case own.direct, isOwn && before == nil:
			continue
		case name == "synchronous_commit" && *before == "remote_apply":
			value = *before
		case before != nil && *before == value && !own.always:
			continue
		}
		calls = append(calls, fmt.Sprintf("set_config(%s, %s, true)", Literal(name), Literal(value)))
	}
	if server != "" {
		calls = append(calls, fmt.Sprintf("%s.im_expect_server_1(%s)", pgx.Identifier{schema}.Sanitize(), Literal(server)))
	}
	return "SELECT " + strings.Join(calls, ", ")
}

// Literal returns a string constant of SQL.
func Literal(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return "E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}
