package registry

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const (
	refreshInterval = time.Second
	refreshTimeout  = time.Second // of each step of a refresh
	// leaseRenewal lets each refresh renew the lease, which shows that Redis takes writes.
	leaseRenewal = refreshInterval / 2
	// rewriteInterval is how often all sessions are registered even if Redis seems to
	// have all of them.
	rewriteInterval = time.Minute
)

// Run keeps the lease and the sessions of this node in Redis until ctx ends. Then it
// removes them, if Redis answers.
func (r *Registry) Run(ctx context.Context) {
	defer r.leave(context.WithoutCancel(ctx))
	f := refresher{Registry: r}
	for ctx.Err() == nil {
		f.refresh(ctx)
		select {
		case <-time.After(refreshInterval):
		case <-ctx.Done():
		}
	}
}

// refresher compares Redis with this node, once each refreshInterval. One goroutine
// uses it.
type refresher struct {
	*Registry

	leased    bool // the lease of the present id was set once
	renewed   time.Time
	rewritten time.Time // when all sessions were registered for the last time
	server    string    // run id of the Redis server
	changes   uint64    // of the connections, as of the last refresh
	shards    shards    // of a cluster
}

// refresh runs one refresh and notes how it ended.
func (f *refresher) refresh(ctx context.Context) {
	err := f.try(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		f.ended(err, callFailed, refreshFailed)
		f.logFailure("refreshing the registry", err)
	default:
		f.ended(nil, refreshed)
	}
}

// ended notes how a refresh ended.
func (f *refresher) ended(err error, events ...event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure.refresh = err
	for _, e := range events {
		f.apply(e)
	}
}

func (f *refresher) try(ctx context.Context) error {
	if err := f.write(ctx); err != nil {
		return err
	}
	if err := f.readNodes(ctx); err != nil {
		return err
	}
	f.noteChanges()
	f.note(answered)
	if !f.leased { // readNodes has found that the lease is gone
		if err := f.keepLease(ctx); err != nil {
			return err
		}
	}
	if f.current().missing || time.Since(f.rewritten) >= rewriteInterval {
		if err := f.registerAll(ctx); err != nil {
			return err
		}
		f.rewritten = time.Now()
	}
	return f.removePending(ctx)
}

// write renews the lease and, in a cluster, the markers. The lease is kept while another
// server of the cluster is away.
func (f *refresher) write(ctx context.Context) error {
	var lease error
	var leasing sync.WaitGroup
	leasing.Go(func() { lease = f.keepLease(ctx) })
	shards := f.checkShards(ctx)
	leasing.Wait()
	return cmp.Or(shards, lease)
}

// keepLease takes the lease or renews it. Other nodes may have removed the entries of
// a node whose lease is gone, so the node continues under a new id.
func (f *refresher) keepLease(ctx context.Context) error {
	if f.leased && time.Since(f.renewed) < leaseRenewal {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.atLeast(refreshTimeout))
	defer cancel()
	begun, value := time.Now(), f.started.UnixMilli()
	if f.leased {
		err := f.redis.SetArgs(ctx, f.leaseKey(f.ID()), value, redis.SetArgs{Mode: "XX", TTL: leaseTTL}).Err()
		if !errors.Is(err, redis.Nil) {
			if err == nil {
				f.renewed = begun
			}
			return err
		}
		f.rename()
	}
	id := f.ID()
	pipe := f.redis.Pipeline()
	pipe.Set(ctx, f.leaseKey(id), value, leaseTTL)
	pipe.SAdd(ctx, f.nodesKey(), string(id))
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	f.leased, f.renewed = true, begun
	f.note(leaseTaken)
	return nil
}

// rename gives the node a new id, which has no lease yet.
func (f *refresher) rename() {
	id := f.newID()
	f.mu.Lock()
	before := f.id
	f.id = id
	f.apply(leaseLost)
	f.mu.Unlock()
	f.leased = false
	f.count.renamed.Inc()
	f.log.Logger.Warn("the lease of this node was lost, continuing under a new node id", "before", before, "node_id", id)
	select {
	case f.renamed <- struct{}{}:
	default:
	}
}

// readNodes reads which nodes live. It notices that the own lease is gone, and that
// another Redis server answers.
func (f *refresher) readNodes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.atLeast(refreshTimeout))
	defer cancel()
	known, err := f.redis.SMembers(ctx, f.nodesKey()).Result()
	if err != nil {
		return err
	}
	own := f.ID()
	nodes := f.nodes.candidates(known, own)
	pipe := f.redis.Pipeline()
	leases := make([]*redis.IntCmd, len(nodes))
	for i, node := range nodes {
		leases[i] = pipe.Exists(ctx, f.leaseKey(node))
	}
	var info *redis.StringCmd
	if clusterOf(f.redis) == nil {
		info = pipe.Info(ctx, "server")
	}
	_, _ = pipe.Exec(ctx) // each command has its error; not everyone may use INFO
	alive := make(map[domain.NodeID]bool, len(nodes))
	for i, node := range nodes {
		n, err := leases[i].Result()
		if err != nil {
			return err
		}
		alive[node] = n == 1
	}
	forgotten, died := f.nodes.update(alive, time.Now())
	if !alive[own] {
		f.rename()
	}
	if info != nil && info.Err() == nil {
		f.noteServer(runID(info.Val()))
	}
	if died { // after the grace periods that the same refresh has begun
		f.note(nodeDied)
	}
	if len(forgotten) == 0 {
		return nil
	}
	return f.redis.SRem(ctx, f.nodesKey(), forgotten...).Err()
}

// noteChanges notices that a connection to Redis ended or that there is one to another
// server. A server that was restarted, or that was a replica, may lack sessions.
func (f *refresher) noteChanges() {
	client, ok := f.redis.(*Client)
	if !ok {
		return
	}
	if n := client.changes(); n != f.changes {
		f.changes = n
		f.note(sessionsMissing)
	}
}

// noteServer notices that Redis was restarted or replaced.
func (f *refresher) noteServer(id string) {
	switch f.server {
	case id:
		return
	case "":
		f.note(sessionsMissing)
	default:
		f.note(redisReplaced)
	}
	f.server = id
}

// runID finds the id of a run of a Redis server in its INFO.
func runID(info string) string {
	_, rest, _ := strings.Cut(info, "run_id:")
	id, _, _ := strings.Cut(rest, "\r\n")
	return id
}

// leave removes the node and its sessions from Redis, if that answers.
func (r *Registry) leave(ctx context.Context) {
	r.note(left)
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(leaveTimeout))
	defer cancel()
	id := r.ID()
	pipe := r.redis.Pipeline()
	for _, e := range r.sessions() {
		pipe.HDel(ctx, r.userKey(e.User), string(e.Session))
	}
	pipe.Del(ctx, r.leaseKey(id))
	pipe.SRem(ctx, r.nodesKey(), string(id))
	if _, err := pipe.Exec(ctx); err != nil {
		r.failed("leaving the cluster", err)
	}
}
