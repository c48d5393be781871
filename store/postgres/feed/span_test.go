package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/internal/pg"
)

func TestSpan(t *testing.T) {
	at := func(seconds int64) domain.FeedPosition {
		return newPosition("epoch", pg.Snapshot{Xmin: 1, Xmax: 1}, seconds)
	}
	require.Equal(t, time.Minute, Span(at(1000), at(1060)))
}
