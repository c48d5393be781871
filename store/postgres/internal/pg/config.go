package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"im/internal/tracing"
)

const (
	connectTimeout = 1500 * time.Millisecond // unless the URL has connect_timeout
	keepAlive      = 5 * time.Second         // each side drops a silent peer after about twice this
	pingTimeout    = time.Second             // for a pooled connection that was idle for a second or more
	maxIdleTime    = 5 * time.Minute
	healthInterval = 15 * time.Second
	maxNameBytes   = 63 // of application_name; the server cuts longer ones
)

// ErrConfig matches every ConfigError.
var ErrConfig = errors.New("the database or its URL cannot be used")

// ConfigError says what in the URL, in the database or in a pooler before it prevents its
// use, and what to do. A retry does not help.
type ConfigError struct{ Reason string }

func (e *ConfigError) Error() string { return e.Reason }

// Is reports whether target is ErrConfig.
func (e *ConfigError) Is(target error) bool { return target == ErrConfig }

func configError(format string, args ...any) error { return &ConfigError{fmt.Sprintf(format, args...)} }

// Config is how to connect: what the URL of the operator says, completed by the settings
// that the store needs. It is not changed after ParseURL.
type Config struct {
	// Connections is pool_max_conns of the URL; 0 if it has none.
	Connections int
	// Database is the name of the database.
	Database string

	pool     *pgxpool.Config
	hosts    []host
	settings map[string]string // of the URL, by their names in lower case
	path     string            // the search path
	schema   string            // its first schema
	execMode bool              // the URL has default_query_exec_mode
}

// host is one server of the URL, with the ways to connect to it.
type host struct {
	primary   pgconn.FallbackConfig
	fallbacks []*pgconn.FallbackConfig // the same server with other TLS settings
}

// ParseURL parses a connection string, as a URL or as keywords. application is the
// application_name, unless the connection string has its own. The error is a ConfigError
// that names the parameter at fault and contains no password.
func ParseURL(url, application string) (*Config, error) {
	return parseURL(url, application, "public", requirePrimary)
}

// ParseReplicaURL is ParseURL for standbys of a primary. They have the search path of the
// primary.
func ParseReplicaURL(url, application string, primary *Config) (*Config, error) {
	c, err := parseURL(url, application, primary.path, requireStandby)
	if err == nil && c.path != primary.path {
		err = configError("search_path is %q, and %q in the URL of the primary: remove it", c.path, primary.path)
	}
	return c, err
}

// parseURL parses a connection string. target refuses what it says of the kind of server,
// and sets it.
func parseURL(url, application, path string, target func(*pgx.ConnConfig) error) (*Config, error) {
	given, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, parseError(err)
	}
	pool, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, parseError(err)
	}
	c := &Config{pool: pool, Database: pool.ConnConfig.Database, settings: map[string]string{}}
	params := pool.ConnConfig.RuntimeParams
	pool.ConnConfig.RuntimeParams = map[string]string{}
	keepAlives := defaultKeepAlives()
	if err := errors.Join(target(pool.ConnConfig), c.takeParams(params, application, path, &keepAlives)); err != nil {
		return nil, err
	}
	if err := c.chooseExecMode(given.ConnString()); err != nil {
		return nil, err
	}
	c.hosts = hostsOf(pool.ConnConfig)
	c.harden(given.RuntimeParams, keepAlives)
	return c, nil
}

// Trace makes connections begin spans of their statements, within the spans of callers
// that are sampled. It takes nil. The spans have the text of statements, which has no
// values, and neither the values nor the address of the server.
func (c *Config) Trace(t *tracing.Tracer) {
	if t != nil {
		c.pool.ConnConfig.Tracer = otelpgx.NewTracer(
			otelpgx.WithTracerProvider(t.Provider()), otelpgx.WithDisableConnectionDetailsInAttributes(),
		)
	}
}

// parseError returns the error of the driver without the connection string, which may
// contain a password.
func parseError(err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	}
	for _, safe := range []string{
		"cannot parse pool_", "pool_max_conns", "invalid connect_timeout", "unknown target_session_attrs", "invalid default_query_exec_mode",
		"cannot parse statement_cache_capacity", "cannot parse description_cache_capacity", "failed to configure TLS", "failed to read service",
		"could not match", "invalid sslcertmode", "invalid min_protocol_version", "invalid max_protocol_version", "unknown channel_binding", "invalid require_auth",
	} {
		if strings.HasPrefix(text, safe) {
			return configError("%s", text)
		}
	}
	return configError("not a PostgreSQL URL (postgres://user:password@host:5432/database, with special characters as %%XX)")
}

// requirePrimary refuses a URL that asks for a standby, and makes connections to a standby
// fail. The log is written, and it is read where it is written.
func requirePrimary(config *pgx.ConnConfig) error {
	for name, refused := range map[string]pgconn.ValidateConnectFunc{
		"read-only":      pgconn.ValidateConnectTargetSessionAttrsReadOnly,
		"standby":        pgconn.ValidateConnectTargetSessionAttrsStandby,
		"prefer-standby": pgconn.ValidateConnectTargetSessionAttrsPreferStandby,
	} {
		if isSame(config.ValidateConnect, refused) {
			return configError("target_session_attrs=%s: the node needs the primary; remove the parameter, which is read-write anyway", name)
		}
	}
	config.ValidateConnect = isPrimary
	return nil
}

// requireStandby refuses a URL that asks for the primary, and makes connections to it fail.
func requireStandby(config *pgx.ConnConfig) error {
	for name, refused := range map[string]pgconn.ValidateConnectFunc{
		"read-write": pgconn.ValidateConnectTargetSessionAttrsReadWrite,
		"primary":    pgconn.ValidateConnectTargetSessionAttrsPrimary,
	} {
		if isSame(config.ValidateConnect, refused) {
			return configError("target_session_attrs=%s: a read replica is a standby; remove the parameter", name)
		}
	}
	config.ValidateConnect = isStandby
	return nil
}

// isSame compares two functions of the driver.
func isSame(a, b pgconn.ValidateConnectFunc) bool {
	return a != nil && reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// isStandby fails on a primary, as isPrimary fails on a standby.
func isStandby(ctx context.Context, conn *pgconn.PgConn) error {
	switch conn.ParameterStatus("in_hot_standby") {
	case "on":
		return nil
	case "off":
		return errNoStandby
	}
	return pgconn.ValidateConnectTargetSessionAttrsStandby(ctx, conn)
}

// isPrimary fails on a standby. Servers from PostgreSQL 14 on report it when a connection
// begins; older ones and poolers are asked.
func isPrimary(ctx context.Context, conn *pgconn.PgConn) error {
	switch conn.ParameterStatus("in_hot_standby") {
	case "off":
		return nil
	case "on":
		return pgconn.ErrStandbyConnection
	}
	return pgconn.ValidateConnectTargetSessionAttrsPrimary(ctx, conn)
}

// chooseExecMode checks default_query_exec_mode. Statements need the types of their
// parameters, which two modes of the driver do not ask for.
func (c *Config) chooseExecMode(connString string) error {
	config := c.pool.ConnConfig
	c.execMode = config.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement || strings.Contains(connString, "default_query_exec_mode")
	switch config.DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		return configError("default_query_exec_mode=%s is not supported; use cache_describe, which needs no prepared statements either",
			config.DefaultQueryExecMode)
	}
	if config.DescriptionCacheCapacity == 0 {
		return configError("description_cache_capacity=0 is not supported; remove it")
	}
	if config.StatementCacheCapacity == 0 && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode, c.execMode = pgx.QueryExecModeCacheDescribe, true
	}
	return nil
}

// hostsOf groups the ways to connect by server.
func hostsOf(config *pgx.ConnConfig) []host {
	all := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	var hosts []host
	for _, way := range all {
		if n := len(hosts); n > 0 && hosts[n-1].primary.Host == way.Host && hosts[n-1].primary.Port == way.Port {
			hosts[n-1].fallbacks = append(hosts[n-1].fallbacks, way)
			continue
		}
		hosts = append(hosts, host{primary: *way})
	}
	return hosts
}

// choose restricts a configuration to this server.
func (h host) choose(config *pgconn.Config) {
	config.Host, config.Port, config.TLSConfig, config.Fallbacks = h.primary.Host, h.primary.Port, h.primary.TLSConfig, h.fallbacks
}

// harden sets the timeouts of connections and of the pool that the URL does not have.
func (c *Config) harden(given map[string]string, keepAlives net.KeepAliveConfig) {
	conn := c.pool.ConnConfig
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{Timeout: conn.ConnectTimeout, Control: userTimeout, KeepAliveConfig: keepAlives}
	conn.DialFunc = dialer.DialContext
	for name, set := range map[string]func(){
		"pool_max_conn_idle_time":  func() { c.pool.MaxConnIdleTime = maxIdleTime },
		"pool_health_check_period": func() { c.pool.HealthCheckPeriod = healthInterval },
		"pool_ping_timeout":        func() { c.pool.PingTimeout = pingTimeout }, // a half-open connection must not cost a read its whole attempt
	} {
		if _, ok := given[name]; !ok {
			set()
		}
	}
	if _, ok := given["pool_max_conns"]; ok {
		c.Connections = int(c.pool.MaxConns)
	}
}

func defaultKeepAlives() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: 2 * time.Second, Count: 3}
}
