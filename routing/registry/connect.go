package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

// Client is a connection to Redis that keeps the short deadlines of this package.
type Client struct {
	redis.UniversalClient
	dialer *dialer
}

// changes counts the events after which Redis may lack sessions.
func (c *Client) changes() uint64 { return c.dialer.changes.Load() }

// SettingError is an error of Redis that stays until a setting of the node or of Redis
// is changed.
type SettingError struct{ cause error }

// Error implements error.
func (e *SettingError) Error() string {
	meaning, answer := describe(e.cause), e.cause.Error()
	if meaning == answer {
		return answer
	}
	return meaning + ": " + answer
}

// Unwrap returns what Redis answered.
func (e *SettingError) Unwrap() error { return e.cause }

// Connect connects to Redis, once. It finds out whether a server belongs to a cluster,
// and that the user may run all commands that a registry with this prefix needs. A
// server that takes no writes at present is no error: the registry reports it.
func (a *Address) Connect(ctx context.Context, prefix string) (*Client, error) {
	client, err := a.open(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %w", closed, err)
	case err != nil:
		return nil, a.explain(err)
	}
	c := &Client{client, a.dialer}
	if err := checkCommands(ctx, c, prefix); err != nil && !takesNoWrites(err) {
		return nil, errors.Join(a.explain(err), client.Close())
	}
	return c, nil
}

// open returns a client of the kind that the servers need.
func (a *Address) open(ctx context.Context) (redis.UniversalClient, error) {
	switch {
	case a.sentinels != nil:
		return a.openSentinels(), nil
	case a.cluster != nil:
		return redis.NewClusterClient(a.cluster), nil
	}
	mode, role, err := identify(ctx, a.server)
	switch {
	case err != nil:
		return nil, err
	case mode == "cluster" && a.server.DB != 0:
		return nil, &SettingError{errClusterDatabase}
	case mode == "cluster" && a.server.Network == "unix":
		return nil, &SettingError{errClusterSocket}
	case mode == "cluster":
		return redis.NewClusterClient(a.clusterOfServer()), nil
	case mode == "sentinel":
		return nil, &SettingError{errIsSentinel}
	case role == "slave" || role == "replica":
		return nil, errIsReplica
	}
	return redis.NewClient(a.server), nil
}

var (
	errClusterDatabase = errors.New("the server belongs to a Redis Cluster, which has only database 0: remove the number from the end of the URL")
	errClusterSocket   = errors.New("the server belongs to a Redis Cluster, which needs the TCP address of a server, not a Unix socket")
	errIsSentinel      = errors.New("the server is a Sentinel: add ?master_name= with the name of the master to the URL")
	errIsReplica       = errors.New("the server is a read-only replica: the URL must name the master, or Sentinels with master_name")
	errUnknownMaster   = errors.New("the Sentinels do not know a master of the name in master_name")
)

// identify asks a server for its mode (standalone, cluster or sentinel) and its role
// (master or replica). HELLO needs no permission; INFO is for Redis before version 6.
// They are empty if the server answers neither, as proxies do.
func identify(ctx context.Context, o *redis.Options) (mode, role string, err error) {
	one := *o
	one.DB, one.PoolSize, one.MinIdleConns, one.OnConnect = 0, 1, 0, nil
	client := redis.NewClient(&one)
	defer func() { _ = client.Close() }()
	hello, err := client.Do(ctx, "HELLO").Result()
	if err == nil {
		fields := fieldsOf(hello)
		return fields["mode"], fields["role"], nil
	}
	if !isAnswer(err) || redis.HasErrorPrefix(err, "NOAUTH") {
		return "", "", err
	}
	info, err := client.Info(ctx).Result()
	if err != nil && !isAnswer(err) {
		return "", "", err
	}
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	return fields["redis_mode"], fields["role"], nil
}

// fieldsOf returns the texts of a map, in RESP2 or RESP3.
func fieldsOf(answer any) map[string]string {
	fields := map[string]string{}
	switch answer := answer.(type) {
	case map[any]any:
		for name, value := range answer {
			fields[fmt.Sprint(name)] = fmt.Sprint(value)
		}
	case []any:
		for i := 0; i+1 < len(answer); i += 2 {
			fields[fmt.Sprint(answer[i])] = fmt.Sprint(answer[i+1])
		}
	}
	return fields
}

// checkCommands runs each command that a registry needs, on keys of its own. SCAN is
// left out: only ClusterStats needs it. INFO is left out: it can do without.
func checkCommands(ctx context.Context, client redis.UniversalClient, prefix string) error {
	random := "check-" + strings.ToLower(rand.Text()[:10])
	r := &Registry{redis: client, prefix: prefix}
	user, lease, nodes := r.userKey(domain.UserID(random)), r.leaseKey(domain.NodeID(random)), r.nodesKey()
	entry := domain.SessionEntry{Session: domain.SessionID(random), Device: "check", Epoch: "check"}
	keys := []string{user}
	for _, run := range []func() error{
		func() error { return client.Set(ctx, lease, 1, time.Minute).Err() },
		func() error { return client.SetArgs(ctx, lease, 1, redis.SetArgs{Mode: "XX", TTL: time.Minute}).Err() },
		func() error { return client.Get(ctx, lease).Err() },
		func() error { return client.Exists(ctx, lease).Err() },
		func() error { return client.SAdd(ctx, nodes, random).Err() },
		func() error { return client.SMembers(ctx, nodes).Err() },
		func() error { return client.SRem(ctx, nodes, random).Err() },
		func() error { return client.HGetAll(ctx, user).Err() },
		func() error {
			return registerScript.Run(ctx, client, keys, registerArgs(domain.NodeID(random), entry, false, 1)...).Err()
		},
		func() error { return removeScript.Run(ctx, client, keys, random, random+" ").Err() },
		func() error { return client.HDel(ctx, user, random).Err() },
		func() error { return client.Del(ctx, lease).Err() },
	} {
		if err := run(); err != nil {
			return err
		}
	}
	return nil
}
