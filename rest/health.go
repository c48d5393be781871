package rest

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// checkTimeout is how long one dependency may take to answer.
const checkTimeout = 2 * time.Second

// Check is a dependency that /readyz asks.
type Check struct {
	Name string
	// Ask fails if the dependency does not answer.
	Ask func(context.Context) error
	// Spare means that the node serves without the dependency, though more slowly.
	// The node stays ready: if a load balancer removed all nodes because of a spare
	// dependency, that would be an outage.
	Spare bool
}

// health answers /healthz and /readyz.
type health struct {
	checks   []Check
	draining func() bool
	logger   *slog.Logger
}

// live reports that the process runs, whatever its dependencies do.
func (h health) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// ready reports whether the node should get traffic. The causes go to the log
// only, since they may contain addresses.
func (h health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	errs := make([]error, len(h.checks))
	var running sync.WaitGroup
	for i, c := range h.checks {
		running.Go(func() { errs[i] = c.Ask(ctx) })
	}
	running.Wait()

	answer := struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks"`
	}{"ready", make(map[string]string, len(h.checks))}
	status := http.StatusOK
	for i, c := range h.checks {
		answer.Checks[c.Name] = "ok"
		if errs[i] != nil {
			h.logger.WarnContext(r.Context(), "dependency not ready", "dependency", c.Name, "error", errs[i])
			answer.Checks[c.Name] = "failed"
			if !c.Spare {
				answer.Status, status = "unready", http.StatusServiceUnavailable
			} else if status == http.StatusOK {
				answer.Status = "degraded"
			}
		}
	}
	if h.draining != nil && h.draining() {
		answer.Status, status = "draining", http.StatusServiceUnavailable
	}
	writeJSON(w, status, answer)
}
