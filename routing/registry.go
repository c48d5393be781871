package routing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const (
	leaseTTL     = 10 * time.Second
	leaseRenewal = 3 * time.Second
	registryTurn = time.Second            // how often the registry looks around
	allAgain     = time.Minute            // how often all sessions are registered again
	userTTL      = 10 * time.Minute       // of what Redis has of a user that nobody registers again
	redisTimeout = 250 * time.Millisecond // of what somebody waits for
	turnTimeout  = time.Second

	maxRedisTimeout = leaseTTL / 2 // or a lease could end while it is being renewed
	leaveTimeout    = 2 * time.Second
)

// registry is this node's part of the map in Redis:
//
//	<prefix>:nodes        the set of known node ids
//	<prefix>:node:<id>    the lease of a node, its start (Unix ms); it lives while the key does
//	<prefix>:user:<user>  a hash, session id → "node device number epoch background connected"
//
// Each command and script is about one key, so a Redis Cluster will do.
type registry struct {
	redis  redis.UniversalClient
	local  Local
	prefix string
	name   string
	// started is the value of the lease: since when the node is there (Unix ms).
	started int64
	limit   int           // of sessions a user
	timeout time.Duration // of a call that somebody waits for
	log     *repeatedLog
	count   *counters
	// end tells a session of another node that it ends.
	end func(domain.NodeID, domain.Signal)

	registering, removing *redis.Script

	id      atomic.Value  // domain.NodeID
	renamed chan struct{} // has a token when id has changed
	lookups *lookups
	single  atomic.Bool // the session policy, as of the last registration
	again   atomic.Bool // Redis may lack sessions: all are to be registered again
	ready   atomic.Bool // the last turn succeeded
	busy    atomic.Bool // registerAll is at work
	left    atomic.Bool // the node is gone: nothing is registered any more

	failing   atomic.Bool // a call has failed since the last turn that succeeded
	upheavals atomic.Uint64
	doubt     atomic.Int64 // until when what Redis does not know proves nothing, Unix ms

	// The rest belongs to run alone.
	held    bool // the lease of id was set once
	renewed time.Time
	lastAll time.Time
	server  string // run id of the Redis server

	mu      sync.Mutex
	removal map[domain.SessionID]removal // what is still to be removed from Redis
}

func newRegistry(o Options, count *counters, end func(domain.NodeID, domain.Signal)) *registry {
	r := &registry{
		redis:       o.Redis,
		local:       o.Local,
		prefix:      o.Prefix,
		name:        nodeName(o.Name),
		started:     time.Now().UnixMilli(),
		limit:       o.SessionsPerUser,
		timeout:     o.RedisTimeout,
		log:         newRepeatedLog(o.Logger),
		count:       count,
		end:         end,
		registering: redis.NewScript(registerScript),
		removing:    redis.NewScript(removeScript),
		renamed:     make(chan struct{}, 1),
		removal:     make(map[domain.SessionID]removal),
	}
	r.lookups = newLookups(r)
	r.id.Store(r.newID())
	return r
}

// nodeName keeps what may stand in a key, a queue's name and a value.
func nodeName(name string) string {
	name = strings.Map(func(c rune) rune {
		if c < 0x80 && (c == '.' || c == '_' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z') {
			return c
		}
		return '-'
	}, name)
	if name == "" {
		name = "node"
	}
	return name[:min(len(name), 64)]
}

func (r *registry) newID() domain.NodeID {
	var suffix [5]byte
	_, _ = rand.Read(suffix[:]) // never fails on the supported platforms
	return domain.NodeID(r.name + "-" + hex.EncodeToString(suffix[:]))
}

func (r *registry) nodeID() domain.NodeID              { return r.id.Load().(domain.NodeID) }
func (r *registry) nodesKey() string                   { return r.prefix + ":nodes" }
func (r *registry) leaseKey(node domain.NodeID) string { return r.prefix + ":node:" + string(node) }
func (r *registry) userKey(user domain.UserID) string  { return r.prefix + ":user:" + string(user) }

// atLeast is d, or what a call may take where that is longer.
func (r *registry) atLeast(d time.Duration) time.Duration { return max(d, r.timeout) }

// run keeps the lease and the sessions of this node in Redis until ctx ends,
// then takes them out.
func (r *registry) run(ctx context.Context) {
	defer r.leave(context.WithoutCancel(ctx))
	for {
		err := r.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.failed("registry", err)
			r.again.Store(true)
		}
		r.settled(err)
		if !wait(ctx, registryTurn) {
			return
		}
	}
}

// turn is one look around: is the lease still there, who else lives, is there
// something to register or remove?
func (r *registry) turn(ctx context.Context) error {
	if err := r.keepLease(ctx); err != nil {
		return err
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	r.lookups.breaker.close()
	if !r.held { // look found the lease missing
		if err := r.keepLease(ctx); err != nil {
			return err
		}
	}
	if r.again.Swap(false) || time.Since(r.lastAll) >= allAgain {
		if err := r.registerAll(ctx); err != nil {
			return err
		}
		r.lastAll = time.Now()
	}
	return r.removeLeft(ctx)
}

// keepLease takes or renews the lease. One that is missing was lost while this
// node was paused, or with all that Redis had: others may have given it up
// already, so it goes on under a new id, as a new node.
func (r *registry) keepLease(ctx context.Context) error {
	if r.held && time.Since(r.renewed) < leaseRenewal {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(turnTimeout))
	defer cancel()
	begun := time.Now()
	if r.held {
		err := r.redis.SetArgs(ctx, r.leaseKey(r.nodeID()), r.started, redis.SetArgs{Mode: "XX", TTL: leaseTTL}).Err()
		if !errors.Is(err, redis.Nil) {
			if err == nil {
				r.renewed = begun
			}
			return err
		}
		r.rename()
	}
	id := r.nodeID()
	pipe := r.redis.Pipeline()
	pipe.Set(ctx, r.leaseKey(id), r.started, leaseTTL)
	pipe.SAdd(ctx, r.nodesKey(), string(id))
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	r.held, r.renewed = true, begun
	r.again.Store(true)
	return nil
}

// rename makes the node a new one.
func (r *registry) rename() {
	before, now := r.nodeID(), r.newID()
	r.log.logger.Warn("lease lost; going on under a new node id", "before", before, "node_id", now)
	r.id.Store(now)
	r.held = false
	r.doubts()
	select {
	case r.renamed <- struct{}{}:
	default:
	}
}

// look refreshes the view of the other nodes, and notices what happened to
// Redis: a lease that is gone, another server.
func (r *registry) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(turnTimeout))
	defer cancel()
	known, err := r.redis.SMembers(ctx, r.nodesKey()).Result()
	if err != nil {
		return err
	}
	own := r.nodeID()
	nodes := r.lookups.view.candidates(known, own)
	pipe := r.redis.Pipeline()
	leases := make([]*redis.IntCmd, len(nodes))
	for i, node := range nodes {
		leases[i] = pipe.Exists(ctx, r.leaseKey(node))
	}
	var info *redis.StringCmd
	if _, cluster := r.redis.(*redis.ClusterClient); !cluster {
		info = pipe.Info(ctx, "server") // miniredis has none
	}
	_, _ = pipe.Exec(ctx) // each command tells for itself
	alive := make(map[domain.NodeID]bool, len(nodes))
	for i, node := range nodes {
		n, err := leases[i].Result()
		if err != nil {
			return err
		}
		alive[node] = n == 1
	}
	forgotten, died := r.lookups.view.update(alive, time.Now())
	if !alive[own] {
		r.rename()
	}
	if info != nil && info.Err() == nil {
		if server := runID(info.Val()); server != r.server {
			if r.server != "" {
				r.doubts()
			}
			r.server = server
			r.again.Store(true)
		}
	}
	if died { // after the doubts: who is told that much has changed must find them
		r.upheavals.Add(1)
	}
	if len(forgotten) == 0 {
		return nil
	}
	return r.redis.SRem(ctx, r.nodesKey(), forgotten...).Err()
}

// runID finds the name of a Redis server's life in its INFO.
func runID(info string) string {
	_, rest, _ := strings.Cut(info, "run_id:")
	id, _, _ := strings.Cut(rest, "\r\n")
	return id
}

// leave takes the node and its sessions out of Redis, if that answers.
func (r *registry) leave(ctx context.Context) {
	r.left.Store(true)
	r.ready.Store(false)
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(leaveTimeout))
	defer cancel()
	pipe := r.redis.Pipeline()
	for _, entry := range r.local.Sessions() {
		pipe.HDel(ctx, r.userKey(entry.User), string(entry.Session))
	}
	pipe.Del(ctx, r.leaseKey(r.nodeID()))
	pipe.SRem(ctx, r.nodesKey(), string(r.nodeID()))
	if _, err := pipe.Exec(ctx); err != nil {
		r.failed("leaving the registry", err)
	}
}

// failed counts a failure of Redis, lets it rest for a moment, and writes a
// line now and then.
func (r *registry) failed(doing string, err error) {
	r.count.redis.Add(1)
	r.failing.Store(true)
	r.lookups.breaker.trip()
	r.log.warn("redis does not answer: "+doing, "error", err)
}
