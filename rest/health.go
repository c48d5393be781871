package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"im/domain"
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
	logged   *logged
}

// logged are the checks whose failure is in the log, with its reason. It is logged when
// it begins, ends or gets another reason: load balancers ask often.
type logged struct {
	mu      sync.Mutex
	reasons map[string]string
}

// live reports that the process runs, whatever its dependencies do.
func (h health) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// readiness is the answer of /readyz.
type readiness struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks"`
	// Reasons are why checks failed, where that is known.
	Reasons map[string]string `json:"reasons,omitempty"`
}

// ready reports whether the node should get traffic, and why not. The causes of the
// reasons go to the log only, since they may contain addresses.
func (h health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	errs := make([]error, len(h.checks))
	var running sync.WaitGroup
	for i, c := range h.checks {
		running.Go(func() { errs[i] = c.Ask(ctx) })
	}
	running.Wait()

	answer := readiness{Status: "ready", Checks: make(map[string]string, len(h.checks)), Reasons: map[string]string{}}
	status := http.StatusOK
	for i, c := range h.checks {
		answer.Checks[c.Name] = "ok"
		h.log(r.Context(), c.Name, errs[i])
		if errs[i] != nil {
			answer.Checks[c.Name] = "failed"
			if why, ok := reasonOf(errs[i]); ok {
				answer.Reasons[c.Name] = why
			}
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

// reasonOf returns the message of an error, if its author wrote one for people.
func reasonOf(err error) (string, bool) {
	known, ok := errors.AsType[*domain.Error](err)
	if !ok || known.Message == domain.ErrUnavailable.Message {
		return "", false
	}
	return known.Message, true
}

// log logs the failure of a check, unless it was logged already, and its end.
func (h health) log(ctx context.Context, name string, err error) {
	h.logged.mu.Lock()
	defer h.logged.mu.Unlock()
	before, failed := h.logged.reasons[name]
	switch reason, _ := reasonOf(err); {
	case err == nil && failed:
		delete(h.logged.reasons, name)
		h.logger.InfoContext(ctx, "dependency ready again", "dependency", name)
	case err != nil && (!failed || reason != before):
		h.logged.reasons[name] = reason
		h.logger.WarnContext(ctx, "dependency not ready", "dependency", name, "error", err)
	}
}
