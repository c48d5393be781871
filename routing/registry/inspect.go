package registry

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

// Inspection is what Inspect finds out about Redis.
type Inspection struct {
	Version  string
	Kind     string // "server", "sentinel" (a server found by Sentinels) or "cluster"
	Servers  []ServerInspection
	Clock    time.Duration   // how far the clock of Redis is ahead of ours
	ClockErr time.Duration   // of Clock, at most
	Nodes    []domain.NodeID // of the cluster, with a lease
	Ended    []domain.NodeID // those that have none any more
}

// ServerInspection is about one server of Redis, or one master of a Redis Cluster.
type ServerInspection struct {
	Address     string
	Eviction    string // maxmemory-policy; "" if Redis does not say
	MaxMemory   string // bytes; "0" is no limit
	Persistence bool   // it writes its data to disk
}

// Inspect reads what Redis is like, and which nodes are registered with the prefix. It
// writes nothing.
func (a *Address) Inspect(ctx context.Context, c *Client, prefix string) (Inspection, error) {
	i := Inspection{Kind: "server"}
	if a.sentinels != nil {
		i.Kind = "sentinel"
	}
	began := time.Now()
	theirs, err := c.Time(ctx).Result()
	if err != nil {
		return i, err
	}
	i.ClockErr = time.Since(began) / 2
	i.Clock = theirs.Sub(began.Add(i.ClockErr))
	if cluster := clusterOf(c.UniversalClient); cluster != nil {
		i.Kind = "cluster"
		found := make(chan ServerInspection, 1000)
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
			s, err := i.server(ctx, master)
			s.Address = master.Options().Addr
			found <- s
			return err
		})
		close(found)
		for s := range found {
			i.Servers = append(i.Servers, s)
		}
		slices.SortFunc(i.Servers, func(a, b ServerInspection) int { return strings.Compare(a.Address, b.Address) })
	} else {
		var s ServerInspection
		s, err = i.server(ctx, c.UniversalClient)
		i.Servers = append(i.Servers, s)
	}
	if err != nil {
		return i, err
	}
	return i, i.readNodes(ctx, c, prefix)
}

// server reads INFO. A user of Redis who may not run it gets a zero inspection.
func (i *Inspection) server(ctx context.Context, server redis.Cmdable) (s ServerInspection, err error) {
	info, err := server.Info(ctx).Result()
	if isAnswer(err) {
		return s, nil
	}
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	if i.Kind != "cluster" {
		i.Version = fields["redis_version"]
	}
	s.Eviction, s.MaxMemory = fields["maxmemory_policy"], fields["maxmemory"]
	save, saveErr := server.ConfigGet(ctx, "save").Result() // INFO does not say
	s.Persistence = fields["aof_enabled"] == "1" || saveErr == nil && save["save"] != ""
	return s, err
}

func (i *Inspection) readNodes(ctx context.Context, c *Client, prefix string) error {
	r := &Registry{redis: c, prefix: prefix}
	scan := statsScan{registry: r, nodes: map[domain.NodeID]*domain.NodeStats{}}
	if err := scan.readNodes(ctx); err != nil {
		return err
	}
	known, err := r.redis.SMembers(ctx, r.nodesKey()).Result()
	if err != nil {
		return err
	}
	slices.Sort(known)
	for _, name := range known {
		if id := domain.NodeID(name); scan.nodes[id] != nil {
			i.Nodes = append(i.Nodes, id)
		} else {
			i.Ended = append(i.Ended, id)
		}
	}
	return nil
}
