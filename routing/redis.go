package routing

import (
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// OpenRedis returns a client that honours the short deadlines of this package;
// it connects at need. The URL is redis:// or rediss://; with addr parameters it
// names a cluster, with master_name the sentinels of one. It is not repeated in
// the error.
func OpenRedis(address string) (redis.UniversalClient, error) {
	const callTimeout = 2 * time.Second
	bad := errors.New("routing: not a Redis URL (redis://user:password@host:6379/0)")
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, bad
	}
	switch query := parsed.Query(); {
	case query.Has("master_name"):
		o, err := redis.ParseFailoverURL(address)
		if err != nil {
			return nil, bad
		}
		o.ContextTimeoutEnabled, o.MaxRetries, o.DialTimeout = true, 1, dialTimeout
		o.ReadTimeout, o.WriteTimeout, o.DialerRetries = callTimeout, callTimeout, 1
		return redis.NewFailoverClient(o), nil
	case query.Has("addr"):
		o, err := redis.ParseClusterURL(address)
		if err != nil {
			return nil, bad
		}
		o.ContextTimeoutEnabled, o.MaxRetries, o.DialTimeout = true, 1, dialTimeout
		o.ReadTimeout, o.WriteTimeout, o.DialerRetries = callTimeout, callTimeout, 1
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return redis.NewClusterClient(o), nil
	default:
		o, err := redis.ParseURL(address)
		if err != nil {
			return nil, bad
		}
		o.ContextTimeoutEnabled, o.MaxRetries, o.DialTimeout = true, 1, dialTimeout
		o.ReadTimeout, o.WriteTimeout, o.DialerRetries = callTimeout, callTimeout, 1
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return redis.NewClient(o), nil
	}
}
