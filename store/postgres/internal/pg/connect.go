package pg

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"im/domain"
)

const (
	connectTimeout = 1500 * time.Millisecond
	keepAlive      = 5 * time.Second // each side drops a silent peer after about twice this
	pingTimeout    = time.Second     // for a pooled connection that was idle for a second or more
)

// settings returns the settings of every session. The TCP settings make the server drop
// the session of a node that does not read its answers, and with it its locks.
func settings() map[string]string {
	return map[string]string{
		"application_name":                    "im",
		"search_path":                         "public",
		"timezone":                            "UTC",
		"lock_timeout":                        "1s",
		"idle_in_transaction_session_timeout": "2s",
		"tcp_keepalives_idle":                 "5",
		"tcp_keepalives_interval":             "2",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "5000",
	}
}

// ConnConfig returns the configuration of a single connection.
func ConnConfig(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, domain.ErrInternal.WithCause(err)
	}
	harden(config)
	return config, nil
}

// harden sets the timeouts and session settings of a connection.
func harden(config *pgx.ConnConfig) {
	config.ConnectTimeout = connectTimeout
	dialer := &net.Dialer{Timeout: connectTimeout, Control: userTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAlive, Interval: 2 * time.Second, Count: 3,
	}}
	config.DialFunc = dialer.DialContext
	for name, value := range settings() {
		config.RuntimeParams[name] = value
	}
}

// poolConfig returns the configuration of the pool. The server ends a statement soon
// after its caller has given up.
func poolConfig(o Options, check func(context.Context, *pgx.Conn) error) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, domain.ErrInternal.WithCause(err)
	}
	harden(config.ConnConfig)
	config.ConnConfig.RuntimeParams["statement_timeout"] = "5s"
	config.MaxConns = int32(o.Readers)
	config.MaxConnIdleTime = 5 * time.Minute
	config.HealthCheckPeriod = 15 * time.Second
	config.AfterConnect = check
	config.PingTimeout = pingTimeout // a half-open connection must not cost a read its whole attempt
	config.BeforeClose = abandon
	return config, nil
}

// abandon closes the socket of a connection that an attempt has given up. The driver would
// wait for the server for up to 15 s, and keep the place in the pool until then.
func abandon(conn *pgx.Conn) {
	if conn.IsClosed() {
		_ = conn.PgConn().Conn().Close()
	}
}
