package app

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"im/domain"
	"im/internal/edge"
)

// levelBody is the body of /log-level, in requests and answers.
type levelBody struct {
	Level string `json:"level"`
}

// LogLevel returns the handler of /log-level at the admin address. It answers GET with the
// level, and PUT changes it until the node restarts.
func LogLevel(level *slog.LevelVar, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodPut:
			wanted, ok := readLevel(w, r)
			if !ok {
				edge.WriteProblem(w, http.StatusBadRequest, domain.ErrInvalid.WithMessage(`the body must be {"level": "debug"}, or info, warn or error`))
				return
			}
			before := level.Level()
			level.Set(wanted)
			logger.WarnContext(r.Context(), "log level changed", "level", name(wanted), "before", name(before))
		default:
			w.Header().Set("Allow", "GET, HEAD, PUT")
			edge.WriteProblem(w, http.StatusMethodNotAllowed, domain.ErrInvalid.WithMessage("GET or PUT"))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(levelBody{name(level.Level())})
	})
}

func readLevel(w http.ResponseWriter, r *http.Request) (level slog.Level, ok bool) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	decoder.DisallowUnknownFields()
	var body levelBody
	if decoder.Decode(&body) != nil {
		return 0, false
	}
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if name(level) == body.Level {
			return level, true
		}
	}
	return 0, false
}

// name returns a level as the setting has it.
func name(level slog.Level) string { return strings.ToLower(level.String()) }
