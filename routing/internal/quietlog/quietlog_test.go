package quietlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogLeavesOutRepetitions(t *testing.T) {
	var out bytes.Buffer
	log := New(slog.New(slog.NewTextHandler(&out, nil)))
	for range 3 {
		log.Warn("a")
		log.With("node", 1).Warn("a")
		log.Warn("b")
	}
	require.Equal(t, 1, strings.Count(out.String(), "msg=a"))
	require.Equal(t, 1, strings.Count(out.String(), "msg=b"))
}

func TestTextsCountRepetitions(t *testing.T) {
	texts := New(slog.New(slog.DiscardHandler)).texts
	now := time.Now()
	leftOut, ok := texts.allow("a", now)
	require.True(t, ok)
	require.Zero(t, leftOut)
	for range 3 {
		_, ok = texts.allow("a", now.Add(Pause-1))
		require.False(t, ok)
	}
	leftOut, ok = texts.allow("a", now.Add(Pause))
	require.True(t, ok)
	require.Equal(t, 3, leftOut)
}
