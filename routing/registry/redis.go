package registry

import (
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// OpenRedis returns a client that keeps the short deadlines of this package. It
// connects with the first command. The URL begins with redis:// or rediss://; with
// addr parameters it names a cluster, with master_name the sentinels of a server. The
// error does not contain the URL, which may hold a password.
func OpenRedis(address string) (redis.UniversalClient, error) {
	client, err := openRedis(address)
	if err != nil {
		return nil, errors.New("routing: not a Redis URL (redis://user:password@host:6379/0)")
	}
	return client, nil
}

func openRedis(address string) (redis.UniversalClient, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	// These would ask each server for notifications that this package does not use.
	disabled := maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch query := parsed.Query(); {
	case query.Has("master_name"):
		o, err := redis.ParseFailoverURL(address)
		if err != nil {
			return nil, err
		}
		limitCalls(&o.ContextTimeoutEnabled, &o.MaxRetries, &o.DialerRetries, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		return redis.NewFailoverClient(o), nil
	case query.Has("addr"):
		o, err := redis.ParseClusterURL(address)
		if err != nil {
			return nil, err
		}
		limitCalls(&o.ContextTimeoutEnabled, &o.MaxRetries, &o.DialerRetries, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		o.MaintNotificationsConfig = &disabled
		return redis.NewClusterClient(o), nil
	default:
		o, err := redis.ParseURL(address)
		if err != nil {
			return nil, err
		}
		limitCalls(&o.ContextTimeoutEnabled, &o.MaxRetries, &o.DialerRetries, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		o.MaintNotificationsConfig = &disabled
		return redis.NewClient(o), nil
	}
}

// limitCalls sets the options that the three kinds of clients have in common: calls
// keep the deadlines of their contexts, and are repeated once.
func limitCalls(contextTimeouts *bool, retries, dialRetries *int, dial, read, write *time.Duration) {
	*contextTimeouts, *retries, *dialRetries = true, 1, 1
	*dial, *read, *write = time.Second, 2*time.Second, 2*time.Second
}
