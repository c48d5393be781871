package environments

import (
	"testing"

	"im/test/eventually"
	"im/test/redistest"
)

// TestRedisSentinel: the Sentinels name the master, also after it crashed.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinelSet(t, nil, nil)
	p := startNodePair(t, "IM_REDIS_URL="+set.URL())
	p.requireFastPath()
	set.Servers[0].Kill(t)
	eventually.True(t, "the replica is the master", func() bool { return set.Master(t, 0) == set.Servers[1] })
	p.one.AwaitReady()
	p.two.AwaitReady()
	p.requireFastPath()
	p.requireStats(2)
}

// TestRedisSentinelWithPasswords: the Sentinels and the servers have users of their own,
// with the rights that docs/redis-rabbitmq.md lists.
func TestRedisSentinelWithPasswords(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinelSet(t,
		[]string{"user im on >secret " + ownRights},
		[]string{"user watcher on >other " + sentinelRights})
	redisURL := set.URLOf("im", "secret") + "&sentinel_username=watcher&sentinel_password=other"
	requireDocumented(t, "ACL SETUSER watcher on >secret "+sentinelRights)
	p := startNodePair(t, "IM_REDIS_URL="+redisURL)
	p.requireFastPath()
}

// TestRedisAddressIsNoMaster: an address that cannot be used is refused with the reason.
func TestRedisAddressIsNoMaster(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinelSet(t, nil, nil)
	requireRefused(t, "IM_REDIS_URL", "read-only replica", "IM_REDIS_URL="+set.Servers[1].URL(), "IM_START_TIMEOUT=1s")
	requireRefused(t, "IM_REDIS_URL", "add ?master_name=", "IM_REDIS_URL="+set.Sentinels[0].URL())
}
