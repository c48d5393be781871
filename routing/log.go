package routing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
)

// logPause is how long the same complaint is not repeated.
const logPause = 10 * time.Second

// watermillLogger brings Watermill's log to slog: what it calls errors are
// warnings here, for the tail repairs whatever they cost, and each kind of them
// is written once in logPause, with the number of those left out. The rest is
// for debugging; traces, a few for every message, are dropped.
type watermillLogger struct {
	logger *slog.Logger
	limit  *repeats // shared by those that With makes
}

var _ watermill.LoggerAdapter = watermillLogger{}

func newWatermillLogger(logger *slog.Logger) watermillLogger {
	return watermillLogger{logger, newRepeats()}
}

// Error implements watermill.LoggerAdapter.
func (l watermillLogger) Error(msg string, err error, fields watermill.LogFields) {
	left, ok := l.limit.allow(msg)
	if !ok {
		return
	}
	if err != nil {
		err = errors.New(err.Error()) // without the stack that it would print
	}
	l.logger.Warn("watermill: "+msg, append(attributes(fields), "error", err, "left_out", left)...)
}

// Info implements watermill.LoggerAdapter.
func (l watermillLogger) Info(msg string, fields watermill.LogFields) { l.Debug(msg, fields) }

// Debug implements watermill.LoggerAdapter.
func (l watermillLogger) Debug(msg string, fields watermill.LogFields) {
	if l.logger.Enabled(context.Background(), slog.LevelDebug) {
		l.logger.Debug("watermill: "+msg, attributes(fields)...)
	}
}

// Trace implements watermill.LoggerAdapter.
func (l watermillLogger) Trace(string, watermill.LogFields) {}

// With implements watermill.LoggerAdapter.
func (l watermillLogger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return watermillLogger{l.logger.With(attributes(fields)...), l.limit}
}

func attributes(fields watermill.LogFields) []any {
	list := make([]any, 0, 2*len(fields)+4)
	for name, value := range fields {
		list = append(list, name, value)
	}
	return list
}

// repeatedLog writes what may go wrong a thousand times a second.
type repeatedLog struct {
	logger *slog.Logger
	limit  *repeats
}

func newRepeatedLog(logger *slog.Logger) *repeatedLog { return &repeatedLog{logger, newRepeats()} }

// warn writes a line, unless the same text was written within logPause.
func (l *repeatedLog) warn(text string, args ...any) {
	if left, ok := l.limit.allow(text); ok {
		l.logger.Warn(text, append(args, "left_out", left)...)
	}
}

// repeats tells which complaints are worth a line. The texts are few: they are
// literals of this program and its libraries.
type repeats struct {
	mu   sync.Mutex
	seen map[string]*repeat
}

type repeat struct {
	last time.Time
	left int
}

func newRepeats() *repeats { return &repeats{seen: make(map[string]*repeat)} }

// allow tells whether to write now, and how many were left out before.
func (r *repeats) allow(text string) (left int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.seen[text]
	if known == nil {
		known = &repeat{}
		r.seen[text] = known
	}
	if now := time.Now(); now.Sub(known.last) >= logPause {
		left, known.left, known.last = known.left, 0, now
		return left, true
	}
	known.left++
	return 0, false
}
