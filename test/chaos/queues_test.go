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

// queues counts the queues of a cluster in RabbitMQ at one time. A queue is live while
// Redis has the lease of its node. Otherwise it is orphaned: its node has ended, or has a
// new name. An orphaned queue expires after a minute, a message in it after half a minute.
type queues struct {
	live, orphaned           float64 // queues; negative: unknown
	liveDepth, orphanedDepth float64 // messages in them
	text                     string  // lists the queues that hold messages or are orphaned
}

// orphanLifetime is how long a queue without consumers exists at most, with a margin.
const orphanLifetime = 90 * time.Second

func (q *queues) String() string { return q.text }

func unknownQueues() queues { return queues{-1, -1, -1, -1, ""} }

// queues counts the queues that exist now.
func (s *scenario) queues(cache *redis.Client) queues {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	leases, err := cache.Keys(ctx, s.prefix+":node:*").Result()
	if err != nil {
		return unknownQueues()
	}
	leased := map[string]bool{}
	for _, key := range leases {
		leased[strings.TrimPrefix(key, s.prefix+":node:")] = true
	}
	out, err := shared.rabbit.command("rabbitmqctl", "-q", "list_queues", "--no-table-headers", "name", "messages", "consumers").Output()
	if err != nil {
		return unknownQueues()
	}
	var all queues
	var lines []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || !strings.HasPrefix(fields[0], s.prefix+".node.") {
			continue
		}
		id := strings.TrimPrefix(fields[0], s.prefix+".node.")
		depth, _ := strconv.ParseFloat(fields[1], 64)
		kind := "of a live node"
		if leased[id] {
			all.live, all.liveDepth = all.live+1, all.liveDepth+depth
		} else {
			all.orphaned, all.orphanedDepth = all.orphaned+1, all.orphanedDepth+depth
			kind = "orphaned"
		}
		if depth > 0 || !leased[id] {
			lines = append(lines, fmt.Sprintf("%s (%s): %.0f messages, %s consumers", id, kind, depth, fields[2]))
		}
	}
	all.text = strings.Join(lines, "; ")
	return all
}

// queueMeasures returns four measures. The first one counts the queues for all four.
func (s *scenario) queueMeasures(cache *redis.Client) []measure {
	var now queues
	return []measure{
		{"queues of live nodes", "", 1, func() float64 {
			now = s.queues(cache)
			if now.text != "" {
				s.t.Log("queues: " + now.text)
			}
			return now.live
		}},
		{"messages in them", "", 20, func() float64 { return now.liveDepth }},
		// After Redis comes back empty, all three nodes have new names.
		{"queues of dead nodes (deleted after a minute)", "", 6, func() float64 { return now.orphaned }},
		// 30 s of up to 60 events a second, for three such queues.
		{"messages in them (expire after 30 s)", "", 3 * 30 * 60, func() float64 { return now.orphanedDepth }},
	}
}

// requireOnlyLiveQueues waits until the orphaned queues have expired and the queues of the
// nodes are empty. No client sends by then.
func (s *scenario) requireOnlyLiveQueues(cache *redis.Client) {
	s.t.Helper()
	var now queues
	require.Eventually(s.t, func() bool {
		now = s.queues(cache)
		return now.orphaned == 0 && now.liveDepth == 0 && now.live == float64(len(s.nodes))
	}, orphanLifetime+waitTimeout, 2*time.Second, "orphaned queues or messages remain: %s", &now)
}
