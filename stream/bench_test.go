package stream_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
	"im/webhook"
)

// BenchmarkStream measures how fast events that wait are published, by the shape of what
// waits: few conversations with many events, and many with few.
func BenchmarkStream(b *testing.B) {
	for _, shape := range []struct{ conversations, messages int }{{20, 500}, {2000, 4}} {
		n := storetest.Start(b, pgtest.New(b))
		var posting sync.WaitGroup
		for range 20 {
			posting.Go(func() {
				for range shape.conversations / 20 {
					posts(b, n, n.Group(b, "alice", "bob"), 0, shape.messages)
				}
			})
		}
		posting.Wait()
		events := shape.conversations * (shape.messages + 1)
		for name, start := range transports {
			b.Run(fmt.Sprintf("%s/%dx%d", name, shape.conversations, shape.messages+1), func(b *testing.B) {
				for b.Loop() {
					broker := start(b, 0)
					began := time.Now()
					stop := deliver(b, n, broker, func(o *webhook.Options) { o.StreamFrom, o.Pause = &domain.Time{}, 0 })
					eventually.True(b, "all have come", func() bool { return len(broker.got()) >= events })
					b.ReportMetric(float64(events)/time.Since(began).Seconds(), "events/s")
					stop()
					if err := n.DropStream(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
