//go:build !race

// The AMQP client has a data race of its own during an outage (on its field connected),
// which the race detector would report here.

package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/amqptest"
	"im/test/eventually"
	"im/test/proxytest"
	"im/test/redistest"
)

// TestPublishDoesNotHang: a connection that takes no bytes costs one call publishTimeout,
// and other calls nothing. Later messages arrive, in their order.
func TestPublishDoesNotHang(t *testing.T) {
	address, proxy := proxytest.Before(t, amqptest.URL())
	b, err := NewAMQP(address+"?heartbeat=120", redistest.NewPrefix(), testLogger(t)) // so that only the timeout ends a call
	require.NoError(t, err)
	amqptest.DeleteExchange(t, b.topology.all)
	amqptest.DeleteExchange(t, b.topology.nodes)
	a := newReceiver(t, b, "a")
	proxy.Hold()
	begun := time.Now()
	eventually.True(t, "a call hangs, and returns", func() bool { return a.Publish("a", text("held")) != nil })
	require.Less(t, time.Since(begun), 30*time.Second)
	begun = time.Now()
	for range 100 {
		require.Error(t, a.Publish("a", text("refused")))
	}
	require.Less(t, time.Since(begun), 3*time.Second)
	require.Error(t, b.Ready())
	proxy.Mend()
	eventually.NoError(t, "messages are taken again", func() error { return a.Publish("a", text("next")) })
	eventually.NoError(t, "the broker is ready", b.Ready)
	eventually.True(t, "the message arrives", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.payloads) > 0 && a.payloads[len(a.payloads)-1] == "next"
	})
	require.NotContains(t, a.payloads, "refused")
}
