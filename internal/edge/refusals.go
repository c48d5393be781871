package edge

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// refusalPause is how long refusals of the same kind are not logged again at info.
const refusalPause = 10 * time.Second

// Refusals logs requests that were refused by a rule of the node, such as one about
// tokens or origins. The operator has to see why, and clients that repeat a request must
// not fill the log. So each kind is logged at level info at most once in 10 s, with the
// number of those left out, and every refusal at level debug. It may be used
// concurrently.
type Refusals struct {
	logger *slog.Logger

	mu   sync.Mutex
	seen map[string]*refusal // by kind
}

type refusal struct {
	logged  time.Time
	leftOut int
}

// NewRefusals returns a Refusals that writes to logger.
func NewRefusals(logger *slog.Logger) *Refusals {
	return &Refusals{logger: logger, seen: make(map[string]*refusal)}
}

// Log logs one refusal. The kinds must be few and not come from requests: each is
// remembered.
func (r *Refusals) Log(ctx context.Context, kind, message string, args ...any) {
	level := slog.LevelDebug
	if leftOut, due := r.due(kind, time.Now()); due {
		level = slog.LevelInfo
		if leftOut > 0 {
			args = append(args, "left_out", leftOut)
		}
	}
	r.logger.Log(ctx, level, message, args...)
}

// due reports whether a kind is to be logged at info now, and how many of it were left
// out since the last time.
func (r *Refusals) due(kind string, now time.Time) (leftOut int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.seen[kind]
	if known == nil {
		known = &refusal{}
		r.seen[kind] = known
	}
	if now.Sub(known.logged) < refusalPause {
		known.leftOut++
		return 0, false
	}
	leftOut, known.leftOut, known.logged = known.leftOut, 0, now
	return leftOut, true
}
