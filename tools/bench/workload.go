package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// work is one thing to measure, in one or more cases.
type work struct {
	name  string
	help  string
	asked bool // runs only when it is named
	cases func(o Options) []scenario
}

// scenario is one case of a work.
type scenario struct {
	label string
	// nodes of the cluster; 0: the database alone.
	nodes int
	// appends names the metric that a share of the limit can be told of; "" if
	// there is none.
	appends string
	// against names metrics that are told as a ratio to the work's first case.
	against []string
	run     func(ctx context.Context, r *run) ([]Metric, error)
	// close ends what the runs of the case share; nil: nothing.
	close func() error
}

// works are all, in the order in which they run: the limit comes first, for the
// others to be told as a share of it.
func works() []work {
	return []work{
		{name: "limit", help: "PostgreSQL alone with this schema: appends with 1, 64, 256, 1024 and 1600 in flight", cases: limitCases},
		{name: "direct", help: "pairs that write to one another", cases: directCases},
		{name: "group", help: "a group of 100, all online, to which one writes", cases: groupCases},
		{name: "cross", help: "pairs across two nodes, beside pairs on one", cases: crossCases},
		{name: "catchup", help: "connecting after 1,000 missed messages", cases: catchupCases},
		{name: "sync", help: "a user of 10,000 conversations", cases: syncCases},
		{name: "idle", help: "5,000 sockets without traffic", cases: idleCases},
		{name: "biggroup", help: "a group of 10,000 on two nodes, 2,000 online: a message to the last of them", asked: true, cases: bigGroupCases},
		{name: "depth", help: "appends and pages of history with 1,000,000 events stored, beside 100,000", asked: true, cases: depthCases},
	}
}

// Names returns the names of all works, with what they measure.
func Names() (names, help []string) {
	for _, w := range works() {
		names, help = append(names, w.name), append(help, w.help)
	}
	return names, help
}

// Check tells whether there are works of those names.
func Check(names []string) error {
	_, err := choose(names)
	return err
}

// choose returns the works of those names, in their own order.
func choose(names []string) ([]work, error) {
	all, _ := Names()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no work %s; there are %s", name, strings.Join(all, ", "))
		}
	}
	var chosen []work
	for _, w := range works() {
		if slices.Contains(names, w.name) || len(names) == 0 && !w.asked {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}
