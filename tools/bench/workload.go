package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// workload is a kind of load, with one or more cases.
type workload struct {
	name     string
	help     string
	explicit bool // runs only if it is named
	cases    func(o Options) []scenario
}

// scenario is one case of a workload.
type scenario struct {
	label string
	// nodes is the size of the cluster. 0 means that only the database is used.
	nodes int
	// appends is the metric that is reported as a share of limit. Empty means none.
	appends string
	// against are the metrics whose ratio to the first case is reported.
	against []string
	// oursIs is the case that this one of a peer is compared with.
	oursIs string
	run    func(ctx context.Context, r *run) ([]Metric, error)
	// close releases what the runs of the case share. It may be nil.
	close func() error
}

// workloads returns all workloads in the order in which they run. The limit comes
// first: the results of others are shares of it.
func workloads() []workload {
	return []workload{
		{name: "limit", help: "PostgreSQL alone with this schema: appends with 1, 64, 256, 1024 and 1600 in flight", cases: limitCases},
		{name: "direct", help: "pairs of users who write to one another", cases: directCases},
		{name: "group", help: "a group of 100 online members, of which one writes", cases: groupCases},
		{name: "cross", help: "pairs across two nodes, compared with pairs on one", cases: crossCases},
		{name: "catchup", help: "catching up with 1,000 missed messages", cases: catchupCases},
		{name: "sync", help: "the sync of a user with 10,000 conversations", cases: syncCases},
		{name: "idle", help: "5,000 sockets without traffic", cases: idleCases},
		{name: "biggroup", help: "a group of 10,000, 2,000 of them online on two nodes: the time until the last one has a message", explicit: true, cases: bigGroupCases},
		{name: "search", help: "how long until a message is found under a flood, and what the search index costs", explicit: true, cases: searchCases},
		{name: "depth", help: "appends and pages of history with 1,000,000 stored events, compared with 100,000", explicit: true, cases: depthCases},
		{name: "compare", help: "direct and group, here and on running servers of other projects", explicit: true, cases: compareCases},
	}
}

// Names returns the names of all workloads and a description of each.
func Names() (names, help []string) {
	for _, w := range workloads() {
		names, help = append(names, w.name), append(help, w.help)
	}
	return names, help
}

// Check returns an error if a name is not that of a workload.
func Check(names []string) error {
	_, err := choose(names)
	return err
}

// choose returns the workloads with these names, in the order of workloads.
func choose(names []string) ([]workload, error) {
	all, _ := Names()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no workload %s; choose from %s", name, strings.Join(all, ", "))
		}
	}
	var chosen []workload
	for _, w := range workloads() {
		if slices.Contains(names, w.name) || len(names) == 0 && !w.explicit {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}
