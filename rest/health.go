package rest

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// checkTimeout is how long a dependency may take to say that it is there.
const checkTimeout = 2 * time.Second

// Check asks one dependency whether it is there; an error says that it is not.
type Check struct {
	Name string
	Ask  func(context.Context) error
	// Spare: the node serves without it, if more slowly. A load balancer that
	// took all nodes away with a spare part would make an outage of it.
	Spare bool
}

type health struct {
	checks   []Check
	draining func() bool
	logger   *slog.Logger
}

// live says that the process is there, whatever else is not.
func (h health) live(w http.ResponseWriter) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// ready says whether the node should get traffic. Causes go to the log: they
// may hold addresses.
func (h health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	errs := make([]error, len(h.checks))
	var asked sync.WaitGroup
	for i, c := range h.checks {
		asked.Go(func() { errs[i] = c.Ask(ctx) })
	}
	asked.Wait()

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
