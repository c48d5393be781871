package hub

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/ws"
)

// BenchmarkFanOut pushes one event to all members of a conversation, each with one
// session, and takes it from their queues as their writers would.
func BenchmarkFanOut(b *testing.B) {
	for _, members := range []int{2, 100, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			s := newHarness(b, noTail)
			users := []domain.UserID{"alice"}
			for i := range members - 1 {
				users = append(users, domain.UserID(fmt.Sprint("u", i)))
			}
			id := s.store.NewGroup(users...)
			var queues []*ws.SendQueue
			drain := func(q *ws.SendQueue) {
				for batch := q.Next(); batch != nil; batch = q.Next() {
				}
			}
			for _, user := range users {
				r := newRecorder(user, "d", 1<<20, &s.wg)
				r.s.Queue = ws.NewSendQueue(1<<20, func() {}, func() {})
				require.NoError(b, s.join(r))
				drain(r.s.Queue)
				queues = append(queues, r.s.Queue)
			}
			event := s.store.Post(id, "alice", "c-1")
			b.ReportAllocs()
			for b.Loop() {
				s.push(event)
				for _, q := range queues {
					drain(q)
				}
				event.Seq++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/member")
		})
	}
}
