package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// queues are what RabbitMQ has for the nodes of a cluster at a moment. One is of a
// node that lives while the node's lease is in Redis. What a node leaves behind
// when it is gone, or goes on under another name, lives for a minute, and each
// message in it for half a minute.
type queues struct {
	live, left           float64 // queues; negative while nobody can tell
	liveDepth, leftDepth float64 // messages in them
	text                 string  // of those that hold any, or were left
}

// leftLives is how long a queue lives that nobody consumes from, with margin.
const leftLives = 90 * time.Second

func (q *queues) String() string { return q.text }

func unknownQueues() queues { return queues{-1, -1, -1, -1, ""} }

// queues looks at all that there is now.
func (s *scenario) queues(cache *redis.Client) queues {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	leases, err := cache.Keys(ctx, s.prefix+":node:*").Result()
	if err != nil {
		return unknownQueues()
	}
	lives := map[string]bool{}
	for _, key := range leases {
		lives[strings.TrimPrefix(key, s.prefix+":node:")] = true
	}
	out, err := shared.rabbit.command("rabbitmqctl", "-q", "list_queues", "--no-table-headers", "name", "messages", "consumers").Output()
	if err != nil {
		return unknownQueues()
	}
	var all queues
	var told []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || !strings.HasPrefix(fields[0], s.prefix+".node.") {
			continue
		}
		id := strings.TrimPrefix(fields[0], s.prefix+".node.")
		depth, _ := strconv.ParseFloat(fields[1], 64)
		kind := "of a live node"
		if lives[id] {
			all.live, all.liveDepth = all.live+1, all.liveDepth+depth
		} else {
			all.left, all.leftDepth = all.left+1, all.leftDepth+depth
			kind = "left"
		}
		if depth > 0 || !lives[id] {
			told = append(told, fmt.Sprintf("%s (%s): %.0f messages, %s consumers", id, kind, depth, fields[2]))
		}
	}
	all.text = strings.Join(told, "; ")
	return all
}

// queueMeasures take one look for all four.
func (s *scenario) queueMeasures(cache *redis.Client) []measure {
	var now queues
	return []measure{
		{"queues of nodes that live", "", 1, func() float64 {
			now = s.queues(cache)
			if now.text != "" {
				s.t.Log("queues: " + now.text)
			}
			return now.live
		}},
		{"messages in them", "", 20, func() float64 { return now.liveDepth }},
		// Redis that comes back empty has all three nodes go on under other names.
		{"queues of nodes that are gone, for a minute", "", 6, func() float64 { return now.left }},
		// 30 s of up to 60 events a second, for each such queue at once.
		{"messages in them, for half a minute", "", 3 * 30 * 60, func() float64 { return now.leftDepth }},
	}
}

// onlyLive waits until what was left is gone by its own time, and nothing waits in
// the queues of the nodes: nobody sends any more.
func (s *scenario) onlyLive(cache *redis.Client) {
	s.t.Helper()
	var now queues
	require.Eventually(s.t, func() bool {
		now = s.queues(cache)
		return now.left == 0 && now.liveDepth == 0 && now.live == float64(len(s.nodes))
	}, leftLives+patience, 2*time.Second, "queues stay behind: %s", &now)
}
