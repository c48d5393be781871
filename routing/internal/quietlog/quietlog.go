// Package quietlog writes warnings that may occur a thousand times a second.
package quietlog

import (
	"log/slog"
	"sync"
	"time"
)

// Pause is how long the same text is not written again.
const Pause = 10 * time.Second

// Log writes each text at most once in Pause, with the number of repetitions that
// were left out since then. The texts must be few: it remembers each of them.
type Log struct {
	Logger *slog.Logger // writes every line
	texts  *texts
}

type texts struct {
	mu   sync.Mutex
	seen map[string]*text
}

type text struct {
	written time.Time
	leftOut int
}

// New returns a Log that writes to logger.
func New(logger *slog.Logger) Log {
	return Log{logger, &texts{seen: make(map[string]*text)}}
}

// With returns a Log that adds attributes to each line. It counts repetitions
// together with l.
func (l Log) With(args ...any) Log { return Log{l.Logger.With(args...), l.texts} }

// Warn writes a line, unless the same text was written within Pause.
func (l Log) Warn(text string, args ...any) {
	if leftOut, ok := l.texts.allow(text, time.Now()); ok {
		l.Logger.Warn(text, append(args, "left_out", leftOut)...)
	}
}

// allow reports whether to write the text now, and how often it was left out before.
func (t *texts) allow(content string, now time.Time) (leftOut int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.seen[content]
	if known == nil {
		known = &text{}
		t.seen[content] = known
	}
	if now.Sub(known.written) < Pause {
		known.leftOut++
		return 0, false
	}
	leftOut, known.leftOut, known.written = known.leftOut, 0, now
	return leftOut, true
}
