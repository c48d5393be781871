package doctor

import (
	"context"
	"fmt"

	"im/domain"
	"im/routing/registry"
)

// redis examines Redis. It returns the live nodes, those whose lease has ended, and
// whether these are known.
func (d *doctor) redis(ctx context.Context) (live, ended []domain.NodeID, known bool) {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	s := d.o.Node.Services
	address, err := registry.ParseURL(s.RedisURL)
	if err != nil {
		return nil, nil, false // among the problems of the settings
	}
	failed := func(err error) {
		d.add(Finding{
			Area: "redis", Check: "connection and rights", Status: Failure, Saw: oneLine(err),
			Why: "nodes do not start without Redis; while it is away, all nodes get every event and presence is unknown",
			Do:  "correct IM_REDIS_URL, grant the rights that docs/operations.md lists, or start Redis",
		})
	}
	client, err := address.Connect(ctx, s.Prefix)
	if err != nil {
		failed(err)
		return nil, nil, false
	}
	defer func() { _ = client.Close() }()
	i, err := address.Inspect(ctx, client, s.Prefix)
	if err != nil {
		failed(err)
		return nil, nil, false
	}
	kind := map[string]string{"server": "a server", "sentinel": "a server behind Sentinels", "cluster": fmt.Sprintf("a Redis Cluster of %d masters", len(i.Servers))}[i.Kind]
	d.add(Finding{Area: "redis", Check: "connection and rights", Status: OK, Saw: fmt.Sprintf("connected to %s %s; the user may run all commands", kind, i.Version)})
	for _, server := range i.Servers {
		d.redisServer(server)
	}
	d.add(Finding{
		Area: "redis", Check: "nodes", Status: verdict(len(i.Nodes) > 0, Warning), Saw: fmt.Sprintf("%d nodes are registered: %s", len(i.Nodes), names(i.Nodes)),
		Why: "a node that runs and is not registered gets no events over the fast path", Do: "start a node with the same IM_PREFIX and IM_REDIS_URL, or read its log",
	})
	d.setClock("Redis", clock{i.Clock, i.ClockErr})
	return i.Nodes, i.Ended, true
}

func (d *doctor) redisServer(s registry.ServerInspection) {
	where := ""
	if s.Address != "" {
		where = " of " + s.Address
	}
	if s.Eviction == "" {
		d.add(Finding{
			Area: "redis", Check: "eviction policy" + where, Status: Skipped, Saw: "the user may not run INFO",
			Why: "another policy than noeviction removes live sessions", Do: "allow INFO, or check maxmemory-policy yourself",
		})
	} else {
		d.add(Finding{
			Area: "redis", Check: "eviction policy" + where, Status: verdict(s.Eviction == "noeviction", Warning),
			Saw: fmt.Sprintf("maxmemory-policy is %s, maxmemory is %s", s.Eviction, s.MaxMemory),
			Why: "Redis removes sessions and leases of nodes when it is full: users seem offline, and events take the slow path",
			Do:  "CONFIG SET maxmemory-policy noeviction, and give Redis enough memory",
		})
	}
	saw := "it does not write its data to disk"
	if s.Persistence {
		saw = "it writes its data to disk; nodes do not need that, because they register again"
	}
	d.add(Finding{Area: "redis", Check: "persistence" + where, Status: OK, Saw: saw})
}
