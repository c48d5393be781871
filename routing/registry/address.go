package registry

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"im/internal/tlsfiles"
)

const (
	dialTimeout  = time.Second
	replyTimeout = 2 * time.Second // calls have shorter deadlines

	// A Sentinel that does not answer is asked twice and connected to three times
	// before another one is asked. masterTimeout is longer than all of that.
	sentinelDialTimeout  = 500 * time.Millisecond
	sentinelReplyTimeout = 300 * time.Millisecond
	masterTimeout        = 5 * time.Second
)

// Address is where Redis is. One of server, sentinels and cluster is set.
type Address struct {
	server    *redis.Options // or one node of a cluster
	sentinels *redis.FailoverOptions
	cluster   *redis.ClusterOptions
	dialer    *dialer
}

// ParseURL reads the address of Redis. The URL begins with redis://, rediss:// (TLS) or
// unix://. With addr parameters it names nodes of a cluster, with master_name the
// Sentinels of a server. Its TLS parameters are those of package tlsfiles, its other
// parameters those of go-redis. The error does not contain the URL, which may hold a
// password.
func ParseURL(text string) (*Address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" {
		return nil, errors.New("not a Redis URL such as redis://user:password@host:6379/0, rediss://… with TLS, or unix:///path; " +
			"percent-encode the characters / ? # % @ : of a user name or password")
	}
	query := u.Query()
	files, hasFiles, err := tlsfiles.Take(query)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if hasFiles && u.Scheme != "rediss" {
		return nil, errors.New("a parameter for TLS needs rediss:// at the begin of the URL")
	}
	u.RawQuery, u.Fragment = query.Encode(), ""
	a := &Address{dialer: &dialer{tls: u.Scheme == "rediss", files: files}}
	switch {
	case query.Has("master_name"):
		a.sentinels, err = parseSentinels(u, query)
	case query.Has("addr"):
		if strings.Trim(u.Path, "/0") != "" {
			return nil, errors.New("a Redis Cluster has only database 0: remove the number from the end of the URL")
		}
		a.cluster, err = redis.ParseClusterURL(u.String())
	default:
		a.server, err = redis.ParseURL(u.String())
	}
	if err != nil {
		return nil, fmt.Errorf("not a Redis URL: %s", strings.TrimPrefix(err.Error(), "redis: "))
	}
	a.complete()
	return a, nil
}

// parseSentinels reads the addresses of Sentinels. The user and the password of the URL
// are for the servers and the Sentinels. Parameters name those of the servers (username,
// password) or of the Sentinels (sentinel_username, sentinel_password) where they
// differ; empty ones mean none.
func parseSentinels(u *url.URL, query url.Values) (*redis.FailoverOptions, error) {
	credentials := func(prefix string) (user, password string) {
		if query.Has(prefix+"username") || query.Has(prefix+"password") {
			user, password = query.Get(prefix+"username"), query.Get(prefix+"password")
		} else {
			password, _ = u.User.Password()
			user = u.User.Username()
		}
		query.Del(prefix + "username")
		query.Del(prefix + "password")
		return user, password
	}
	user, password := credentials("")
	sentinelUser, sentinelPassword := credentials("sentinel_")
	u.RawQuery = query.Encode()
	o, err := redis.ParseFailoverURL(u.String())
	if err == nil {
		o.Username, o.Password, o.SentinelUsername, o.SentinelPassword = user, password, sentinelUser, sentinelPassword
	}
	return o, err
}

// complete sets the options that the kinds of clients have in common, where the URL
// does not: calls keep the deadlines of their contexts, and are repeated once.
func (a *Address) complete() {
	// These would ask each server for notifications that this package does not use.
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	var retries, dialRetries *int
	var dial, read, write, idle *time.Duration
	switch {
	case a.server != nil:
		o := a.server
		o.Dialer, o.ContextTimeoutEnabled, o.MaintNotificationsConfig = a.dialer.dial, true, quiet
		a.dialer.setTLS(o.TLSConfig)
		retries, dialRetries, dial, read, write, idle = &o.MaxRetries, &o.DialerRetries, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.ConnMaxIdleTime
	case a.sentinels != nil:
		o := a.sentinels
		o.Dialer, o.ContextTimeoutEnabled = a.dialer.dial, true
		a.dialer.setTLS(o.TLSConfig)
		setDefault(&o.DialTimeout, sentinelDialTimeout)
		retries, dialRetries, dial, read, write, idle = &o.MaxRetries, &o.DialerRetries, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.ConnMaxIdleTime
	default:
		o := a.cluster
		o.Dialer, o.ContextTimeoutEnabled, o.MaintNotificationsConfig = a.dialer.dial, true, quiet
		// Routing policies ask the servers for COMMAND, which a user may not be allowed.
		o.DisableRoutingPolicies = true
		a.dialer.setTLS(o.TLSConfig)
		retries, dialRetries, dial, read, write, idle = &o.MaxRetries, &o.DialerRetries, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.ConnMaxIdleTime
	}
	setDefault(retries, 1)
	setDefault(dialRetries, 1)
	setDefault(dial, dialTimeout)
	setDefault(read, replyTimeout)
	setDefault(write, replyTimeout)
	setDefault(idle, -1) // so that only a connection that is no longer good is closed
	a.dialer.timeout = *dial
}

func setDefault[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

// openSentinels returns a client of the master. The client uses the same options for the
// master and the Sentinels: those of the Sentinels are set first.
func (a *Address) openSentinels() *redis.Client {
	o := *a.sentinels
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = masterTimeout, sentinelReplyTimeout, sentinelReplyTimeout
	return redis.NewFailoverClient(&o).WithTimeout(a.sentinels.ReadTimeout)
}

// clusterOfServer returns the options of the cluster that the server belongs to.
func (a *Address) clusterOfServer() *redis.ClusterOptions {
	o := a.server
	return &redis.ClusterOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, ClientName: o.ClientName, Protocol: o.Protocol,
		MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries, DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		PoolFIFO: o.PoolFIFO, PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout, MinIdleConns: o.MinIdleConns, MaxIdleConns: o.MaxIdleConns,
		MaxActiveConns: o.MaxActiveConns, ConnMaxIdleTime: o.ConnMaxIdleTime, ConnMaxLifetime: o.ConnMaxLifetime,
		Dialer: o.Dialer, ContextTimeoutEnabled: true, MaintNotificationsConfig: o.MaintNotificationsConfig, DisableRoutingPolicies: true,
	}
}
