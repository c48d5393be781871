package ws

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/wire"
)

// TestOrigins: the writer gets the origins of exactly the events that it writes.
func TestOrigins(t *testing.T) {
	m := NewMetrics(nil)
	q := NewSendQueue(3*maxWriteBatch, func() {}, func() {})
	q.Measure(m)
	id := domain.NewConversationID(time.Now())
	origins := []*Origin{{Path: PathLocal}, {Path: PathAMQP}, {Path: PathTail}}
	big := wire.Text(append([]byte(`{"type":"event","x":"`), make([]byte, maxWriteBatch-100)...))

	q.Send(wire.Pong("", domain.TimeOf(time.Now())))
	q.PushEvent(id, 1, big, origins[0])
	q.PushEvent(id, 2, big, origins[1])
	q.SendEvent(id, 3, wire.Text([]byte(`{"type":"event"}`))) // one that is not measured
	q.PushEvent(id, 4, wire.Text([]byte(`{"type":"event"}`)), origins[2])
	require.Len(t, q.Next(), 2)
	require.Equal(t, origins[:1], q.Origins())
	batch := q.Next()
	require.Len(t, batch, 3)
	require.Equal(t, origins[1:], q.Origins())
	m.Wrote(batch, q.Origins())
	require.EqualValues(t, 3, testutil.ToFloat64(m.sent["event"]))
	require.Nil(t, q.Next())
	require.Empty(t, q.Origins(), "an idle socket keeps none")
}

// TestMetricsOfASlowReader: what a queue gives up is counted.
func TestMetricsOfASlowReader(t *testing.T) {
	m := NewMetrics(nil)
	q := NewSendQueue(1000, func() {}, func() {})
	q.Measure(m)
	id := domain.NewConversationID(time.Now())
	large := wire.Text(make([]byte, 900))
	q.PushEvent(id, 1, large, &Origin{})
	q.PushEvent(id, 2, large, &Origin{})
	q.PushEvent(id, 3, large, &Origin{})
	require.False(t, q.TrySend(large))
	require.EqualValues(t, 2, testutil.ToFloat64(m.lostEvents))
	require.EqualValues(t, 1, testutil.ToFloat64(m.lostSignal))
	require.Zero(t, testutil.ToFloat64(m.gaps))
	q.Next()
	require.EqualValues(t, 1, testutil.ToFloat64(m.gaps))
	q.Close(wire.CloseDraining)
	require.Equal(t, wire.CloseDraining, q.Code())
}

// BenchmarkWrote is what a write of one event to a socket pays for the metrics.
func BenchmarkWrote(b *testing.B) {
	m := NewMetrics(nil)
	frames := [][]byte{wire.Text([]byte(`{"type":"event","event":{"conversation_id":"x"}}`))}
	origins := []*Origin{{At: time.Now().UnixMicro()}}
	b.ReportAllocs()
	for b.Loop() {
		m.Wrote(frames, origins)
	}
}
