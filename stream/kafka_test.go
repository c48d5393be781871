package stream_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// Kafka refuses batches in which the client has put events of several conversations. No
// event counts as refused for it, because none is too large.
func TestKafkaRefusesBatches(t *testing.T) {
	t.Parallel()
	b := startKafka(t, 100_000)
	p := b.publisher(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const lanes, each = 32, 24
	var running sync.WaitGroup
	errs := make([]error, lanes)
	for lane := range lanes {
		list := make([]domain.StreamMessage, each)
		for i := range list {
			id := domain.ConversationID{byte(lane)}
			list[i] = domain.StreamMessage{
				ID: fmt.Sprintf("%s:%d", id, i+1), ConversationID: id, Kind: domain.Group, Type: domain.MessagePosted, Body: []byte(incompressible(6_000)),
			}
		}
		running.Go(func() {
			most := 1 + lane%2*(each-1)
			for len(list) > 0 && errs[lane] == nil {
				var n int
				n, errs[lane] = p.Publish(ctx, list[:min(most, len(list))])
				list = list[n:]
			}
		})
	}
	running.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		last := map[string]int{}
		for _, r := range b.got() {
			conversation, seq, _ := strings.Cut(r.id, ":")
			n, err := strconv.Atoi(seq)
			require.NoError(t, err)
			last[conversation] = max(last[conversation], n)
		}
		for _, n := range last {
			if n != each {
				return false
			}
		}
		return len(last) == lanes
	}, 30*time.Second, 50*time.Millisecond)
}

// The limit is that of the topic, not that of the client: large events are published between
// small ones, in their order.
func TestKafkaLargeEvents(t *testing.T) {
	t.Parallel()
	b := startKafka(t, 8_000_000)
	p := b.publisher(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	list := make([]domain.StreamMessage, 6)
	for i, size := range []int{10, 1_100_000, 10, 249_000, 251_000, 10} {
		list[i] = domain.StreamMessage{ID: fmt.Sprintf("%s:%d", domain.ConversationID{}, i+1), Kind: domain.Group, Type: domain.MessagePosted, Body: []byte(incompressible(size))}
	}
	n, err := p.Publish(ctx, list)
	require.NoError(t, err)
	require.Equal(t, len(list), n)
	require.Eventually(t, func() bool { return len(b.got()) >= len(list) }, 30*time.Second, 10*time.Millisecond)
	for i, r := range b.got() {
		require.Equal(t, list[i].ID, r.id)
	}
}
