package appendlog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// BenchmarkAppend posts to 100 conversations with a number of them in flight.
func BenchmarkAppend(b *testing.B) {
	for _, inFlight := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("in_flight=%d", inFlight), func(b *testing.B) {
			n := storetest.Start(b, pgtest.New(b))
			n.Quiet = true
			var ids []domain.ConversationID
			for range 100 {
				ids = append(ids, n.Group(b, "alice", "bob"))
			}
			content := storetest.Text(strings.Repeat("x", 100))
			slots := make(chan struct{}, inFlight)
			var waiting sync.WaitGroup
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				slots <- struct{}{}
				waiting.Add(1)
				n.Chat.Send(context.Background(), storetest.User("alice"), domain.Post{
					ConversationID: ids[i%len(ids)], ClientMsgID: fmt.Sprint(i), Content: content,
				}, func(_ domain.Sent, err error) {
					if err != nil {
						b.Error(err)
					}
					<-slots
					waiting.Done()
				})
			}
			waiting.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkAppendFunction compares the two functions that append, with one message a call.
// Commits do not wait for the disk, so that the work of the server shows.
func BenchmarkAppendFunction(b *testing.B) {
	url := pgtest.New(b)
	n := storetest.Start(b, url)
	conn := storetest.Connect(b, url)
	_, err := conn.Exec(b.Context(), `SET synchronous_commit = off`)
	require.NoError(b, err)
	var ids []domain.ConversationID
	for range 200 {
		ids = append(ids, n.Group(b, "alice", "bob"))
	}
	for name, sql := range map[string]string{"batch": oneOfBatchSQL, "message": oneMessageSQL} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, err := conn.Exec(b.Context(), sql, uuid.New(), ids[i%len(ids)], 1, "alice", uuid.NewString(), []byte("hash"), `{"content":{"type":"text","text":"Hello"}}`, 0)
				require.NoError(b, err)
			}
		})
	}
}
