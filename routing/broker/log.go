package broker

import (
	"context"
	"errors"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill"

	"im/routing/internal/quietlog"
)

// Logger writes Watermill's log to slog. Watermill's errors become warnings, because
// the tail of the log repairs what they cost, and are not repeated within
// quietlog.Pause. Its other lines are for debugging. Its traces, several for each
// message, are dropped.
type Logger struct{ log quietlog.Log }

var _ watermill.LoggerAdapter = Logger{}

// NewLogger returns a Logger that writes to logger.
func NewLogger(logger *slog.Logger) Logger { return Logger{quietlog.New(logger)} }

// Error implements watermill.LoggerAdapter.
func (l Logger) Error(msg string, err error, fields watermill.LogFields) {
	if err != nil {
		err = errors.New(err.Error()) // slog would print the stack trace of the original
	}
	l.log.Warn("watermill: "+msg, append(attributes(fields), "error", err)...)
}

// Info implements watermill.LoggerAdapter.
func (l Logger) Info(msg string, fields watermill.LogFields) { l.Debug(msg, fields) }

// Debug implements watermill.LoggerAdapter.
func (l Logger) Debug(msg string, fields watermill.LogFields) {
	if l.log.Logger.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Logger.Debug("watermill: "+msg, attributes(fields)...)
	}
}

// Trace implements watermill.LoggerAdapter.
func (Logger) Trace(string, watermill.LogFields) {}

// With implements watermill.LoggerAdapter.
func (l Logger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return Logger{l.log.With(attributes(fields)...)}
}

func attributes(fields watermill.LogFields) []any {
	list := make([]any, 0, 2*len(fields)+4)
	for name, value := range fields {
		list = append(list, name, value)
	}
	return list
}
