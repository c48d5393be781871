package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/internal/pg"
)

func TestSpan(t *testing.T) {
	at := func(seconds uint64) domain.FeedPosition {
		w := pg.NewCursor(pg.CursorFeed)
		w.Text("epoch")
		w.Snapshot(pg.Snapshot{Xmin: 1, Xmax: 1})
		w.Number(seconds)
		return domain.FeedPosition(w.String())
	}
	require.Equal(t, time.Minute, Span(at(1000), at(1060)))
}
