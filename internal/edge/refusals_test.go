package edge

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRefusals: each kind is logged once in a while, and every refusal at debug.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for level, want := range map[slog.Level]int{slog.LevelInfo: 3, slog.LevelDebug: 13} {
			var log bytes.Buffer
			r := NewRefusals(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})))
			for range 10 {
				r.Log(t.Context(), "a", "refused", "x", 1)
			}
			r.Log(t.Context(), "b", "refused")
			time.Sleep(refusalPause)
			r.Log(t.Context(), "a", "refused")
			require.Contains(t, log.String(), "left_out=9")
			r.Log(t.Context(), "a", "refused")
			require.Equal(t, want, strings.Count(log.String(), "\n"), log.String())
		}
	})
}
