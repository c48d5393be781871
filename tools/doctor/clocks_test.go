package doctor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClocks(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]Status{
		0: OK, 900 * time.Millisecond: OK, 1200 * time.Millisecond: OK, 2 * time.Second: Warning, -2 * time.Second: Warning, -time.Minute: Failure,
	} {
		d := &doctor{clocks: map[string]clock{"Redis": {ahead, 300 * time.Millisecond}}}
		d.compareClocks()
		require.Len(t, d.findings, 1)
		require.Equal(t, want, d.findings[0].Status, ahead)
	}
}
