package bench

import (
	"context"
	"fmt"
)

func crossCases(o Options) (cases []scenario) {
	size := presets(o)[0]
	for nodes, where := range []string{1: "one node", 2: "across two nodes"} {
		if where == "" {
			continue
		}
		cases = append(cases, scenario{
			label: fmt.Sprintf("%d pairs × %d in flight, %s", size[0], size[1], where), nodes: nodes,
			appends: "acked", against: []string{"acked"},
			run: func(ctx context.Context, r *run) ([]Metric, error) { return runPairs(ctx, r, nodes, size[0], size[1]) },
		})
	}
	return cases
}
