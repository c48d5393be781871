package improcess

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutKnownRaces(t *testing.T) {
	t.Parallel()
	const (
		known = `==================
WARNING: DATA RACE
Write at 0x00c0001e3158 by goroutine 217:
  github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp.(*ConnectionWrapper).handleConnectionClose()
      amqp/connection.go:139 +0x21c

Previous read at 0x00c0001e3158 by goroutine 165:
  github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp.(*ConnectionWrapper).IsConnected()
      amqp/connection.go:114 +0x104
==================
`
		other = `==================
WARNING: DATA RACE
Write at 0x00c0001e3158 by goroutine 217:
  im/routing.(*Node).Run()
==================
`
	)
	require.Equal(t, "before\n", withoutKnownRaces("before\n"))
	require.NotContains(t, withoutKnownRaces("before\n"+known+"after\n"), "DATA RACE")
	for _, output := range []string{other, known + other, other + known, "a\n" + known + "b\n" + other + "c\n"} {
		require.Contains(t, withoutKnownRaces(output), "DATA RACE")
		require.Contains(t, withoutKnownRaces(output), "im/routing.(*Node).Run()")
	}
}
